//! The right to be on the wire: how many requests have it at a time, and which one
//! a call holds on its worker. Knows nothing of workers, calls and requests.

mod capacity;
mod permits;
mod queue;
mod seat;

pub(crate) use capacity::Capacity;
pub(crate) use permits::{NoPermit, Permit, Permits};
pub(crate) use queue::{Place, Queue};
pub(crate) use seat::{Revoked, Seat, Stage};
