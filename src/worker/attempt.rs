//! One attempt from its start to its one end, however that comes about: what was
//! promised when it began is made good when it ends or is dropped. Knows neither what
//! led to the attempt nor what follows from it.

use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

use super::kit::Kit;
use crate::{
    dispatch::{Call, Passage},
    error::Error,
    events::{Attempt, Event, Outcome},
    http::Response,
    rate_limit::{InFlight, quota, retry_after},
    seats::{Permit, Seat},
    stats::Counters,
};

/// An attempt that is under way. Dropped before its end, it is counted and told as
/// cancelled, and a probe's place in the circuit breaker is free again.
pub(super) struct Running<'a> {
    kit: &'a Kit,
    call: &'a Call,
    seat: &'a Seat,
    attempt: Attempt,
    started: Instant,
    has_ended: bool,
    passage: Option<Passage<'a>>,
    /// `None` where the pace does not depend on its end.
    in_flight: Option<InFlight<'a>>,
}

impl<'a> Running<'a> {
    /// Begins an attempt: from here on the server may see the request. One beside another
    /// brings a permit of its own. It fails when the call is no longer this worker's.
    pub(super) fn begin(
        kit: &'a Kit,
        call: &'a Call,
        seat: &'a Seat,
        passage: Option<Passage<'a>>,
        second_permit: Option<Permit>,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        let attempt = seat.begin(started, second_permit, || {
            let attempt = Attempt::new(call.id, call.begin_attempt(), kit.worker);
            kit.events().emit(|| Event::AttemptStarted { attempt });
            attempt
        })?;
        let in_flight = kit.pacer.begin(started);
        Ok(Self { kit, call, seat, attempt, started, has_ended: false, passage, in_flight })
    }

    /// When it began.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Ends the attempt with an answer or with an error of known meaning, and gives its permit
    /// back.
    pub(super) fn end(mut self, outcome: &Result<Response, Error>) -> Attempt {
        self.has_ended = true;
        if !self.seat.end(self.attempt) {
            return self.attempt;
        }
        self.call.end_attempt();
        if let Some(passage) = self.passage.take() {
            passage.settle(outcome, asks_to_wait(outcome));
        }
        self.pace(outcome);
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

    /// Tells the pace what the answer says of limits.
    fn pace(&mut self, outcome: &Result<Response, Error>) {
        let Some(in_flight) = self.in_flight.take() else { return };
        let response = outcome.as_ref().ok();
        let reading = response.map(|response| quota(response.headers(), SystemTime::now()));
        let reading = reading.unwrap_or_default();
        self.count(|counters| counters.limits_read(reading.malformed));
        // The quota of one token among several says nothing about the API, and a refusal that
        // holds the token leaves the others as they are. One that holds none is the API's.
        let is_of_one = self.kit.tokens.of(self.call).is_some_and(|tokens| tokens.are_several());
        let is_refusal =
            response.is_some_and(|response| response.counts_as() == StatusCode::TOO_MANY_REQUESTS);
        let holds = |response: &Response| {
            let asked = retry_after(response.headers(), SystemTime::now());
            asked.is_some_and(|wait| !wait.is_zero())
                || reading.quota.is_some_and(|quota| quota.remaining == 0)
        };
        if is_of_one && is_refusal && response.is_some_and(holds) {
            return;
        }
        in_flight.end(is_refusal, reading.quota.filter(|_| !is_of_one), Instant::now());
    }

    /// Nobody holds the counters for longer than this, so they are never missed; and a drop
    /// must not panic.
    fn count(&self, count: impl FnOnce(&mut Counters)) {
        if let Ok(mut counters) = self.kit.counters.try_borrow_mut() {
            count(&mut counters);
        }
    }

    fn tell(&self, latency: Duration, outcome: Outcome) {
        let attempt = self.attempt;
        self.kit.events().emit(|| Event::AttemptEnded { attempt, outcome, latency });
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Whoever hears of the end may be the next probe.
        drop(self.passage.take());
        if !self.has_ended && self.seat.end(self.attempt) {
            self.count(Counters::cancelled);
            self.tell(self.started.elapsed(), Outcome::Cancelled);
        }
    }
}

/// Whether an answer names a wait that the hold observes in place of the breaker.
pub(super) fn asks_to_wait(outcome: &Result<Response, Error>) -> bool {
    let is_unavailable =
        |response: &&Response| response.status() == StatusCode::SERVICE_UNAVAILABLE;
    let unavailable = outcome.as_ref().ok().filter(is_unavailable);
    unavailable.is_some_and(|response| retry_after(response.headers(), SystemTime::now()).is_some())
}
