//! The thread that writes a stream: gathers decoded pages and commits them with the state they lead
//! to.

use std::{
    mem,
    ops::RangeInclusive,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use arrow_array::RecordBatch;
use chrono::{SecondsFormat, Utc};
use indexmap::IndexMap;
use tokio::sync::{Semaphore, oneshot};

use super::unit::Since;
use crate::{
    row::{Decoded, Items, Mark, SeenRow},
    sink::{Child, Commit, Reject, Sink, SinkError, latest::latest},
    state::{Counts, StreamState},
};

/// When a commit is made: as soon as one of these is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitAt {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
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
    /// How many rows a run may write. With others it does not take the place of what is there.
    pub(crate) rows: Option<RangeInclusive<u64>>,
}

/// What came of a page, or of the end of a unit.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) unit: String,
    /// Where the unit goes on after it.
    pub(crate) token: Option<String>,
    /// Whether the unit ends with it.
    pub(crate) is_last: bool,
    pub(crate) counts: Counts,
    pub(crate) decoded: Option<Decoded>,
}

enum Order {
    /// A chunk, and the room it takes.
    Chunk(Box<Chunk>, u32),
    /// Ends the run: all its units are done.
    Finish,
    /// An error has ended it for now.
    Fail(String),
}

/// A stream's writer. Dropped, it commits what it was given.
pub(crate) struct Writer {
    orders: mpsc::Sender<Order>,
    /// What may wait to be written, in bytes: as much as makes a commit.
    room: Arc<Semaphore>,
    room_size: u32,
    /// What a row takes of it at least, so that no more rows wait than make a commit.
    room_of_row: u32,
    result: oneshot::Receiver<Result<StreamState, SinkError>>,
}

/// Told the state after each commit.
pub(crate) type OnCommit = Box<dyn FnMut(&StreamState) + Send>;

impl Writer {
    /// Opens `sink` on a thread of its own and begins a run, or goes on with the one that the sink
    /// has the state of, which is returned.
    ///
    /// # Errors
    /// That of the sink.
    pub(crate) async fn open(
        sink: Box<dyn Sink>,
        rules: WriteRules,
        now: String,
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
        let spawned = builder.spawn(move || thread.run(&now, opened, ended));
        spawned.map_err(|error| SinkError::passing("no thread for the writer").because(error))?;
        let state = opening.await.map_err(|_| died())??;
        Ok((Self { orders, room, room_size, room_of_row, result }, state))
    }

    /// Hands over a chunk, once there is room for it. `false` if the writer has failed.
    pub(crate) async fn send(&self, chunk: Chunk) -> bool {
        let (bytes, rows) = chunk.decoded.as_ref().map_or((0, 0), |decoded| {
            (decoded.bytes, decoded.batches.iter().map(RecordBatch::num_rows).sum())
        });
        let [bytes, rows] = [bytes, rows].map(|own| u32::try_from(own).unwrap_or(u32::MAX));
        let room = bytes.max(rows.saturating_mul(self.room_of_row)).min(self.room_size);
        let Ok(permit) = self.room.acquire_many(room).await else { return false };
        permit.forget();
        self.orders.send(Order::Chunk(Box::new(chunk), room)).is_ok()
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

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
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
        now: &str,
        opened: oneshot::Sender<Result<StreamState, SinkError>>,
        ended: oneshot::Sender<Result<StreamState, SinkError>>,
    ) {
        let room = Arc::clone(&self.room);
        match self.sink.open() {
            Ok(mut state) => {
                state.begin_run(now);
                let _ = opened.send(Ok(state.clone()));
                let result = self.write(Buffer::new(state, self.rules.clone()));
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
                Next::Order(Order::Finish) => {
                    buffer.end_run();
                    buffer.state.ended = Some(now());
                    self.commit(&mut buffer)?;
                    return Ok(buffer.state);
                }
                Next::Order(Order::Fail(error)) => {
                    // A run that has read nothing is not one that goes on.
                    if !buffer.state.units.is_empty() {
                        (buffer.state.ended, buffer.state.error) = (Some(now()), Some(error));
                        self.commit(&mut buffer)?;
                    }
                    return Ok(buffer.state);
                }
                Next::Closed => {
                    if buffer.since.is_some() {
                        self.commit(&mut buffer)?;
                    }
                    return Ok(buffer.state);
                }
            }
        }
    }

    fn commit(&mut self, buffer: &mut Buffer) -> Result<(), SinkError> {
        buffer.commit(&mut *self.sink)?;
        (self.on_commit)(&buffer.state);
        Ok(())
    }
}

