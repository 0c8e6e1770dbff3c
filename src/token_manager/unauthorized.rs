//! [pure] Decides which 401s lead to a token refresh. A server that refuses every token, or one
//! call whatever its token, must not trigger endless refreshes: a useless refresh is followed by
//! a pause, and a young token is replaced only a few times. Times are passed in.

use std::time::{Duration, Instant};

use crate::retry::backoff;

/// A token younger than this counts as replaced early.
const YOUNG: Duration = Duration::from_secs(10);
/// How many successful responses pay for one early replacement.
const PRICE: u32 = 10;
/// How many early replacements may follow each other at once.
const MOST_EARLY: u32 = 5;
/// After this many refusals in a row, a token no longer counts as valid because of earlier
/// successes.
const MANY: u32 = 5;
/// How many useless replacements in a row are allowed before a pause. A token may be revoked
/// before its first use.
const MOST_USELESS: u32 = 1;
/// The first pause; it doubles with each further useless replacement.
const REST: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Records about the newest token of a slot for which there was a response, and its predecessors.
#[derive(Debug)]
pub(super) struct Record {
    generation: u64,
    /// When it was first refused.
    refused_at: Option<Instant>,
    /// The start of the latest successful attempt with it.
    served: Option<Instant>,
    /// Refusals since then.
    in_a_row: u32,
    /// The generation of the newest token that was to be replaced.
    replaced: Option<u64>,
    /// Consecutive replacements that were refused before they had served any call.
    useless: u32,
    /// No token is replaced before this.
    rests_until: Option<Instant>,
    /// Successful responses that have not paid for an early replacement yet.
    credit: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            generation: 0,
            refused_at: None,
            served: None,
            in_a_row: 0,
            replaced: None,
            useless: 0,
            rests_until: None,
            credit: MOST_EARLY * PRICE,
        }
    }
}

