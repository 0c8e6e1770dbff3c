//! How a stream is run: which parts of its set are read by themselves, in what order their pages are
//! decoded and written, and where a run goes on.

mod stream;
mod unit;
mod writer;

pub(crate) use stream::{Control, Ended, StreamPlan};
pub(crate) use unit::{Since, TimeWindows, Unit};
pub(crate) use writer::{CommitAt, WriteRules};
