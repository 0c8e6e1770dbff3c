//! How a stream is run: which parts of its set are read by themselves, in what order their pages are
//! decoded and written, and where a run goes on.

use chrono::{SecondsFormat, Utc};

mod begun;
mod buffer;
mod control;
mod gathered;
mod newest;
mod query;
mod stream;
mod unit;
mod warnings;
mod writer;

pub(crate) use begun::Begun;
pub(crate) use control::Control;
pub(crate) use query::QueryPlan;
pub(crate) use stream::{Ended, StreamPlan};
pub(crate) use unit::{Since, SinceToken, Unit};
pub(crate) use warnings::Warnings;
pub(crate) use writer::{CommitAt, OnCommit, WriteRules, Writer};

/// The moment, as states have it.
pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}
