//! One stream of pages for several partitions: whichever asks first gets the next page, and decodes
//! it on its own thread. So the order of requests, the read-ahead and the limits stay in one place.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_channel::{Receiver, Sender};
use datafusion::{
    common::runtime::SpawnedTask,
    error::{DataFusionError, Result},
};
use futures::{Stream, StreamExt, stream, stream::BoxStream};

use super::pages::Piece;

type PieceStream = BoxStream<'static, Result<Piece>>;

/// The runs of a scan. A run is joined by each partition once: one that joins again begins the next.
#[derive(Debug, Default)]
pub(super) struct Runs(Mutex<Option<Run>>);

/// A run that some partitions have not joined yet.
#[derive(Debug)]
struct Run {
    joined: HashSet<usize>,
    shared: Arc<Shared>,
}

/// The pages of a run, which are read as long as somebody has this.
struct Shared {
    /// The pages before anybody has asked, and how they are handed out.
    idle: Mutex<Option<(PieceStream, Sender<Result<Piece>>)>>,
    pieces: Receiver<Result<Piece>>,
    /// Whether all pages were handed out.
    is_done: AtomicBool,
    reader: Mutex<Option<SpawnedTask<()>>>,
}

impl Runs {
    /// The pages for a partition of so many. They are read from the first poll of any of them on.
    pub(super) fn join(
        &self,
        partition: usize,
        partitions: usize,
        begin: impl FnOnce() -> PieceStream,
    ) -> PieceStream {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = runs.take().filter(|run| !run.joined.contains(&partition));
        let mut run = run.unwrap_or_else(|| Run {
            joined: HashSet::new(),
            shared: Arc::new(Shared::new(begin())),
        });
        run.joined.insert(partition);
        let shared = Arc::clone(&run.shared);
        // The plan must not keep a run alive whose streams were all dropped.
        if run.joined.len() < partitions {
            *runs = Some(run);
        }
        shared.stream().boxed()
    }
}

impl Shared {
    fn new(pages: PieceStream) -> Self {
        let (sender, pieces) = async_channel::bounded(1);
        Self {
            idle: Mutex::new(Some((pages, sender))),
            pieces,
            is_done: AtomicBool::new(false),
            reader: Mutex::default(),
        }
    }

    fn stream(self: Arc<Self>) -> impl Stream<Item = Result<Piece>> + Send + use<> {
        stream::unfold(Some(self), |shared| async {
            let shared = shared?;
            shared.begin();
            match shared.pieces.recv().await {
                Ok(Ok(piece)) => Some((Ok(piece), Some(shared))),
                Ok(Err(error)) => Some((Err(error), None)),
                Err(_) if shared.is_done.load(Ordering::Acquire) => None,
                Err(_) => {
                    let died = "the task that reads the pages has died";
                    Some((Err(DataFusionError::Execution(died.to_owned())), None))
                }
            }
        })
    }

    /// Begins to read, unless somebody has.
    fn begin(self: &Arc<Self>) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((mut pages, sender)) = idle else { return };
        // A reader that had the whole would keep itself alive.
        let shared = Arc::downgrade(self);
        let reader = SpawnedTask::spawn(async move {
            while let Some(piece) = pages.next().await {
                let is_last = piece.is_err();
                if sender.send(piece).await.is_err() || is_last {
                    break;
                }
            }
            if let Some(shared) = shared.upgrade() {
                shared.is_done.store(true, Ordering::Release);
            }
        });
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
