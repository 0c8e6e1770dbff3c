//! What it costs to ask a worker, on another thread, for an answer.

use std::thread;

use criterion::Criterion;
use tokio::sync::{mpsc, oneshot};
use vantage_api_pool::bench_support::Hop;

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
