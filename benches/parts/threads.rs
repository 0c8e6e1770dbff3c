//! What it costs to ask another thread: a worker for an answer, the limiter for a lease.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::Criterion;
use tokio::sync::{mpsc, oneshot};
use vantage_api_pool::bench_support::{Allowance, Hop, Throttled};

use super::runtime;

pub(super) fn hop(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("to another thread and back");
    let (ask, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
    thread::spawn(move || {
        self::runtime().block_on(async {
            while let Some(reply) = asked.recv().await {
                reply.send(()).unwrap();
            }
        });
    });
    group.bench_function("two channels", |b| {
        b.to_async(&runtime).iter(async || {
            let (reply, answer) = oneshot::channel();
            ask.send(reply).unwrap();
            answer.await.unwrap();
        });
    });
    let hop = Hop::new().unwrap();
    group.bench_function("a call to a worker that has the answer", |b| {
        b.to_async(&runtime).iter(async || hop.call().await.unwrap());
    });
    group.finish();
}

pub(super) fn lease(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("rate permit");
    let start = Instant::now();
    group.bench_function("from the bucket", |b| {
        // The clock is the bench's own, so that every taking finds one permit.
        let (mut bucket, mut now) = (Allowance::new(1_000_000, 1, start), start);
        b.iter(|| {
            now += Duration::from_micros(1);
            black_box(bucket.wait(now));
            bucket.take(now, 1)
        });
    });
    for (name, workers) in
        [("from a lease, with a slot", 1), ("of the limiter, with a slot", usize::MAX)]
    {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter_custom(async |rounds| {
                let mut call = Throttled::new(workers).await.unwrap();
                let start = Instant::now();
                for _ in 0..rounds {
                    call.pass().await.unwrap();
                }
                start.elapsed()
            });
        });
    }
    group.finish();
}