impl Record {
    /// Records that the API refused a token of this `age` at `now`. Returns whether to replace it.
    pub(super) fn refused(
        &mut self,
        generation: u64,
        age: Duration,
        now: Instant,
        is_replay: bool,
    ) -> bool {
        let is_replaced = self.replaced.is_some_and(|replaced| generation <= replaced);
        if is_replaced || generation < self.generation {
            // A newer token exists or is being acquired, and the refused call may use that.
            return !is_replay;
        }
        self.look_at(generation);
        if self.refused_at.is_none() {
            self.refused_at = Some(now);
            self.judge_replacement(now);
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let is_resting = self.rests_until.is_some_and(|end| now < end);
        if is_replay || is_resting || self.serves_others(age) || !self.pays(age) {
            return false;
        }
        self.replaced = Some(generation);
        true
    }

    /// Records that an attempt which began at `began` was successful.
    pub(super) fn served(&mut self, generation: u64, began: Instant) {
        self.credit = (self.credit + 1).min(MOST_EARLY * PRICE);
        if generation < self.generation {
            return;
        }
        self.look_at(generation);
        self.served = self.served.max(Some(began));
        (self.in_a_row, self.useless, self.rests_until) = (0, 0, None);
    }

    fn look_at(&mut self, generation: u64) {
        if generation > self.generation {
            (self.generation, self.refused_at) = (generation, None);
            (self.served, self.in_a_row) = (None, 0);
        }
    }

    /// Records whether the token, now refused for the first time, replaced a refused one and has
    /// served no call.
    fn judge_replacement(&mut self, now: Instant) {
        let replacement = self.replaced.and_then(|replaced| replaced.checked_add(1));
        if replacement != Some(self.generation) || self.served.is_some() {
            return;
        }
        if let Some(doublings) = self.useless.checked_sub(MOST_USELESS) {
            let rest = backoff::exponential(REST, LONGEST_REST, doublings);
            self.rests_until = now.checked_add(rest);
        }
        self.useless = self.useless.saturating_add(1);
    }

    /// Whether a successful attempt with the token began after it was first refused. The token may
    /// have expired since, and some endpoints accept any token, so this counts for a limited time
    /// only.
    fn serves_others(&self, age: Duration) -> bool {
        let is_served = matches!((self.served, self.refused_at), (Some(served), Some(refused)) if served > refused);
        is_served && self.in_a_row < MANY && age < LONGEST_REST
    }

    /// Whether the token may be replaced at its age. A young token costs credit.
    fn pays(&mut self, age: Duration) -> bool {
        let left = if age < YOUNG { self.credit.checked_sub(PRICE) } else { Some(self.credit) };
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source whose tokens are acquired as soon as they are needed; the time is passed in.
    struct Source {
        record: Record,
        start: Instant,
        now: Duration,
        /// The current token and when it came.
        current: (u64, Duration),
    }

    impl Source {
        fn new() -> Self {
            let start = Instant::now();
            let (now, current) = (Duration::ZERO, (1, Duration::ZERO));
            Self { record: Record::default(), start, now, current }
        }

        fn pass(&mut self, seconds: f64) {
            self.now += Duration::from_secs_f64(seconds);
        }

        fn is_refused(&mut self, is_replay: bool) -> bool {
            let (generation, since) = self.current;
            let refreshes =
                self.record.refused(generation, self.now - since, self.start + self.now, is_replay);
            if refreshes {
                self.current = (generation + 1, self.now);
            }
            refreshes
        }

        fn is_served(&mut self) {
            self.pass(0.001);
            self.record.served(self.current.0, self.start + self.now);
        }

        /// A call that is refused with any token.
        fn call_in_vain(&mut self) {
            if self.is_refused(false) {
                assert!(!self.is_refused(true), "a replay is the last attempt");
            }
        }

        fn refreshes(&self) -> u64 {
            self.current.0 - 1
        }
    }

    #[test]
    fn a_server_that_refuses_everything_is_answered_with_fewer_and_fewer_renewals() {
        let mut source = Source::new();
        let mut at = Vec::new();
        for _ in 0..4_000 {
            let before = source.refreshes();
            source.call_in_vain();
            if source.refreshes() > before {
                at.push(source.now.as_secs_f64().round() as u64);
            }
            source.pass(0.1);
        }
        assert_eq!(at, [0, 0, 10, 30, 70, 130, 190, 250, 310, 370]);
    }

    #[test]
    fn a_call_that_is_refused_while_others_are_served_renews_once_a_minute_at_most() {
        let mut source = Source::new();
        for _ in 0..3_000 {
            source.call_in_vain();
            source.is_served();
            source.pass(0.1);
        }
        assert!((2..=6).contains(&source.refreshes()), "{}", source.refreshes());
    }

    #[test]
    fn a_server_that_refuses_each_new_token_after_one_use_gets_few() {
        let mut source = Source::new();
        for _ in 0..1_000 {
            source.is_refused(false);
            source.is_served();
        }
        // A second has passed, with 1,000 responses.
        assert!(source.refreshes() <= u64::from(MOST_EARLY) + 1_000 / u64::from(PRICE));
    }

    #[test]
    fn a_token_that_has_expired_is_renewed_at_once_and_for_all_who_ask() {
        let mut source = Source::new();
        for life in 1..=20 {
            for _ in 0..life * 20 {
                source.is_served();
            }
            source.pass(3_600.0);
            assert!(source.is_refused(false));
            let late = (source.current.0 - 1, Duration::from_secs(1));
            for _ in 0..100 {
                assert!(source.record.refused(late.0, late.1, source.start + source.now, false));
            }
            assert_eq!(source.refreshes(), life);
        }
    }

    #[test]
    fn tokens_that_are_revoked_now_and_then_are_renewed_at_once() {
        let mut source = Source::new();
        for _ in 0..50 {
            assert!(source.is_refused(false));
            (0..PRICE).for_each(|_| source.is_served());
        }
    }

    #[test]
    fn a_token_that_expires_where_one_call_was_refused_before_is_renewed_all_the_same() {
        let mut source = Source::new();
        source.call_in_vain();
        source.is_served();
        assert!(!source.is_refused(false), "it serves others");
        // No call is served any more.
        let refused = (0..100).take_while(|_| !source.is_refused(false)).count();
        assert!(refused < MANY as usize, "{refused} calls");
        // An endpoint that accepts any token does not prevent that for long.
        let mut source = Source::new();
        source.call_in_vain();
        source.pass(61.0);
        source.is_served();
        assert!(source.is_refused(false));
    }

    #[test]
    fn a_renewal_that_helps_ends_the_rest() {
        let mut source = Source::new();
        (0..10).for_each(|_| source.call_in_vain());
        assert!(source.record.rests_until.is_some());
        source.is_served();
        source.pass(60.0);
        assert!(source.is_refused(false));
        assert_eq!(source.record.useless, 0);
    }
}
