//! What a run has done, and whether it adds up.

use std::{fmt, ops::RangeInclusive, time::Duration};

use serde::Serialize;

use crate::state::Counts;

/// What a job has done.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The job.
    pub job: String,
    /// Its streams, in the order of the description.
    pub streams: Vec<StreamReport>,
}

/// What a stream has done in one run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StreamReport {
    /// The stream.
    pub stream: String,
    /// The number of the run, from 1.
    pub run: u64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What the run has counted, since it began; also before a restart.
    pub counts: Counts,
    /// What does not add up, and what a reader should know, each in one sentence.
    pub remarks: Vec<String>,
    /// How long it took this time, in seconds when serialized.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// How a run of a stream ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "error", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every row was read and is committed.
    Complete,
    /// It was told to stop, and goes on there when it is run again.
    Stopped,
    /// It goes on where it failed when it is run again; what was read before is committed. If it was
    /// read to its end, and rows were missing, or other than `checks` expects, or not to be asked for, the
    /// next run begins anew.
    Failed(String),
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl Report {
    /// Whether every stream is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.streams.iter().all(|stream| stream.outcome == Outcome::Complete)
    }
}

/// That rows which the next run reads again are not known to be written.
pub(crate) const CUT_BOUNDARY: &str = "more rows than are remembered are read again by the next run, \
                                       which will append some of them twice";

/// What does not add up in the counts of a finished run.
pub(crate) fn remarks(counts: &Counts, discarded: &[String]) -> Vec<String> {
    let mut remarks = Vec::new();
    remarks.extend(unbalanced(counts));
    if counts.repeated > 0 {
        remarks.push(format!("{} had been written before", rows(counts.repeated)));
    }
    if !discarded.is_empty() {
        remarks.push(format!(
            "left out, as the table has no columns for them: {}",
            discarded.join(", ")
        ));
    }
    remarks
}

/// How many rows were set aside, where they are, and why the first of them was.
pub(crate) fn rejected(counts: &Counts, place: &str, first: Option<&str>) -> Option<String> {
    let of = match counts.rejected {
        0 => return None,
        1 => "1 row was set aside".into(),
        all if counts.are_all_rejected() => format!("all {all} rows were set aside"),
        all => format!("{all} rows were set aside"),
    };
    let why = match (counts.rejected, first) {
        (_, None) => String::new(),
        (1, Some(why)) => format!(": {why}"),
        (_, Some(why)) => format!(", the first one because {why}"),
    };
    Some(format!("{of} into {place}{why}"))
}

/// How what the API said differs from what was read, if it does.
pub(crate) fn unbalanced(counts: &Counts) -> Option<String> {
    let declared = counts.declared.filter(|declared| *declared != counts.read)?;
    Some(format!(
        "the API says that it has {}, and {} were read",
        rows(declared),
        rows(counts.read)
    ))
}

/// How many rows were written, if a run must write another number of them.
pub(crate) fn unexpected(counts: &Counts, expected: &RangeInclusive<u64>) -> Option<String> {
    let written = counts.written;
    if expected.contains(&written) {
        return None;
    }
    let expected = match (*expected.start(), *expected.end()) {
        (least, greatest) if least == greatest => least.to_string(),
        (least, u64::MAX) => format!("at least {least}"),
        (_, greatest) => format!("at most {greatest}"),
    };
    Some(format!("{} written, and `checks` expects {expected}", rows(written)))
}

fn rows(number: u64) -> String {
    match number {
        1 => "1 row".into(),
        _ => format!("{number} rows"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.streams.iter().try_for_each(|stream| writeln!(f, "{}: {stream}", self.job))
    }
}

impl fmt::Display for StreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { pages, read, written, .. } = self.counts;
        let took = humantime::format_duration(Duration::from_millis(self.took.as_millis() as u64));
        write!(f, "{}: ", self.stream)?;
        match &self.outcome {
            Outcome::Complete => write!(f, "complete")?,
            Outcome::Stopped => write!(f, "stopped")?,
            Outcome::Failed(error) => write!(f, "FAILED: {error}")?,
        }
        write!(f, "; {} read", rows(read))?;
        // The rows of a query come from none of the stream's own.
        if pages > 0 || read == 0 {
            write!(f, " from {pages} pages")?;
        }
        write!(f, ", {written} written, in {took}")?;
        self.remarks.iter().try_for_each(|remark| write!(f, "; {remark}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_add_up_is_one_sentence() {
        let counts = Counts { declared: Some(10), read: 9, rejected: 1, ..Counts::default() };
        assert_eq!(
            remarks(&counts, &["debug".into()]),
            [
                "the API says that it has 10 rows, and 9 rows were read",
                "left out, as the table has no columns for them: debug",
            ]
        );
        let counts = Counts { declared: Some(9), read: 9, ..counts };
        assert_eq!(unbalanced(&counts), None);
        let counts = Counts { repeated: 2, ..Counts::default() };
        assert_eq!(remarks(&counts, &[]), ["2 rows had been written before"]);
    }

    #[test]
    fn rows_that_were_set_aside_are_told_with_their_place_and_the_first_reason() {
        let counts = |rejected, read| Counts { rejected, read, ..Counts::default() };
        for (counts, first, said) in [
            (counts(0, 9), None, None),
            (
                counts(1, 9),
                Some("it has no key: id"),
                Some("1 row was set aside into `r`: it has no key: id"),
            ),
            (counts(2, 9), None, Some("2 rows were set aside into `r`")),
            (
                counts(9, 9),
                Some("it has no key: id"),
                Some("all 9 rows were set aside into `r`, the first one because it has no key: id"),
            ),
        ] {
            assert_eq!(rejected(&counts, "`r`", first).as_deref(), said);
        }
    }

    #[test]
    fn a_run_writes_as_many_rows_as_are_expected() {
        let counts = Counts { written: 1, ..Counts::default() };
        for (expected, said) in [
            (1..=u64::MAX, None),
            (0..=1, None),
            (2..=u64::MAX, Some("1 row written, and `checks` expects at least 2")),
            (0..=0, Some("1 row written, and `checks` expects 0")),
            (7..=7, Some("1 row written, and `checks` expects 7")),
        ] {
            assert_eq!(unexpected(&counts, &expected).as_deref(), said);
        }
        let counts = Counts { written: 3, ..Counts::default() };
        let said = "3 rows written, and `checks` expects at most 2";
        assert_eq!(unexpected(&counts, &(0..=2)).as_deref(), Some(said));
    }
}
