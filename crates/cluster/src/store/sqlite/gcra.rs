//! [pure] What a budget grants: the generic cell rate algorithm, at a rate that is learned from refusals.
//! Has no clock: each moment is passed in, in whole microseconds since 1970.
//!
//! PostgreSQL has the same as functions, `_apipool_rate`, `_apipool_count`, `_apipool_cut` and
//! `_apipool_grant`.

use std::time::Duration;

use crate::store::Grant;

/// The lowest rate that is learned, and that a quota may tell, in requests per second.
const LEAST: f64 = 0.5;
const LEAST_TOLD: f64 = 0.1;

/// For how long a block of permits lasts, in seconds.
const BLOCK: f64 = 0.08;

/// A budget. All rates are in requests per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bucket {
    /// The configured limit.
    pub(super) most: Option<f64>,
    /// The moment up to which permits are granted.
    pub(super) granted: i64,
    /// The rate at which the API last refused, and when the curve begins.
    pub(super) peak: Option<f64>,
    pub(super) cut: Option<i64>,
    /// What a quota tells, and until when.
    pub(super) told: Option<f64>,
    pub(super) told_until: Option<i64>,
    /// What all processes have sent that was not refused.
    pub(super) measured: Option<f64>,
    /// How many requests were not refused since a moment.
    pub(super) counted: i64,
    pub(super) counted_since: i64,
}

impl Bucket {
    /// The lowest of the limit, of what headers tell, and of a curve: from 0.85 of the rate at the last
    /// refusal it is back there after some three seconds, grows in a straight line for four, and bends up
    /// then. So a limit that lies where the last one was costs one request in some hundreds.
    fn rate(&self, now: i64) -> Option<f64> {
        let told = self.told.filter(|_| self.told_until.is_some_and(|until| until > now));
        let curve = self.peak.map(|peak| {
            let since = self.cut.map_or(1e3, |cut| seconds(now - cut).min(1e3));
            let past = since - back_after(peak);
            let bent = bend(peak) * past.powi(3);
            let more = match past <= 0.0 {
                true => bent,
                false => bent.min(0.015 * peak * past) + 0.4 * (past - 4.0).max(0.0).powi(3),
            };
            (peak + more).max(LEAST)
        });
        [self.most, told, curve].into_iter().flatten().reduce(f64::min)
    }

    /// Counts requests that were not refused. Nothing is known of the rate after a while in which nothing
    /// was sent.
    fn count(&mut self, now: i64, accepted: u32) {
        let elapsed = seconds(now - self.counted_since);
        self.counted = self.counted.saturating_add(accepted.into());
        // A clock that was set back would count for ever.
        if (0.0..=1.0).contains(&elapsed) {
            return;
        }
        let is_recent = (0.0..5.0).contains(&elapsed);
        self.measured = is_recent.then(|| self.counted as f64 / elapsed);
        self.counted = if is_recent { 0 } else { accepted.into() };
        self.counted_since = now;
    }

    /// Cuts the rate, unless the request that was refused was sent before the last cut, or shortly after
    /// it. The limit is at most a tenth above what is not refused. As long as that is not measured, what
    /// was sent by now is all that is known, and the curve begins where it bends up.
    pub(super) fn cut(&mut self, now: i64, accepted: u32, age: Duration) {
        self.count(now, accepted);
        let age = age.as_secs_f64().max(0.5);
        if self.cut.is_some_and(|cut| seconds(now - cut) < age) {
            return;
        }
        let elapsed = seconds(now - self.counted_since).max(1.0);
        let sent = (self.counted as f64 / elapsed).max(self.measured.unwrap_or_default());
        let peak = self.rate(now).unwrap_or(f64::INFINITY).min(1.1 * sent).max(1.0);
        let ahead = match self.measured {
            None => 4.0 + back_after(peak),
            Some(_) => 0.0,
        };
        (self.peak, self.cut) = (Some(peak), Some(now - micros(ahead)));
    }

    /// Keeps the rate that a quota leaves, for so long.
    pub(super) fn tell(&mut self, now: i64, rate: f64, time: Duration) {
        self.told = Some(rate.max(LEAST_TOLD));
        self.told_until = Some(now.saturating_add(micros(time.as_secs_f64())));
    }

    /// Some hundredths of a second's worth of permits, from the moment on up to which others have theirs.
    pub(super) fn grant(&mut self, now: i64, accepted: u32) -> Grant {
        self.count(now, accepted);
        let Some(rate) = self.rate(now) else { return Grant::Unlimited };
        let permits = (rate * BLOCK).ceil().clamp(1.0, 1000.0);
        let start = self.granted.max(now);
        self.granted = start.saturating_add(micros(permits / rate));
        let time = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Grant::Permits {
            permits: permits as u32,
            each: time(1.0 / rate),
            wait: time(seconds(start - now)),
        }
    }

