//! The thread that writes a stream: gathers decoded pages and commits them with the state they lead
//! to.

use std::{
    collections::HashSet,
    ops::RangeInclusive,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use arrow_array::RecordBatch;
use tokio::sync::{Semaphore, oneshot};

use super::{
    begun::Begun,
    buffer::{Buffer, Next},
    now,
    unit::{Since, Unit},
};
use crate::{
    description::WriteMode,
    row::{Decoded, DecodedPage},
    sink::{Sink, SinkError},
    state::{Counts, StreamState, UnitOrder},
};

/// When a commit is made: as soon as one of these is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitAt {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
    /// And before, once nothing waits to be written and as much time has passed since the last commit
    /// as it took.
    pub(crate) when_idle: bool,
}

/// What a writer needs to know of its stream.
#[derive(Clone, Debug)]
pub(crate) struct WriteRules {
    pub(crate) commit: CommitAt,
    /// The columns by which a row takes the place of another; none if rows do not.
    pub(crate) merge_key: Vec<String>,
    /// By what the next run asks for what is new.
    pub(crate) since: Option<Since>,
    /// Whether it leaves out the rows that are asked for again.
    pub(crate) knows_rows: bool,
    /// Whether the lists of rows are child tables. Those of before stay as they are if not.
    pub(crate) has_children: bool,
    /// Whether a run that was interrupted begins anew, since it cannot go on.
    pub(crate) begins_anew: bool,
    /// Whether it is remembered that a run has failed before it had read anything.
    pub(crate) keeps_failure: bool,
    /// Whether it matters that the API tells less rows than before.
    pub(crate) relies_on_totals: bool,
    /// What is done with rows that are there.
    pub(crate) mode: WriteMode,
    /// How many rows a run may write. With others it does not take the place of what is there.
    pub(crate) rows: Option<RangeInclusive<u64>>,
}

/// How far some units were read, and the rows of their pages.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// In the order of reading.
    pub(crate) progress: Vec<Progress>,
    /// That of all the pages.
    pub(crate) decoded: Option<Decoded>,
}

/// A page that was read, or the end of a unit.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) unit: String,
    pub(crate) partition: String,
    /// Where the unit goes on after it.
    pub(crate) token: Option<String>,
    /// Whether the unit ends with it.
    pub(crate) is_last: bool,
    /// The token that its page had, with which the next run asks for what has changed.
    pub(crate) next_token: Option<String>,
    /// Whether the unit reads everything, since the token of the last run has expired.
    pub(crate) reads_all: bool,
    /// Whether it ends before the set does, at rows that are older than what is to be read.
    pub(crate) is_cut: bool,
    /// In what order its rows came so far, if that matters.
    pub(crate) order: Option<UnitOrder>,
    pub(crate) counts: Counts,
    pub(crate) page: Option<DecodedPage>,
}

impl Progress {
    /// None yet of a unit.
    pub(super) fn of(Unit { key, partition, .. }: &Unit) -> Self {
        Self { unit: key.clone(), partition: partition.clone(), ..Self::default() }
    }
}

pub(super) enum Order {
    /// A chunk, and the room it takes.
    Chunk(Box<Chunk>, u32),
    /// The partitions that the run reads.
    Reads(HashSet<String>),
    /// What the run cannot read, by which it fails once it has read the rest.
    Lacks(String),
    /// Ends the run: all its units are done.
    Finish,
    /// An error has ended it for now.
    Fail(String),
}

/// A stream's writer. Dropped, it commits what it was given.
pub(crate) struct Writer {
    /// The run that it writes.
    pub(crate) begun: Begun,
    orders: mpsc::Sender<Order>,
    /// What may wait to be written, in bytes: as much as makes a commit.
    room: Arc<Semaphore>,
    room_size: u32,
    /// What a row takes of it at least, so that no more rows wait than make a commit.
    room_of_row: u32,
    result: oneshot::Receiver<Result<StreamState, SinkError>>,
}

/// Told the state after each commit, and what the run had counted when it was begun here.
pub(crate) type OnCommit = Box<dyn FnMut(&StreamState, Counts) + Send>;

impl Writer {
    /// Opens `sink` on a thread of its own and begins a run, or goes on with the one that the sink
    /// has the state of, which is returned. It is finished if the run that was begun `earlier` has
    /// ended after all: then there is nothing more to write.
    ///
    /// # Errors
    /// That of the sink.
    pub(crate) async fn open(
        sink: Box<dyn Sink>,
        rules: WriteRules,
        earlier: Option<Begun>,
        on_commit: OnCommit,
    ) -> Result<(Self, StreamState), SinkError> {
        let room_size = u32::try_from(rules.commit.bytes).unwrap_or(u32::MAX).min(u32::MAX >> 3);
        let room = Arc::new(Semaphore::new(room_size as usize));
        let rows = u32::try_from(rules.commit.rows).unwrap_or(u32::MAX).max(1);
        let room_of_row = (room_size / rows).max(1);
        let (orders, received) = mpsc::channel();
        let ((opened, opening), (ended, result)) = (oneshot::channel(), oneshot::channel());
        let thread = Thread { sink, rules, room: Arc::clone(&room), orders: received, on_commit };
        let builder = thread::Builder::new().name("ingest-writer".into());
        let spawned = builder.spawn(move || thread.run(earlier, opened, ended));
        spawned.map_err(|error| SinkError::passing("no thread for the writer").because(error))?;
        let (begun, state) = opening.await.map_err(|_| died())??;
        Ok((Self { begun, orders, room, room_size, room_of_row, result }, state))
    }

