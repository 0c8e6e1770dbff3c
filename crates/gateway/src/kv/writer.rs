//! The thread that writes: it takes what waits, commits it at once, and answers all. Between
//! commits it removes what has expired, and opens the file again after a failure.

use std::{
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use redb::Database;
use tokio::sync::oneshot;

use super::{
    Batch, Error, Outcome,
    budget::Share,
    error::{Failure, guarded},
    file,
    shared::Shared,
    snapshot::Snapshot,
    stats::add,
    transaction::{Summary, Transaction},
};

/// What a commit takes at most: calls, and the bytes that they write.
const GROUP_CALLS: usize = 4_096;
const GROUP_WEIGHT: usize = 16 << 20;
/// How often the thread looks for what has expired or is broken when there is nothing to write.
const TICK: Duration = Duration::from_secs(1);
/// How many rows of expired values are removed by a commit of their own, and in passing for each
/// operation of a commit: more than an operation adds, or they would never be gone.
const SWEPT_BY_ITSELF: u64 = 2_048;
const SWEPT_IN_PASSING: u64 = 8;
/// How long snapshots may be in the way of compaction, and of opening the file again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before a file that could not be opened is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often one call compacts until nothing more is gained.
const COMPACTIONS: usize = 8;

type Answer = Result<Vec<Outcome>, Error>;

/// What the thread is asked to do. A share of the budget bounds how much waits.
#[derive(Debug)]
pub(super) enum Command {
    Write { batch: Batch, reply: oneshot::Sender<Answer>, share: Share },
    Compact { reply: oneshot::Sender<Result<Compacted, Error>>, share: Share },
}

/// What compaction has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// The size of the file before, in bytes.
    pub before: u64,
    /// The size of the file now, in bytes.
    pub after: u64,
}

#[derive(Debug)]
struct RequestContext {
    batch: Batch,
    reply: oneshot::Sender<Answer>,
    _share: Share,
}

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: Receiver<Command>,
    /// A command that was taken while a group was gathered, and is not part of it.
    put_back: Option<Command>,
    last_opened: Option<Instant>,
}

