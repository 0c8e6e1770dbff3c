//! What jobs do elsewhere, as the application tells it. However many look, it is asked once at a time,
//! and not again for a second; while nobody looks, it is not asked at all. Who looks waits for no
//! answer, or shortly: a source that is slow, down or broken is told as such.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};

/// Asks for an overview. What is wrong if there is none is the application's to tell.
pub(crate) type Ask = Arc<dyn Fn() -> BoxFuture<'static, Option<Value>> + Send + Sync>;

/// How long an overview is given to those who ask: a little less than the time between two events.
const FRESH: Duration = Duration::from_millis(900);
/// How long the application may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long one who asks once waits for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What jobs do.
pub(crate) struct Jobs {
    ask: Ask,
    known: Arc<watch::Sender<Known>>,
    /// Held by who asks.
    asking: Arc<Mutex<()>>,
}

/// What the last answer was.
#[derive(Default)]
struct Known {
    answered: Option<Answered>,
    overview: Option<Overview>,
}

#[derive(Clone, Copy)]
struct Answered {
    at: Instant,
    is_well: bool,
}

/// An overview, and when it was there.
struct Overview {
    at: Instant,
    told: Value,
}

impl Jobs {
    pub(crate) fn new(ask: Ask) -> Self {
        Self { ask, known: Arc::default(), asking: Arc::default() }
    }

    /// What is known by now. If that is not fresh, it is asked for meanwhile.
    pub(crate) fn known(&self) -> Value {
        self.refresh();
        self.known.borrow().told()
    }

    /// What is known, after a short wait for a fresh answer unless the last one was a failure.
    pub(crate) async fn latest(&self) -> Value {
        let mut known = self.known.subscribe();
        let is_failing = known.borrow().answered.is_some_and(|answered| !answered.is_well);
        if self.refresh() && !is_failing {
            // If it takes longer, what is known is told with its age.
            let _ = timeout(PATIENCE, known.changed()).await;
        }
        self.known.borrow().told()
    }

    /// Whether an answer is under way, which is asked for if that is not known which there is.
    fn refresh(&self) -> bool {
        let is_fresh = |answered: Answered| answered.at.elapsed() < FRESH;
        if self.known.borrow().answered.is_some_and(is_fresh) {
            return false;
        }
        // It ends with the task, however that ends.
        let Ok(asking) = Arc::clone(&self.asking).try_lock_owned() else { return true };
        let (ask, known) = (Arc::clone(&self.ask), Arc::clone(&self.known));
        tokio::spawn(async move {
            let _asking = asking;
            let asked = AssertUnwindSafe(async move { ask().await }).catch_unwind();
            let overview = timeout(LIMIT, asked).await.ok().and_then(Result::ok).flatten();
            known.send_modify(|known| known.take(overview));
        });
        true
    }
}

impl Known {
    fn take(&mut self, overview: Option<Value>) {
        let (at, is_well) = (Instant::now(), overview.is_some());
        self.answered = Some(Answered { at, is_well });
        if let Some(told) = overview {
            self.overview = Some(Overview { at, told });
        }
    }

    fn told(&self) -> Value {
        let state = match self.answered {
            None => "asking",
            Some(Answered { is_well: true, .. }) => "known",
            Some(_) => "unavailable",
        };
        let age = self.overview.as_ref().map(|overview| overview.at.elapsed().as_secs_f64());
        let overview = self.overview.as_ref().map(|overview| &overview.told);
        json!({ "state": state, "age": age, "overview": overview })
    }
}