    /// Hands over a chunk, once there is room for it. `false` if the writer has failed.
    pub(crate) async fn send(&self, chunk: Chunk) -> bool {
        let (bytes, rows) = chunk.decoded.as_ref().map_or((0, 0), |decoded| {
            let rows: usize = decoded.batches.iter().map(RecordBatch::num_rows).sum();
            (decoded.bytes, rows + decoded.rejects.len())
        });
        let [bytes, rows] = [bytes, rows].map(|own| u32::try_from(own).unwrap_or(u32::MAX));
        let room = bytes.max(rows.saturating_mul(self.room_of_row)).min(self.room_size);
        let Ok(permit) = self.room.acquire_many(room).await else { return false };
        permit.forget();
        self.orders.send(Order::Chunk(Box::new(chunk), room)).is_ok()
    }

    /// Says which partitions the run reads to their ends. One of which it has read a part before that is
    /// not among them any more goes on from where it was before, if it comes back.
    pub(crate) fn reads(&self, partitions: HashSet<String>) {
        // A writer that has failed says so at the end.
        let _ = self.orders.send(Order::Reads(partitions));
    }

    /// Lets the run fail in the end, since it cannot read this.
    pub(crate) fn lacks(&self, what: String) {
        // A writer that has failed says so at the end.
        let _ = self.orders.send(Order::Lacks(what));
    }

    /// Commits what was handed over; and ends the run, if all its units are done, or remembers the
    /// error that has ended it for now.
    ///
    /// # Errors
    /// That of the sink.
    pub(crate) async fn finish(
        self,
        is_complete: bool,
        error: Option<String>,
    ) -> Result<StreamState, SinkError> {
        let order = if is_complete { Some(Order::Finish) } else { error.map(Order::Fail) };
        if let Some(order) = order {
            // A writer that has failed says so below.
            let _ = self.orders.send(order);
        }
        drop(self.orders);
        self.result.await.unwrap_or_else(|_| Err(died()))
    }
}

/// A state, unless others read the parts of its run: they would be read twice.
fn unless_in_parts(state: StreamState) -> Result<StreamState, SinkError> {
    match state.is_in_parts && !state.is_finished {
        true => Err(SinkError::lasting(format!(
            "run {} of the stream is in parts that several processes read: let them go on, or reset \
             the stream",
            state.run
        ))),
        false => Ok(state),
    }
}

fn died() -> SinkError {
    SinkError::passing("the writer has died")
}

/// What the thread has.
struct Thread {
    sink: Box<dyn Sink>,
    rules: WriteRules,
    room: Arc<Semaphore>,
    orders: mpsc::Receiver<Order>,
    on_commit: OnCommit,
}

impl Thread {
    // Whoever has dropped its end of a oneshot does not want the answer any more.
    fn run(
        mut self,
        earlier: Option<Begun>,
        opened: oneshot::Sender<Result<(Begun, StreamState), SinkError>>,
        ended: oneshot::Sender<Result<StreamState, SinkError>>,
    ) {
        let room = Arc::clone(&self.room);
        match self.sink.open().and_then(unless_in_parts) {
            Ok(mut state) => {
                if self.rules.begins_anew {
                    state.give_up_run();
                }
                let begun = Begun::of(&mut state, earlier, &now());
                let _ = opened.send(Ok((begun, state.clone())));
                let result = self.write(Buffer::new(state, begun, self.rules.clone()));
                // Whoever waits for room learns that there is no writer.
                room.close();
                // Whoever has the result may delete or copy what was written.
                drop(self.sink);
                let _ = ended.send(result);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        }
    }

    fn write(&mut self, mut buffer: Buffer) -> Result<StreamState, SinkError> {
        loop {
            match buffer.next(&self.orders) {
                Next::Order(Order::Chunk(chunk, room)) => {
                    buffer.add(*chunk);
                    self.room.add_permits(room as usize);
                    if buffer.is_due() {
                        self.commit(&mut buffer)?;
                    }
                }
                Next::Due => self.commit(&mut buffer)?,
                Next::Order(Order::Reads(partitions)) => buffer.partitions = partitions,
                Next::Order(Order::Lacks(what)) => buffer.lack = Some(what),
                Next::Order(Order::Finish) => {
                    buffer.end_run();
                    self.commit(&mut buffer)?;
                    return Ok(buffer.state);
                }
                Next::Order(Order::Fail(error)) => {
                    // A run that has read nothing is not one that goes on.
                    if !buffer.state.units.is_empty() {
                        (buffer.state.ended, buffer.state.error) = (Some(now()), Some(error));
                        self.commit(&mut buffer)?;
                    } else if self.rules.keeps_failure {
                        buffer.state.fail_early(error);
                        // The error of the run is told in any case, and more than that of its commit.
                        let _ = buffer.commit(&mut *self.sink);
                    }
                    return Ok(buffer.state);
                }
                Next::Closed => {
                    if buffer.has_any() {
                        self.commit(&mut buffer)?;
                    }
                    return Ok(buffer.state);
                }
            }
        }
    }

    fn commit(&mut self, buffer: &mut Buffer) -> Result<(), SinkError> {
        buffer.commit(&mut *self.sink)?;
        (self.on_commit)(&buffer.state, buffer.begun.before);
        Ok(())
    }
}
