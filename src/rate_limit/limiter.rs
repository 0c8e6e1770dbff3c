//! A rate limit as a value: a bucket and the queue in front of it. The first in the queue waits for
//! the bucket, the others for their turn. Knows nothing of what the permits are for.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use tokio::sync::Notify;

use super::{bucket::Bucket, timer::timer};
use crate::{
    error::Error,
    lock::lock,
    permits::{self, InFlight, Queue},
    priority::Priority,
};

/// The lowest rate: one request in 32 years.
pub(crate) const SLOWEST: Decimal = Decimal::from_parts(1, 0, 0, false, 9);

/// How often a caller behind others checks whether the first one still has its worker.
const LOOK: Duration = Duration::from_millis(100);

/// A rate limit for any use, exact and first come, first served.
///
/// Over any stretch of time it grants at most `burst` + rate × time permits. A permit is valid at
/// the moment when it is granted. Share it by reference or in an `Arc`.
///
/// It works on any executor: waiting callers are woken by one thread for all limiters of the
/// process, which starts with the first wait. Its timers are up to a millisecond late, and with a
/// `burst` of 1 that much is lost for each permit that is waited for; with a `burst` of a few
/// milliseconds worth of the rate nothing is lost.
///
/// ```
/// use vantage_api_pool::limits::RateLimiter;
///
/// # async fn demo() -> Result<(), vantage_api_pool::Error> {
/// let limiter = RateLimiter::new("2.5".parse().unwrap(), 5)?;
/// limiter.acquire().await?;
/// if let Err(wait) = limiter.try_acquire() {
///     println!("none for another {wait:?}");
/// }
/// limiter.set_rate("10".parse().unwrap())?;
/// # Ok(()) }
/// ```
pub struct RateLimiter {
    state: Mutex<State>,
}

struct State {
    bucket: Bucket,
    /// The waiting callers and their calls: a call that lost its worker no longer counts, even if
    /// the worker cannot say so.
    queue: Queue<(Arc<Notify>, Option<Arc<InFlight>>)>,
}

impl RateLimiter {
    /// A limit of `rate` requests per second, with a burst of at most `burst` requests after a
    /// pause. 19 decimal places of `rate` count.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `rate` is below 10⁻⁹ or `burst` is zero.
    pub fn new(rate: Decimal, burst: u32) -> Result<Self, Error> {
        check_rate(rate)?;
        if burst == 0 {
            return Err(Error::config("burst: must be at least 1"));
        }
        Ok(Self::with_bucket(Bucket::new(rate, burst, now())))
    }

    fn with_bucket(bucket: Bucket) -> Self {
        Self { state: Mutex::new(State { bucket, queue: Queue::default() }) }
    }

    /// Takes a permit, after earlier callers. Dropping the future leaves the queue: no permit is
    /// taken, and those behind move up.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if it has to wait and the system has no
    /// thread for the timers.
    pub async fn acquire(&self) -> Result<(), Error> {
        if self.try_acquire().is_ok() {
            return Ok(());
        }
        let place = self.join(None, Priority::Normal);
        loop {
            place.ready().await?;
            if place.take(now()) {
                return Ok(());
            }
        }
    }

    /// Takes a permit if there is one and nobody waits for it.
    ///
    /// # Errors
    /// How long it would take if all waiting callers stay.
    pub fn try_acquire(&self) -> Result<(), Duration> {
        let mut state = lock(&self.state);
        let now = now();
        if state.queue.is_empty() && state.bucket.take(now, 1) == 1 {
            return Ok(());
        }
        Err(state.bucket.ready_in(now, state.queue.len() as u64))
    }

    /// Changes the rate to `rate` requests per second, for waiting callers too. The burst and the
    /// permits saved so far are kept.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `rate` is below 10⁻⁹; then nothing
    /// changes.
    pub fn set_rate(&self, rate: Decimal) -> Result<(), Error> {
        check_rate(rate)?;
        let mut state = lock(&self.state);
        state.bucket.set_rate(rate, now());
        state.wake_first();
        Ok(())
    }

