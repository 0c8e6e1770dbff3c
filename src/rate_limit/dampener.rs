//! The dampener: finds the rate that an API tolerates from its refusals alone.
//!
//! It is the adaptive limiter of the AWS SDKs: CUBIC (RFC 9438) applied to the rate instead of a
//! window. A refusal cuts the rate to 0.7 of what was sent. From there it returns to the old rate
//! along a cubic curve, stays near it, and then probes for more, slowly at first. It is off until
//! the first refusal, and it never allows more than twice the rate that is sent, so it cannot grow
//! without limit while demand is low. Has no clock of its own.
//!
//! It differs from that model in five ways, each because the simulation next to it did better:
//!
//! - The rate is measured by requests that are not refused. If the first refusal comes before
//!   there is a measurement, the requests accepted so far count as a second's worth.
//! - Requests that were in flight when the rate was cut do not cut it again. Otherwise many
//!   callers that hit the limit at once would cut the rate many times over.
//! - The curve stays a little below the refused rate, by the noise of its measurement, and
//!   continues in a straight line for a while before it bends up: fewer requests are refused.
//! - A cut discards saved permits. Otherwise a client that used less than its rate would go on
//!   as before with them, be refused again, and be cut many times over.
//! - A retry waits for its turn like any request, and its cost is taken from saved permits. If it
//!   waited for them, a low limit would not be fully used.
//!
//! Some APIs refuse with a 503, which may also mean that they are down. It counts as a refusal if
//! it comes quickly and often while other requests succeed, see [`Dampener::is_often`].

use std::time::{Duration, Instant};

/// How fast the curve bends, in requests per second cubed.
const SCALE: f64 = 0.4;
/// The factor by which a refusal cuts the rate.
const BETA: f64 = 0.7;
/// The weight of the last bucket in the measured rate.
const SMOOTHING: f64 = 0.8;
/// The time over which requests are counted.
const BUCKET: Duration = Duration::from_millis(500);
/// The new rate is at most this many times the measured one.
const MOST_GROWTH: f64 = 2.0;
/// The lowest rate, in requests per second.
const FLOOR: f64 = 0.5;
/// How far below the refused rate the curve stays, times the square root of the rate.
const NOISE: f64 = 0.25;
/// After that, the rate grows by this part of itself each second…
const PROBE: f64 = 0.02;
/// … for this many seconds, and from then on along the curve again.
const PROBE_SECONDS: f64 = 2.5;

/// From this number on within [`BUSY_TIME`], responses that may be refusals count as refusals.
const BUSY_OFTEN: u32 = 3;
/// The time over which they are counted, and within which a refusal must come.
const BUSY_TIME: Duration = Duration::from_secs(1);

/// Whether a response says that there are too many requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slower {
    #[default]
    No,
    /// Only if it comes often while other requests succeed.
    IfOften,
    Yes,
}

/// Measures the rate of requests that are not refused, by their responses.
#[derive(Clone, Debug)]
struct Meter {
    /// Requests accepted since `since`.
    count: u32,
    since: Instant,
    rate: f64,
}

impl Meter {
    fn count(&mut self, is_borne: bool, now: Instant) {
        self.count = self.count.saturating_add(u32::from(is_borne));
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= BUCKET {
            let rate = f64::from(self.count) / elapsed.as_secs_f64();
            self.rate = rate * SMOOTHING + self.rate * (1.0 - SMOOTHING);
            (self.count, self.since) = (0, now);
        }
    }

    /// At least the current count, as if it were a whole second's.
    fn borne(&self) -> f64 {
        self.rate.max(self.count.into())
    }
}

/// The course of the rate after a cut.
#[derive(Clone, Copy, Debug)]
struct Curve {
    cut_at: Instant,
    /// Requests sent before then are no longer in flight.
    cleared_at: Instant,
    /// The rate that the curve stays near.
    plateau: f64,
    /// After how many seconds the curve reaches it.
    back: f64,
}

impl Curve {
    /// From `peak`, at which a request sent at `sent_at` was refused.
    fn new(peak: f64, sent_at: Instant, now: Instant) -> Self {
        let plateau = peak - NOISE * peak.sqrt();
        let back = ((plateau - BETA * peak) / SCALE).cbrt();
        let way = now.saturating_duration_since(sent_at);
        Self { cut_at: now, cleared_at: now + way, plateau, back }
    }

