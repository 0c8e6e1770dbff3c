//! [pure] Jobs, as data.

use std::time::Duration;

use serde::Deserialize;

use super::{for_each::ForEach, forms, sink::SinkDescription, stream::StreamDescription};

/// A job: what is copied, where to, and when.
///
/// | key | value |
/// |---|---|
/// | `sink` | where it writes: a [`SinkDescription`] |
/// | `streams` | what it copies: a list of [`StreamDescription`]s |
/// | `every` | how long after its start it starts again: a number of seconds, or text such as `10m`. Not with `cron` |
/// | `cron` | when it starts, in UTC: `0 */6 * * *`, with a sixth field in front for seconds if wanted |
/// | `on_error` | what becomes of the other streams when one fails: `continue`, the default, or `stop` |
///
/// Without `every` and `cron` it runs once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JobDescription {
    /// Where it writes.
    pub sink: SinkDescription,
    /// What it copies.
    pub streams: Vec<StreamDescription>,
    /// How long after its start it starts again.
    #[serde(default, deserialize_with = "forms::optional_above_zero")]
    pub every: Option<Duration>,
    /// When it starts, in UTC.
    #[serde(default)]
    pub cron: Option<String>,
    /// What becomes of the other streams when one fails.
    #[serde(default)]
    pub on_error: OnError,
}

impl JobDescription {
    /// A job that runs once.
    #[must_use]
    pub fn new(sink: SinkDescription, streams: Vec<StreamDescription>) -> Self {
        Self { sink, streams, every: None, cron: None, on_error: OnError::default() }
    }

    /// What a table is read for wherever its rows are those for which others are read; `None` if some
    /// stream reads it as a whole, or none does at all.
    pub(crate) fn partitions_of(&self, table: &str) -> Option<&ForEach> {
        let of_table = || self.streams.iter().filter(|stream| stream.table == table);
        let is_divided = of_table().all(|stream| stream.for_each.is_some());
        of_table().next().filter(|_| is_divided)?.for_each.as_ref()
    }
}

/// What becomes of the other streams of a job when one fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnError {
    /// They go on.
    #[default]
    Continue,
    /// They commit what they have, and stop.
    Stop,
}
