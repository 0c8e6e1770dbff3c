//! Which token serves the next attempt: of the usable tokens the one with the most quota left, in
//! turn if they are equal. Knows neither the tokens themselves nor who needs them; times are passed
//! in.
//!
//! A token is not usable during a hold that the API requested with a 429, when its quota is used
//! up, during the back-off after a failed acquire, and when its own rate limit is reached.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use super::{
    Quota,
    bucket::{Bucket, default_burst},
    learned::RESOLUTION,
};

/// What is known about the slots of a pool.
#[derive(Debug)]
pub(crate) struct Rotation {
    slots: Vec<Slot>,
    /// The slot whose turn it is.
    turn: usize,
    /// Whether all slots are usable and equal: then no slot has to be checked.
    even: bool,
    /// The longest time for which the API's headers are believed.
    longest: Duration,
}

#[derive(Debug, Default)]
struct Slot {
    held_until: Option<Instant>,
    rests_until: Option<Instant>,
    quota: Option<Left>,
    bucket: Option<Bucket>,
}

/// What is left of a token's quota.
#[derive(Clone, Copy, Debug)]
struct Left {
    requests: u64,
    reset_at: Instant,
    valid_until: Instant,
}

impl Rotation {
    /// `slots` slots, at least one, each with a limit of `rate` requests per second, if any.
    /// No hold and no quota is believed for longer than `longest`.
    pub(crate) fn new(
        slots: usize,
        rate: Option<Decimal>,
        longest: Duration,
        now: Instant,
    ) -> Self {
        let bucket = rate.map(|rate| Bucket::new(rate, default_burst(rate), now));
        let slot = || Slot { bucket: bucket.clone(), ..Slot::default() };
        Self {
            slots: (0..slots.max(1)).map(|_| slot()).collect(),
            turn: 0,
            even: rate.is_none(),
            longest,
        }
    }

    /// The slot that serves next, if its token may be sent at `now`, or how long no token may. A
    /// slot in back-off is skipped as long as another one is not.
    fn next(&self, now: Instant) -> Result<usize, Duration> {
        if self.even {
            return Ok(self.turn);
        }
        let count = self.slots.len();
        let in_turn = (0..count).map(|ahead| (self.turn + ahead) % count);
        let awake = in_turn.clone().filter(|&slot| !self.slots[slot].rests(now));
        // The first of those that are equal.
        let best = awake.clone().filter(|&slot| self.slots[slot].wait(now).is_zero()).reduce(
            |best, slot| {
                if self.slots[slot].left(now) > self.slots[best].left(now) { slot } else { best }
            },
        );
        if let Some(slot) = best {
            return Ok(slot);
        }
        match awake.map(|slot| self.slots[slot].wait(now)).min() {
            Some(wait) => Err(wait),
            // All are in back-off: the one that retries soonest.
            None => {
                Ok(in_turn.min_by_key(|&slot| self.slots[slot].rests_until).unwrap_or(self.turn))
            }
        }
    }

    /// Chooses the token for an attempt, or returns how long none may be sent.
    pub(crate) fn serve_next(&mut self, now: Instant) -> Result<usize, Duration> {
        let slot = self.next(now)?;
        self.serves(slot, now);
        Ok(slot)
    }

    /// Chooses the token for an attempt that leaves now: that of `slot`, if one is named.
    pub(crate) fn take(&mut self, slot: Option<usize>, now: Instant) -> usize {
        let slot = slot.or_else(|| self.next(now).ok()).unwrap_or_default();
        self.serves(slot, now);
        slot
    }

    /// Whether the API holds the token of `slot`.
    pub(crate) fn is_held(&self, slot: usize, now: Instant) -> bool {
        let held_until = self.slots.get(slot).and_then(|slot| slot.held_until);
        held_until.is_some_and(|end| end > now)
    }

    /// How long the token of `slot`, or any token for `None`, may not be sent.
    pub(crate) fn wait(&self, slot: Option<usize>, now: Instant) -> Duration {
        match slot {
            Some(slot) => self.slots.get(slot).map_or(Duration::ZERO, |slot| slot.wait(now)),
            None => self.next(now).err().unwrap_or_default(),
        }
    }