    fn rate(&self, now: Instant) -> f64 {
        let past = now.saturating_duration_since(self.cut_at).as_secs_f64() - self.back;
        let growth = SCALE * past.powi(3);
        if past <= 0.0 {
            return self.plateau + growth;
        }
        let later = SCALE * (past - PROBE_SECONDS).max(0.0).powi(3);
        self.plateau + growth.min(PROBE * self.plateau * past) + later
    }
}

/// The rate that the API seems to tolerate.
#[derive(Clone, Debug)]
pub(crate) struct Dampener {
    meter: Meter,
    /// The number of responses that may be refusals, and since when they are counted.
    busy: (u32, Instant),
    /// `None` until the first refusal.
    curve: Option<Curve>,
    rate: f64,
}

impl Dampener {
    pub(crate) fn new(now: Instant) -> Self {
        let meter = Meter { count: 0, since: now, rate: 0.0 };
        Self { meter, busy: (0, now), curve: None, rate: f64::INFINITY }
    }

    /// The most requests per second; infinite until the first refusal.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// Records a response that is either a refusal or a sign of an API that is down, since both
    /// have the same status. An API that refuses does so within a second, still serves at least
    /// one request per second, and refuses three times in a second or has refused before. Returns
    /// whether the refusals come that often.
    fn is_often(&mut self, now: Instant) -> bool {
        let (count, since) = &mut self.busy;
        if now.saturating_duration_since(*since) >= BUSY_TIME {
            (*count, *since) = (0, now);
        }
        *count += 1;
        *count >= BUSY_OFTEN
    }

    /// Records the end of a request sent at `sent_at`, and whether the API said that there are too
    /// many. Returns whether that cut the rate.
    pub(crate) fn ended(&mut self, slower: Slower, sent_at: Instant, now: Instant) -> bool {
        let is_refusal = match slower {
            Slower::No => false,
            Slower::IfOften => {
                let is_often = self.is_often(now) || self.curve.is_some();
                let is_prompt = now.saturating_duration_since(sent_at) < BUSY_TIME;
                is_often && is_prompt && self.meter.borne() >= 1.0
            }
            Slower::Yes => true,
        };
        self.meter.count(slower == Slower::No, now);
        let is_cut = is_refusal && self.curve.is_none_or(|curve| sent_at > curve.cleared_at);
        if is_cut {
            let peak = self.meter.borne().min(self.rate).max(FLOOR);
            self.curve = Some(Curve::new(peak, sent_at, now));
        }
        if let Some(curve) = self.curve {
            let most = MOST_GROWTH * self.meter.borne();
            self.rate = curve.rate(now).min(most).max(FLOOR);
        }
        is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Responses at a steady `rate` for some seconds, none of them a refusal.
    fn steady(dampener: &mut Dampener, from: Instant, rate: u32, seconds: u32) -> Instant {
        let gap = Duration::from_secs(1) / rate;
        let mut now = from;
        for _ in 0..rate * seconds {
            now += gap;
            dampener.ended(Slower::No, now - gap, now);
        }
        now
    }

    fn refuse(dampener: &mut Dampener, now: Instant) {
        dampener.ended(Slower::Yes, now - Duration::from_millis(20), now);
    }

    #[test]
    fn it_is_off_until_the_first_refusal() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        let now = steady(&mut dampener, start, 1_000, 60);
        assert_eq!(dampener.rate(), f64::INFINITY);
        refuse(&mut dampener, now);
        assert!((650.0..=750.0).contains(&dampener.rate()), "{}", dampener.rate());
    }

