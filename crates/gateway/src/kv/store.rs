//! The handle of a store: how it is opened, written and looked after. How it is read is in
//! `reads.rs`.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use redb::Database;
use tokio::{
    sync::{RwLock, oneshot},
    time::timeout,
};

use super::{
    Action, Batch, Compacted, Error, Key, Outcome, Precondition, Put, Settings, Stats, Stored,
    budget::{Budget, Share},
    error::Failure,
    file,
    shared::Shared,
    stats::{Counters, add},
    tables::About,
    writer::{Command, Writer},
};

/// A store of values by key, in one file. Clones are handles of the same store.
///
/// Its calls need a tokio runtime with time, such as that of actix; each ends within the time that
/// [`Settings::with_timeout`] sets, or twice that if it has to wait for its turn first. A call that is
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
        let (database, about) = file::open_or_create(&path, settings.cache_bytes)?;
        let counters = counted(&database, &about).map_err(Failure::into_read_error)?;
        let shared = Arc::new(Shared {
            store: about.store,
            database: RwLock::new(Some(database)),
            counters,
            to_disk: Budget::new(settings.max_in_flight_bytes, settings.timeout),
            from_disk: Budget::new(settings.max_in_flight_bytes, settings.timeout),
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
    /// As [`Kv::put`], and [`Error::BatchLength`], [`Error::DuplicateKey`] or
    /// [`Error::BatchTooLarge`].
    pub async fn batch(&self, batch: Batch) -> Result<Vec<Outcome>, Error> {
        let Settings { max_value_bytes, max_in_flight_bytes, .. } = self.0.shared.settings;
        batch.validate(max_value_bytes, max_in_flight_bytes)?;
        if batch.operations.iter().all(|(_, action)| matches!(action, Action::Get)) {
            return self.get_all(batch).await;
        }
        let share = self.reserve(batch.weight()).await?;
        self.submit(batch, share).await
    }

    /// Gives room that is no longer needed back to the file system. Reads and writes wait until it
    /// is done, which takes about as long as the file takes to copy; what has to wait longer than
    /// [`Settings::with_timeout`] fails with [`Error::Busy`].
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
    pub fn max_value_bytes(&self) -> usize {
        self.0.shared.settings.max_value_bytes
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
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
        match timeout(self.0.shared.settings.timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Error::Unknown(None)),
        }
    }

    fn send(&self, command: Command) -> Result<(), Error> {
        let sent = self.0.queue.as_ref().map(|queue| queue.send(command));
        // The writer ends after the last handle.
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(Error::Unavailable(None)) }
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
