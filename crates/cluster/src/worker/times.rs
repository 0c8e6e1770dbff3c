//! When jobs are due that run again and again.

use chrono::{DateTime, TimeDelta, Utc};
use vantage_api_ingest::schedule::Schedule;

/// How many times that were missed are passed over one by one.
const MOST_MISSED: usize = 10_000;

/// The latest time up to `now` at which a job is due, if that is after `last`: the time at which its
/// last run was due, or since when a worker looks if there was none. It is the same for all workers, so
/// that one of them begins the run. Times that were missed are made up for by one run.
///
/// A job that runs every so often is due at the multiples of that time since 1970, so that it does not
/// matter which machine looks, and since when.
pub(super) fn due(
    schedule: &Schedule,
    last: Option<DateTime<Utc>>,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if let Schedule::Every(time) = schedule {
        let every = i64::try_from(time.as_micros()).ok().filter(|every| *every > 0)?;
        let due = now.timestamp_micros().div_euclid(every).saturating_mul(every);
        let due = DateTime::from_timestamp_micros(due)?;
        return Some(due).filter(|due| last.is_none_or(|last| last < *due));
    }
    let mut due = schedule.next(last.unwrap_or(since));
    if due > now {
        return None;
    }
    for _ in 0..MOST_MISSED {
        let next = schedule.next(due);
        if next > now || next - due < TimeDelta::microseconds(1) {
            break;
        }
        due = next;
    }
    Some(due)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vantage_api_ingest::description::{JobDescription, SinkDescription};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2024-02-29T{text}Z").parse().unwrap()
    }

    fn cron(pattern: &str) -> Schedule {
        let mut job = JobDescription::new(SinkDescription::Sqlite("a.db".into()), Vec::new());
        job.cron = Some(pattern.to_owned());
        Schedule::of(&job).unwrap()
    }

    #[test]
    fn what_runs_every_so_often_is_due_at_the_same_times_for_all() {
        let every = Schedule::Every(Duration::from_secs(600));
        let (since, now) = (at("12:01:00"), at("12:34:56"));
        assert_eq!(due(&every, None, since, now), Some(at("12:30:00")));
        assert_eq!(due(&every, Some(at("12:29:59")), since, now), Some(at("12:30:00")));
        assert_eq!(due(&every, Some(at("12:30:00")), since, now), None);
        // One that was begun by hand.
        assert_eq!(due(&every, Some(at("12:31:00")), since, now), None);
    }

    #[test]
    fn a_pattern_waits_for_its_first_time_and_makes_up_for_missed_ones_once() {
        let hourly = cron("0 * * * *");
        assert_eq!(due(&hourly, None, at("12:01:00"), at("12:34:56")), None);
        assert_eq!(due(&hourly, None, at("11:01:00"), at("12:34:56")), Some(at("12:00:00")));
        let missed = due(&hourly, Some(at("01:00:00")), at("12:01:00"), at("12:34:56"));
        assert_eq!(missed, Some(at("12:00:00")));
        assert_eq!(due(&hourly, Some(at("12:00:00")), at("01:00:00"), at("12:34:56")), None);
    }
}
