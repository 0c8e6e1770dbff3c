//! The pools beside the main load: some whose supervisor is killed, some in an application that
//! stops its System while they start, and one that has to find a hidden limit.

use std::{
    error::Error as StdError,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use futures::future::{BoxFuture, FutureExt, join, join_all};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use vantage_api_pool::{AwwPool, Error, ErrorKind, Response, Supervisor};

use super::tally::Tally;

/// One supervisor dies, and one System stops, per this many calls of the main load.
pub(crate) const CALLS_PER_DEATH: u64 = 1_000;
/// How many calls are made meanwhile.
const CALLS: u64 = 20;
/// How many callers use the API with the hidden limit, without a pause.
const EAGER: u64 = 8;
/// The longest time that any call may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the supervisor that receives it panic. No message of the crate does.
#[derive(Message)]
#[rtype(result = "()")]
struct Die;

impl Handler<Die> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Die, _: &mut Self::Context) {
        std::panic::resume_unwind(Box::new("a panic of the run's own"));
    }
}

/// Counts of injected faults.
#[derive(Default)]
pub(crate) struct Deaths {
    pub(crate) supervisors: AtomicU64,
    pub(crate) systems: AtomicU64,
}

impl Deaths {
    /// Kills a supervisor and stops a System for every [`CALLS_PER_DEATH`] of `calls`, as `made`
    /// reaches them.
    pub(crate) async fn run(
        &self,
        url: &str,
        made: &AtomicU64,
        calls: u64,
    ) -> Result<Tally, Box<dyn StdError>> {
        let mut tally = Tally::default();
        for round in 1..=calls / CALLS_PER_DEATH {
            while made.load(Ordering::SeqCst) < round * CALLS_PER_DEATH {
                sleep(Duration::from_millis(5)).await;
            }
            let pool = AwwPool::builder(url).workers(2).build()?;
            let supervisor = pool.supervisor().await?;
            let death = async {
                sleep(Duration::from_micros(fastrand::u64(..3_000))).await;
                supervisor.do_send(Die);
            };
            let calls = (0..CALLS).map(|number| fine(&pool, number)).collect();
            let (answers, ()) = join(answers(calls), death).await;
            add(&mut tally, answers?);
            self.supervisors.fetch_add(1, Ordering::SeqCst);

            let pool = AwwPool::builder(url).workers(2).build()?;
            add(&mut tally, stop_system(&pool).await?);
            self.systems.fetch_add(1, Ordering::SeqCst);
        }
        Ok(tally)
    }
}

type Answer = Result<Response, Error>;

/// A call to which the server responds without a fault.
fn fine(pool: &AwwPool, number: u64) -> BoxFuture<'static, Answer> {
    let pool = pool.clone();
    async move { pool.get(format!("/fine/{number}")).await }.boxed()
}

async fn answers(calls: Vec<BoxFuture<'static, Answer>>) -> Result<Vec<Answer>, &'static str> {
    timeout(PATIENCE, join_all(calls)).await.map_err(|_| "a call of a pool that died hangs")
}

/// Makes calls of a pool in the System of an application that stops between the start of the pool's
/// first thread and that of its last actor, or soon after.
async fn stop_system(pool: &AwwPool) -> Result<Vec<Answer>, Box<dyn StdError>> {
    let (hand_over, handed_over) = oneshot::channel();
    let own = pool.clone();
    let application = thread::Builder::new().name("application".into()).spawn(move || {
        let system = actix::System::new();
        system.block_on(async {
            let mut calls: Vec<_> = (0..CALLS).map(|number| fine(&own, number)).collect();
            // The first poll starts the pool here; the responses are awaited elsewhere.
            for call in &mut calls {
                assert!(call.now_or_never().is_none());
            }
            let _ = hand_over.send(calls);
            thread::sleep(Duration::from_micros(fastrand::u64(..500)));
            actix::System::current().stop();
        });
        system.run()
    })?;
    let answers = answers(handed_over.await?).await?;
    tokio::task::spawn_blocking(|| application.join()).await?.map_err(|_| "it panicked")??;
    Ok(answers)
}

fn add(tally: &mut Tally, answers: Vec<Answer>) {
    for (number, answer) in (0..).zip(answers) {
        tally.sent += 1;
        match answer {
            Ok(response) => tally.succeeded(number, &response),
            Err(error) => {
                tally.failed(number, &error, error.kind() == ErrorKind::ShuttingDown);
            }
        }
    }
}

/// Calls the API with the hidden limit until `is_over`.
pub(crate) async fn ask_eagerly(url: &str, is_over: Arc<AtomicBool>) -> Result<Tally, Error> {
    let pool = AwwPool::builder(url).workers(1).use_dampener(true).build()?;
    let caller = || async {
        let mut tally = Tally::default();
        while !is_over.load(Ordering::SeqCst) {
            tally.sent += 1;
            match pool.get("/limited").await {
                Ok(_) => tally.ok += 1,
                Err(error) => tally.failed(0, &error, error.kind() == ErrorKind::Status),
            }
        }
        tally
    };
    let mut tally = Tally::default();
    for of_caller in join_all((0..EAGER).map(|_| caller())).await {
        tally.add(of_caller);
    }
    pool.shutdown(Duration::from_secs(1)).await;
    Ok(tally)
}
