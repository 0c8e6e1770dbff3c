//! What it costs to check a resource out and to return it, beside deadpool and bb8: the time of a
//! thread for each, with one caller, and with eight callers for four resources.
//!
//! ```text
//! cargo bench -p vantage-api-extract --bench checkout [-- <a part of a name>]
//! ```

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};

use tokio::{runtime::Builder, task::JoinSet};
use vantage_api_extract::resource::{BoxError, Poolable, ResetOn, ResourcePool};

/// Few, so that on a busy machine some samples are not interrupted.
const ROUNDS: u32 = 4_000;
const SAMPLES: usize = 400;

/// A resource with nothing to be reset, and nothing that can break.
struct Thing(u64);

impl Poolable for Thing {
    const NEEDS_RUNTIME: bool = false;
}

struct Manager;

impl deadpool::managed::Manager for Manager {
    type Type = Thing;
    type Error = Infallible;

    async fn create(&self) -> Result<Thing, Infallible> {
        Ok(Thing(0))
    }

    async fn recycle(
        &self,
        _: &mut Thing,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Thing;
    type Error = Infallible;

    async fn connect(&self) -> Result<Thing, Infallible> {
        Ok(Thing(0))
    }

    async fn is_valid(&self, _: &mut Thing) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Thing) -> bool {
        false
    }
}

/// The least time of a round among the samples.
fn measure<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    callers: u32,
    mut run: impl FnMut(u32) -> F,
) {
    if !std::env::args().skip(1).all(|wanted| wanted == "--bench" || name.contains(&wanted)) {
        return;
    }
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let least = (0..SAMPLES).map(|_| {
        runtime.block_on(async {
            let begun = Instant::now();
            let all: JoinSet<()> = (0..callers).map(|_| run(ROUNDS / callers)).collect();
            all.join_all().await;
            begun.elapsed()
        })
    });
    let least = least.min().unwrap_or(Duration::MAX) / ROUNDS;
    println!("{name:32} {callers} callers: {least:?}");
}

fn main() {
    for (callers, max) in [(1, 4), (8, 4)] {
        // The others give up a wait after a time, unless told otherwise.
        for (name, limit) in
            [("deadpool", None), ("deadpool, giving up", Some(Duration::from_secs(5)))]
        {
            let pool = deadpool::managed::Pool::<Manager>::builder(Manager).max_size(max);
            let pool = pool.runtime(deadpool::Runtime::Tokio1).wait_timeout(limit);
            let pool = pool.build().unwrap();
            measure(name, callers, |rounds| {
                let pool = pool.clone();
                async move {
                    for _ in 0..rounds {
                        let mut thing = pool.get().await.unwrap();
                        thing.0 += 1;
                        if callers > 1 {
                            tokio::task::yield_now().await;
                        }
                        black_box(thing.0);
                    }
                }
            });
        }

        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let size = u32::try_from(max).unwrap();
        let pool = runtime.block_on(bb8::Pool::builder().max_size(size).build(Manager)).unwrap();
        measure("bb8", callers, |rounds| {
            let pool = pool.clone();
            async move {
                for _ in 0..rounds {
                    let mut thing = pool.get().await.unwrap();
                    thing.0 += 1;
                    if callers > 1 {
                        tokio::task::yield_now().await;
                    }
                    black_box(thing.0);
                }
            }
        });

        for (name, reset_on) in [
            ("ResourcePool", ResetOn::Return),
            ("ResourcePool, reset on checkout", ResetOn::Checkout),
        ] {
            let make = || async { Ok::<_, BoxError>(Thing(0)) };
            let pool = ResourcePool::builder(make).max(max).reset_on(reset_on).build().unwrap();
            measure(name, callers, |rounds| {
                let pool = pool.clone();
                async move {
                    for _ in 0..rounds {
                        let mut thing = pool.checkout().await.unwrap();
                        thing.0 += 1;
                        if callers > 1 {
                            tokio::task::yield_now().await;
                        }
                        black_box(thing.0);
                    }
                }
            });
        }
    }
}
