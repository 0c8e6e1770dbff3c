//! The tokens of a worker's calls: which one is sent with an attempt, and what a response says
//! about its further use. If a token is at hand, the token manager is not asked.

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
    rate_limit::{Classified, quota},
    response::Response,
    stats::WaitCause,
    token_manager::{Issue, Issued, TokenManager, TokenSet},
};

/// Calls that waited for a held token leave within this time after the hold.
const MOST_SPREAD: Duration = Duration::from_millis(500);

/// The tokens of one call: those of its handle if that has its own, else those of the pool. No
/// others can be reached from here.
#[derive(Clone, Copy)]
pub(super) struct TokensOf<'a> {
    pub(super) manager: &'a ActorRef<TokenManager>,
    pub(super) set: &'a Arc<TokenSet>,
    /// The pool's tokens that the worker has at hand. `None` for those of a handle, which are
    /// looked up in the set each time, so that no worker keeps them.
    pub(super) known: Option<&'a RefCell<Vec<Option<Issued>>>>,
}

impl TokensOf<'_> {
    /// The next token in turn. While the API holds all of them this waits for the first.
    pub(super) async fn next(
        &self,
        call: &Call,
        permit: &mut CallPermit<'_>,
    ) -> Result<Issued, Error> {
        loop {
            // Looked up before, so that the lock is not held while waiting.
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

    /// The token of the slot that the rate queue chose; `None` if it had to be waited for, so that
    /// the permit was given back.
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

    /// Whether the API now holds a token.
    pub(super) fn is_held(&self, token: &Issued, now: Instant) -> bool {
        self.set.rotation().is_held(token.slot, now)
    }

    /// Records that an attempt with `token` which began at `began` was successful.
    pub(super) fn served(&self, token: &Issued, began: Instant) {
        self.set.served(token, began);
    }

    /// Records that the API refused `token`. Returns whether the call gets another one, which a
    /// `replay` does not.
    pub(super) fn refused(&self, token: &Issued, is_replay: bool) -> bool {
        let newer = self.set.token(token.slot);
        let has_newer = newer.is_some_and(|newer| newer.generation > token.generation);
        if has_newer || !self.set.is_current(token.slot, token.epoch) {
            return !is_replay;
        }
        self.set.refused(token, is_replay, Instant::now())
    }

    /// A replacement for a token that the API refused.
    pub(super) async fn refresh(
        &self,
        call: &Call,
        permit: &mut CallPermit<'_>,
        refused: &Issued,
    ) -> Result<Issued, Error> {
        self.ask(call, permit, refused.slot, Some(refused.generation)).await
    }

    /// Records what a response to `token` says about its use, if there are others to use. Returns
    /// how long it is held. `classify` parses an unsuccessful response.
    pub(super) fn observe(
        &self,
        token: &Issued,
        response: &Response,
        classify: impl Fn(&Response) -> Option<Classified>,
    ) -> Option<Duration> {
        if !self.are_several() {
            return None;
        }
        let now = Instant::now();
        let (asked, told) = match classify(response) {
            Some(classified) => {
                (classified.wait.filter(|_| classified.is_rate_limited), classified.quota)
            }
            None => (None, quota(response.headers(), SystemTime::now()).quota),
        };
        let asked = asked.filter(|wait| !wait.is_zero());
        // An explicit request to wait takes precedence over quotas.
        let used_up = told.and_then(|quota| self.set.rotation().observe(token.slot, quota, now));
        let held = asked.and_then(|wait| self.set.rotation().hold(token.slot, wait, now));
        held.or(used_up)
    }

    /// Whether calls may go on when the API refuses one: with other tokens, or other credentials.
    pub(super) fn are_several(&self) -> bool {
        self.known.is_none() || self.set.credentials.slots > 1
    }

    /// How long all tokens are held, if they are, after one was refused with the wait `asked`. A
    /// hold lasts for `longest` at most; if that is the only wait, the result is `asked`.
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
        // A single token is held even if its hold is cut to nothing.
        let is_held = !wait.is_zero() || asked.is_some() && self.set.credentials.slots == 1;
        is_held.then(|| asked.unwrap_or(wait))
    }

    /// The token of a slot, if it is at hand and still valid.
    fn known(&self, index: usize) -> Option<Issued> {
        let now = Instant::now();
        let may_use = |token: &Issued| {
            let is_current = self.set.is_current(token.slot, token.epoch);
            token.is_good(now) && is_current && !self.set.is_replaced(token)
        };
        let known = self.known.and_then(|known| known.borrow().get(index).cloned().flatten());
        known.filter(may_use).or_else(|| {
            let token = self.set.token(index).filter(may_use)?;
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
            // It may have been invalidated since its acquire began.
            if !self.set.is_current(issued.slot, issued.epoch) {
                (index, stale) = (issued.slot, Some(issued.generation));
                continue;
            }
            self.learn(&issued);
            return Ok(issued);
        }
    }

    /// Asks the manager, and its successor if it dies before it replies. A caller that has asked
    /// two managers that died may be what kills them.
    async fn issue(&self, slot: usize, stale: Option<u64>) -> Result<Issued, Error> {
        let failed = |what| Err(Error::new(ErrorKind::Token, what));
        let (mut deaths, given_up) = (0, self.set.acquires.given_up());
        while deaths < 2 {
            let question = Issue { set: Arc::clone(self.set), slot, stale };
            match self.manager.send(question).await {
                Ok(Some(answer)) => return answer,
                // It is dead, and the next message waits for its successor.
                Ok(None) => {}
                Err(Unanswered::Died) => deaths += 1,
                // The acquire that hung was for another token.
                Err(Unanswered::Hung) if self.set.acquires.given_up() == given_up => {}
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
