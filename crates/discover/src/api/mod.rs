//! [pure] What the answers of an API show: `discovery` says what to ask next, and everything else
//! is a decision on what came.

mod answer;
mod candidates;
mod discovery;
mod evidence;
mod graphql;
mod graphs;
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
mod unknown;

pub use answer::{Answer, Ask};
pub use discovery::{Discovery, Step};
pub use settings::Settings;
pub use unknown::Unknown;
