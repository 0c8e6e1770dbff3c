//! [pure] The bounds of what clients can make long, large or many, as data.

use std::time::Duration;

use serde::Deserialize;

use crate::description::forms;

/// The bounds of what clients can make long, large or many. A bound that is not set is that of the
/// gateway; none can be switched off. Times are durations, sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitsDescription {
    /// How long the head of a request may take; by default 5 s.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub head: Option<Duration>,
    /// How long a body may take as a whole; by default 30 s.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub body_time: Option<Duration>,
    /// How long no byte of a body may arrive; by default 10 s.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub body_idle: Option<Duration>,
    /// How long a request may be worked on; by default 30 s.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub handler: Option<Duration>,
    /// How long a client may read nothing of what was sent; by default 30 s.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub write_stall: Option<Duration>,
    /// How long a connection without a request is kept; by default 75 s.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub keep_alive: Option<Duration>,
    /// The largest body; by default 1 MiB.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub body: Option<usize>,
    /// The largest answer; by default 32 MiB.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub answer: Option<usize>,
    /// The longest URL; by default 8 KiB.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub url: Option<usize>,
    /// How many filters a query may have; by default 50.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub filters: Option<usize>,
    /// How many values a list in a filter may have; by default 500.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub values: Option<usize>,
    /// How deep arrays and objects of a body may be nested; by default 32, at most 100.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub depth: Option<usize>,
    /// How many rows an insert may have; by default 1,000.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub rows: Option<usize>,
    /// How many operations a batch may have; by default 100.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub batch: Option<usize>,
    /// How many connections each thread of the server keeps; by default 12,500.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub connections: Option<usize>,
    /// How many requests are worked on at a time; by default 1,024.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub in_flight: Option<usize>,
    /// How many of them may be of one principal; by default 64.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub in_flight_of_one: Option<usize>,
    /// How many clients may watch the status at a time; by default 16.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub watchers: Option<usize>,
    /// How many failed logins a network may have in a minute; by default 10.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub failed_logins: Option<u32>,
}
