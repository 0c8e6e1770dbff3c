//! The tokens of a worker's calls: which one goes out with an attempt, and what an answer
//! says about the use of it. Where there is one at hand, the token manager is not asked.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;

use super::gates::{Slot, pause, within_deadline};
use crate::{
    actors::{Line, Unanswered},
    dispatch::Call,
    error::{Error, ErrorKind},
    http::Response,
    rate_limit::{Board, quota, retry_after},
    stats::WaitCause,
    token_manager::{Issue, Issued, Shelf, TokenManager},
};

/// What the workers and the token manager have in common.
#[derive(Clone)]
pub(crate) struct TokenLines {
    pub(crate) manager: Line<TokenManager>,
    pub(crate) board: Arc<Board>,
    pub(crate) shelf: Arc<Shelf>,
}

/// The tokens a worker knows of, so that it asks the manager only for what is
/// missing, stale or refused.
pub(super) struct Tokens {
    manager: Line<TokenManager>,
    board: Arc<Board>,
    shelf: Arc<Shelf>,
    known: RefCell<Vec<Option<Issued>>>,
}

impl Tokens {
    pub(super) fn new(TokenLines { manager, board, shelf }: TokenLines) -> Self {
        let known = RefCell::new(vec![None; board.slots()]);
        Self { manager, board, shelf, known }
    }

    /// The next token in turn. While the API holds all of them it waits for the first.
    pub(super) async fn next(&self, call: &Call, slot: &mut Slot<'_>) -> Result<Issued, Error> {
        loop {
            let index = match self.board.next(Instant::now()) {
                Ok(index) => index,
                Err(wait) => {
                    slot.release();
                    pause(call, slot, WaitCause::Hold, wait).await?;
                    continue;
                }
            };
            if let Some(token) = self.known(index) {
                return Ok(token);
            }
            let token = self.ask(call, slot, Issue { slot: index, stale: None }).await?;
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
        slot: &mut Slot<'_>,
        index: usize,
    ) -> Result<Option<Issued>, Error> {
        let known = self.known(index);
        if known.is_none() {
            self.board.put_back(index);
            self.ask(call, slot, Issue { slot: index, stale: None }).await?;
        }
        Ok(known)
    }

    /// Whether the API came to hold a token.
    pub(super) fn is_held(&self, token: &Issued, now: Instant) -> bool {
        self.board.is_held(token.slot, now)
    }

    /// Whether the limiter chooses the token, since each has a limit.
    pub(super) fn are_limited(&self) -> bool {
        self.board.is_limited()
    }

    /// A token in place of one that the API refused.
    pub(super) async fn renew(
        &self,
        call: &Call,
        slot: &mut Slot<'_>,
        refused: &Issued,
    ) -> Result<Issued, Error> {
        let stale = Issue { slot: refused.slot, stale: Some(refused.generation) };
        self.ask(call, slot, stale).await
    }

    /// Takes in what an answer to `token` says about the use of it, where there are others to
    /// use. Returns for how long it is held.
    pub(super) fn heed(&self, token: &Issued, response: &Response) -> Option<Duration> {
        if !self.are_several() {
            return None;
        }
        let (now, wall) = (Instant::now(), SystemTime::now());
        let asked = (response.status() == StatusCode::TOO_MANY_REQUESTS)
            .then(|| retry_after(response.headers(), wall))
            .flatten();
        let told = quota(response.headers(), wall).quota;
        // What the server asks for in so many words goes before what it tells of quotas.
        let used_up = told.and_then(|quota| self.board.observe(token.slot, quota, now));
        let held = asked.and_then(|wait| self.board.hold(token.slot, wait, now));
        held.or(used_up)
    }

    /// Whether another token may go on when the API refuses one.
    pub(super) fn are_several(&self) -> bool {
        self.board.slots() > 1
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
        let wait = self.board.wait(None, now);
        // The hold began a moment ago.
        let is_cut = wait + Duration::from_secs(1) > longest;
        let asked = asked.filter(|asked| *asked > longest && is_cut);
        (!wait.is_zero()).then(|| asked.unwrap_or(wait))
    }

    /// The token of a slot, if it is at hand and may still be used.
    fn known(&self, index: usize) -> Option<Issued> {
        let now = Instant::now();
        let may_use =
            |token: &Issued| token.is_good(now) && self.board.stands_by(token.slot, token.epoch);
        let known = self.known.borrow().get(index).cloned().flatten();
        known.filter(may_use).or_else(|| {
            let token = self.shelf.get(index).filter(may_use)?;
            self.learn(&token);
            Some(token)
        })
    }

    fn learn(&self, token: &Issued) {
        if let Some(known) = self.known.borrow_mut().get_mut(token.slot) {
            *known = Some(token.clone());
        }
    }

    async fn ask(
        &self,
        call: &Call,
        slot: &mut Slot<'_>,
        mut question: Issue,
    ) -> Result<Issued, Error> {
        slot.release();
        let _waiting = slot.waiting(WaitCause::Token);
        loop {
            let issued = within_deadline(call, self.issue(question)).await??;
            // It may have been declared void since its acquire began.
            if !self.board.stands_by(issued.slot, issued.epoch) {
                question = Issue { slot: issued.slot, stale: Some(issued.generation) };
                continue;
            }
            self.learn(&issued);
            return Ok(issued);
        }
    }

    /// Asks the manager, and the one after it if it dies with the question. Who asked two
    /// that died may be the one who kills them.
    async fn issue(&self, question: Issue) -> Result<Issued, Error> {
        let failed = |what| Err(Error::new(ErrorKind::Token, what));
        let mut deaths = 0;
        while deaths < 2 {
            match self.manager.send(question).await {
                Ok(Some(answer)) => return answer,
                // It is dead, and the next question waits for its successor.
                Ok(None) => {}
                Err(Unanswered::Died) => deaths += 1,
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
