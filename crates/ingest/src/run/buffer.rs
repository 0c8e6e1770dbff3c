//! What a writer was given and has not committed yet.

use std::{
    collections::{HashMap, HashSet},
    mem,
    ops::RangeInclusive,
    sync::mpsc,
    time::{Duration, Instant},
};

use arrow_array::RecordBatch;
use indexmap::IndexMap;

use super::{
    begun::Begun,
    now,
    writer::{Chunk, CommitAt, Order, Progress, WriteRules},
};
use crate::{
    row::{Items, Mark, SeenRow},
    sink::{Child, Commit, Reject, Sink, SinkError, latest::latest},
    state::{MAX_ROWS, StreamState, UnitState},
};

/// What was not committed yet.
pub(super) struct Buffer {
    pub(super) state: StreamState,
    pub(super) begun: Begun,
    rules: WriteRules,
    /// The greatest value of the incremental field that was read of each partition, in this run or
    /// before it.
    marks: HashMap<String, Mark>,
    /// How many rows of partitions are remembered for the next run.
    remembered: usize,
    /// The partitions that the run reads to their ends.
    pub(super) partitions: HashSet<String>,
    /// What the run cannot read, if there is anything.
    pub(super) lack: Option<String>,
    batches: Vec<RecordBatch>,
    /// The items of lists by child tables.
    items: IndexMap<String, Items>,
    rejects: Vec<Reject>,
    rows: usize,
    bytes: usize,
    /// When the first of it came.
    since: Option<Instant>,
    /// How long the last commit took, and when it ended.
    committed: (Duration, Instant),
}

pub(super) enum Next {
    Order(Order),
    /// What there is has waited long enough, or nothing more is there to be written.
    Due,
    Closed,
}

impl Buffer {
    pub(super) fn new(state: StreamState, begun: Begun, rules: WriteRules) -> Self {
        let mut marks = HashMap::new();
        for UnitState { partition, mark, .. } in state.units.values() {
            let of: &mut Mark = mark_of(&mut marks, &state, partition);
            mark.as_deref().into_iter().for_each(|own| of.raise(own));
        }
        let remembered = state.partitions.values().map(|own| own.next_boundary.len()).sum();
        Self {
            marks,
            remembered,
            state,
            begun,
            rules,
            partitions: HashSet::new(),
            lack: None,
            batches: Vec::new(),
            items: IndexMap::new(),
            rejects: Vec::new(),
            rows: 0,
            bytes: 0,
            since: None,
            committed: (Duration::ZERO, Instant::now()),
        }
    }

    pub(super) fn next(&self, orders: &mpsc::Receiver<Order>) -> Next {
        let Some(since) = self.since else {
            return orders.recv().map_or(Next::Closed, Next::Order);
        };
        let CommitAt { age, when_idle, .. } = self.rules.commit;
        let mut wait = age.saturating_sub(since.elapsed());
        if when_idle {
            let (took, at) = self.committed;
            wait = wait.min(took.saturating_sub(at.elapsed()));
        }
        match orders.recv_timeout(wait) {
            Ok(order) => Next::Order(order),
            Err(mpsc::RecvTimeoutError::Timeout) => Next::Due,
            Err(mpsc::RecvTimeoutError::Disconnected) => Next::Closed,
        }
    }