    /// The least wait of a caller behind `ahead` others.
    pub(crate) fn ready_in(&self, now: Instant, ahead: u64) -> Duration {
        // However they are spread, one slot has to serve this many before.
        let share = ahead / self.slots.len() as u64;
        let waits = self.slots.iter().map(|slot| {
            let limit = slot.bucket.as_ref().map_or(Duration::ZERO, |b| b.ready_in(now, share));
            limit.max(slot.forbidden(now))
        });
        waits.min().unwrap_or_default()
    }

    /// Records that an attempt with the token of `slot` leaves.
    fn serves(&mut self, slot: usize, now: Instant) {
        self.turn = (slot + 1) % self.slots.len();
        self.even = self.even || self.is_even(now);
        let Some(slot) = self.slots.get_mut(slot) else { return };
        if let Some(bucket) = &mut slot.bucket {
            bucket.take(now, 1);
        }
        if let Some(quota) = &mut slot.quota {
            quota.requests = quota.requests.saturating_sub(1);
        }
    }

    /// Records that an attempt with the token of `slot` did not leave after all.
    pub(crate) fn put_back(&mut self, slot: usize) {
        if let Some(bucket) = self.slots.get_mut(slot).and_then(|slot| slot.bucket.as_mut()) {
            bucket.put_back();
        }
    }

    /// Records that the API accepts no request with the token of `slot` for `wait`. Returns how
    /// long it is held, if that extends an earlier hold.
    pub(crate) fn hold(&mut self, slot: usize, wait: Duration, now: Instant) -> Option<Duration> {
        let wait = wait.min(self.longest);
        self.even = false;
        let slot = self.slots.get_mut(slot)?;
        let until = now.checked_add(wait)?;
        let is_longer = !wait.is_zero() && slot.held_until.is_none_or(|held| held < until);
        is_longer.then(|| {
            slot.held_until = Some(until);
            wait
        })
    }

    /// Records what a response to the token of `slot` said about its quota. Returns how long it
    /// is held because of that.
    pub(crate) fn observe(&mut self, slot: usize, quota: Quota, now: Instant) -> Option<Duration> {
        let reset = quota.reset.max(RESOLUTION);
        let (reset_at, valid_until) = (now + reset, now + reset.min(self.longest));
        self.even = false;
        let known = &mut self.slots.get_mut(slot)?.quota;
        // Within a window the remaining quota only falls, in whatever order the responses arrive,
        // and requests in flight count.
        let before = known.filter(|known| {
            known.valid_until > now
                && known.reset_at <= reset_at + RESOLUTION
                && known.reset_at + RESOLUTION >= reset_at
        });
        let requests = before.map_or(u64::MAX, |before| before.requests).min(quota.remaining);
        let reset_at = before.map_or(reset_at, |before| before.reset_at);
        *known = Some(Left { requests, reset_at, valid_until });
        if quota.remaining == 0 { self.hold(slot, reset, now) } else { None }
    }

    /// Records that nobody should wait for the token of `slot` until then, since there may be none.
    pub(crate) fn rest(&mut self, slot: usize, until: Instant) {
        self.even = false;
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.rests_until = Some(until);
        }
    }

    /// Records that `slot` has a token.
    pub(crate) fn recover(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.rests_until = None;
        }
    }

    /// Whether all slots are usable and equal at `now`.
    fn is_even(&self, now: Instant) -> bool {
        self.slots.iter().all(|slot| {
            slot.bucket.is_none()
                && !slot.rests(now)
                && slot.held_until.is_none_or(|end| end <= now)
                && slot.quota.is_none_or(|quota| quota.valid_until <= now)
        })
    }
}

