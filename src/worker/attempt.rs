//! One attempt from its start to its only end, however it ends: every state that it changed at
//! its start is settled when it ends or is dropped. Knows neither what led to the attempt nor what
//! follows from it.

use std::{
    pin::pin,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderName, Uri};

use super::{context::WorkerContext, origin::Api};
use crate::{
    dispatch::{BreakerPermit, Call},
    error::{Delivery, Error, ErrorKind},
    events::{Attempt, Event, Outcome},
    permits::{InFlight, Permit},
    rate_limit::{Classified, HoldPermit, PacedAttempt, Slower, quota},
    request::Request,
    response::Response,
    stats::Counters,
    token_manager::Issued,
    transport::Client,
};

/// The permission to make one attempt now, from the circuit breaker and the holds: that of the API,
/// and that of a handle with its own credentials.
pub(super) struct Clearance<'a> {
    pub(super) breaker: Option<BreakerPermit<'a>>,
    pub(super) hold_permits: (HoldPermit<'a>, Option<HoldPermit<'a>>),
}

/// An attempt in flight. Dropped before its end, it is counted and reported as cancelled, and if it
/// was the breaker's probe, another may follow.
pub(super) struct RunningAttempt<'a> {
    worker: &'a WorkerContext,
    call: &'a Call,
    in_flight: &'a InFlight,
    attempt: Attempt,
    started: Instant,
    has_ended: bool,
    clearance: Option<Clearance<'a>>,
    /// `None` if the pace does not depend on its end.
    paced: Option<PacedAttempt<'a>>,
}

impl<'a> RunningAttempt<'a> {
    /// Begins an attempt: from here on the server may see the request. A hedge brings a permit of
    /// its own. Fails if the call is no longer this worker's, or has ended.
    pub(super) fn begin(
        worker: &'a WorkerContext,
        api: Api<'a>,
        call: &'a Call,
        in_flight: &'a InFlight,
        clearance: Clearance<'a>,
        second_permit: Option<Permit>,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        let attempt = in_flight.begin(started, second_permit, || {
            let attempt =
                Attempt { call: call.id, number: call.begin_attempt(), worker: worker.slot };
            worker.events().emit(|| Event::AttemptStarted { attempt });
            attempt
        })?;
        let paced = api.pacer.begin(started);
        let clearance = Some(clearance);
        let running =
            Self { worker, call, in_flight, attempt, started, has_ended: false, clearance, paced };
        // Dropped, it is reported as cancelled.
        if call.is_cancelled() { Err(is_over()) } else { Ok(running) }
    }