    /// Joins the queue behind callers of the same priority, until `in_flight` is taken away.
    pub(crate) fn join(
        &self,
        in_flight: Option<Arc<InFlight>>,
        priority: Priority,
    ) -> QueueGuard<'_> {
        let wake = Arc::new(Notify::new());
        let has_call = in_flight.is_some();
        let at = lock(&self.state).queue.push(priority, (Arc::clone(&wake), in_flight));
        QueueGuard { limiter: self, at, wake, has_call }
    }

    /// A copy of this limit with its rate, burst and saved permits.
    pub(super) fn fork(&self) -> Self {
        Self::with_bucket(lock(&self.state).bucket.clone())
    }

    /// Whether it equals a new one, and nobody waits.
    pub(super) fn is_spent(&self, now: Instant) -> bool {
        let state = lock(&self.state);
        state.queue.is_empty() && state.bucket.is_full(now)
    }
}

impl State {
    /// Skips callers at the front that lost their workers.
    fn pass_over_the_lost(&mut self) {
        let mut lost = false;
        while let Some((_, Some(in_flight))) = self.queue.first()
            && in_flight.is_revoked()
        {
            self.queue.skip();
            lost = true;
        }
        if lost {
            self.wake_first();
        }
    }

    fn wake_first(&self) {
        if let Some((first, _)) = self.queue.first() {
            first.notify_one();
        }
    }
}

/// A position in the queue; dropping it leaves the queue.
pub(crate) struct QueueGuard<'a> {
    limiter: &'a RateLimiter,
    at: permits::QueuePosition,
    wake: Arc<Notify>,
    has_call: bool,
}

impl QueueGuard<'_> {
    /// How long until there is a permit for this position, if those before it stay.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let state = lock(&self.limiter.state);
        let ahead = state.queue.ahead(self.at).unwrap_or_default();
        state.bucket.ready_in(now, ahead as u64)
    }

    /// Whether this position is the first and a permit is available.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.outlook(now) == (true, Duration::ZERO)
    }

    /// Resolves when this position is the first and a permit is available, with the time since
    /// when it has been: timers are late.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when there is no timer.
    pub(crate) async fn ready(&self) -> Result<Instant, Error> {
        let mut due = None;
        loop {
            let now = now();
            let (is_first, wait) = self.outlook(now);
            match (is_first, wait) {
                (true, Duration::ZERO) => return Ok(due.map_or(now, |due| now.min(due))),
                (false, _) if !self.has_call => self.wake.notified().await,
                // The thread of the first caller may be blocked.
                (false, wait) => self.pause(wait.max(LOOK)).await?,
                (true, wait) => {
                    due = now.checked_add(wait);
                    self.pause(wait).await?;
                }
            }
        }
    }

    /// Takes the permit, if this position is the first and there is one, and leaves the queue.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut state = lock(&self.limiter.state);
        state.pass_over_the_lost();
        if !state.queue.is_first(self.at) || state.bucket.take(now, 1) == 0 {
            return false;
        }
        state.queue.pop();
        state.wake_first();
        true
    }

    /// Whether this position is the first, and how long it waits for a permit.
    fn outlook(&self, now: Instant) -> (bool, Duration) {
        let mut state = lock(&self.limiter.state);
        state.pass_over_the_lost();
        // A caller that lost its worker waits until the end of its task.
        if state.queue.is_first(self.at) {
            return (true, state.bucket.ready_in(now, 0));
        }
        let wait = |ahead| state.bucket.ready_in(now, ahead as u64);
        (false, state.queue.ahead(self.at).map_or(LOOK, wait))
    }

    /// Waits until `wait` is over or something has changed.
    async fn pause(&self, wait: Duration) -> Result<(), Error> {
        let timer = timer(wait, self.has_call)?;
        tokio::select! {
            () = self.wake.notified() => {}
            () = timer => {}
        }
        Ok(())
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.limiter.state);
        let was_first = state.queue.is_first(self.at);
        state.queue.remove(self.at);
        if was_first {
            state.wake_first();
        }
    }
}

fn check_rate(rate: Decimal) -> Result<(), Error> {
    if rate < SLOWEST {
        return Err(Error::config("rate: must be at least 0.000000001 requests per second"));
    }
    Ok(())
}