/// What was not committed yet.
struct Buffer {
    state: StreamState,
    rules: WriteRules,
    batches: Vec<RecordBatch>,
    /// The items of lists by child tables.
    items: IndexMap<String, Items>,
    rejects: Vec<Reject>,
    rows: usize,
    bytes: usize,
    /// When the first of it came.
    since: Option<Instant>,
}

enum Next {
    Order(Order),
    /// What there is has waited long enough.
    Due,
    Closed,
}

impl Buffer {
    fn new(state: StreamState, rules: WriteRules) -> Self {
        Self {
            state,
            rules,
            batches: Vec::new(),
            items: IndexMap::new(),
            rejects: Vec::new(),
            rows: 0,
            bytes: 0,
            since: None,
        }
    }

    fn next(&self, orders: &mpsc::Receiver<Order>) -> Next {
        let Some(since) = self.since else {
            return orders.recv().map_or(Next::Closed, Next::Order);
        };
        match orders.recv_timeout(self.rules.commit.age.saturating_sub(since.elapsed())) {
            Ok(order) => Next::Order(order),
            Err(mpsc::RecvTimeoutError::Timeout) => Next::Due,
            Err(mpsc::RecvTimeoutError::Disconnected) => Next::Closed,
        }
    }

    fn add(&mut self, chunk: Chunk) {
        self.since.get_or_insert_with(Instant::now);
        (self.state.ended, self.state.error) = (None, None);
        let unit = self.state.units.entry(chunk.unit).or_default();
        // A unit that goes on after its last page is told no total any more.
        let declared = chunk.counts.declared.or(unit.counts.declared);
        unit.counts.add(&chunk.counts);
        unit.counts.declared = declared;
        unit.is_done = chunk.is_last;
        unit.token = chunk.token;
        let Some(decoded) = chunk.decoded else { return };
        if let Some(mark) = &decoded.mark.0 {
            // After a restart the decoder begins with none.
            let mut own = Mark(unit.mark.take());
            own.raise(mark);
            unit.mark = own.0;
        }
        self.see(&decoded.seen, decoded.mark);
        for (table, items) in decoded.children {
            let own = self.items.entry(table).or_default();
            own.batches.extend(items.batches);
            own.rows.extend(items.rows.into_iter().map(|row| self.rows + row));
        }
        self.rows += decoded.batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        self.bytes += decoded.bytes;
        self.batches.extend(decoded.batches);
        self.rejects.extend(decoded.rejects);
        decoded.learned.store(&mut self.state);
    }

    /// Keeps the rows that the next run reads again; `mark` is the greatest value so far.
    fn see(&mut self, rows: &[SeenRow], mut mark: Mark) {
        let StreamState { boundary, next_boundary, mark: before, until, .. } = &mut self.state;
        if let Some(before) = before {
            mark.raise(before);
        }
        let since = self.rules.since.as_ref().filter(|_| self.rules.knows_rows);
        let (Some(since), Some(mark)) = (since, mark.0) else { return };
        let mark = since.until(mark, until.as_deref());
        let is_again = since.again(&mark);
        for row in rows {
            if row.is_repeated {
                boundary.remove(&row.cursor, row.hash);
            }
            if is_again(&row.cursor) {
                next_boundary.add(&row.cursor, row.hash, 1);
            }
        }
        next_boundary.keep(is_again);
    }

    fn end_run(&mut self) {
        self.state.end_run();
        let StreamState { boundary, mark, until, .. } = &mut self.state;
        let (Some(since), Some(own)) = (&self.rules.since, mark.take()) else { return };
        let own = mark.insert(since.until(own, until.as_deref()));
        if self.rules.knows_rows {
            boundary.keep(since.again(own));
        }
    }

    fn is_due(&self) -> bool {
        let CommitAt { rows, bytes, .. } = self.rules.commit;
        self.rows >= rows || self.bytes >= bytes
    }

    /// Whether the rows of a run that has ended take the place of those that were there.
    fn is_accepted(&self) -> bool {
        let written = self.state.counts().written;
        self.rules.rows.as_ref().is_none_or(|rows| rows.contains(&written))
    }

    fn commit(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let items = mem::take(&mut self.items);
        let Self { state, batches, rejects, rules, .. } = &*self;
        let items = latest(items, &rules.merge_key, &state.schema, batches)?;
        let children = state.children.iter().map(|(table, learned)| {
            let batches = items.get(table).map(Vec::as_slice).unwrap_or_default();
            Child::new(table, &learned.schema, batches)
        });
        let children: Vec<_> = children.collect();
        let is_last = state.is_finished && self.is_accepted();
        let commit = Commit::new(&state.schema, batches, rejects, state, is_last);
        sink.commit(&commit.with_children(&children))?;
        self.batches.clear();
        self.rejects.clear();
        (self.rows, self.bytes, self.since) = (0, 0, None);
        Ok(())
    }
}
