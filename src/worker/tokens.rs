//! The tokens of a worker's calls: which one goes out with an attempt, and what an answer
//! says about the use of it. Where there is one at hand, the token manager is not asked.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::gates::{CallPermit, pause, within_deadline};
use crate::{
    actors::{ActorRef, Unanswered},
    dispatch::Call,
    error::{Error, ErrorKind},
    rate_limit::{Heard, quota},
    response::Response,
    stats::WaitCause,
    token_manager::{Issue, Issued, TokenManager, TokenSet},
};

/// Whoever waited for a token that was held leaves within this time after the hold.
const MOST_SPREAD: Duration = Duration::from_millis(500);

/// The pool's tokens that a worker has at hand.
pub(super) type KnownTokens = RefCell<Vec<Option<Issued>>>;

/// The tokens of one call: those of its handle if that has its own, else those of the pool.
/// There is no way from here to others.
#[derive(Clone, Copy)]
pub(super) struct TokensOf<'a> {
    pub(super) manager: &'a ActorRef<TokenManager>,
    pub(super) set: &'a Arc<TokenSet>,
    /// `None` for those of a handle, which are looked up in the cache each time, so that
    /// no worker keeps them.
    pub(super) known: Option<&'a KnownTokens>,
}

impl TokensOf<'_> {
    /// The next token in turn. While the API holds all of them it waits for the first.
    pub(super) async fn next(
        &self,
        call: &Call,
        permit: &mut CallPermit<'_>,
    ) -> Result<Issued, Error> {
        loop {
            // Looked up before, so that nobody holds the lock while waiting.
            let next = self.set.rotation().serve_next(Instant::now());
            let index = match next {
                Ok(index) => index,
                Err(wait) => {
                    permit.release();
                    let spread = MOST_SPREAD.min(wait / 4).mul_f64(fastrand::f64());
                    let spread = spread.min(call.remaining(Instant::now()).saturating_sub(wait));
                    pause(call, permit, WaitCause::Hold, wait + spread).await?;
                    continue;
                }
            };
            if let Some(token) = self.known(index) {
                return Ok(token);
            }
            let token = self.ask(call, permit, index, None).await?;
            if !self.is_held(&token, Instant::now()) {
                return Ok(token);
            }
        }
    }

    /// The token of the slot that the limiter chose; `None` when it had to be waited for, so
    /// that the permit went back.
    pub(super) async fn chosen(
        &self,
        call: &Call,
        permit: &mut CallPermit<'_>,
        index: usize,
    ) -> Result<Option<Issued>, Error> {
        let known = self.known(index);
        if known.is_none() {
            self.set.rotation().put_back(index);
            self.ask(call, permit, index, None).await?;
        }
        Ok(known)
    }

    /// Whether the API came to hold a token.
    pub(super) fn is_held(&self, token: &Issued, now: Instant) -> bool {
        self.set.rotation().is_held(token.slot, now)
    }

    /// Whether the limiter chooses the token, since each has a limit.
    pub(super) fn are_limited(&self) -> bool {
        self.set.is_limited
    }

    /// Takes in that an attempt with `token` which began at `began` was answered with success.
    pub(super) fn served(&self, token: &Issued, began: Instant) {
        self.set.refusals.served(token, began);
    }

    /// Takes in that the API refused `token`. Says whether the call gets another one, which a
    /// `replay` does not.
    pub(super) fn refused(&self, token: &Issued, is_replay: bool) -> bool {
        let newer = self.set.cache.get(token.slot);
        let has_newer = newer.is_some_and(|newer| newer.generation > token.generation);
        if has_newer || !self.set.stands_by(token.slot, token.epoch) {
            return !is_replay;
        }
        self.set.refusals.refused(token, is_replay, Instant::now())
    }

    /// A token in place of one that the API refused.
    pub(super) async fn renew(
        &self,
        call: &Call,
        permit: &mut CallPermit<'_>,
        refused: &Issued,
    ) -> Result<Issued, Error> {
        self.ask(call, permit, refused.slot, Some(refused.generation)).await
    }

    /// Takes in what an answer to `token` says about the use of it, where there are others to
    /// use. Returns for how long it is held.
    /// `hear` is how an answer that is no success is read.
    pub(super) fn heed(
        &self,
        token: &Issued,
        response: &Response,
        hear: impl Fn(&Response) -> Option<Heard>,
    ) -> Option<Duration> {
        if !self.are_several() {
            return None;
        }
        let now = Instant::now();
        let (asked, told) = match hear(response) {
            Some(heard) => (heard.wait.filter(|_| heard.is_limit), heard.quota),
            None => (None, quota(response.headers(), SystemTime::now()).quota),
        };
        let asked = asked.filter(|wait| !wait.is_zero());
        // What the server asks for in so many words goes before what it tells of quotas.
        let used_up = told.and_then(|quota| self.set.rotation().observe(token.slot, quota, now));
        let held = asked.and_then(|wait| self.set.rotation().hold(token.slot, wait, now));
        held.or(used_up)
    }

    /// Whether others may go on when the API refuses one: other tokens, or other credentials.
    pub(super) fn are_several(&self) -> bool {
        self.known.is_none() || self.set.credentials.slots > 1
    }

    /// How long all tokens are held, if they are, after one was refused with the wait `asked`.
    /// A hold lasts for `longest` at most; where that is all there is to wait for, it is what
    /// was asked.
    pub(super) fn wait(
        &self,
        now: Instant,
        asked: Option<Duration>,
        longest: Duration,
    ) -> Option<Duration> {
        let wait = self.set.rotation().wait(None, now);
        // The hold began a moment ago.
        let is_cut = wait + Duration::from_secs(1) > longest;
        let asked = asked.filter(|asked| *asked > longest && is_cut);
        // The only token is held even where its hold is cut to nothing.
        let is_held = !wait.is_zero() || asked.is_some() && self.set.credentials.slots == 1;
        is_held.then(|| asked.unwrap_or(wait))
    }

    /// The token of a slot, if it is at hand and may still be used.
    fn known(&self, index: usize) -> Option<Issued> {
        let now = Instant::now();
        let may_use =
            |token: &Issued| token.is_good(now) && self.set.stands_by(token.slot, token.epoch);
        let known = self.known.and_then(|known| known.borrow().get(index).cloned().flatten());
        known.filter(may_use).or_else(|| {
            let token = self.set.cache.get(index).filter(may_use)?;
            self.learn(&token);
            Some(token)
        })
    }

    fn learn(&self, token: &Issued) {
        if let Some(known) = self.known
            && let Some(known) = known.borrow_mut().get_mut(token.slot)
        {
            *known = Some(token.clone());
        }
    }

    async fn ask(
        &self,
        call: &Call,
        permit: &mut CallPermit<'_>,
        mut index: usize,
        mut stale: Option<u64>,
    ) -> Result<Issued, Error> {
        permit.release();
        let _waiting = permit.waiting(WaitCause::Token);
        loop {
            let issued = within_deadline(call, self.issue(index, stale)).await??;
            // It may have been declared void since its acquire began.
            if !self.set.stands_by(issued.slot, issued.epoch) {
                (index, stale) = (issued.slot, Some(issued.generation));
                continue;
            }
            self.learn(&issued);
            return Ok(issued);
        }
    }

    /// Asks the manager, and the one after it if it dies with the question. Who asked two
    /// that died may be the one who kills them.
    async fn issue(&self, slot: usize, stale: Option<u64>) -> Result<Issued, Error> {
        let failed = |what| Err(Error::new(ErrorKind::Token, what));
        let (mut deaths, given_up) = (0, self.set.marks.given_up());
        while deaths < 2 {
            let question = Issue { set: Arc::clone(self.set), slot, stale };
            match self.manager.send(question).await {
                Ok(Some(answer)) => return answer,
                // It is dead, and the next question waits for its successor.
                Ok(None) => {}
                Err(Unanswered::Died) => deaths += 1,
                // It was another's acquire that hung.
                Err(Unanswered::Hung) if self.set.marks.given_up() == given_up => {}
                Err(Unanswered::Hung) => {
                    return failed("the acquire callback blocked its thread for too long");
                }
                Err(Unanswered::Gone) => {
                    return failed("the acquire callback killed or blocked its thread too often");
                }
            }
        }
        failed("the thread of the acquire callback died")
    }
}