/// The time by tokio's clock, which a test may have paused.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("RateLimiter")
            .field("bucket", &state.bucket)
            .field("waiting", &state.queue.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all};
    use proptest::prelude::*;
    use tokio::time::{advance, sleep, timeout};

    use super::*;
    use crate::permits::Semaphore;

    fn limiter(rate: &str, burst: u32) -> Arc<RateLimiter> {
        Arc::new(RateLimiter::new(rate.parse().unwrap(), burst).unwrap())
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn in_flight() -> Arc<InFlight> {
        let permit = Arc::new(Semaphore::new(1)).try_acquire().unwrap();
        Arc::new(InFlight::new(permit))
    }

    /// A runtime whose clock moves only when everyone sleeps.
    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    }

    /// Fails if more than burst + rate × time were granted over any stretch.
    fn check_bound(grants: &[Instant], rate: Decimal, burst: u32) {
        for first in 0..grants.len() {
            for last in first..grants.len() {
                let nanos = i64::try_from((grants[last] - grants[first]).as_nanos()).unwrap();
                let most = Decimal::from(burst) + rate * Decimal::new(nanos, 9);
                let granted = Decimal::from(last - first + 1);
                assert!(granted <= most, "{granted} of {most}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_stretch_of_time_grants_more_than_burst_and_rate_whoever_gives_up(
            rate in (1..20_000i64, 0..=2u32).prop_map(|(digits, scale)| Decimal::new(digits, scale)),
            burst in 1..20u32,
            // When each caller arrives, and how long it is willing to wait.
            callers in prop::collection::vec((0..3_000u64, 0..3_000u64), 1..60),
        ) {
            let grants = paused().block_on(async {
                let limiter = RateLimiter::new(rate, burst).unwrap();
                let calls = callers.iter().map(async |&(come, patience)| {
                    sleep(millis(come)).await;
                    let granted = timeout(millis(patience), limiter.acquire()).await;
                    granted.map(|granted| { granted.unwrap(); now() }).ok()
                });
                let grants = join_all(calls).await;
                assert!(lock(&limiter.state).queue.is_empty());
                grants
            });
            let mut grants: Vec<Instant> = grants.into_iter().flatten().collect();
            grants.sort();
            check_bound(&grants, rate, burst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn permits_go_to_those_who_came_first() {
        let limiter = limiter("100", 1);
        let order = Mutex::new(Vec::new());
        let calls = (0..20).map(async |n| {
            limiter.acquire().await.unwrap();
            order.lock().unwrap().push(n);
        });
        join_all(calls).await;
        assert_eq!(order.into_inner().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_gives_up_takes_nothing_and_those_behind_move_up() {
        let limiter = limiter("1", 1);
        limiter.acquire().await.unwrap();
        let mut leaving: Vec<_> = (0..5).map(|_| Box::pin(limiter.acquire())).collect();
        assert!(leaving.iter_mut().all(|call| call.now_or_never().is_none()));
        let mut staying = Box::pin(limiter.acquire());
        assert!(staying.as_mut().now_or_never().is_none());
        assert_eq!(limiter.try_acquire(), Err(Duration::from_secs(7)));
        // From the middle, then from the front.
        drop(leaving.remove(2));
        assert_eq!(limiter.try_acquire(), Err(Duration::from_secs(6)));
        let started = now();
        drop(leaving);
        staying.await.unwrap();
        assert!(now() - started <= millis(1_001), "{:?}", now() - started);
        assert_eq!(limiter.try_acquire(), Err(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_tries_does_not_overtake_those_who_wait() {
        let limiter = limiter("10", 1);
        limiter.acquire().await.unwrap();
        let mut waiting = Box::pin(limiter.acquire());
        assert!(waiting.as_mut().now_or_never().is_none());
        advance(millis(150)).await;
        assert_eq!(limiter.try_acquire(), Err(millis(50)));
        waiting.await.unwrap();
        assert_eq!(limiter.try_acquire(), Err(millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_is_in_force_for_those_who_wait() {
        let limiter = limiter("0.001", 1);
        limiter.acquire().await.unwrap();
        let started = now();
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.acquire().await }
        });
        sleep(millis(10)).await;
        limiter.set_rate(Decimal::TEN).unwrap();
        waiting.await.unwrap().unwrap();
        assert!(now() - started < millis(120), "{:?}", now() - started);
        for rate in [Decimal::ZERO, Decimal::NEGATIVE_ONE, Decimal::new(1, 10)] {
            let error = limiter.set_rate(rate).unwrap_err();
            assert!(error.to_string().contains("rate:"), "{error}");
            assert_eq!(RateLimiter::new(rate, 1).unwrap_err().kind(), crate::ErrorKind::Config);
        }
        assert!(RateLimiter::new(Decimal::ONE, 0).unwrap_err().to_string().contains("burst:"));
        assert_eq!(limiter.try_acquire(), Err(millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_ten_milliseconds_uses_the_whole_rate() {
        let limiter = limiter("1000", 10);
        let started = now();
        let calls = (0..8).map(async |_| {
            let mut granted = 0;
            while now() - started < Duration::from_secs(10) {
                limiter.acquire().await.unwrap();
                granted += 1;
            }
            granted
        });
        let granted: u32 = join_all(calls).await.iter().sum();
        assert!((9_900..=10_020).contains(&granted), "{granted}");
    }

    #[test]
    fn threads_that_try_at_once_get_no_more_than_the_limit() {
        let limiter = limiter("1000", 5);
        let started = Instant::now();
        let granted: u32 = std::thread::scope(|scope| {
            let tries = || {
                let (mut granted, mut tries) = (0, 0);
                // However late a thread begins, it tries as often as there are permits.
                while tries < 5 || started.elapsed() < millis(200) {
                    granted += u32::from(limiter.try_acquire().is_ok());
                    tries += 1;
                }
                granted
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(tries)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let most = 5.0 + started.elapsed().as_secs_f64() * 1000.0;
        assert!(granted >= 5 && f64::from(granted) <= most, "{granted} of {most}");
    }

    #[test]
    fn permits_are_waited_for_on_any_executor_with_and_without_a_timer() {
        let limiter = limiter("50", 1);
        let started = Instant::now();
        let without_time = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let with_time = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        for _ in 0..4 {
            futures::executor::block_on(limiter.acquire()).unwrap();
            without_time.block_on(limiter.acquire()).unwrap();
            with_time.block_on(limiter.acquire()).unwrap();
        }
        assert!(started.elapsed() >= millis(20) * 11, "{:?}", started.elapsed());
        assert!(lock(&limiter.state).queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_more_urgent_go_first_and_nobody_is_passed_over_for_ever() {
        let limiter = limiter("10", 1);
        limiter.acquire().await.unwrap();
        let order = Mutex::new(Vec::new());
        let call = async |priority| {
            let place = limiter.join(None, priority);
            loop {
                place.ready().await.unwrap();
                if place.take(now()) {
                    break;
                }
            }
            order.lock().unwrap().push(priority);
        };
        let low = (0..2).map(|_| Priority::Low);
        let calls: Vec<_> = low.chain((0..30).map(|_| Priority::High)).map(call).collect();
        timeout(Duration::from_secs(10), join_all(calls)).await.unwrap();
        let order = order.into_inner().unwrap();
        let low: Vec<_> = (0..32).filter(|n| order[*n] == Priority::Low).collect();
        assert_eq!(low, [15, 31]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_lost_the_worker_without_a_word_is_passed_over() {
        let limiter = limiter("1", 1);
        limiter.acquire().await.unwrap();
        let stuck = [in_flight(), in_flight()];
        // Nobody polls these two, as on a blocked thread.
        let join = |in_flight| limiter.join(Some(in_flight), Priority::Normal);
        let places: Vec<_> = stuck.iter().cloned().map(join).collect();
        let next = join(in_flight());
        assert!(timeout(Duration::from_secs(3), next.ready()).await.is_err());
        for in_flight in &stuck {
            in_flight.revoke_if(|_| true);
        }
        timeout(millis(200), next.ready()).await.unwrap().unwrap();
        assert!(!places[0].take(now()) && next.take(now()));
    }
}