    /// Sends the request and reads its response, within the attempt's time limit, and classifies it
    /// by the pool's rules.
    pub(super) async fn exchange(
        self,
        client: &Client,
        token: Option<&Issued>,
        request: &Request,
        url: &Uri,
    ) -> (Attempt, Result<Response, Error>) {
        let (worker, call) = (self.worker, self.call);
        let remaining = call.remaining(self.started);
        let limit = remaining.min(worker.config().settings.attempt_timeout);
        let answer = pin!(client.send(request, url));
        let outcome = tokio::time::timeout(limit, answer).await;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(if limit == remaining {
                let what = "the call's deadline passed before the response came";
                Error::new(ErrorKind::DeadlineExceeded, what)
            } else {
                Error::new(ErrorKind::Timeout, "the response took longer than attempt_timeout")
            }
            .with_delivery(Delivery::Unknown))
        });
        let outcome = match outcome {
            Ok(answer) => worker.ruled(call, answer, token).await,
            Err(error) => Err(error),
        };
        (self.end(&outcome), outcome)
    }

    /// Ends the attempt with a response or with an error of known meaning, and gives its permit
    /// back.
    fn end(mut self, outcome: &Result<Response, Error>) -> Attempt {
        self.has_ended = true;
        if !self.in_flight.end(self.attempt) {
            return self.attempt;
        }
        self.call.end_attempt();
        let answer = outcome.as_ref().ok();
        if answer.is_some() && self.call.request.other_base().is_none() {
            self.worker.has_answered.set(true);
        }
        let classified = answer.and_then(|answer| self.worker.classify(answer));
        self.report_outcome(outcome, classified.as_ref());
        self.pace(answer, classified.as_ref());
        let latency = self.started.elapsed();
        self.count(|counters| match outcome {
            Ok(response) => {
                counters.answered(response.status(), response.body().len(), latency);
                if response.status() != response.counts_as() {
                    counters.ruled(response.counts_as());
                }
            }
            Err(_) => counters.unanswered(),
        });
        self.tell(
            latency,
            match outcome {
                Ok(response) => Outcome::Answered(response.status()),
                Err(error) => Outcome::Failed(error.kind()),
            },
        );
        self.attempt
    }

    /// Reports the outcome to the hold and the circuit breaker.
    fn report_outcome(
        &mut self,
        outcome: &Result<Response, Error>,
        classified: Option<&Classified>,
    ) {
        let Some(Clearance { breaker, hold_permits }) = self.clearance.take() else { return };
        let is_rate_limited = classified.is_some_and(|classified| classified.is_rate_limited);
        if let Some(breaker) = breaker {
            let waits =
                classified.is_some_and(|classified| classified.holds && classified.asks_to_wait());
            breaker.record(outcome, is_rate_limited, waits);
        }
        let is_served =
            |answer: &Response| !is_rate_limited && !answer.counts_as().is_server_error();
        if outcome.as_ref().is_ok_and(is_served) {
            let (by_api, by_handle) = hold_permits;
            by_api.served();
            if let Some(by_handle) = by_handle {
                by_handle.served();
            }
        }
    }

    /// Reports to the pacer what the response says about limits. For an unsuccessful response
    /// this is already in `classified`.
    fn pace(&mut self, answer: Option<&Response>, classified: Option<&Classified>) {
        let paced = self.paced.take();
        let (told, unread) = match (classified, answer, &paced) {
            (Some(classified), ..) => (classified.quota, classified.unread.clone()),
            (None, Some(answer), Some(_)) => {
                let reading = quota(answer.headers(), SystemTime::now());
                (reading.quota, reading.unread)
            }
            _ => (None, Vec::new()),
        };
        self.tell_unread(unread);
        let Some(paced) = paced else { return };
        // The quota of one token among several says nothing about the API, and a refusal that
        // holds the token does not affect the others. A refusal without a hold concerns the API.
        let is_of_one =
            self.worker.tokens_for(self.call).is_some_and(|tokens| tokens.are_several());
        let is_of_tenant = self.call.tenant.is_some();
        let holds_token = |classified: &Classified| {
            (classified.is_rate_limited || is_of_tenant && classified.holds)
                && (classified.asks_to_wait() || told.is_some_and(|quota| quota.remaining == 0))
        };
        if is_of_one && classified.is_some_and(holds_token) {
            return;
        }
        let slower = classified.map_or(Slower::No, |classified| classified.slower);
        paced.end(slower, told.filter(|_| !is_of_one), Instant::now());
    }

    /// Counts the fields about limits that could not be read, and reports them.
    fn tell_unread(&mut self, unread: Vec<HeaderName>) {
        if unread.is_empty() {
            return;
        }
        self.count(|counters| counters.malformed_limit_headers += unread.len() as u64);
        for field in unread {
            tracing::debug!(%field, "a header about limits is not understood");
            self.worker.events().emit(|| Event::LimitUnread { field });
        }
    }

    /// Nobody holds the counters for long, so no count is missed; and a drop must not panic.
    fn count(&self, count: impl FnOnce(&mut Counters)) {
        if let Ok(mut counters) = self.worker.counters.try_borrow_mut() {
            count(&mut counters);
        }
    }

    fn tell(&self, latency: Duration, outcome: Outcome) {
        let attempt = self.attempt;
        self.worker.events().emit(|| Event::AttemptEnded { attempt, outcome, latency });
    }
}

/// Nobody sees this error: the call was answered from outside.
fn is_over() -> Error {
    Error::new(ErrorKind::WorkerCrashed, "the call is over")
}

impl Drop for RunningAttempt<'_> {
    fn drop(&mut self) {
        // Whoever is woken by the end may be the next probe.
        drop(self.clearance.take());
        if !self.has_ended && self.in_flight.end(self.attempt) {
            self.count(Counters::cancelled);
            self.tell(self.started.elapsed(), Outcome::Cancelled);
        }
    }
}
