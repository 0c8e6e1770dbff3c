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
mod observers;
mod pagers;
#[cfg(feature = "metrics")]
mod publish_metrics;
mod restart_backoff;
mod role_restart;
mod roles;
mod shutdown;
#[cfg(test)]
mod tests;
mod threads;
mod worker_handle;
mod worker_restart;
mod workers;

pub use actor::Supervisor;
pub(crate) use host::{Core, start};
