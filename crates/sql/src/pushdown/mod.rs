//! What of a query an API is asked for: conditions, lists of keys, orders, fields.

mod condition;
mod keys;
mod request;
mod value;

pub(crate) use condition::{Wanted, condition_of};
pub(crate) use keys::{Keys, keys_of};
pub(crate) use request::{Read, Request};
pub(crate) use value::{scalar_of, value_of as condition_value};
