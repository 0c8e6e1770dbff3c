//! Events: what happens inside a pool, for anyone who subscribes.
//!
//! `event` defines the events, `hub` delivers them. The pool never waits for a receiver, and
//! without receivers an event is not even built.

mod event;
mod hub;

pub use event::{Attempt, Event, Outcome, RateCause};
pub(crate) use hub::Events;
