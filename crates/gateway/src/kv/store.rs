//! The handle of a store.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use redb::Database;
use tokio::{
    sync::{RwLock, oneshot},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    Action, Batch, Compacted, Entry, Error, Key, Outcome, Page, Precondition, Put, Settings, Stats,
    Stored, Value,
    budget::{Budget, Share},
    error::{Failure, guarded},
    file,
    shared::Shared,
    snapshot::{Located, Snapshot},
    stats::{Counters, add},
    tables::About,
    writer::{Command, Writer},
};

/// The most bytes that are read on the thread of the caller, and the most keys that are listed
/// there.
const READ_AT_ONCE: u64 = 64 << 10;
const LISTED_AT_ONCE: usize = 100;

/// A store of values by key, in one file. Clones are handles of the same store.
///
/// Its calls need a tokio runtime with time, such as that of actix; each ends within the time that
/// [`Settings::with_wait`] sets, or twice that if it has to wait for its turn first. A call that is
/// answered with its outcome is on the disk. One that is dropped before its turn is not carried
/// out.
///
/// ```
/// use vantage_api_gateway::kv::{Key, Kv, Put, Settings};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("values.redb");
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let kv = Kv::open(path, Settings::default())?;
/// let key = Key::new("greetings/english")?;
/// let stored = kv.put(key.clone(), Put::new("hello")).await?;
/// assert!(stored.is_new);
/// let value = kv.get(&key).await?.ok_or("it is there")?;
/// assert_eq!(value.into_bytes(), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Kv(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Both are there until the last handle is dropped.
    queue: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    /// Lets the writer finish what waits and close the file, so that it can be opened again.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the key-value store has panicked");
        }
    }
}

impl Kv {
    /// The most keys of a page.
    pub const LONGEST_PAGE: usize = 1_000;

