//! A sample of everything that is counted, as an event. Pools are told as they are and as they were
//! between this sample and the last one, since percentiles cannot be subtracted by who reads them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use vantage_api_pool::stats::Stats;

use crate::{gateway::State, jobs::Jobs, operate::pools_of, stats::BUCKETS};

/// How long a sample is given to those who ask: a little less than the time between two events.
const FRESH: Duration = Duration::from_millis(900);
/// How long before a sample another one may be, so that what was between them is recent.
const RECENT: Duration = Duration::from_secs(5);

/// Takes samples, each for all who want one at the time.
#[derive(Default)]
pub(super) struct Sampler(Mutex<Option<Sample>>);

struct Sample {
    number: u64,
    taken: Instant,
    event: Bytes,
    /// In the order of the gateway's pools.
    pools: Vec<Option<Stats>>,
}

impl Sampler {
    /// The number of the latest sample, from 1, and its event.
    pub(super) async fn latest(&self, state: &State) -> (u64, Bytes) {
        // Who comes while a sample is taken waits for it.
        let mut last = self.0.lock().await;
        if let Some(sample) = &*last
            && sample.taken.elapsed() < FRESH
        {
            return (sample.number, sample.event.clone());
        }
        let (names, pools): (Vec<&str>, Vec<Option<Stats>>) =
            pools_of(state).await.into_iter().unzip();
        let number = last.as_ref().map_or(1, |sample| sample.number + 1);
        let earlier = last.as_ref().filter(|sample| sample.taken.elapsed() < RECENT);
        let mut told = Map::new();
        for (nth, (name, now)) in names.into_iter().zip(&pools).enumerate() {
            let before = earlier.and_then(|sample| sample.pools.get(nth)?.as_ref());
            told.insert(name.to_owned(), of_pool(now.as_ref(), before));
        }
        let document = of_all(state, &told);
        let event = Bytes::from(format!("id: {number}\ndata: {document}\n\n"));
        *last = Some(Sample { number, taken: Instant::now(), event: event.clone(), pools });
        (number, event)
    }
}

fn of_all(state: &State, pools: &Map<String, Value>) -> Value {
    let bounds = BUCKETS.map(|micros| Duration::from_micros(micros).as_secs_f64());
    json!({
        "at": state.status.started.elapsed().as_secs_f64(),
        "bounds": bounds,
        "gateway": state.counts.stats(state),
        "pools": pools,
        "jobs": state.jobs.as_ref().map(Jobs::known),
        "kv": of_kv(state),
    })
}

fn of_pool(now: Option<&Stats>, before: Option<&Stats>) -> Value {
    now.map_or(
        Value::Null,
        |now| json!({ "total": now, "recent": before.map(|before| now.difference(before)) }),
    )
}

#[cfg(feature = "kv")]
fn of_kv(state: &State) -> Value {
    state.kv.as_ref().map_or(Value::Null, |kv| json!(kv.stats()))
}

#[cfg(not(feature = "kv"))]
fn of_kv(_: &State) -> Value {
    Value::Null
}
