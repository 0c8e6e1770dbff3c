//! One budget for all processes: the rate of an API is a row in the database, of which each process is
//! granted blocks of permits, some hundredths of a second's worth at a time, and ahead of need.

mod blocks;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rust_decimal::{Decimal, prelude::ToPrimitive};
use tokio::{sync::Notify, task::JoinHandle};
use vantage_api_pool::limits::SharedBudget;

use crate::store::{Grant, PATIENCE, Store, within};
use blocks::Blocks;

/// When to ask again while nothing is known yet.
const SOON: Duration = Duration::from_millis(20);

/// How often it is looked whether there is a limit by now, while there is none.
const LOOK: Duration = Duration::from_millis(500);

/// The wait before the database is asked again that was not there. Nothing is sent meanwhile.
const RETRY: Duration = Duration::from_millis(500);

/// The longest time for which what headers tell holds for others.
const TOLD_FOR: Duration = Duration::from_secs(10);

/// The budget of a process.
pub(crate) struct Budget {
    state: Mutex<State>,
    /// There is something to ask or to tell.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What the budget is called, once the pool has begun.
    key: Option<String>,
    /// The limit that the pool was given, if it was not told yet.
    limit: Option<Option<f64>>,
    blocks: Blocks,
    /// Whether there is no limit, as far as is known.
    is_unlimited: bool,
    /// When the last request was sent that the API refused, if it was not told yet.
    refused: Option<Instant>,
    /// The rate of a quota, if it was not told yet.
    quota: Option<f64>,
    /// How many requests were not refused, of those that were not told yet.
    accepted: u32,
    /// When the permits were given up that were left at a refusal.
    given_up: Option<Instant>,
}

/// What is to be told before a block is asked for.
struct News {
    key: String,
    limit: Option<Option<f64>>,
    refused: Option<Instant>,
    quota: Option<f64>,
    accepted: u32,
}

