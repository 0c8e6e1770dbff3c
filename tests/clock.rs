//! The wall clock jumps a day, either way, while a pool works: no wait gets longer or
//! shorter, and no token is renewed for it.
//!
//! The program has a clock of its own: its definition of `clock_gettime` takes the place
//! of the C library's, which the standard library calls.

#![cfg(test)]
#![cfg(target_os = "linux")]
// The C boundary is where a program can be told another time.
#![allow(unsafe_code)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures::future::join_all;
use support::{
    hostile::{Answer, Hostile},
    soon,
};
use vantage_api_pool::{AwwPool, Error, Request, Token};

const DAY: i64 = 86_400;

/// By how many seconds the wall clock is wrong.
static WRONG: AtomicI64 = AtomicI64::new(0);

/// The time of `clock`, with the wall clock wrong by [`WRONG`].
///
/// # Safety
/// As of the function of the C library: `time` must be valid for a write.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(
    clock: libc::clockid_t,
    time: *mut libc::timespec,
) -> libc::c_int {
    // SAFETY: the system call has the contract of this function.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if result == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the system call has just written there.
        unsafe { (*time).tv_sec += WRONG.load(Ordering::SeqCst) };
    }
    result as libc::c_int
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Sets the wall clock wrong while `work` goes on, and asserts that it is.
async fn while_the_clock_jumps<T>(days: i64, work: impl Future<Output = T>) -> T {
    let before = SystemTime::now();
    let jump = async {
        tokio::time::sleep(millis(100)).await;
        WRONG.store(days * DAY, Ordering::SeqCst);
        let now = SystemTime::now();
        let jumped = now.duration_since(before).or_else(|error| Ok::<_, ()>(error.duration()));
        assert!(jumped.unwrap() > Duration::from_secs(80_000), "the clock did not jump");
    };
    let (result, ()) = tokio::join!(soon("the work", work), jump);
    WRONG.store(0, Ordering::SeqCst);
    result
}

#[tokio::test]
async fn faults_34_a_clock_that_jumps_a_day_changes_no_wait_and_no_token() {
    for days in [1, -1] {
        // A hold in seconds, and the back-off of a failure.
        let busy = Answer::TooMany("1".into()).times(1);
        let api = Hostile::new(5).on_any(busy).on_any(Answer::Status(503).times(1)).start();
        let pool = AwwPool::builder(api.url()).backoff_base(millis(400)).build().unwrap();
        let started = Instant::now();
        while_the_clock_jumps(days, pool.get("/rows")).await.unwrap();
        let took = started.elapsed();
        assert!(took > millis(900), "{days} days: {took:?}");

        // A rate limit.
        let api = Hostile::new(5).start();
        let pool = AwwPool::builder(api.url()).rate_limit(20.into()).build().unwrap();
        let started = Instant::now();
        let calls = join_all((0..21).map(|_| pool.get("/rows")));
        assert!(while_the_clock_jumps(days, calls).await.iter().all(Result::is_ok));
        let took = started.elapsed();
        assert!(took > millis(900), "{days} days: {took:?}");

        // A deadline.
        let api = Hostile::new(5).closed().start();
        let pool = AwwPool::new(1, None, false, api.url());
        let request = Request::get("/rows?page=1").timeout(millis(700));
        let started = Instant::now();
        while_the_clock_jumps(days, pool.request(request)).await.unwrap_err();
        let took = started.elapsed();
        assert!(took > millis(650), "{days} days: {took:?}");

        // A token that is good for an hour.
        let acquired = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&acquired);
        let acquire = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let token = Token::new("token").expires_in(Duration::from_secs(3_600));
            std::future::ready(Ok::<_, Error>(token))
        };
        let api = Hostile::new(5).start();
        let pool = AwwPool::builder(api.url()).rate_limit(20.into());
        let pool = pool.with_auth_callback(1, acquire, |request, _| request).build().unwrap();
        let calls = join_all((0..11).map(|_| pool.get("/rows")));
        assert!(while_the_clock_jumps(days, calls).await.iter().all(Result::is_ok));
        assert_eq!(acquired.load(Ordering::SeqCst), 1, "{days} days");
    }
}
