//! The state of the token slots: when one is refreshed, how long a failed one backs off, and which
//! other slot serves calls meanwhile. Knows neither the callbacks nor the actor that runs them;
//! times and randomness are passed in.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};

use super::Token;
use crate::retry::backoff;

/// The longest time before its expiry at which a token is refreshed; otherwise 10 % of its
/// lifetime.
const REFRESH_BEFORE: Duration = Duration::from_secs(240);
/// The longest time before its expiry at which a token is no longer handed out; otherwise half
/// of its lifetime. The refresh starts at least this long, or 10 % of the lifetime, before that.
const MARGIN: Duration = Duration::from_secs(10);
/// A token that would be refreshed sooner than this is refreshed on demand only, so that a very
/// short lifetime does not cause an endless loop of acquires.
const SOONEST_REFRESH: Duration = Duration::from_millis(100);
/// The back-off after the first failure; it doubles with every further one, up to [`LONGEST_REST`].
const REST: Duration = Duration::from_millis(200);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A token with what is needed to report it as refused.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) slot: usize,
    /// Counts the tokens of this slot from 1. A refusal of an older generation
    /// says nothing about the current one.
    pub(crate) generation: u64,
    pub(crate) secret: Arc<SecretString>,
    /// How often the token of this slot had been invalidated when its acquire began.
    pub(crate) epoch: u64,
    /// When it was acquired.
    pub(crate) since: Instant,
    /// `None` for a token that does not expire by time.
    pub(crate) expires_at: Option<Instant>,
    /// The end of its use, [`MARGIN`] before it expires.
    good_until: Option<Instant>,
    /// When a successor is acquired in the background, if ever.
    refresh_at: Option<Instant>,
}