impl Slot {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|end| end > now)
    }

    /// How much of its quota is left; unknown counts as the most, so that it becomes known.
    fn left(&self, now: Instant) -> u64 {
        let known = self.quota.filter(|quota| quota.valid_until > now);
        known.map_or(u64::MAX, |quota| quota.requests)
    }

    /// How long the API accepts no request with this token.
    fn forbidden(&self, now: Instant) -> Duration {
        let used_up = self.quota.filter(|quota| quota.requests == 0).map(|quota| quota.valid_until);
        let end = self.held_until.max(used_up);
        end.map_or(Duration::ZERO, |end| end.saturating_duration_since(now))
    }

    fn wait(&self, now: Instant) -> Duration {
        let limit = self.bucket.as_ref().map_or(Duration::ZERO, |bucket| bucket.ready_in(now, 0));
        limit.max(self.forbidden(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(300);

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn quota(remaining: u64, reset: u64) -> Quota {
        Quota { remaining, reset: secs(reset), policy: None }
    }

    fn unlimited(slots: usize, now: Instant) -> Rotation {
        Rotation::new(slots, None, LONGEST, now)
    }

    /// The slots that serve, one after the other.
    fn served(rotation: &mut Rotation, attempts: usize, now: Instant) -> Vec<usize> {
        let serve = |_| {
            let slot = rotation.next(now).unwrap();
            rotation.serves(slot, now);
            slot
        };
        (0..attempts).map(serve).collect()
    }

    #[test]
    fn those_that_are_even_serve_in_turn() {
        let now = Instant::now();
        assert_eq!(served(&mut unlimited(3, now), 7, now), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn the_most_quota_goes_first_until_they_are_even() {
        let now = Instant::now();
        let mut rotation = unlimited(3, now);
        for (slot, left) in [(0, 2), (1, 5), (2, 4)] {
            rotation.observe(slot, quota(left, 60), now);
        }
        assert_eq!(served(&mut rotation, 8, now), [1, 2, 1, 2, 1, 2, 0, 1]);
        // An unknown one goes first, so that it becomes known.
        let after = now + secs(61);
        rotation.observe(0, quota(100, 60), after);
        assert_eq!(served(&mut rotation, 4, after), [2, 1, 2, 1]);
    }

    #[test]
    fn a_held_token_is_skipped_and_all_held_ones_are_waited_for() {
        let now = Instant::now();
        let mut rotation = unlimited(2, now);
        assert_eq!(rotation.hold(0, secs(10), now), Some(secs(10)));
        assert_eq!(rotation.hold(0, secs(4), now), None, "a shorter one cuts nothing");
        assert_eq!(served(&mut rotation, 3, now), [1, 1, 1]);
        assert_eq!(rotation.hold(1, secs(3), now), Some(secs(3)));
        assert_eq!(rotation.next(now), Err(secs(3)));
        assert_eq!(rotation.next(now + secs(3)), Ok(1));
        assert_eq!(rotation.next(now + secs(10)), Ok(0));
    }

    #[test]
    fn a_quota_that_is_used_up_holds_its_token_until_the_reset() {
        let now = Instant::now();
        let mut rotation = unlimited(2, now);
        assert_eq!(rotation.observe(0, quota(0, 30), now), Some(secs(30)));
        assert_eq!(served(&mut rotation, 2, now), [1, 1]);
        assert_eq!(rotation.next(now + secs(30)), Ok(0));
        // The pool's own count matters too.
        rotation.observe(1, quota(2, 30), now);
        assert_eq!(served(&mut rotation, 2, now), [1, 1]);
        assert_eq!(rotation.next(now), Err(secs(30)));
    }

    #[test]
    fn within_a_window_the_quota_only_falls_and_a_new_window_fills_it() {
        let now = Instant::now();
        let mut rotation = unlimited(1, now);
        rotation.observe(0, quota(10, 60), now);
        served(&mut rotation, 4, now);
        // Requests sent after the one of this response count.
        rotation.observe(0, quota(9, 60), now + Duration::from_millis(300));
        assert_eq!(rotation.slots[0].left(now), 6);
        rotation.observe(0, quota(3, 59), now + secs(1));
        assert_eq!(rotation.slots[0].left(now), 3);
        rotation.observe(0, quota(100, 60), now + secs(60));
        assert_eq!(rotation.slots[0].left(now + secs(60)), 100);
    }

    #[test]
    fn no_word_of_the_api_counts_for_longer_than_is_allowed() {
        let now = Instant::now();
        let mut rotation = unlimited(2, now);
        assert_eq!(rotation.hold(0, secs(1 << 40), now), Some(LONGEST));
        assert_eq!(rotation.hold(1, Duration::MAX, now), Some(LONGEST));
        assert_eq!(rotation.next(now), Err(LONGEST));
        rotation.observe(0, quota(0, 86_400), now);
        assert_eq!(rotation.next(now + LONGEST), Ok(0));
    }

    #[test]
    fn a_slot_that_rests_serves_only_when_all_rest() {
        let now = Instant::now();
        let mut rotation = unlimited(2, now);
        rotation.rest(0, now + secs(9));
        assert_eq!(served(&mut rotation, 2, now), [1, 1]);
        rotation.rest(1, now + secs(5));
        assert_eq!(rotation.next(now), Ok(1), "it will know first");
        rotation.recover(0);
        assert_eq!(rotation.next(now), Ok(0));
        // A held token is waited for before a token in back-off is used.
        rotation.hold(0, secs(2), now);
        assert_eq!(rotation.next(now), Err(secs(2)));
    }

    #[test]
    fn a_token_that_may_send_at_once_goes_before_one_with_more_quota() {
        let now = Instant::now();
        let mut rotation = Rotation::new(2, Some(Decimal::ONE), LONGEST, now);
        rotation.observe(0, quota(100, 60), now);
        rotation.observe(1, quota(5, 60), now);
        assert_eq!(served(&mut rotation, 2, now), [0, 1]);
        assert_eq!(rotation.next(now), Err(secs(1)));
        assert_eq!(rotation.ready_in(now, 0), secs(1));
        assert_eq!(rotation.ready_in(now, 1), secs(1));
        assert_eq!(rotation.ready_in(now, 2), secs(2));
        assert_eq!(rotation.next(now + secs(1)), Ok(0));
        // An attempt that did not leave is not counted, and is not subtracted twice.
        rotation.put_back(1);
        rotation.put_back(1);
        assert_eq!(served(&mut rotation, 1, now), [1]);
        assert_eq!(rotation.next(now), Err(secs(1)));
    }

    #[test]
    fn it_is_even_again_when_all_has_passed() {
        let now = Instant::now();
        let mut rotation = unlimited(2, now);
        assert!(rotation.is_even(now));
        rotation.hold(0, secs(1), now);
        rotation.observe(1, quota(5, 3), now);
        rotation.rest(1, now + secs(2));
        assert!(!rotation.is_even(now + secs(2)));
        assert!(rotation.is_even(now + secs(3)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Send,
        Hold(usize, u64),
        Quota(usize, u64, u64),
        Rest(usize, u64),
        Recover(usize),
    }

    fn step() -> impl Strategy<Value = (u64, Step)> {
        let slot = 0..4usize;
        let step = prop_oneof![
            6 => Just(Step::Send),
            1 => (slot.clone(), 0..20_000u64).prop_map(|(slot, ms)| Step::Hold(slot, ms)),
            2 => (slot.clone(), 0..9u64, 0..20u64).prop_map(|(s, r, t)| Step::Quota(s, r, t)),
            1 => (slot.clone(), 0..5_000u64).prop_map(|(slot, ms)| Step::Rest(slot, ms)),
            1 => slot.prop_map(Step::Recover),
        ];
        (0..2_000u64, step)
    }

    proptest! {
        #[test]
        fn no_token_leaves_that_is_held_or_beyond_its_rate_and_every_wait_ends(
            steps in prop::collection::vec(step(), 1..200),
            limited: bool,
        ) {
            let start = Instant::now();
            let mut now = start;
            let rate = limited.then(|| Decimal::new(5, 1));
            let mut rotation = Rotation::new(3, rate, LONGEST, now);
            let mut held = [start; 3];
            let mut sent = [const { Vec::new() }; 3];
            for (passed, step) in steps {
                now += Duration::from_millis(passed);
                match step {
                    Step::Send => match rotation.next(now) {
                        Ok(slot) => {
                            let rests = rotation.slots.iter().all(|slot| slot.rests(now));
                            prop_assert!(rests || held[slot] <= now);
                            if rests && limited {
                                continue;
                            }
                            rotation.serves(slot, now);
                            sent[slot].push(now);
                        }
                        Err(wait) => {
                            prop_assert!(wait > Duration::ZERO && wait <= LONGEST);
                            prop_assert!(rotation.next(now + wait).is_ok());
                        }
                    },
                    Step::Hold(slot, ms) => {
                        let wait = Duration::from_millis(ms);
                        if let Some(longer) = rotation.hold(slot, wait, now) {
                            held[slot] = now + longer;
                        }
                    }
                    Step::Quota(slot, remaining, reset) => {
                        let quota = quota(remaining, reset);
                        if let Some(longer) = rotation.observe(slot, quota, now) {
                            held[slot] = now + longer;
                        }
                    }
                    Step::Rest(slot, ms) => rotation.rest(slot, now + Duration::from_millis(ms)),
                    Step::Recover(slot) => rotation.recover(slot),
                }
            }
            if limited {
                for times in &sent {
                    for pair in times.windows(2) {
                        prop_assert!(pair[1] - pair[0] >= secs(2));
                    }
                }
            }
        }
    }
}
