//! Slow start after a hold: one request first, and more as they succeed or as time passes. Knows
//! no requests and has no clock of its own.
//!
//! Otherwise all calls that waited for the end of a hold would leave at the same instant, and an
//! API that had refused too many requests would refuse most of them again. So a window limits how
//! many may be in flight at a time. It begins with one, and each that succeeds makes room for one
//! more, up to half of the window at which requests were refused during the last reopening (the
//! slow start of TCP, RFC 5681 section 3.1). The window also doubles every quarter of a second
//! whatever succeeds, since an API may be slow: two seconds after the hold everyone is let through.

use std::time::{Duration, Instant};

use crate::retry::Refusal;

/// The window doubles in this time, whether or not anything succeeds.
const DOUBLING: Duration = Duration::from_millis(250);
/// After this many doublings there is no window any more.
const MOST_DOUBLINGS: u32 = 8;

/// The reopening of an API after a hold.
#[derive(Clone, Debug)]
pub(super) struct Reopening {
    /// Counts the holds. Requests that left before the last hold are not counted.
    epoch: u64,
    /// When the hold ends, as long as there is a window.
    until: Option<Instant>,
    /// How many may be in flight.
    window: f64,
    /// The size up to which it grows with each success.
    threshold: f64,
    under_way: u32,
}

impl Reopening {
    pub(super) fn new() -> Self {
        Self { epoch: 0, until: None, window: 1.0, threshold: f64::INFINITY, under_way: 0 }
    }

    /// Sets a hold until `until`. Returns whether that extends the hold.
    pub(super) fn hold(&mut self, until: Instant, now: Instant) -> bool {
        if let Some(end) = self.until
            && end <= now
        {
            // Requests were refused during the reopening.
            self.threshold = (self.window_at(end, now) / 2.0).max(1.0);
        }
        let is_longer = self.until.is_none_or(|end| end < until);
        if is_longer {
            self.until = Some(until);
            self.epoch += 1;
            self.window = 1.0;
            self.under_way = 0;
        }
        is_longer
    }

    /// Whether everyone is let through.
    pub(super) fn is_open(&self) -> bool {
        self.until.is_none()
    }

    /// Whether one more would be let through at `now`.
    pub(super) fn check(&self, now: Instant) -> Result<(), Refusal> {
        let Some(until) = self.until else { return Ok(()) };
        if now < until {
            return Err(Refusal::Wait(until - now));
        }
        if f64::from(self.under_way) + 1.0 <= self.window_at(until, now) {
            return Ok(());
        }
        let passed = (now - until).as_nanos() % DOUBLING.as_nanos();
        Err(Refusal::Turn(DOUBLING - Duration::from_nanos_u128(passed)))
    }

    /// Lets one through at `now`, and returns the number of the hold, to be passed back with its
    /// end. `None` without a window: then nothing has to be passed back.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Option<u64>, Refusal> {
        self.check(now)?;
        let Some(until) = self.until else { return Ok(None) };
        if doublings(until, now) >= MOST_DOUBLINGS {
            self.until = None;
            self.threshold = f64::INFINITY;
            return Ok(None);
        }
        self.under_way += 1;
        Ok(Some(self.epoch))
    }

    /// Records the end of a request that was let through after the hold `epoch`, and whether it
    /// succeeded.
    pub(super) fn ended(&mut self, epoch: u64, is_served: bool) {
        if epoch != self.epoch {
            return;
        }
        self.under_way = self.under_way.saturating_sub(1);
        if is_served && self.window < self.threshold {
            self.window += 1.0;
        }
    }

    fn window_at(&self, until: Instant, now: Instant) -> f64 {
        self.window.max(f64::from(1u32 << doublings(until, now)))
    }
}

