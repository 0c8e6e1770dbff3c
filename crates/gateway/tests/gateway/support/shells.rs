//! Tables that are watched: they count their reads, and wait, fail or panic when they are told to.
//! And one with transactions.

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use ciborium::Value;
use tokio::sync::{broadcast, watch};
use vantage_core::{Result, VantageError, error};
use vantage_types::Record;
use vantage_vista::{
    Capability, Page, TableShell, Transaction, TxKey, TxParticipant, Vista, VistaCapabilities,
    VistaChange, VistaChangeStream, forward_table_shell, mocks::MockShell,
};

/// What reads of a watched table do.
pub(crate) struct Gate {
    started: watch::Sender<usize>,
    dropped: watch::Sender<usize>,
    open: watch::Sender<bool>,
    changes: broadcast::Sender<()>,
    failure: Mutex<Option<fn() -> VantageError>>,
    panics: Mutex<bool>,
}

impl Gate {
    /// Reads are answered at once.
    pub(crate) fn open() -> Arc<Self> {
        Self::new(true)
    }

    /// Reads wait.
    pub(crate) fn shut() -> Arc<Self> {
        Self::new(false)
    }

    fn new(is_open: bool) -> Arc<Self> {
        Arc::new(Self {
            started: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
            open: watch::Sender::new(is_open),
            changes: broadcast::Sender::new(16),
            failure: Mutex::default(),
            panics: Mutex::default(),
        })
    }

    /// `vista`, whose reads pass this gate.
    pub(crate) fn before(self: &Arc<Self>, vista: Vista) -> Vista {
        let gate = Arc::clone(self);
        vista.map_shell(|inner| Watched { inner, gate })
    }

    pub(crate) fn reads(&self) -> usize {
        *self.started.borrow()
    }

    pub(crate) fn set_open(&self, is_open: bool) {
        self.open.send_replace(is_open);
    }

    pub(crate) fn fail_with(&self, failure: Option<fn() -> VantageError>) {
        *self.failure.lock().unwrap() = failure;
    }

    /// Tells those who watch that something has changed, and how many they are.
    pub(crate) fn change(&self) -> usize {
        self.changes.send(()).unwrap_or(0)
    }

    pub(crate) fn panic(&self) {
        *self.panics.lock().unwrap() = true;
    }

    pub(crate) fn calm(&self) {
        *self.panics.lock().unwrap() = false;
    }

    /// Waits until so many reads have begun.
    pub(crate) fn wait_for_reads(&self, reads: usize) {
        wait_for(&self.started, reads);
    }

    /// Waits until so many reads were given up while they waited.
    pub(crate) fn wait_for_dropped(&self, reads: usize) {
        wait_for(&self.dropped, reads);
    }

    async fn pass(&self) -> Result<()> {
        self.started.send_modify(|reads| *reads += 1);
        let guard = Dropped(Some(self));
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|is_open| *is_open).await;
        guard.forget();
        if *self.panics.lock().unwrap() {
            panic!("a table that panics, as it was told to");
        }
        match *self.failure.lock().unwrap() {
            Some(failure) => Err(failure()),
            None => Ok(()),
        }
    }
}

struct Dropped<'a>(Option<&'a Gate>);

impl Dropped<'_> {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.0 {
            gate.dropped.send_modify(|reads| *reads += 1);
        }
    }
}

fn wait_for(sender: &watch::Sender<usize>, least: usize) {
    let mut receiver = sender.subscribe();
    let waiting = async {
        tokio::time::timeout(super::LONG, receiver.wait_for(|n| *n >= least)).await.map(drop)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(waiting).is_ok(), "it did not come to {least}");
}

/// A table behind a gate.
#[derive(Clone)]
pub(crate) struct Watched {
    inner: Box<dyn TableShell>,
    gate: Arc<Gate>,
}

forward_table_shell!(Watched, inner, {
    async fn get(&self, id: &str) -> Result<Option<Record<Value>>> {
        self.gate.pass().await?;
        self.inner.get(id).await
    }

    async fn fetch_window(&self, offset: usize, limit: usize) -> Result<Page> {
        self.gate.pass().await?;
        self.inner.fetch_window(offset, limit).await
    }

    async fn watch(&self) -> Result<VistaChangeStream> {
        let changes = self.gate.changes.subscribe();
        Ok(Box::pin(futures::stream::unfold(changes, async |mut changes| {
            changes.recv().await.ok().map(|()| (Ok(VistaChange::Invalidated), changes))
        })))
    }
});

/// A table whose writes in a transaction are seen by others when it is committed.
#[derive(Clone)]
struct Transactional {
    inner: Box<dyn TableShell>,
    rows: MockShell,
    /// What a transaction writes to.
    make: fn() -> MockShell,
}

forward_table_shell!(Transactional, inner, {
    fn rebind(&self, transaction: &Transaction) -> Result<Box<dyn TableShell>> {
        let (rows, make) = (self.rows.clone(), self.make);
        let token = KEY.get_or_init(|| Arc::new(()));
        let staged = transaction.participant(TxKey::of(token), || Staged::of(rows, make()))?;
        Ok(Box::new(staged.copy.clone()))
    }
});

static KEY: OnceLock<Arc<()>> = OnceLock::new();

struct Staged {
    rows: MockShell,
    copy: MockShell,
}

impl Staged {
    fn of(rows: MockShell, copy: MockShell) -> Self {
        copy.clear_records();
        for id in rows.record_ids() {
            copy.set_record(id.clone(), rows.get_record(&id).unwrap());
        }
        Self { rows, copy }
    }
}

#[async_trait]
impl TxParticipant for Staged {
    async fn commit(&self) -> Result<()> {
        if self.copy.get_record("uncommittable").is_some() {
            return Err(error!("the commit fails"));
        }
        self.rows.clear_records();
        for id in self.copy.record_ids() {
            self.rows.set_record(id.clone(), self.copy.get_record(&id).unwrap());
        }
        Ok(())
    }

    async fn rollback(&self) -> Result<()> {
        Ok(())
    }
}

/// A table with transactions, over rows that `make` makes.
pub(crate) fn transactional(rows: &MockShell, make: fn() -> MockShell) -> Vista {
    let inner: Box<dyn TableShell> = Box::new(rows.clone());
    Vista::new("cities", Transactional { inner, rows: rows.clone(), make })
}

/// A table whose pages name each other, by a token that is nobody's business.
#[derive(Clone)]
struct Chained {
    inner: Box<dyn TableShell>,
    capabilities: VistaCapabilities,
}

forward_table_shell!(Chained, inner, {
    fn capabilities(&self) -> &VistaCapabilities {
        &self.capabilities
    }

    async fn fetch_cursor(
        &self,
        token: Option<Value>,
        limit: usize,
    ) -> Result<(Page, Option<Value>)> {
        let offset = match token {
            None => 0,
            Some(Value::Text(url)) => url.trim_start_matches(NEXT).parse().unwrap(),
            Some(other) => panic!("{other:?}"),
        };
        let page = self.inner.fetch_window(offset, limit).await?;
        let end = offset + page.rows.len();
        let is_last = page.total.is_none_or(|total| total <= end as i64);
        let next = (!is_last).then(|| Value::Text(format!("{NEXT}{end}")));
        Ok((Page::new(page.rows), next))
    }
});

const NEXT: &str = "https://upstream.example/rows?key=canary&after=";

/// A table that is read by cursors alone.
pub(crate) fn chained(vista: Vista) -> Vista {
    let capabilities = VistaCapabilities::new().with(Capability::Cursor);
    vista.map_shell(|inner| Chained { inner, capabilities })
}