/// The answers of a group, and the number of the commit that makes them true.
#[derive(Debug)]
struct Prepared {
    answers: Vec<Answer>,
    summary: Summary,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, queue: Receiver<Command>) -> Self {
        Self { shared, queue, put_back: None, last_opened: None }
    }

    /// Works until all handles are gone and all that waited is done, and closes the file.
    pub(super) fn run(mut self) {
        loop {
            let command = match self.put_back.take() {
                Some(command) => Ok(command),
                None => self.queue.recv_timeout(TICK),
            };
            match command {
                Ok(Command::Write { batch, reply, share }) => {
                    let group = self.gather(RequestContext { batch, reply, _share: share });
                    self.write(group);
                }
                Ok(Command::Compact { reply, share: _share }) => {
                    // Whoever asked may be gone.
                    _ = reply.send(self.compact());
                }
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let database = self.shared.database.blocking_write().take();
        if let Err(failure) = guarded(|| {
            drop(database);
            Ok(())
        }) {
            tracing::error!(error = %failure, "the store was not closed in order");
        }
    }

    /// This call and those that wait behind it, as many as one commit takes. A call whose caller
    /// has left is not carried out.
    fn gather(&mut self, first: RequestContext) -> Vec<RequestContext> {
        let mut weight = first.batch.weight();
        let mut group = vec![first];
        while group.len() < GROUP_CALLS && weight < GROUP_WEIGHT {
            match self.queue.try_recv() {
                Ok(Command::Write { batch, reply, share }) => {
                    weight += batch.weight();
                    group.push(RequestContext { batch, reply, _share: share });
                }
                Ok(other) => {
                    self.put_back = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        group.retain(|context| !context.reply.is_closed());
        group
    }

    fn write(&mut self, group: Vec<RequestContext>) {
        if group.is_empty() {
            return;
        }
        let answers = match self.ensure_open() {
            Ok(()) => {
                let batches: Vec<&Batch> = group.iter().map(|context| &context.batch).collect();
                let operations: usize = batches.iter().map(|batch| batch.len()).sum();
                self.commit(&batches, operations as u64 * SWEPT_IN_PASSING)
            }
            Err(error) => vec![Err(error); group.len()],
        };
        for (context, answer) in group.into_iter().zip(answers) {
            // Whoever asked may be gone.
            _ = context.reply.send(answer);
        }
    }

    /// Commits these batches. If that fails, opens the file again, which tells whether they were
    /// written.
    fn commit(&mut self, batches: &[&Batch], sweep: u64) -> Vec<Answer> {
        let mut prepared = None;
        let shared = Arc::clone(&self.shared);
        let committed = guarded(|| {
            let database = shared.database.blocking_read();
            let database =
                database.as_ref().ok_or(Failure::Database(redb::Error::DatabaseClosed))?;
            commit(database, &shared, batches, sweep, &mut prepared)
        });
        let failure = match (committed, prepared.take()) {
            (Ok(()), Some(done)) => return self.done(done),
            (Ok(()), None) => Failure::Damaged("a commit has no outcome"),
            (Err(failure), unsure) => {
                prepared = unsure;
                failure
            }
        };
        let counters = &self.shared.counters;
        add(&counters.failed_commits, 1);
        counters.is_available.store(false, Relaxed);
        tracing::error!(error = %failure, calls = batches.len(), "a commit failed");
        let cause = failure.into_cause();
        match (self.open_again(), prepared) {
            (Ok(commit), Some(done)) if commit >= done.summary.commit => self.done(done),
            (Err(_), Some(_)) => vec![Err(Error::Unknown(Some(cause))); batches.len()],
            _ => vec![Err(Error::NotWritten(cause)); batches.len()],
        }
    }

    fn done(&self, done: Prepared) -> Vec<Answer> {
        let Prepared { answers, summary } = done;
        let counters = &self.shared.counters;
        counters.values.store(summary.values, Relaxed);
        counters.value_bytes.store(summary.value_bytes, Relaxed);
        counters.expiring.store(summary.expiring, Relaxed);
        add(&counters.expired, summary.expired);
        add(&counters.commits, u64::from(summary.has_changed));
        let carried_out = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = |answer: &&Answer| matches!(answer, Err(Error::PreconditionFailed { .. }));
        add(&counters.writes, carried_out as u64);
        add(&counters.preconditions_failed, answers.iter().filter(refused).count() as u64);
        answers
    }

    fn tick(&mut self) {
        if self.shared.is_broken.load(Relaxed) {
            tracing::error!("a read failed; the store is opened again");
            // Its failure is logged, and it is tried again.
            _ = self.open_again();
        }
        if self.ensure_open().is_err() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let has_expired = guarded(|| {
            let database = shared.database.blocking_read();
            match database.as_ref() {
                Some(database) => {
                    Snapshot::of(database, shared.store, shared.settings.now())?.has_expired()
                }
                None => Ok(false),
            }
        });
        match has_expired {
            Ok(true) => drop(self.commit(&[], SWEPT_BY_ITSELF)),
            Ok(false) => {}
            Err(failure) => self.shared.note(&failure),
        }
    }

    /// Opens the file if an earlier attempt has failed, but not all the time.
    fn ensure_open(&mut self) -> Result<(), Error> {
        if self.shared.database.blocking_read().is_some() {
            return Ok(());
        }
        if self.last_opened.is_some_and(|last| last.elapsed() < RETRY) {
            return Err(Error::Unavailable(None));
        }
        match self.open_again() {
            Ok(_) => Ok(()),
            Err(failure) => Err(Error::Unavailable(Some(failure.into_cause()))),
        }
    }

    /// Closes the file and opens it again, and says which commit was the last.
    fn open_again(&mut self) -> Result<u64, Failure> {
        let shared = &self.shared;
        let (path, cache) = (&shared.path, shared.settings.cache_bytes);
        let mut database = shared.database.blocking_write();
        let closed = database.take();
        let opened = guarded(|| {
            drop(closed);
            let begun = Instant::now();
            loop {
                match file::reopen(path, cache, shared.store) {
                    // Snapshots that are still read keep the old file open.
                    Err(Failure::Database(redb::Error::DatabaseAlreadyOpen))
                        if begun.elapsed() < PATIENCE =>
                    {
                        thread::sleep(Duration::from_millis(5));
                    }
                    opened => return opened,
                }
            }
        });
        self.last_opened = Some(Instant::now());
        shared.counters.is_available.store(opened.is_ok(), Relaxed);
        match opened {
            Ok((opened, about)) => {
                *database = Some(opened);
                shared.is_broken.store(false, Relaxed);
                add(&shared.counters.reopened, 1);
                Ok(about.commit)
            }
            Err(failure) => {
                tracing::error!(error = %failure, "the store cannot be opened again");
                Err(failure)
            }
        }
    }

    fn compact(&mut self) -> Result<Compacted, Error> {
        self.ensure_open()?;
        let shared = Arc::clone(&self.shared);
        let before = shared.file_bytes();
        let compacted = guarded(|| {
            let mut database = shared.database.blocking_write();
            let database =
                database.as_mut().ok_or(Failure::Database(redb::Error::DatabaseClosed))?;
            compact(database)
        });
        match compacted {
            Ok(true) => Ok(Compacted { before, after: shared.file_bytes() }),
            Ok(false) => Err(Error::Busy(PATIENCE)),
            Err(failure) => {
                tracing::error!(error = %failure, "compaction failed");
                let cause = failure.into_cause();
                // Its failure is logged, and it is tried again.
                _ = self.open_again();
                Err(Error::NotWritten(cause))
            }
        }
    }
}

/// Prepares the answers of a group and makes them true.
fn commit(
    database: &Database,
    shared: &Shared,
    batches: &[&Batch],
    sweep: u64,
    prepared: &mut Option<Prepared>,
) -> Result<(), Failure> {
    let now = shared.settings.now();
    let transaction = file::begin_write(database)?;
    let mut tables = Transaction::begin(&transaction, now, shared.settings.quota)?;
    let mut answers = Vec::with_capacity(batches.len());
    for batch in batches {
        answers.push(tables.run(batch)?);
    }
    tables.sweep(sweep)?;
    let summary = tables.finish()?;
    *prepared = Some(Prepared { answers, summary });
    match summary.has_changed {
        true => transaction.commit()?,
        false => transaction.abort()?,
    }
    Ok(())
}

/// Compacts until nothing more is gained; `false` if snapshots are in the way.
fn compact(database: &mut Database) -> Result<bool, Failure> {
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds < COMPACTIONS {
        match database.compact() {
            Ok(true) => rounds += 1,
            Ok(false) => break,
            Err(redb::CompactionError::TransactionInProgress) if begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(redb::CompactionError::TransactionInProgress) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
