//! [pure] What a run has found that speaks against its rows.

use serde::{Deserialize, Serialize};

use super::Counts;
use crate::description::WriteMode;

/// What a run has found that speaks against the rows it has read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// Why the first row was set aside that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<String>,
    /// Whether a row was set aside of which is not known which one it is, in a table that has a key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lacks_key: bool,
    /// How many rows had a key that another row of the run has had, as far as that is known: of the first
    /// 200,000 keys since the process began that reads them.
    #[serde(skip_serializing_if = "is_zero")]
    pub twice: u64,
    /// The first total that the API has told of a part of the set, and the last one, if it has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<(u64, u64)>,
    /// Whether a total was less than one before, so that rows may have moved to pages that were read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_shrunk: bool,
}

// The attribute asks for a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Findings {
    /// Whether rows that are there may be among those that the run has not written, though they are
    /// not gone: then it deletes none.
    pub(crate) fn forbid_deletes(&self, mode: WriteMode, counts: &Counts) -> bool {
        match mode {
            WriteMode::Append | WriteMode::Merge => false,
            WriteMode::Replace => self.lacks_key || self.has_shrunk,
            WriteMode::Sync => counts.rejected > 0 || self.has_shrunk,
        }
    }

    /// Adds those of another part of the set.
    pub(crate) fn add(&mut self, other: &Self) {
        self.reject = self.reject.take().or_else(|| other.reject.clone());
        self.lacks_key |= other.lacks_key;
        self.twice += other.twice;
        self.totals = self.totals.or(other.totals);
        self.has_shrunk |= other.has_shrunk;
    }

    /// Compares a total with the one before it. What it means is left out if totals are not relied on.
    pub(crate) fn compare(&mut self, before: Option<u64>, now: Option<u64>, is_relied_on: bool) {
        let (Some(before), Some(now)) = (before, now) else { return };
        if before != now {
            self.totals = Some((self.totals.map_or(before, |(first, _)| first), now));
            self.has_shrunk |= now < before && is_relied_on;
        }
    }

    /// What there is to say of keys and totals, each in one sentence.
    pub(crate) fn remarks(&self, written: u64) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.twice > 0 {
            let keys = written.saturating_sub(self.twice);
            remarks.push(format!(
                "{written} rows have {keys} different keys: a wrong `id`, or rows that have moved from \
                 page to page"
            ));
        }
        if let Some((first, last)) = self.totals {
            let what = match self.has_shrunk || last < first {
                true => "rows may be missing",
                false => "rows may have come twice",
            };
            remarks.push(format!(
                "the total that the API tells has changed from {first} to {last} meanwhile: {what}"
            ));
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_that_gets_less_forbids_to_delete() {
        let mut findings = Findings::default();
        let forbids = |findings: &Findings, mode| findings.forbid_deletes(mode, &Counts::default());
        findings.compare(None, Some(9), true);
        findings.compare(Some(9), Some(9), true);
        assert!(findings.remarks(9).is_empty());
        findings.compare(Some(9), Some(10), true);
        assert!(!forbids(&findings, WriteMode::Sync));
        let said = "the total that the API tells has changed from 9 to 10 meanwhile: rows may have come \
                    twice";
        assert_eq!(findings.remarks(9), [said]);
        let mut estimates = findings.clone();
        estimates.compare(Some(10), Some(8), false);
        assert!(!forbids(&estimates, WriteMode::Sync) && estimates.remarks(9).len() == 1);
        findings.compare(Some(10), Some(8), true);
        for (mode, expected) in [
            (WriteMode::Append, false),
            (WriteMode::Merge, false),
            (WriteMode::Replace, true),
            (WriteMode::Sync, true),
        ] {
            assert_eq!(forbids(&findings, mode), expected, "{mode:?}");
        }
        let said =
            "the total that the API tells has changed from 9 to 8 meanwhile: rows may be missing";
        assert_eq!(findings.remarks(9), [said]);
    }

    #[test]
    fn keys_that_come_twice_are_told() {
        let findings = Findings { twice: 1232, ..Findings::default() };
        let remarks = findings.remarks(1238);
        assert!(remarks.len() == 1 && remarks[0].starts_with("1238 rows have 6 different keys"));
    }
}
