//! When a job runs again.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use croner::Cron;

use crate::description::JobDescription;

/// When a job runs again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Schedule {
    /// So long after its last start, and at once at first.
    Every(Duration),
    /// At the times of a cron pattern, in UTC.
    Cron(Box<Cron>),
}

impl Schedule {
    /// The schedule of a job; `None` if it runs once.
    #[must_use]
    pub fn of(job: &JobDescription) -> Option<Self> {
        let cron = || Cron::from_str(job.cron.as_deref()?).ok();
        job.every.map(Self::Every).or_else(|| cron().map(|cron| Self::Cron(Box::new(cron))))
    }

    /// Whether the first run waits for its time too.
    #[must_use]
    pub fn waits_first(&self) -> bool {
        matches!(self, Self::Cron(_))
    }

    /// The first start after that one at `last`.
    #[must_use]
    pub fn next(&self, last: DateTime<Utc>) -> DateTime<Utc> {
        let next = match self {
            Self::Every(time) => chrono::TimeDelta::from_std(*time)
                .ok()
                .and_then(|time| last.checked_add_signed(time)),
            Self::Cron(cron) => cron.find_next_occurrence(&last, false).ok(),
        };
        next.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::SinkDescription;

    fn next(every: Option<u64>, cron: Option<&str>) -> Option<String> {
        let mut job = JobDescription::new(SinkDescription::Sqlite("a.db".into()), Vec::new());
        (job.every, job.cron) = (every.map(Duration::from_secs), cron.map(ToOwned::to_owned));
        let last = "2024-02-29T12:34:56Z".parse().unwrap();
        Schedule::of(&job).map(|schedule| schedule.next(last).to_rfc3339())
    }

    #[test]
    fn a_job_runs_again_after_a_time_or_at_times() {
        assert_eq!(next(None, None), None);
        assert_eq!(next(Some(600), None).as_deref(), Some("2024-02-29T12:44:56+00:00"));
        assert_eq!(next(None, Some("0 */6 * * *")).as_deref(), Some("2024-02-29T18:00:00+00:00"));
    }
}