    /// Gives back what was granted for so long.
    pub(super) fn give_back(&mut self, time: Duration) {
        self.granted = self.granted.saturating_sub(micros(time.as_secs_f64()));
    }
}

/// How strongly the curve bends.
fn bend(peak: f64) -> f64 {
    (0.004 * peak).min(0.4)
}

/// After how many seconds the rate of the last refusal is reached again.
fn back_after(peak: f64) -> f64 {
    (peak * 0.15 / bend(peak)).cbrt()
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    fn of(grant: Grant) -> (u32, Duration, Duration) {
        match grant {
            Grant::Permits { permits, each, wait } => (permits, each, wait),
            Grant::Unlimited => panic!("it is limited"),
        }
    }

    #[test]
    fn blocks_follow_each_other_and_what_is_given_back_is_granted_again() {
        let mut bucket = Bucket { most: Some(50.0), ..Bucket::default() };
        let (ms, mut granted) = (Duration::from_millis, 0);
        assert_eq!(of(bucket.grant(START, 0)), (4, ms(20), ms(0)));
        assert_eq!(of(bucket.grant(START, 0)), (4, ms(20), ms(80)));
        bucket.give_back(ms(40));
        assert_eq!(of(bucket.grant(START, 0)), (4, ms(20), ms(120)));
        // Whoever asks how often: a second has as many as it may.
        let mut now = START + SECOND;
        while now < START + 11 * SECOND {
            let (permits, _, wait) = of(bucket.grant(now, 0));
            granted += permits;
            now += wait.as_micros() as i64;
        }
        assert!((496..=508).contains(&granted), "{granted}");
        assert_eq!(Bucket::default().grant(START, 0), Grant::Unlimited);
    }

    #[test]
    fn a_refusal_cuts_the_rate_once_and_it_grows_again_in_some_seconds() {
        let mut bucket = Bucket { most: Some(1_000.0), ..Bucket::default() };
        bucket.counted_since = START;
        bucket.count(START + 2 * SECOND, 200);
        assert_eq!(bucket.measured, Some(100.0));
        let now = START + 2 * SECOND;
        bucket.cut(now, 0, Duration::from_millis(10));
        let peak = bucket.peak.unwrap();
        assert!((peak - 110.0).abs() < 1e-6, "{peak}");
        let rate = |bucket: &Bucket, after: f64| bucket.rate(now + micros(after)).unwrap();
        assert!((rate(&bucket, 0.0) / peak - 0.85).abs() < 1e-6);
        let back = back_after(peak);
        assert!((2.5..=3.5).contains(&back), "{back}");
        assert!((rate(&bucket, back) - peak).abs() < 1e-6);
        assert!(rate(&bucket, back + 4.0) < peak * 1.07);
        assert_eq!(rate(&bucket, 900.0), 1_000.0);
        // What was in flight then says nothing new.
        let before = bucket.clone();
        bucket.cut(now + SECOND / 4, 0, Duration::from_millis(10));
        bucket.cut(now + SECOND, 0, Duration::from_secs(2));
        assert_eq!((bucket.peak, bucket.cut), (before.peak, before.cut));
    }

    #[test]
    fn a_quota_holds_for_as_long_as_it_is_told() {
        let mut bucket = Bucket::default();
        bucket.tell(START, 0.0, Duration::from_secs(10));
        assert_eq!(bucket.rate(START + 9 * SECOND), Some(LEAST_TOLD));
        assert_eq!(bucket.rate(START + 10 * SECOND), None);
    }

    #[test]
    fn what_is_sent_is_not_known_after_a_pause_or_when_the_clock_was_set_back() {
        let mut bucket = Bucket { counted_since: START, ..Bucket::default() };
        bucket.count(START + SECOND / 2, 7);
        assert_eq!((bucket.measured, bucket.counted), (None, 7));
        bucket.count(START + 2 * SECOND, 7);
        assert_eq!((bucket.measured, bucket.counted), (Some(7.0), 0));
        bucket.count(START + 10 * SECOND, 3);
        assert_eq!((bucket.measured, bucket.counted), (None, 3));
        bucket.count(START - 10 * SECOND, 3);
        assert_eq!((bucket.measured, bucket.counted_since), (None, START - 10 * SECOND));
    }
}
