//! The supervisor: it starts every other actor, keeps the route table from which callers choose
//! workers, replaces workers that die or hang, decides what happens to their calls, changes the
//! number of workers, and shuts the pool down without losing a call.

mod actor;
mod answer;
mod death_watch;
mod health;
mod heartbeat;
mod host;
pub mod messages;
#[cfg(feature = "metrics")]
mod metrics;
mod observers;
mod pagers;
mod repair;
mod restart;
mod roles;
mod shutdown;
mod succession;
#[cfg(test)]
mod tests;
mod threads;
mod worker_handle;
mod workers;

pub use actor::Supervisor;
pub(crate) use host::{Core, start};
