//! What it costs to get the right to be on the wire and to give it back, beside the pool
//! `deadpool`, which lends an object where this one lends a permit.

use std::{
    convert::Infallible,
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use deadpool::managed;
use vantage_api_pool::bench_support::{Permits, Place};

use super::runtime;

const THREADS: usize = 16;

/// Makes objects that cost nothing.
struct Trivial;

impl managed::Manager for Trivial {
    type Type = ();
    type Error = Infallible;

    async fn create(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn recycle(
        &self,
        (): &mut (),
        _: &managed::Metrics,
    ) -> managed::RecycleResult<Infallible> {
        Ok(())
    }
}

fn deadpool(size: usize) -> managed::Pool<Trivial> {
    managed::Pool::builder(Trivial).max_size(size).build().unwrap()
}

pub(super) fn alone(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("acquire and release, alone");
    let caller = Permits::new(THREADS).caller();
    group.bench_function("permit", |b| {
        b.to_async(&runtime).iter(async || drop(black_box(caller.permit().await.unwrap())));
    });
    group.bench_function("permit in a seat", |b| {
        b.to_async(&runtime).iter(async || drop(black_box(caller.seat().await.unwrap())));
    });
    group.bench_function("slot", |b| {
        b.to_async(&runtime).iter_custom(async |rounds| {
            let mut place = Place::new(&caller).await.unwrap();
            let start = Instant::now();
            for _ in 0..rounds {
                place.hold().await.unwrap();
                place.release();
            }
            start.elapsed()
        });
    });
    let pool = deadpool(THREADS);
    group.bench_function("deadpool", |b| {
        b.to_async(&runtime).iter(async || drop(black_box(pool.get().await.unwrap())));
    });
    group.finish();
}

/// One round is one taking by each of the threads.
pub(super) fn contended(c: &mut Criterion) {
    // With a permit for each thread none waits: what is measured is how they share memory.
    group(c, "16 threads for 16 permits", THREADS, || {});
    // Others run while a permit is held, so that the queue is never empty.
    group(c, "16 threads queue for 4 permits", 4, thread::yield_now);
}

fn group(c: &mut Criterion, name: &str, size: usize, use_it: fn()) {
    let mut group = c.benchmark_group(format!("acquire and release, {name}"));
    group.throughput(Throughput::Elements(THREADS as u64));
    let permits = Permits::new(size);
    let permit = async |turns| {
        let caller = permits.caller();
        for _ in 0..turns {
            let permit = caller.permit().await.unwrap();
            use_it();
            drop(permit);
        }
    };
    group.bench_function("permit", |b| b.iter_custom(|turns| contend(turns, permit)));
    let seat = async |turns| {
        let caller = permits.caller();
        for _ in 0..turns {
            let seat = caller.seat().await.unwrap();
            use_it();
            drop(seat);
        }
    };
    group.bench_function("permit in a seat", |b| b.iter_custom(|turns| contend(turns, seat)));
    let slot = async |turns| {
        let mut place = Place::new(&permits.caller()).await.unwrap();
        for _ in 0..turns {
            place.hold().await.unwrap();
            use_it();
            place.release();
        }
    };
    group.bench_function("slot", |b| b.iter_custom(|turns| contend(turns, slot)));
    let pool = deadpool(size);
    let object = async |turns| {
        for _ in 0..turns {
            let object = pool.get().await.unwrap();
            use_it();
            drop(object);
        }
    };
    group.bench_function("deadpool", |b| b.iter_custom(|turns| contend(turns, object)));
    group.finish();
}

/// How long all threads together take for so many turns each. They start at once.
fn contend(turns: u64, take: impl AsyncFn(u64) + Sync) -> Duration {
    let barrier = Barrier::new(THREADS + 1);
    let start = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let runtime = runtime();
                barrier.wait();
                runtime.block_on(take(turns));
            });
        }
        barrier.wait();
        Instant::now()
    });
    start.elapsed()
}
