//! A process that works: its slots do units, and two tasks look after the rest. One says that the
//! process is alive; the other hands out again what was lost, ends what has come to its end, and begins
//! what is due.

mod ends;
mod running;
mod times;
mod unit;

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use uuid::Uuid;
use vantage_api_ingest::{Job, description::Description, schedule::Schedule};
use vantage_api_pool::AwwPool;

use crate::{
    Error, Settings,
    cluster::streams,
    dispatch::Dispatcher,
    engine::Engine,
    member::Member,
    store::{LIMIT, PATIENCE, Store, within},
};
use running::Running;

/// How often what has long ended is forgotten.
const TIDY: Duration = Duration::from_secs(300);

/// A process that works in a cluster. Dropped, it stops at once, and others take what it had once they
/// miss it; [`stop`](Self::stop) hands that over.
pub struct Worker {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    slots: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
    member: Option<Member>,
}

/// What all parts of a worker have.
struct Shared {
    me: String,
    store: Arc<dyn Store>,
    settings: Settings,
    description: Description,
    pool: AwwPool,
    dispatcher: Arc<dyn Dispatcher>,
    running: Arc<Running>,
    /// Since when it looks for what is due.
    since: DateTime<Utc>,
    /// Held while a heartbeat is written, and while the worker leaves until no other one can be: it
    /// would have the worker come back.
    beating: Mutex<()>,
}

impl Worker {
    /// Starts to work on the jobs of a description, with a pool of its own that takes from the budget of
    /// all.
    ///
    /// # Errors
    /// If a setting is not valid, or the database of the cluster cannot be reached.
    pub async fn start(settings: Settings, description: Description) -> Result<Self, Error> {
        Member::join(settings, description.api.clone()).await?.work(description).await
    }

    /// Starts to work on what a dispatcher gives, such as one of this process alone, with requests that
    /// go through `pool`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn dispatched(
        settings: Settings,
        description: Description,
        pool: AwwPool,
        dispatcher: Arc<dyn Dispatcher>,
    ) -> Result<Self, Error> {
        let store = Engine::connect(&settings).await?.store();
        Self::with(settings, description, pool, name(), store, dispatcher).await
    }

    /// The same worker, which has joined by this.
    pub(crate) fn of(mut self, member: Member) -> Self {
        self.member = Some(member);
        self
    }

    pub(crate) async fn with(
        settings: Settings,
        description: Description,
        pool: AwwPool,
        me: String,
        store: Arc<dyn Store>,
        dispatcher: Arc<dyn Dispatcher>,
    ) -> Result<Self, Error> {
        store.beat(&me, settings.silence(), settings.slots).await?;
        let (running, since) = (Arc::new(Running::default()), Utc::now());
        let shared = Arc::new(Shared {
            me,
            store,
            settings,
            description,
            pool,
            dispatcher,
            running,
            since,
            beating: Mutex::new(()),
        });
        let (stop, stopping) = watch::channel(false);
        let slots = {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let (handler, slots) = (Arc::new(Arc::clone(&shared)), shared.settings.slots);
                shared.dispatcher.run(handler, slots, stopping).await;
            })
        };
        let others = vec![
            tokio::spawn(Arc::clone(&shared).beat()),
            tokio::spawn(Arc::clone(&shared).look()),
        ];
        Ok(Self { shared, stop, slots, others, member: None })
    }

    /// Its name in the cluster: the host, the process and something random.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.me
    }

    /// Stops: what was read is committed, and others take what it had at once.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.shared.running.stop_all();
        if let Err(error) = (&mut self.slots).await {
            tracing::warn!(%error, "the slots have ended before their time");
        }
        let shared = Arc::clone(&self.shared);
        let _silent = shared.beating.lock().await;
        let dropped = shared.running.dropped();
        let left = async {
            shared.store.drop_all(&dropped).await?;
            shared.store.reconcile(&shared.jobs(), &*shared.dispatcher).await?;
            shared.store.leave(&shared.me).await
        };
        if let Err(error) = within(LIMIT, left).await {
            tracing::warn!(%error, "others will miss this worker");
        }
        if let Some(member) = self.member.take() {
            member.leave().await;
        }
        // Its heartbeat ends before it could be written again.
        drop(self);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.slots.abort();
        self.others.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    /// The job of this name, over the pool of the process. Each has controls of its own.
    fn job(&self, name: &str) -> Result<Job, Error> {
        Ok(Job::over(&self.description, name, self.pool.clone())?)
    }

    /// The jobs that it knows.
    fn jobs(&self) -> Vec<String> {
        self.description.jobs.keys().cloned().collect()
    }

    /// Says again and again that the process is alive.
    async fn beat(self: Arc<Self>) {
        let mut ticks = interval(self.settings.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let _beating = self.beating.lock().await;
            let beat = self.store.beat(&self.me, self.settings.silence(), self.settings.slots);
            if let Err(error) = within(PATIENCE, beat).await {
                tracing::warn!(%error, "a heartbeat was not written");
            }
        }
    }

    /// Looks again and again at what there is to do besides the units.
    async fn look(self: Arc<Self>) {
        let mut ticks = interval(self.settings.look());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tidied = Instant::now();
        loop {
            ticks.tick().await;
            // What one of them cannot do is no reason for the others not to be done.
            let given_back = within(LIMIT, self.give_back()).await;
            warn_of(given_back, "what nobody does here any more is not given back yet");
            warn_of(self.settle().await, "what has come to its end is not ended yet");
            let begun = within(LIMIT, self.begin_due()).await;
            warn_of(begun, "what is due has not begun yet");
            let jobs = self.jobs();
            let handed_out = within(LIMIT, self.store.reconcile(&jobs, &*self.dispatcher)).await;
            warn_of(handed_out, "what was lost is not handed out again yet");
            if tidied.elapsed() > TIDY {
                tidied = Instant::now();
                let tidy = async {
                    self.store.forget().await?;
                    self.dispatcher.tidy().await
                };
                warn_of(within(LIMIT, tidy).await, "what has long ended is not forgotten yet");
            }
        }
    }

    /// Stops what others have by now, and gives back what nobody does here any more.
    async fn give_back(&self) -> Result<(), Error> {
        let claimed = self.running.claimed();
        if !claimed.is_empty() {
            self.running.stop(&self.store.lost(&claimed).await?);
        }
        let dropped = self.running.dropped();
        if !dropped.is_empty()
            && let Err(error) = self.store.drop_all(&dropped).await
        {
            self.running.keep_dropped(dropped);
            return Err(error);
        }
        // First the time: however late the database is asked, it takes away nothing that has begun since.
        let time = self.store.time().await?;
        self.store.disown(&self.me, &self.running.begun(), time).await
    }

    /// Begins the runs that are due.
    async fn begin_due(&self) -> Result<(), Error> {
        for (name, job) in &self.description.jobs {
            let Some(schedule) = Schedule::of(job) else { continue };
            let last = self.store.last_due(name).await?;
            let Some(due) = times::due(&schedule, last, self.since, Utc::now()) else { continue };
            self.store.begin(name, &streams(job), Some(due), &*self.dispatcher).await?;
        }
        Ok(())
    }
}

fn warn_of<T>(result: Result<T, Error>, what: &str) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}

/// A name that no other process has or had.
pub(crate) fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "host",
        host => host,
    };
    let random = Uuid::new_v4().simple().to_string();
    let random = random.get(..8).unwrap_or_default();
    format!("{host}-{}-{random}", std::process::id())
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.shared.me).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("me", &self.me).finish_non_exhaustive()
    }
}
