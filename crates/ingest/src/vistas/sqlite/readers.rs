//! Threads that read one SQLite file, each over a connection of its own, since reading blocks.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::sink::{
    SinkError,
    sqlite::{error::failed, reading},
};

/// How many read a file at a time.
const THREADS: usize = 4;
/// After how many steps of SQLite's machine it is looked whether the rows are still wanted.
const STEPS: i32 = 10_000;

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// The readers of a file. They end when this is dropped.
pub(super) struct Readers {
    jobs: mpsc::Sender<Job>,
}

impl Readers {
    /// # Errors
    /// A passing one, if the system has no threads.
    pub(super) fn start(path: &Path) -> Result<Self, SinkError> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..THREADS {
            let waiting = Arc::clone(&waiting);
            let mut reader = Reader { path: path.to_owned(), connection: None };
            let work = move || {
                while let Some(job) = next(&waiting) {
                    job(&mut reader);
                }
            };
            let spawned = thread::Builder::new().name("sqlite-reader".into()).spawn(work);
            spawned.map_err(|error| {
                SinkError::passing("no thread to read from SQLite").because(error)
            })?;
        }
        Ok(Self { jobs })
    }

    /// Reads on one of the threads. A future that is dropped ends the reading.
    ///
    /// # Errors
    /// If the file cannot be opened, and those of `read`.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let (sender, answer) = oneshot::channel();
        let is_wanted = Arc::new(AtomicBool::new(true));
        let wanting = Wanting(Arc::clone(&is_wanted));
        let job = move |reader: &mut Reader| {
            if is_wanted.load(Ordering::Relaxed) {
                // Whoever wanted it may be gone meanwhile.
                let _ = sender.send(reader.read(&is_wanted, read));
            }
        };
        let died = || SinkError::passing("the readers of SQLite have died");
        self.jobs.send(Box::new(job)).map_err(|_| died())?;
        let read = answer.await.unwrap_or_else(|_| Err(died()));
        drop(wanting);
        read
    }
}

fn next(waiting: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

/// Someone wants rows, as long as this lives.
struct Wanting(Arc<AtomicBool>);

impl Drop for Wanting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A thread's own connection.
struct Reader {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Reader {
    /// Reads, over a new connection after an error.
    fn read<T>(
        &mut self,
        is_wanted: &Arc<AtomicBool>,
        read: impl FnOnce(&Connection) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        let path = &self.path;
        let gone = || SinkError::passing(format!("SQLite file {} is not there", path.display()));
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => reading::open(path)?.ok_or_else(gone)?,
        };
        let is_wanted = Arc::clone(is_wanted);
        let is_in_vain = move || !is_wanted.load(Ordering::Relaxed);
        let watched = connection.progress_handler(STEPS, Some(is_in_vain));
        watched.map_err(failed(format!("SQLite file {}", path.display())))?;
        let rows = read(&connection)?;
        self.connection = Some(connection);
        Ok(rows)
    }
}
