//! [pure] What a client asks of a table, from the query of a URL or from a JSON body, checked
//! against the table: columns, operators, values, the page, the order.

mod body;
mod filter;
mod list;
mod pairs;
mod parameters;
mod reading;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use filter::OPERATORS;
pub(crate) use list::{Count, ListQuery, RowQuery, operator_name};
pub(crate) use pairs::pairs;
pub(crate) use parameters::parameters;
pub(crate) use window::Window;