    #[test]
    fn it_goes_back_lingers_and_tries_for_more() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        let now = steady(&mut dampener, start, 100, 10);
        refuse(&mut dampener, now);
        // The cubic curve is back after (30 / 0.4)^(1/3) = 4.2 s, less for the noise.
        let now = steady(&mut dampener, now, 100, 4);
        assert!((95.0..=100.0).contains(&dampener.rate()), "{}", dampener.rate());
        let now = steady(&mut dampener, now, 100, 2);
        assert!((98.0..=103.0).contains(&dampener.rate()), "{}", dampener.rate());
        steady(&mut dampener, now, 100, 8);
        assert!(dampener.rate() > 150.0, "{}", dampener.rate());
    }

    #[test]
    fn what_was_under_way_when_the_rate_was_cut_does_not_cut_it_again() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        let now = steady(&mut dampener, start, 100, 10);
        refuse(&mut dampener, now);
        let cut = dampener.rate();
        for millis in 1..20 {
            dampener.ended(Slower::Yes, now, now + Duration::from_millis(millis));
        }
        assert!(dampener.rate() >= cut, "{}", dampener.rate());
        let later = now + Duration::from_millis(60);
        dampener.ended(Slower::Yes, now + Duration::from_millis(30), later);
        assert!(dampener.rate() < 0.8 * cut, "{}", dampener.rate());
    }

    #[test]
    fn it_allows_at_most_twice_of_what_is_sent_and_never_less_than_the_floor() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        let now = steady(&mut dampener, start, 100, 10);
        refuse(&mut dampener, now);
        let mut now = steady(&mut dampener, now, 3, 60);
        assert!(dampener.rate() <= 6.5, "{}", dampener.rate());
        for _ in 0..100 {
            now += Duration::from_secs(10);
            refuse(&mut dampener, now);
        }
        assert_eq!(dampener.rate(), FLOOR);
    }

    #[test]
    fn the_first_refusal_finds_what_was_borne_until_then() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        for _ in 0..20 {
            dampener.ended(Slower::No, start, start);
        }
        for _ in 0..44 {
            dampener.ended(Slower::Yes, start, start + Duration::from_millis(40));
        }
        assert!((13.0..=15.0).contains(&dampener.rate()), "{}", dampener.rate());
    }

    #[test]
    fn what_is_refused_is_no_measure() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        let mut now = start;
        // One of five is accepted.
        for n in 0..500 {
            now += Duration::from_millis(10);
            let slower = if n % 5 > 0 { Slower::Yes } else { Slower::No };
            dampener.ended(slower, now - Duration::from_millis(5), now);
        }
        assert!(dampener.rate() <= 41.0, "{}", dampener.rate());
    }

    #[test]
    fn a_refusal_before_anything_was_measured_is_no_end() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        dampener.ended(Slower::Yes, start, start);
        assert_eq!(dampener.rate(), FLOOR);
        steady(&mut dampener, start, 10, 5);
        assert!(dampener.rate() > 5.0, "{}", dampener.rate());
    }

    /// The rate after two seconds of responses, one every 10 ms; those not `served` are 503s.
    fn busy(dampener: &mut Dampener, from: Instant, served: impl Fn(u32) -> bool) -> f64 {
        let mut now = from;
        for n in 0..200 {
            now += Duration::from_millis(10);
            let slower = if served(n) { Slower::No } else { Slower::IfOften };
            dampener.ended(slower, now - Duration::from_millis(5), now);
        }
        dampener.rate()
    }

    #[test]
    fn a_503_is_a_refusal_where_it_is_prompt_and_frequent_and_others_are_served() {
        let start = Instant::now();
        let rate = busy(&mut Dampener::new(start), start, |n| n % 4 == 0);
        assert!(rate < 30.0, "{rate}");
        // Now and then one of many.
        let rate = busy(&mut Dampener::new(start), start, |n| n % 60 > 0);
        assert_eq!(rate, f64::INFINITY);
        // Nothing is served: it is down.
        let rate = busy(&mut Dampener::new(start), start, |_| false);
        assert_eq!(rate, f64::INFINITY);
        // It takes its time.
        let mut dampener = Dampener::new(start);
        let mut now = start;
        for n in 0..200 {
            now += Duration::from_millis(10);
            let slower = if n % 4 == 0 { Slower::No } else { Slower::IfOften };
            dampener.ended(slower, now - Duration::from_secs(2), now);
        }
        assert_eq!(dampener.rate(), f64::INFINITY);
    }

    #[test]
    fn an_api_that_goes_down_by_503_keeps_most_of_its_rate() {
        let start = Instant::now();
        let mut dampener = Dampener::new(start);
        let now = steady(&mut dampener, start, 100, 10);
        busy(&mut dampener, now, |_| false);
        let now = now + Duration::from_secs(2);
        let now = steady(&mut dampener, now, 40, 10);
        steady(&mut dampener, now, 90, 10);
        assert!(dampener.rate() >= 90.0, "{}", dampener.rate());
    }
}
