//! [pure] What the answers of an API show: `discovery` says what to ask next, and everything else
//! is a decision on what came.

mod body;
mod candidates;
mod discovery;
mod error;
mod evidence;
mod graphql;
mod graphs;
mod http;
mod limits;
mod link;
mod next;
mod page;
mod proof;
mod prove;
mod reasons;
mod refine;
mod rows;
mod settings;
mod size;
mod stages;
#[cfg(test)]
mod tests;

pub use discovery::{Discovery, Step};
pub use error::DiscoverError;
pub use http::{Request, Response};
pub use settings::Settings;
