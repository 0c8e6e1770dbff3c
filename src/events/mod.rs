//! What happens inside a pool, told to whoever listens.
//!
//! `event` says what there is to tell, `hub` carries it. Nobody waits for a listener,
//! and where there is none an event is not even made.

mod event;
mod hub;

pub use event::{Attempt, Event, Outcome, RateCause};
pub(crate) use hub::Events;
