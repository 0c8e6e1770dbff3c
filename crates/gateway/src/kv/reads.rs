//! The handle of a store: how it is read. What is short is read on the thread of the caller, what is
//! long where waiting for the disk holds nobody up.

use std::ops::Range;

use bytes::Bytes;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Batch, Entry, Error, Key, Kv, Outcome, Page, Value,
    budget::Share,
    error::{Failure, guarded},
    snapshot::{Located, Snapshot},
    stats::add,
};

/// The most bytes that are read on the thread of the caller, and the most keys that are looked
/// up there.
const READ_AT_ONCE: u64 = 64 << 10;
const KEYS_AT_ONCE: usize = 100;

impl Kv {
    /// The most keys of a page.
    pub const MAX_PAGE: usize = 1_000;

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Unavailable`] or [`Error::Damaged`].
    pub async fn get(&self, key: &Key) -> Result<Option<Value>, Error> {
        let snapshot = self.snapshot().await?;
        let Some(located) = self.find(&snapshot, key)? else { return Ok(None) };
        let whole = 0..located.entry.size;
        let entry = located.entry.clone();
        let (parts, _) = self.read(snapshot, located, whole).await?;
        Ok(Some(Value { entry, parts }))
    }

    /// What is known of the value of a key, without its bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Unavailable`] or [`Error::Damaged`].
    pub async fn entry(&self, key: &Key) -> Result<Option<Entry>, Error> {
        let snapshot = self.snapshot().await?;
        Ok(self.find(&snapshot, key)?.map(|located| located.entry))
    }

    /// The keys that begin with `prefix` and come after `after`, in the order of their bytes: at
    /// most `limit`, 1 to 1,000. A page costs what it holds, not what the store holds.
    ///
    /// ```no_run
    /// # async fn demo(kv: vantage_api_gateway::kv::Kv) -> Result<(), vantage_api_gateway::kv::Error> {
    /// let mut after = None;
    /// loop {
    ///     let page = kv.list("sessions/", after.as_deref(), 100).await?;
    ///     for (key, entry) in page.keys {
    ///         println!("{key}: {} bytes", entry.size);
    ///     }
    ///     match page.next {
    ///         Some(next) => after = Some(next),
    ///         None => break,
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::ListLimit`], [`Error::Busy`], [`Error::Unavailable`] or [`Error::Damaged`].
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Error> {
        if !(1..=Self::MAX_PAGE).contains(&limit) {
            return Err(Error::ListLimit { most: Self::MAX_PAGE });
        }
        let snapshot = self.snapshot().await?;
        if limit <= KEYS_AT_ONCE {
            return self.here(|| snapshot.list(prefix, after, limit));
        }
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.elsewhere(move || snapshot.list(&prefix, after.as_deref(), limit)).await
    }

    /// The values of a batch that only reads, as one commit left them.
    pub(super) async fn get_all(&self, batch: Batch) -> Result<Vec<Outcome>, Error> {
        let (count, most) = (batch.len(), batch.most_read);
        add(&self.shared().counters.reads, count as u64);
        let snapshot = self.snapshot().await?;
        let find = move || {
            let keys = batch.operations.iter().map(|(key, _)| key.as_str());
            let found = keys.map(|key| snapshot.find(key)).collect::<Result<Vec<_>, _>>()?;
            Ok((snapshot, found))
        };
        let is_short = count <= KEYS_AT_ONCE;
        let (snapshot, found) =
            if is_short { self.here(find)? } else { self.elsewhere(find).await? };
        let bytes = found.iter().flatten().map(|located| located.entry.size).sum();
        if bytes > most as u64 {
            return Err(Error::BatchTooLarge { bytes, most });
        }
        let read = move || {
            let value = |located: Located| {
                let parts = snapshot.read(&located, 0..located.entry.size)?;
                Ok(Value { entry: located.entry, parts })
            };
            let values = found.into_iter().map(|located| located.map(value).transpose());
            values.map(|value| value.map(Outcome::Got)).collect()
        };
        if is_short && bytes <= READ_AT_ONCE {
            return self.here(read);
        }
        let _share =
            self.shared().from_disk.take(usize::try_from(bytes).unwrap_or(usize::MAX)).await?;
        self.elsewhere(read).await
    }

    /// The store as the last commit left it.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, Error> {
        let shared = self.shared();
        let database = match shared.database.try_read() {
            Ok(database) => database,
            // It is being compacted or opened again.
            Err(_) => timeout(shared.settings.timeout, shared.database.read())
                .await
                .map_err(|_| Error::Busy(shared.settings.timeout))?,
        };
        let database = database.as_ref().ok_or(Error::Unavailable(None))?;
        let now = shared.settings.now();
        self.here(|| Snapshot::of(database, shared.store, now))
    }

    /// The value of a key, of which no bytes are read yet.
    pub(super) fn find(&self, snapshot: &Snapshot, key: &Key) -> Result<Option<Located>, Error> {
        add(&self.shared().counters.reads, 1);
        self.here(|| snapshot.find(key.as_str()))
    }

    /// Some bytes of a value, and the share of the memory that they take up if they are many.
    pub(super) async fn read(
        &self,
        snapshot: Snapshot,
        located: Located,
        range: Range<u64>,
    ) -> Result<(Vec<Bytes>, Option<Share>), Error> {
        let bytes = range.end.saturating_sub(range.start);
        if bytes <= READ_AT_ONCE {
            return Ok((self.here(|| snapshot.read(&located, range))?, None));
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let share = self.shared().from_disk.take(bytes).await?;
        let parts = self.elsewhere(move || snapshot.read(&located, range)).await?;
        Ok((parts, Some(share)))
    }

    /// Reads on this thread.
    fn here<T>(&self, read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Error> {
        guarded(read).map_err(|failure| self.failed(failure))
    }

    /// Reads on a thread that may wait for the disk.
    async fn elsewhere<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let wait = self.shared().settings.timeout;
        match timeout(wait, spawn_blocking(read)).await {
            Ok(Ok(read)) => read.map_err(|failure| self.failed(failure)),
            Ok(Err(_)) => Err(self.failed(Failure::Panic)),
            Err(_) => Err(Error::Busy(wait)),
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        self.shared().note(&failure);
        failure.into_read_error()
    }
}