impl Issued {
    /// The secret itself, to put into a request.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Whether the token may still be sent; the holder of a copy checks before each use.
    pub(crate) fn is_good(&self, now: Instant) -> bool {
        self.good_until.is_none_or(|end| now < end)
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("slot", &self.slot)
            .field("generation", &self.generation)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The result for a caller that needs a token of a slot.
#[derive(Clone, Debug)]
pub(crate) enum Availability {
    /// This token is good.
    Use(Issued),
    /// There is none: the caller starts an acquire, and reports its end with
    /// [`TokenSlots::acquired`] or [`TokenSlots::failed`]. Until then the slot is in flight.
    Start,
    /// Another caller's acquire is in flight; its result serves this caller too.
    Wait,
    /// The last acquire failed; none is started for this long.
    Cooling(Duration),
}

/// The token slots of one set.
#[derive(Debug)]
pub(crate) struct TokenSlots(Vec<Slot>);

/// The token of a slot and its acquire are independent: a good token is used while its successor
/// is acquired, or while the slot backs off after a failed acquire.
#[derive(Debug, Default)]
struct Slot {
    token: Option<Issued>,
    /// Whether an acquire is in flight.
    is_in_flight: bool,
    /// If the last acquire failed: the next one must not start before this.
    rests_until: Option<Instant>,
    /// Generations handed out so far.
    generation: u64,
    /// Acquires that failed since the last success.
    failures: u32,
}

impl TokenSlots {
    /// `slots` empty slots, at least one. Their first tokens have generations above `generation`,
    /// so a refusal of that one or of an earlier one says nothing about them.
    pub(crate) fn after(slots: usize, generation: u64) -> Self {
        let slot = || Slot { generation, ..Slot::default() };
        Self((0..slots.max(1)).map(|_| slot()).collect())
    }

    /// The slot that serves a call when it is the turn of `slot`: that one, if it has a good
    /// token or can be expected to get one, and otherwise the next one with a good token. While
    /// there is one, no call waits for an acquire that is in flight or failed last. If every last
    /// acquire failed, the slot that retries soonest.
    pub(crate) fn serving(&self, slot: usize, now: Instant) -> usize {
        let has_good = |slot: &usize| self.has_good(*slot, now);
        let may_get = |slot: &usize| self.0[*slot].failures == 0;
        if has_good(&slot) || may_get(&slot) && !self.is_in_flight(slot) {
            return slot;
        }
        let count = self.0.len();
        let in_turn = (0..count).map(|ahead| (slot + ahead) % count);
        let next = in_turn.clone().find(has_good).or_else(|| in_turn.clone().find(may_get));
        let soonest = || in_turn.min_by_key(|&slot| self.0[slot].rests_until);
        next.or_else(soonest).unwrap_or(slot)
    }

    /// Whether an acquire for `slot` is in flight.
    pub(crate) fn is_in_flight(&self, slot: usize) -> bool {
        self.0[slot].is_in_flight
    }

    /// Whether `slot` has a token that may be handed out.
    pub(crate) fn has_good(&self, slot: usize, now: Instant) -> bool {
        self.0[slot].good(now).is_some()
    }

    /// Whether to retry `slot` now, while another slot serves its calls. If so, it is in flight
    /// from here on: the caller starts its acquire, as for [`Availability::Start`], and nobody waits
    /// for it.
    pub(crate) fn revives(&mut self, slot: usize, now: Instant) -> bool {
        let slot = &mut self.0[slot];
        let revives = slot.good(now).is_none() && slot.rests_until.is_some_and(|end| end <= now);
        if revives {
            slot.start();
        }
        revives
    }

    /// Requests the token of `slot`. `stale_generation` is that of a token which the server
    /// refused: that token is not handed out again, but a newer one is, without another acquire.
    pub(crate) fn request(
        &mut self,
        slot: usize,
        now: Instant,
        stale_generation: Option<u64>,
    ) -> Availability {
        if let Some(generation) = stale_generation {
            self.invalidate(slot, generation);
        }
        let slot = &mut self.0[slot];
        if let Some(issued) = slot.good(now) {
            return Availability::Use(issued.clone());
        }
        match slot.rests_until {
            _ if slot.is_in_flight => Availability::Wait,
            Some(end) if end > now => Availability::Cooling(end - now),
            _ => {
                slot.start();
                Availability::Start
            }
        }
    }

    /// Stores the result of an acquire that began in `epoch`, and serves all who wait for it.
    pub(crate) fn acquired(
        &mut self,
        slot: usize,
        token: Token,
        epoch: u64,
        now: Instant,
    ) -> Issued {
        let number = slot;
        let slot = &mut self.0[number];
        slot.generation += 1;
        (slot.is_in_flight, slot.rests_until, slot.failures) = (false, None, 0);
        // A lifetime beyond the clock's range has no end.
        let life = token.expires_in.and_then(|life| Some((life, now.checked_add(life)?)));
        // All margins are parts of the lifetime, so no instant is before `now`.
        let good_until = life.map(|(life, end)| end - MARGIN.min(life / 2));
        let refresh_at = life.map(|(life, end)| {
            let in_time = end - MARGIN.min(life / 2) - MARGIN.min(life / 10);
            in_time.min(end - REFRESH_BEFORE.min(life / 10))
        });
        let issued = Issued {
            slot: number,
            generation: slot.generation,
            epoch,
            secret: Arc::new(token.secret),
            since: now,
            expires_at: life.map(|(_, end)| end),
            good_until,
            refresh_at: refresh_at.filter(|&at| at - now >= SOONEST_REFRESH),
        };
        slot.token = Some(issued.clone());
        issued
    }

    /// Records that an acquire failed, and returns how long the slot backs off: 0.2 s × 2^k
    /// after k failures before this one, at most 60 s, of which `jitter` in `[0, 1)` picks
    /// 50 % to 100 %.
    pub(crate) fn failed(&mut self, slot: usize, now: Instant, jitter: f64) -> Duration {
        let slot = &mut self.0[slot];
        let longest = backoff::exponential(REST, LONGEST_REST, slot.failures);
        let rest = longest / 2 + backoff::scale(longest / 2, jitter);
        slot.failures = slot.failures.saturating_add(1);
        (slot.is_in_flight, slot.rests_until) = (false, Some(now + rest));
        rest
    }

    /// Forgets the token of `slot` if it still is of `generation`.
    pub(crate) fn invalidate(&mut self, slot: usize, generation: u64) {
        self.0[slot].token.take_if(|issued| issued.generation <= generation);
    }

    /// The slots whose token must be refreshed now. Each is in flight from here on: the caller
    /// starts its acquire, as for [`Availability::Start`].
    pub(crate) fn due_for_refresh(&mut self, now: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        for (number, slot) in self.0.iter_mut().enumerate() {
            if slot.refresh_at().is_some_and(|at| at <= now) {
                slot.start();
                due.push(number);
            }
        }
        due
    }

    /// When [`due_for_refresh`](Self::due_for_refresh) next returns a slot, as far as is known now.
    pub(crate) fn next_refresh(&self) -> Option<Instant> {
        self.0.iter().filter_map(Slot::refresh_at).min()
    }
}

impl Slot {
    fn start(&mut self) {
        (self.is_in_flight, self.rests_until) = (true, None);
    }

    fn good(&self, now: Instant) -> Option<&Issued> {
        self.token.as_ref().filter(|issued| issued.is_good(now))
    }

    fn refresh_at(&self) -> Option<Instant> {
        let at = self.token.as_ref()?.refresh_at?;
        (!self.is_in_flight).then_some(self.rests_until.map_or(at, |end| at.max(end)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    impl TokenSlots {
        fn new(slots: usize) -> Self {
            Self::after(slots, 0)
        }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn token(lifetime: u64) -> Token {
        Token::new("canary").expires_in(secs(lifetime))
    }

    /// Slots, of which the only one got `token` at `now`.
    fn ready(token: Token, now: Instant) -> TokenSlots {
        let mut slots = TokenSlots::new(1);
        assert!(matches!(slots.request(0, now, None), Availability::Start));
        slots.acquired(0, token, 0, now);
        slots
    }

    fn generation(request: &Availability) -> Option<u64> {
        match request {
            Availability::Use(issued) => Some(issued.generation),
            _ => None,
        }
    }

    #[test]
    fn a_thousand_first_calls_start_one_acquire() {
        let now = Instant::now();
        let mut slots = TokenSlots::new(1);
        let starts = (0..1_000)
            .filter(|_| {
                let slot = slots.serving(0, now);
                matches!(slots.request(slot, now, None), Availability::Start)
            })
            .count();
        assert_eq!(starts, 1);
        assert_eq!(slots.acquired(0, "t".into(), 0, now).generation, 1);
    }

    #[test]
    fn a_thousand_refusals_of_the_current_token_start_one_acquire() {
        let now = Instant::now();
        let mut slots = ready("t".into(), now);
        let starts = (0..1_000)
            .filter(|_| matches!(slots.request(0, now, Some(1)), Availability::Start))
            .count();
        assert_eq!(starts, 1);
    }

    #[test]
    fn a_refusal_of_a_token_of_an_earlier_ring_gets_the_current_one() {
        let now = Instant::now();
        let mut slots = TokenSlots::after(2, 7);
        assert!(matches!(slots.request(0, now, Some(7)), Availability::Start));
        assert_eq!(slots.acquired(0, "new".into(), 0, now).generation, 8);
        assert_eq!(generation(&slots.request(0, now, Some(5))), Some(8));
    }

    #[test]
    fn a_late_refusal_of_an_old_token_gets_the_current_one() {
        let now = Instant::now();
        let mut slots = ready("old".into(), now);
        assert!(matches!(slots.request(0, now, Some(1)), Availability::Start));
        slots.acquired(0, "new".into(), 0, now);
        let Availability::Use(issued) = slots.request(0, now, Some(1)) else { panic!("no token") };
        assert_eq!((issued.generation, issued.secret.expose_secret()), (2, "new"));
    }

    #[test]
    fn a_refused_token_is_not_handed_out_again() {
        let now = Instant::now();
        let mut slots = ready("t".into(), now);
        slots.invalidate(0, 0);
        assert_eq!(generation(&slots.request(0, now, None)), Some(1));
        slots.invalidate(0, 1);
        assert!(matches!(slots.request(0, now, None), Availability::Start));
        assert!(matches!(slots.request(0, now, None), Availability::Wait));
    }

    #[test]
    fn three_slots_serve_in_turn() {
        let now = Instant::now();
        let mut slots = TokenSlots::new(3);
        let mut calls = [0; 3];
        for call in 0..9 {
            let slot = slots.serving(call % 3, now);
            calls[slot] += 1;
            if let Availability::Start = slots.request(slot, now, None) {
                slots.acquired(slot, "t".into(), 0, now);
            }
        }
        assert_eq!(calls, [3, 3, 3]);
    }

    #[test]
    fn three_slots_are_waited_for_in_turn() {
        let now = Instant::now();
        let mut slots = TokenSlots::new(3);
        let mut calls = [0; 3];
        for call in 0..9 {
            let slot = slots.serving(call % 3, now);
            calls[slot] += 1;
            slots.request(slot, now, None);
        }
        assert_eq!(calls, [3, 3, 3]);
    }

    #[test]
    fn a_slot_that_rests_is_skipped_while_another_serves() {
        let now = Instant::now();
        let mut slots = TokenSlots::new(3);
        for slot in 0..3 {
            slots.request(slot, now, None);
        }
        slots.acquired(0, "t".into(), 0, now);
        let rest = slots.failed(1, now, 0.0);
        slots.acquired(2, "t".into(), 0, now);
        assert_eq!([0, 1, 2].map(|slot| slots.serving(slot, now)), [0, 2, 2]);

        assert!(!slots.revives(1, now));

        // After the back-off: one retry at a time, and nobody waits for it.
        let later = now + rest;
        assert!(slots.revives(1, later));
        assert!(!slots.revives(1, later));
        assert!(!slots.revives(0, later), "it has a token");
        assert_eq!(slots.serving(1, later), 2);
        slots.acquired(1, "t".into(), 0, later);
        assert_eq!(slots.serving(1, later), 1);
    }

    #[test]
    fn where_every_slot_rests_the_first_to_wake_is_picked() {
        let now = Instant::now();
        let mut slots = TokenSlots::new(2);
        slots.request(0, now, None);
        slots.request(1, now, None);
        slots.failed(0, now, 1.0);
        slots.failed(1, now, 0.0);
        assert_eq!([0, 1].map(|slot| slots.serving(slot, now)), [1, 1]);
        match slots.request(1, now, None) {
            Availability::Cooling(rest) => assert_eq!(rest, Duration::from_millis(100)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nobody_waits_for_an_acquire_while_another_slot_has_a_token() {
        let now = Instant::now();
        let mut slots = TokenSlots::new(3);
        assert!(matches!(slots.request(0, now, None), Availability::Start));
        assert_eq!(slots.serving(0, now), 0, "no other one has a token");
        assert!(matches!(slots.request(2, now, None), Availability::Start));
        slots.acquired(2, "t".into(), 0, now);
        assert_eq!(slots.serving(0, now), 2);
        assert_eq!(slots.serving(1, now), 1, "its acquire can begin");
        slots.acquired(0, "t".into(), 0, now);
        assert_eq!(slots.serving(0, now), 0);
    }

    #[test]
    fn rests_double_up_to_a_minute_and_start_over_after_a_success() {
        let now = Instant::now();
        let mut slots = TokenSlots::new(1);
        let rests: Vec<u128> = (0..11).map(|_| slots.failed(0, now, 1.0).as_millis()).collect();
        assert_eq!(
            rests,
            [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]
        );
        slots.acquired(0, "t".into(), 0, now);
        assert_eq!(slots.failed(0, now, 0.0), Duration::from_millis(100));
    }

    #[test]
    fn a_token_is_renewed_before_its_expiry() {
        // Lifetime, refreshed at, handed out until; in seconds.
        for (lifetime, renew, dead) in [
            (36_000, 35_760, 35_990),
            (2_400, 2_160, 2_390),
            (200, 180, 190),
            (100, 80, 90),
            (60, 44, 50),
            (10, 4, 5),
        ] {
            let now = Instant::now();
            let mut slots = ready(token(lifetime), now);
            let (renew, dead) = (now + secs(renew), now + secs(dead));
            let instant = Duration::from_nanos(1);
            assert_eq!(slots.next_refresh(), Some(renew), "lifetime {lifetime}");
            assert!(slots.due_for_refresh(renew - instant).is_empty());
            assert_eq!(generation(&slots.request(0, dead - instant, None)), Some(1));
            assert_eq!(slots.due_for_refresh(renew), [0]);
            assert!(slots.due_for_refresh(renew).is_empty(), "one at a time");
            assert_eq!(slots.next_refresh(), None);
            assert!(matches!(slots.request(0, dead, None), Availability::Wait));
        }
    }

    #[test]
    fn a_token_serves_on_while_its_successor_is_acquired_or_fails() {
        let now = Instant::now();
        let mut slots = ready(token(1_000), now);
        let at = now + secs(900);
        assert_eq!(slots.due_for_refresh(at), [0]);
        assert_eq!(generation(&slots.request(0, at, None)), Some(1));
        let rest = slots.failed(0, at, 0.0);
        assert_eq!(slots.serving(0, at), 0);
        assert_eq!(generation(&slots.request(0, at, None)), Some(1));
        assert_eq!(slots.next_refresh(), Some(at + rest));
        assert_eq!(slots.due_for_refresh(at + rest), [0]);
        slots.acquired(0, token(1_000), 0, at + rest);
        assert_eq!(generation(&slots.request(0, at + rest, None)), Some(2));
    }

    #[test]
    fn lifetimes_that_are_endless_or_zero_are_harmless() {
        let now = Instant::now();
        let mut endless = ready(Token::new("t").expires_in(Duration::MAX), now);
        assert_eq!(endless.next_refresh(), None);
        assert_eq!(generation(&endless.request(0, now + secs(1 << 32), None)), Some(1));

        let mut slots = TokenSlots::new(1);
        assert!(matches!(slots.request(0, now, None), Availability::Start));
        let issued = slots.acquired(0, token(0), 0, now);
        assert_eq!(issued.expires_at, Some(now));
        assert!(!issued.is_good(now));
        assert_eq!(slots.next_refresh(), None, "renewed on demand alone");
        assert!(matches!(slots.request(0, now, None), Availability::Start));
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let now = Instant::now();
        let mut slots = ready(token(60), now);
        let answer = slots.request(0, now, None);
        assert!(!format!("{slots:?} {answer:?}").contains("canary"));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask { stale: Option<u64> },
        Acquired { lifetime: Option<u64> },
        Failed,
        Timer,
    }

    fn step() -> impl Strategy<Value = (usize, u64, Step)> {
        let step = prop_oneof![
            4 => prop::option::of(0..6u64).prop_map(|stale| Step::Ask { stale }),
            2 => prop::option::of(0..500u64).prop_map(|lifetime| Step::Acquired { lifetime }),
            1 => Just(Step::Failed),
            1 => Just(Step::Timer),
        ];
        (0..3usize, 0..100u64, step)
    }

    proptest! {
        #[test]
        fn no_slot_ever_has_two_acquires_and_no_bad_token_is_handed_out(
            steps in prop::collection::vec(step(), 1..200)
        ) {
            let mut now = Instant::now();
            let mut slots = TokenSlots::new(3);
            let mut in_flight = [false; 3];
            for (slot, passed, step) in steps {
                now += secs(passed);
                match step {
                    Step::Ask { stale } => match slots.request(slot, now, stale) {
                        Availability::Use(issued) => {
                            prop_assert_eq!(issued.slot, slot);
                            prop_assert!(stale.is_none_or(|stale| issued.generation > stale));
                            prop_assert!(issued.expires_at.is_none_or(|end| now < end));
                        }
                        Availability::Start => {
                            prop_assert!(!in_flight[slot]);
                            in_flight[slot] = true;
                        }
                        Availability::Wait => prop_assert!(in_flight[slot]),
                        Availability::Cooling(rest) => {
                            prop_assert!(!in_flight[slot]);
                            prop_assert!(rest > Duration::ZERO && rest <= LONGEST_REST);
                        }
                    },
                    Step::Acquired { lifetime } if in_flight[slot] => {
                        let mut token = Token::new("t");
                        token.expires_in = lifetime.map(secs);
                        slots.acquired(slot, token, 0, now);
                        in_flight[slot] = false;
                    }
                    Step::Failed if in_flight[slot] => {
                        slots.failed(slot, now, 0.5);
                        in_flight[slot] = false;
                    }
                    Step::Timer => {
                        for slot in slots.due_for_refresh(now) {
                            prop_assert!(!in_flight[slot]);
                            in_flight[slot] = true;
                        }
                        prop_assert!(slots.next_refresh().is_none_or(|at| at > now));
                    }
                    Step::Acquired { .. } | Step::Failed => {}
                }
                prop_assert!(slots.serving(slot, now) < 3);
            }
        }
    }
}