fn doublings(until: Instant, now: Instant) -> u32 {
    let passed = now.saturating_duration_since(until).as_nanos() / DOUBLING.as_nanos();
    u32::try_from(passed).unwrap_or(MOST_DOUBLINGS).min(MOST_DOUBLINGS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets through as many as possible at `now`.
    fn all(reopening: &mut Reopening, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| reopening.admit(now).ok().flatten()).take(1_000).collect()
    }

    fn held(start: Instant) -> Reopening {
        let mut reopening = Reopening::new();
        reopening.hold(start + SECOND, start);
        reopening
    }

    #[test]
    fn without_a_hold_everyone_is_let_through() {
        let now = Instant::now();
        let mut reopening = Reopening::new();
        assert!(reopening.is_open());
        assert_eq!(reopening.admit(now), Ok(None));
    }

    #[test]
    fn after_a_hold_one_is_let_through_and_each_that_is_served_makes_room_for_another() {
        let start = Instant::now();
        let mut reopening = held(start);
        assert_eq!(reopening.check(start), Err(Refusal::Wait(SECOND)));
        let end = start + SECOND;
        let mut counts = Vec::new();
        for _ in 0..4 {
            let passes = all(&mut reopening, end);
            counts.push(passes.len());
            passes.into_iter().for_each(|pass| reopening.ended(pass, true));
        }
        assert_eq!(counts, [1, 2, 4, 8]);
        let passes = all(&mut reopening, end);
        passes.into_iter().for_each(|pass| reopening.ended(pass, false));
        assert_eq!(all(&mut reopening, end).len(), 16, "one that fails makes no more room");
    }

    #[test]
    fn an_api_that_is_slow_is_open_after_two_seconds() {
        let start = Instant::now();
        let mut reopening = held(start);
        let at = |millis| start + SECOND + Duration::from_millis(millis);
        assert_eq!(all(&mut reopening, at(0)).len(), 1);
        assert_eq!(reopening.check(at(100)), Err(Refusal::Turn(Duration::from_millis(150))));
        assert_eq!(all(&mut reopening, at(250)).len(), 1);
        assert_eq!(all(&mut reopening, at(500)).len(), 2);
        assert_eq!(reopening.admit(at(2_000)), Ok(None));
        assert!(reopening.is_open());
    }

    #[test]
    fn a_refusal_on_the_way_back_makes_the_next_way_slower() {
        let start = Instant::now();
        let mut reopening = held(start);
        let end = start + SECOND;
        for _ in 0..3 {
            let passes = all(&mut reopening, end);
            passes.into_iter().for_each(|pass| reopening.ended(pass, true));
        }
        let late = all(&mut reopening, end);
        assert_eq!(late.len(), 8);
        // All eight are refused, and the first of them reports it.
        reopening.hold(end + SECOND, end);
        reopening.hold(end + SECOND + Duration::from_millis(1), end);
        late.into_iter().for_each(|pass| reopening.ended(pass, true));
        let end = end + SECOND + Duration::from_millis(1);
        let mut counts = Vec::new();
        for _ in 0..5 {
            let passes = all(&mut reopening, end);
            counts.push(passes.len());
            passes.into_iter().for_each(|pass| reopening.ended(pass, true));
        }
        assert_eq!(counts, [1, 2, 4, 4, 4]);
    }

    #[test]
    fn eight_callers_at_a_limit_of_ten_are_seldom_refused() {
        // A bucket of ten that fills with ten per second; responses take 2 ms, and a refusal
        // requests a wait of a second.
        let start = Instant::now();
        let mut reopening = Reopening::new();
        let (mut left, mut filled) = (10.0f64, start);
        let mut ends: Vec<(Instant, Option<u64>, bool)> = Vec::new();
        let (mut served, mut refused) = (0u32, 0u32);
        let mut now = start;
        while served < 200 {
            now += Duration::from_millis(1);
            let over = ends.extract_if(.., |(end, ..)| *end <= now).collect::<Vec<_>>();
            for (_, pass, is_served) in over {
                if let Some(pass) = pass {
                    reopening.ended(pass, is_served);
                }
                if is_served {
                    served += 1;
                } else {
                    refused += 1;
                    reopening.hold(now + SECOND, now);
                }
            }
            while ends.len() < 8 {
                let Ok(pass) = reopening.admit(now) else { break };
                left = (left + 10.0 * (now - filled).as_secs_f64()).min(10.0);
                filled = now;
                let is_served = left >= 1.0;
                left -= f64::from(u8::from(is_served));
                ends.push((now + Duration::from_millis(2), pass, is_served));
            }
        }
        assert!(refused * 4 <= served, "{refused} refused, {served} served");
        let took = now - start;
        assert!(took < 25 * SECOND, "{took:?} instead of 19 s");
    }

    proptest! {
        #[test]
        fn no_more_are_under_way_than_the_window_and_nothing_is_closed_for_ever(
            steps in prop::collection::vec((0..400u64, 0..4u8), 1..200),
        ) {
            let mut now = Instant::now();
            let mut reopening = Reopening::new();
            let mut passes = Vec::new();
            for (millis, step) in steps {
                now += Duration::from_millis(millis);
                match step {
                    0 => drop(reopening.hold(now + SECOND, now)),
                    1 => passes.pop().into_iter().for_each(|pass| reopening.ended(pass, true)),
                    2 => passes.pop().into_iter().for_each(|pass| reopening.ended(pass, false)),
                    _ => passes.extend(reopening.admit(now).ok().flatten()),
                }
                prop_assert!(f64::from(reopening.under_way) <= reopening.window.max(256.0));
            }
            now += 4 * SECOND;
            prop_assert!(reopening.admit(now).is_ok());
            prop_assert!(reopening.is_open());
        }
    }
}
