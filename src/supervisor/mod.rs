//! The supervisor: it starts every other actor, keeps the route table that callers
//! choose workers from, repairs workers that die, decides about the calls they
//! leave behind, and shuts the pool down without losing one.

mod actor;
mod answer;
mod host;
pub mod messages;
mod observers;
mod restart;
mod shutdown;
mod slot;
#[cfg(test)]
mod tests;

pub use actor::Supervisor;
pub(crate) use host::{Core, start};
