//! Permits to send: how many requests may be in flight at a time, and which permit a call holds on
//! its worker. Knows nothing of workers, calls and requests.

mod acquire;
mod arrivals;
mod in_flight;
mod priority_queue;
mod semaphore;

pub use acquire::{Acquire, Permit};
pub(crate) use in_flight::{InFlight, Stage};
pub use priority_queue::{Queue, QueuePosition};
pub use semaphore::Semaphore;
