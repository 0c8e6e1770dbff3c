//! The outcomes of the calls.

use std::collections::BTreeMap;

use vantage_api_pool::{Error, Response};

use super::server::body;

/// The counts of some calls. Each call that was sent is in one of the other counts, too.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) ok: u64,
    pub(crate) errors: BTreeMap<&'static str, u64>,
    pub(crate) cancelled: u64,
    /// Orders that succeeded.
    pub(crate) ordered: Vec<u64>,
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    /// Counts the response to call `number`, which must be its own.
    pub(crate) fn succeeded(&mut self, number: u64, response: &Response) {
        self.ok += 1;
        if response.text().is_ok_and(|text| text != body(number)) {
            self.wrong.push(format!("call {number} got the answer of another"));
        }
    }

    /// Counts an error of call `number`, expected or not.
    pub(crate) fn failed(&mut self, number: u64, error: &Error, is_expected: bool) {
        *self.errors.entry(error.kind_name()).or_default() += 1;
        if !is_expected {
            self.wrong.push(format!("call {number}: {error}"));
        }
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Whether every call ended exactly once.
    pub(crate) fn is_even(&self) -> bool {
        self.sent == self.ok + self.errors() + self.cancelled
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        self.cancelled += other.cancelled;
        self.ordered.extend(other.ordered);
        self.wrong.extend(other.wrong);
    }
}