    /// Whether there is anything to commit.
    pub(super) fn has_any(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn add(&mut self, chunk: Chunk) {
        self.since.get_or_insert_with(Instant::now);
        (self.state.ended, self.state.error) = (None, None);
        chunk.progress.into_iter().for_each(|progress| self.go_on(progress));
        let Some(decoded) = chunk.decoded else { return };
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

    fn go_on(&mut self, progress: Progress) {
        let unit = self.state.units.entry(progress.unit).or_default();
        // A unit that goes on after its last page is told no total any more.
        let declared = progress.counts.declared.or(unit.counts.declared);
        // Of a unit that ends at older rows it is not a total of what was to be read.
        let declared = declared.filter(|_| !progress.is_cut);
        let (told, findings) = (unit.counts.declared, &mut self.state.findings);
        findings.compare(told, progress.counts.declared, self.rules.relies_on_totals);
        unit.counts.add(&progress.counts);
        unit.counts.declared = declared;
        unit.is_done = progress.is_last;
        unit.token = progress.token;
        unit.partition.clone_from(&progress.partition);
        unit.reads_all |= progress.reads_all;
        if let Some(token) = progress.next_token {
            unit.next_token = Some(token);
        }
        if let Some(order) = progress.order {
            unit.order = order;
        }
        let Some(page) = progress.page else { return };
        let findings = &mut self.state.findings;
        findings.reject = findings.reject.take().or(page.reject);
        findings.lacks_key |= page.lacks_key;
        findings.twice += page.twice as u64;
        if let Some(mark) = &page.mark.0 {
            let mut own = Mark(unit.mark.take());
            own.raise(mark);
            unit.mark = own.0;
            mark_of(&mut self.marks, &self.state, &progress.partition).raise(mark);
        }
        self.see(&progress.partition, &page.seen);
    }

    /// Keeps the rows that the next run reads again.
    fn see(&mut self, partition: &str, rows: &[SeenRow]) {
        let Self { state, rules, marks, remembered, .. } = self;
        let Some(since) = rules.since.as_ref().filter(|_| rules.knows_rows) else { return };
        if rows.is_empty() {
            return;
        }
        let is_again = since.again(mark_of(marks, state, partition).0.as_deref());
        let StreamState { boundary, next_boundary, partitions, .. } = state;
        let (mut own, next) = match partition {
            "" => (None, next_boundary),
            name => {
                let own = partitions.entry(name.to_owned()).or_default();
                (Some(&mut own.boundary), &mut own.next_boundary)
            }
        };
        let before = next.len();
        for row in rows {
            if row.is_repeated {
                let is_own = own.as_mut().is_some_and(|own| own.remove(&row.cursor, row.hash));
                if !is_own {
                    boundary.remove(&row.cursor, row.hash);
                }
            }
            if is_again(&row.cursor) {
                next.add(&row.cursor, row.hash, 1);
            }
        }
        let of_others = if own.is_some() { *remembered - before } else { 0 };
        next.keep(is_again, MAX_ROWS.saturating_sub(of_others));
        if own.is_some() {
            *remembered = of_others + next.len();
        }
    }

    /// Ends the run. One that lacks something has failed, and what it lacks has no mark that moves.
    pub(super) fn end_run(&mut self) {
        let Self { state, rules, partitions, lack, remembered, .. } = self;
        let is_gone = |of: &str| !of.is_empty() && !partitions.contains(of);
        let gone = state.units.values_mut().filter(|unit| is_gone(&unit.partition));
        for unit in gone {
            unit.mark = None;
            if !unit.is_done {
                unit.next_token = None;
                // The rest is not missing: it is not wanted any more.
                unit.counts.declared = Some(unit.counts.read);
            }
        }
        let tokens = state.unit_tokens();
        match lack {
            None => state.tokens = tokens,
            Some(_) => state.tokens.extend(tokens),
        }
        state.end_run();
        (state.ended, state.error) = (Some(now()), lack.take());
        *remembered = 0;
        let Some(since) = rules.since.as_ref().filter(|_| rules.knows_rows) else { return };
        state.boundary.keep(since.again(state.mark.as_deref()), MAX_ROWS);
        let mut room = MAX_ROWS;
        for own in state.partitions.values_mut() {
            own.boundary.keep(since.again(own.mark.as_deref()), room);
            room = room.saturating_sub(own.boundary.len());
        }
    }

    pub(super) fn is_due(&self) -> bool {
        let CommitAt { rows, bytes, .. } = self.rules.commit;
        self.rows + self.rejects.len() >= rows || self.bytes >= bytes
    }

    /// Whether the rows of a run that has ended take the place of those that were there.
    fn is_accepted(&self) -> bool {
        let counts = self.state.counts();
        let is_expected = |rows: &RangeInclusive<u64>| rows.contains(&counts.written);
        !self.state.has_failed_early()
            && !counts.are_all_rejected()
            && !self.state.findings.forbid_deletes(self.rules.mode, &counts)
            && self.rules.rows.as_ref().is_none_or(is_expected)
    }

    pub(super) fn commit(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let begun = Instant::now();
        let items = mem::take(&mut self.items);
        let Self { state, batches, rejects, rules, .. } = &*self;
        let items = latest(items, &rules.merge_key, &state.schema, batches)?;
        let known = state.children.iter().filter(|_| rules.has_children);
        let children = known.map(|(table, learned)| {
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
        self.committed = (begun.elapsed(), Instant::now());
        Ok(())
    }
}

/// That of a partition, which begins with what the state has.
fn mark_of<'m>(
    marks: &'m mut HashMap<String, Mark>,
    state: &StreamState,
    partition: &str,
) -> &'m mut Mark {
    if !marks.contains_key(partition) {
        let before = Mark(state.mark_of(partition).map(ToOwned::to_owned));
        marks.insert(partition.to_owned(), before);
    }
    marks.entry(partition.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::WriteMode;

    fn buffer(when_idle: bool) -> Buffer {
        let commit =
            CommitAt { rows: 1_000, bytes: 1_000, age: Duration::from_hours(1), when_idle };
        let rules = WriteRules {
            commit,
            merge_key: Vec::new(),
            since: None,
            knows_rows: false,
            has_children: false,
            begins_anew: false,
            keeps_failure: false,
            relies_on_totals: true,
            mode: WriteMode::Append,
            rows: None,
        };
        let mut state = StreamState::default();
        let begun = Begun::of(&mut state, None, "2026-01-01T00:00:00Z");
        Buffer::new(state, begun, rules)
    }

    fn chunk() -> Chunk {
        Chunk { progress: vec![Progress::default()], decoded: None }
    }

    #[test]
    fn what_there_is_is_due_once_nothing_more_waits() {
        let (orders, received) = mpsc::channel();
        let mut buffer = buffer(true);
        buffer.add(chunk());
        assert!(matches!(buffer.next(&received), Next::Due));
        // What waits is taken first.
        assert!(orders.send(Order::Chunk(Box::new(chunk()), 0)).is_ok());
        assert!(matches!(buffer.next(&received), Next::Order(Order::Chunk(..))));
        assert!(matches!(buffer.next(&received), Next::Due));
    }

    #[test]
    fn it_waits_for_its_time_where_a_commit_is_a_file() {
        let (orders, received) = mpsc::channel();
        let mut buffer = buffer(false);
        buffer.add(chunk());
        let later = std::thread::spawn(move || orders.send(Order::Finish).is_ok());
        assert!(matches!(buffer.next(&received), Next::Order(Order::Finish)));
        assert!(later.join().is_ok_and(|sent| sent));
    }
}