impl Budget {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), wanted: Notify::new() })
    }

    /// Asks the database for what is needed, until it is aborted.
    pub(crate) fn start(self: &Arc<Self>, store: Arc<dyn Store>) -> JoinHandle<()> {
        let own = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                // While there is no limit, another process may have met one.
                let _ = tokio::time::timeout(LOOK, own.wanted.notified()).await;
                if let Err(error) = own.ask(&*store).await {
                    tracing::warn!(%error, "the shared budget cannot be asked");
                    // Whether there is a limit by now is not known.
                    own.state().is_unlimited = false;
                    tokio::time::sleep(RETRY).await;
                }
            }
        })
    }

    async fn ask(&self, store: &dyn Store) -> Result<(), crate::Error> {
        let Some(mut news) = self.news() else { return Ok(()) };
        let told = within(PATIENCE, self.tell(store, &mut news)).await;
        if let Err(error) = told {
            self.state().keep(&news);
            return Err(error);
        }
        let is_wanted = {
            let state = self.state();
            state.is_unlimited || state.blocks.are_few()
        };
        if !is_wanted {
            self.state().accept(news.accepted);
            return Ok(());
        }
        let asked = Instant::now();
        let grant = within(PATIENCE, store.grant(&news.key, news.accepted)).await;
        let grant = grant.inspect_err(|_| self.state().accept(news.accepted))?;
        let mut state = self.state();
        match grant {
            Grant::Unlimited => state.is_unlimited = true,
            Grant::Permits { permits, each, wait } => {
                state.is_unlimited = false;
                // From before the question on: the answer has taken its time.
                state.blocks.add(permits, each, asked + wait);
            }
        }
        Ok(())
    }

    /// Tells what is new, and leaves what could not be told.
    async fn tell(&self, store: &dyn Store, news: &mut News) -> Result<(), crate::Error> {
        if let Some(limit) = news.limit {
            store.limit_budget(&news.key, limit).await?;
            news.limit = None;
        }
        if let Some(sent) = news.refused {
            store.cut_budget(&news.key, sent.elapsed(), news.accepted).await?;
            (news.refused, news.accepted) = (None, 0);
        }
        if let Some(rate) = news.quota {
            store.tell_quota(&news.key, rate, TOLD_FOR).await?;
            news.quota = None;
        }
        Ok(())
    }

    fn news(&self) -> Option<News> {
        let mut state = self.state();
        let key = state.key.clone()?;
        Some(News {
            key,
            limit: state.limit.take(),
            refused: state.refused.take(),
            quota: state.quota.take(),
            accepted: std::mem::take(&mut state.accepted),
        })
    }

    /// Gives back what was granted and not used.
    pub(crate) async fn give_back(&self, store: &dyn Store) -> Result<(), crate::Error> {
        let (key, time) = {
            let mut state = self.state();
            let time = state.blocks.give_back(Instant::now());
            (state.key.clone(), time)
        };
        match key {
            Some(key) if !time.is_zero() => store.return_budget(&key, time).await,
            _ => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps what could not be told, unless something later is to be told.
    fn keep(&mut self, news: &News) {
        self.limit = self.limit.or(news.limit);
        self.refused = self.refused.max(news.refused);
        self.quota = self.quota.or(news.quota);
        self.accept(news.accepted);
    }

    /// So many requests were not refused.
    fn accept(&mut self, requests: u32) {
        self.accepted = self.accepted.saturating_add(requests);
    }

    /// A request was refused that was sent at this moment. Permits of the rate at which that was are given
    /// up, once for those that were in flight at a time: they would be refused as well before all know.
    fn refuse(&mut self, sent: Instant, now: Instant) {
        if self.given_up.is_none_or(|given_up| sent > given_up) {
            self.blocks.give_back(now);
            self.given_up = Some(now);
        }
        self.refused = self.refused.max(Some(sent));
    }
}

impl SharedBudget for Budget {
    fn try_take(&self) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.state();
        if state.is_unlimited {
            return Ok(());
        }
        let taken = state.blocks.take(now);
        if state.blocks.are_few() {
            self.wanted.notify_one();
        }
        taken.map_err(|wait| wait.unwrap_or(SOON))
    }

    fn limited(&self, origin: &str, rate_limit: Option<Decimal>) {
        let mut state = self.state();
        state.key = Some(origin.to_owned());
        state.limit = Some(rate_limit.and_then(|rate| rate.to_f64()));
        self.wanted.notify_one();
    }

    fn ended(&self, is_refused: bool, age: Duration, quota: Option<f64>) {
        let mut state = self.state();
        if !is_refused {
            state.accept(1);
            if quota.is_none() {
                return;
            }
        }
        if is_refused {
            let now = Instant::now();
            state.refuse(now.checked_sub(age).unwrap_or(now), now);
        }
        state.quota = quota.or(state.quota);
        self.wanted.notify_one();
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgPoolOptions;

    use super::*;
    use crate::store::PostgresStore;

    #[test]
    fn what_could_not_be_told_is_told_later_unless_something_newer_is() {
        let budget = Budget::new();
        budget.limited("http://a", Some(Decimal::TEN));
        budget.ended(false, Duration::ZERO, None);
        budget.ended(true, Duration::from_secs(1), Some(3.0));
        let news = budget.news().unwrap();
        assert_eq!((news.limit, news.quota, news.accepted), (Some(Some(10.0)), Some(3.0), 1));
        assert!(news.refused.is_some());
        assert!(budget.news().unwrap().refused.is_none(), "told once");

        budget.state().keep(&news);
        let again = budget.news().unwrap();
        assert_eq!((again.limit, again.quota), (news.limit, news.quota));
        assert_eq!((again.refused, again.accepted), (news.refused, news.accepted));

        budget.limited("http://a", None);
        budget.ended(true, Duration::ZERO, Some(2.0));
        budget.state().keep(&news);
        let newer = budget.news().unwrap();
        assert_eq!((newer.limit, newer.quota), (Some(None), Some(2.0)));
        assert!(newer.refused > news.refused);
    }

    #[tokio::test]
    async fn what_was_accepted_is_told_later_if_no_permits_could_be_asked_for() {
        let budget = Budget::new();
        budget.limited("http://a", None);
        assert_eq!(budget.news().unwrap().limit, Some(None));
        budget.ended(false, Duration::ZERO, None);
        // Nobody listens there.
        let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(10));
        let pool = pool.connect_lazy("postgres://127.0.0.1:1/none").unwrap();
        assert!(budget.ask(&PostgresStore { pool }).await.is_err());
        assert_eq!(budget.news().unwrap().accepted, 1);
    }

    #[test]
    fn a_refusal_gives_up_what_is_left_once_for_those_that_were_in_flight() {
        let (budget, long) = (Budget::new(), Duration::from_secs(3600));
        let add = || budget.state().blocks.add(2, long, Instant::now());
        add();
        budget.ended(true, Duration::from_millis(1), None);
        assert_eq!(budget.try_take(), Err(SOON));
        add();
        // Sent before that.
        budget.ended(true, Duration::from_secs(1), None);
        assert_eq!(budget.try_take(), Ok(()));
        budget.ended(true, Duration::ZERO, None);
        assert_eq!(budget.try_take(), Err(SOON));
    }
}