    /// Opens the store in this file, or makes it, readable by its owner alone. Waits for the disk,
    /// as does dropping the last handle, which closes the file.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`], and [`Error::Open`] if the file is none of a store, is of a newer
    /// version, cannot be read and written, or is open elsewhere.
    pub fn open(path: impl Into<PathBuf>, settings: Settings) -> Result<Self, Error> {
        let path = path.into();
        settings.validate()?;
        let (database, about) = file::open_or_create(&path, settings.cache)?;
        let counters = counted(&database, &about).map_err(Failure::into_read_error)?;
        let shared = Arc::new(Shared {
            store: about.store,
            database: RwLock::new(Some(database)),
            counters,
            to_disk: Budget::new(settings.memory, settings.wait),
            from_disk: Budget::new(settings.memory, settings.wait),
            is_broken: AtomicBool::new(false),
            path,
            settings,
        });
        let (queue, commands) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&shared), commands);
        let thread = thread::Builder::new()
            .name("kv-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| Error::Open {
                path: shared.path.clone(),
                reason: format!("its thread cannot be started: {error}"),
                source: None,
            })?;
        Ok(Self(Arc::new(Inner { shared, queue: Some(queue), thread: Some(thread) })))
    }

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

    /// Writes a value, in place of the one that is there, its time to live included.
    ///
    /// # Errors
    ///
    /// [`Error::ValueTooLarge`], [`Error::Ttl`], [`Error::PreconditionFailed`], [`Error::Busy`],
    /// [`Error::Unavailable`], [`Error::NotWritten`], [`Error::Unknown`] or [`Error::Damaged`].
    pub async fn put(&self, key: Key, put: Put) -> Result<Stored, Error> {
        let outcomes = self.batch(Batch::new().put(key, put)).await?;
        match outcomes.into_iter().next() {
            Some(Outcome::Put(stored)) => Ok(stored),
            _ => Err(Error::Unknown(None)),
        }
    }

    /// Deletes a value if this holds, and says whether there was one. If there is none, nothing
    /// needs to hold.
    ///
    /// # Errors
    ///
    /// As [`Kv::put`].
    pub async fn delete(&self, key: Key, condition: Precondition) -> Result<bool, Error> {
        let outcomes = self.batch(Batch::new().delete(key, condition)).await?;
        Ok(matches!(outcomes.first(), Some(Outcome::Deleted(true))))
    }

    /// Carries out all operations in one commit, or none. The outcomes are in their order.
    ///
    /// # Errors
    ///
    /// As [`Kv::put`], and [`Error::BatchLength`], [`Error::KeyTwice`] or
    /// [`Error::BatchTooLarge`].
    pub async fn batch(&self, batch: Batch) -> Result<Vec<Outcome>, Error> {
        let Settings { largest_value, memory, .. } = self.0.shared.settings;
        batch.validate(largest_value, memory)?;
        let share = self.reserve(batch.weight()).await?;
        self.submit(batch, share).await
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
        if !(1..=Self::LONGEST_PAGE).contains(&limit) {
            return Err(Error::ListLimit { most: Self::LONGEST_PAGE });
        }
        let snapshot = self.snapshot().await?;
        if limit <= LISTED_AT_ONCE {
            return self.here(|| snapshot.list(prefix, after, limit));
        }
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.elsewhere(move || snapshot.list(&prefix, after.as_deref(), limit)).await
    }

    /// Gives room that is no longer needed back to the file system. Reads and writes wait until it
    /// is done, which takes about as long as the file takes to copy; what has to wait longer than
    /// [`Settings::with_wait`] fails with [`Error::Busy`].
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if values are being read all the time, [`Error::Unavailable`],
    /// [`Error::NotWritten`], or [`Error::Unknown`] if the process ends.
    pub async fn compact(&self) -> Result<Compacted, Error> {
        let share = self.reserve(0).await?;
        let (reply, answer) = oneshot::channel();
        self.send(Command::Compact { reply, share })?;
        answer.await.unwrap_or(Err(Error::Unknown(None)))
    }

    /// What the store has and has done. Asks the file system for the size of the file.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.0.shared;
        shared.counters.stats(shared.file_bytes())
    }

    /// Whether the store can be read and written: see [`Stats::is_available`].
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.0.shared.counters.is_available.load(Relaxed)
    }

    /// The largest value in bytes.
    #[must_use]
    pub fn largest_value(&self) -> usize {
        self.0.shared.settings.largest_value
    }

    /// Waits for room for a value of these bytes.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<Share, Error> {
        self.0.shared.to_disk.take(bytes).await
    }

    /// Hands a valid batch to the writer, with the room for its values.
    pub(super) async fn submit(&self, batch: Batch, share: Share) -> Result<Vec<Outcome>, Error> {
        let reads = batch.operations.iter().filter(|(_, action)| matches!(action, Action::Get));
        add(&self.0.shared.counters.reads, reads.count() as u64);
        let (reply, answer) = oneshot::channel();
        self.send(Command::Write { batch, reply, share })?;
        match timeout(self.0.shared.settings.wait, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Error::Unknown(None)),
        }
    }

    fn send(&self, command: Command) -> Result<(), Error> {
        let sent = self.0.queue.as_ref().map(|queue| queue.send(command));
        // The writer ends after the last handle.
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(Error::Unavailable(None)) }
    }

    /// The store as the last commit left it.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, Error> {
        let shared = &self.0.shared;
        let database = match shared.database.try_read() {
            Ok(database) => database,
            // It is being compacted or opened again.
            Err(_) => timeout(shared.settings.wait, shared.database.read())
                .await
                .map_err(|_| Error::Busy(shared.settings.wait))?,
        };
        let database = database.as_ref().ok_or(Error::Unavailable(None))?;
        let now = shared.settings.now();
        self.here(|| Snapshot::of(database, shared.store, now))
    }

    /// The value of a key, of which no bytes are read yet.
    pub(super) fn find(&self, snapshot: &Snapshot, key: &Key) -> Result<Option<Located>, Error> {
        add(&self.0.shared.counters.reads, 1);
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
        let share = self.0.shared.from_disk.take(bytes).await?;
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
        let wait = self.0.shared.settings.wait;
        match timeout(wait, spawn_blocking(read)).await {
            Ok(Ok(read)) => read.map_err(|failure| self.failed(failure)),
            Ok(Err(_)) => Err(self.failed(Failure::Panic)),
            Err(_) => Err(Error::Busy(wait)),
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        self.0.shared.note(&failure);
        failure.into_read_error()
    }
}

/// The counters of a store that was just opened.
fn counted(database: &Database, about: &About) -> Result<Counters, Failure> {
    let (values, expiring) = file::lengths(database)?;
    let counters = Counters::default();
    counters.values.store(values, Relaxed);
    counters.expiring.store(expiring, Relaxed);
    counters.value_bytes.store(about.value_bytes, Relaxed);
    counters.is_available.store(true, Relaxed);
    Ok(counters)
}
