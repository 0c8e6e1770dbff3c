//! [pure] The job table: every call that was accepted and not yet answered, and
//! the decision about a call whose worker died.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Weak},
    time::Instant,
};

use slab::Slab;

use super::{Tenant, call::Call};
use crate::{
    error::{Error, ErrorKind},
    permits::InFlight,
    stats::Stats,
};

/// How often a call may lose its worker without having caused it.
const MAX_LOSSES: u32 = 10;

/// Every accepted call that has no answer yet.
#[derive(Default)]
pub(crate) struct JobTable {
    calls: Slab<Arc<Call>>,
    /// The deadlines of calls, except those already reported as overdue.
    deadlines: BTreeSet<(Instant, usize)>,
    closed: bool,
    /// How many calls ended, by [`End`].
    ended: [u64; 3],
    /// The workers' side of calls that ended without a response: a worker that hangs still has
    /// them.
    left: Vec<Weak<InFlight>>,
}

/// How a call ended, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Ok,
    Failed,
    /// Nobody waited for it any more.
    Cancelled,
}

impl JobTable {
    /// Enters a call, unless the table or its tenant is closed, or there are `most` already. A
    /// tenant may have as many calls as there is room left for others: so however many tenants
    /// exceed their share, room is left for the next (the "dynamic threshold" of Choudhury and
    /// Hahne, 1998).
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`] and [`ErrorKind::QueueFull`].
    pub(super) fn enter(&mut self, call: Arc<Call>, most: usize) -> Result<usize, Error> {
        let full = |what| Err(Error::new(ErrorKind::QueueFull, what));
        let tenant = call.tenant.as_ref();
        if self.closed || tenant.is_some_and(|tenant| tenant.is_closed()) {
            return Err(Error::shutting_down());
        }
        let room = most.saturating_sub(self.calls.len());
        if room == 0 {
            full("as many calls wait as max_queued allows")
        } else if tenant.is_some_and(|tenant| tenant.calls() >= room) {
            full("as many calls of this handle wait as its share of max_queued")
        } else {
            if let Some(tenant) = tenant {
                tenant.enter();
            }
            let deadline = call.deadline;
            let key = self.calls.insert(call);
            self.deadlines.insert((deadline, key));
            Ok(key)
        }
    }

    /// Removes a call that ended this way, and which was last on a worker as `in_flight`.
    pub(super) fn leave(&mut self, key: usize, end: End, in_flight: Weak<InFlight>) {
        if let Some(call) = self.calls.try_remove(key) {
            self.deadlines.remove(&(call.deadline, key));
            if let Some(tenant) = &call.tenant {
                tenant.leave();
            }
        }
        self.ended[end as usize] += 1;
        if end != End::Ok && in_flight.strong_count() > 0 {
            self.left.push(in_flight);
        }
    }

    /// What ended calls have left on workers.
    pub(super) fn left(&self) -> Vec<Arc<InFlight>> {
        self.left.iter().filter_map(Weak::upgrade).collect()
    }

    /// Forgets those that workers have released by now.
    pub(super) fn forget_free(&mut self) {
        self.left.retain(|in_flight| in_flight.strong_count() > 0);
    }

    pub(super) fn write(&self, stats: &mut Stats) {
        [stats.calls_ok, stats.calls_failed, stats.calls_cancelled] = self.ended;
        stats.calls_open = self.calls.len() as u64;
    }

    /// Refuses calls from now on.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether there is no call, or none of `tenant`.
    pub(super) fn has_none_of(&self, tenant: Option<&Tenant>) -> bool {
        tenant.map_or(self.calls.len(), Tenant::calls) == 0
    }

    /// Every call in the table. Calls stay until their callers leave.
    pub(super) fn all(&self) -> Vec<Arc<Call>> {
        self.calls.iter().map(|(_, call)| Arc::clone(call)).collect()
    }

    /// The calls whose deadline was before `now`, each of them once.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Arc<Call>> {
        if self.deadlines.first().is_none_or(|(deadline, _)| *deadline >= now) {
            return Vec::new();
        }
        let later = self.deadlines.split_off(&(now, 0));
        let late = mem::replace(&mut self.deadlines, later);
        late.iter().filter_map(|(_, key)| self.calls.get(*key)).cloned().collect()
    }
}

/// How a worker lost a call that it had not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The call's own task panicked.
    Panicked,
    /// The worker's thread ended.
    Dropped,
    /// No living worker could take it.
    Unplaced,
}

/// Whether a lost call runs again. A call that was not in flight runs again, whatever its method;
/// one that was runs again if it is idempotent. A panic costs an attempt, so a call that always
/// panics ends; a call that did not panic pays nothing, within a bound that stops a call which
/// kills its worker by other means.
pub(crate) fn may_run_again(call: &Call, loss: Loss, max_attempts: u32) -> bool {
    if loss == Loss::Unplaced {
        return true;
    }
    let losses = call.lose();
    let may_retry = call.request.is_idempotent() || !call.is_on_the_wire();
    let has_attempts = match loss {
        Loss::Panicked => losses.max(call.attempts()) < max_attempts,
        Loss::Dropped | Loss::Unplaced => losses < MAX_LOSSES,
    };
    may_retry && has_attempts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::{permits::Semaphore, request::Request, retry::CallKind};

    fn call(request: Request, timeout: Duration) -> Arc<Call> {
        let url = http::Uri::from_static("http://localhost/");
        Arc::new(Call::new(
            CallKind::Call,
            request,
            None,
            Arc::new(url),
            Instant::now(),
            timeout,
            oneshot::channel().0,
        ))
    }

    #[test]
    fn a_table_that_is_full_or_closed_takes_no_call() {
        let mut table = JobTable::default();
        let enter = |table: &mut JobTable| table.enter(call(Request::get("/"), Duration::ZERO), 1);
        let key = enter(&mut table).unwrap();
        assert_eq!(enter(&mut table).unwrap_err().kind(), ErrorKind::QueueFull);
        table.leave(key, End::Cancelled, Weak::new());
        assert!(table.is_empty());
        table.close();
        assert_eq!(enter(&mut table).unwrap_err().kind(), ErrorKind::ShuttingDown);
    }

    #[test]
    fn each_call_is_counted_once_by_how_it_ended() {
        let mut table = JobTable::default();
        for end in [End::Ok, End::Ok, End::Ok, End::Failed, End::Failed, End::Cancelled] {
            let key = table.enter(call(Request::get("/"), Duration::ZERO), 9).unwrap();
            table.leave(key, end, Weak::new());
        }
        table.enter(call(Request::get("/"), Duration::ZERO), 9).unwrap();
        let mut stats = Stats::default();
        table.write(&mut stats);
        let ended = (stats.calls_ok, stats.calls_failed, stats.calls_cancelled);
        assert_eq!((ended, stats.calls_open), ((3, 2, 1), 1));
    }

    #[test]
    fn a_seat_that_its_worker_keeps_is_known_until_it_is_free() {
        let permit = Arc::new(Semaphore::new(1)).try_acquire().ok().unwrap();
        let in_flight = Arc::new(InFlight::new(permit));
        let mut table = JobTable::default();
        for end in [End::Ok, End::Failed] {
            let key = table.enter(call(Request::get("/"), Duration::ZERO), 9).unwrap();
            table.leave(key, end, Arc::downgrade(&in_flight));
        }
        table.forget_free();
        assert_eq!(table.left().len(), 1);
        drop(in_flight);
        table.forget_free();
        assert!(table.left.is_empty());
    }

    #[test]
    fn only_calls_past_their_deadline_are_overdue() {
        let mut table = JobTable::default();
        table.enter(call(Request::get("/late"), Duration::ZERO), 2).unwrap();
        table.enter(call(Request::get("/early"), Duration::from_secs(60)), 2).unwrap();
        let overdue = table.overdue(Instant::now() + Duration::from_secs(1));
        assert_eq!(overdue.iter().map(|call| call.request.target()).collect::<Vec<_>>(), ["/late"]);
    }

    #[test]
    fn case_30_a_look_at_the_table_finds_each_overdue_call_once_and_nothing_else() {
        let mut table = JobTable::default();
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds) + Duration::from_millis(500);
        let mut keys = std::collections::HashMap::new();
        // In any order, two each of a kind, and every third leaves in time.
        for seconds in (0..300).map(|n| n * 7 % 150) {
            let call = call(Request::get("/"), Duration::from_secs(seconds));
            let key = table.enter(Arc::clone(&call), 300).unwrap();
            keys.insert(call.id, (key, seconds));
        }
        for (key, _) in keys.values().filter(|(key, _)| key % 3 == 0) {
            table.leave(*key, End::Ok, Weak::new());
        }
        let mut seen = 0;
        for second in 0..150 {
            assert!(table.overdue(now + Duration::from_secs(second)).len() <= 2);
            for call in table.overdue(after(second)) {
                let (key, seconds) = keys[&call.id];
                assert!(seconds <= second && key % 3 > 0);
                seen += 1;
            }
            assert!(table.overdue(after(second)).is_empty());
        }
        assert_eq!((seen, table.deadlines.len(), table.calls.len()), (200, 0, 200));
    }

    #[test]
    fn a_post_runs_again_only_if_it_was_not_on_the_wire() {
        let waiting = call(Request::post("/"), Duration::ZERO);
        assert!(may_run_again(&waiting, Loss::Dropped, 3));
        let sent = call(Request::post("/"), Duration::ZERO);
        sent.begin_attempt();
        assert!(!may_run_again(&sent, Loss::Dropped, 3));
        let keyed = call(Request::post("/").idempotency_key("k").unwrap(), Duration::ZERO);
        keyed.begin_attempt();
        assert!(may_run_again(&keyed, Loss::Dropped, 3));
    }

    #[test]
    fn a_poison_call_ends_after_its_attempts_and_a_bystander_lives_longer() {
        let runs = |loss| {
            let call = call(Request::get("/"), Duration::ZERO);
            (0..99).take_while(|_| may_run_again(&call, loss, 3)).count()
        };
        assert_eq!(runs(Loss::Panicked), 2);
        assert_eq!(runs(Loss::Dropped), MAX_LOSSES as usize - 1);
        assert_eq!(runs(Loss::Unplaced), 99);
    }
}
