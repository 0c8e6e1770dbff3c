//! Sinks that take one stream from each other all the time lose and double nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use object_store::{ObjectStore, memory::InMemory};
use vantage_api_ingest::{
    description::WriteMode,
    sink::{FileFormat, Files, Sink, SinkError},
    state::StreamState,
};

use crate::support::{
    STREAM, TAGS, assert_no_stray_items, assert_no_strays, commit_with, files, ids, ids_batch,
    ids_of_objects, items, items_of_objects, next_row, state_at, target,
};

const SINKS: usize = 3;
const ATTEMPTS: usize = 40;
/// How many rows a run has.
const ROWS: i64 = 5;

/// Commits the row after those of `before` with an item, and returns the state after it.
fn commit_one(sink: &mut Files, before: &StreamState) -> Result<StreamState, SinkError> {
    let begins = before.run == 0 || before.is_finished;
    let run = if begins { before.run + 1 } else { before.run };
    let row = if begins { 0 } else { next_row(before) };
    let state = state_at(run, row + 1 == ROWS, row + 1);
    commit_with(sink, &[ids_batch([row])], &[(TAGS, vec![row])], &[], &state)?;
    Ok(state)
}

/// Opens the stream, commits a few rows, and does so again; returns how many it has committed.
fn compete(mut sink: Files) -> usize {
    let mut committed = 0;
    for attempt in 0..ATTEMPTS {
        let mut state = sink.open();
        for _ in 0..=attempt % 4 {
            state = state.and_then(|state| {
                let state = commit_one(&mut sink, &state)?;
                committed += 1;
                Ok(state)
            });
        }
        if let Err(error) = state {
            let is_expected = !error.is_lasting() || error.to_string().contains("another sink");
            assert!(is_expected, "{error}");
        }
    }
    committed
}

/// Lets sinks compete, and checks the rows of the table and of the run, and their items, against the
/// state.
fn check(
    mode: WriteMode,
    sink: impl Fn() -> Files + Sync,
    rows: impl Fn(&str) -> Vec<i64>,
    items: impl Fn(&str) -> Vec<i64>,
) {
    let committed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..SINKS {
            scope.spawn(|| committed.fetch_add(compete(sink()), Ordering::Relaxed));
        }
    });
    let state = sink().open().unwrap();
    let committed = committed.into_inner() as i64;
    let in_run = if state.is_finished { ROWS } else { next_row(&state) };
    assert!(committed > 0);
    assert_eq!((state.run as i64 - 1) * ROWS + in_run, committed);
    let (parts, pending) = match mode {
        WriteMode::Append => ((0..committed).map(|row| row % ROWS).collect(), vec![]),
        _ if state.is_finished => ((0..ROWS).collect::<Vec<_>>(), vec![]),
        _ if state.run == 1 => (vec![], (0..in_run).collect()),
        _ => ((0..ROWS).collect(), (0..in_run).collect()),
    };
    assert_eq!((rows("parts"), items("parts")), (parts.clone(), parts));
    assert_eq!((rows("pending"), items("pending")), (pending.clone(), pending));
}

#[test]
fn a_folder_stays_whole() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        let folder = tempfile::tempdir().unwrap();
        let sink = || files(folder.path(), FileFormat::Csv, mode);
        let rows = |list: &str| ids(folder.path(), list);
        check(mode, sink, rows, |list| items(folder.path(), TAGS, list));
        assert_no_strays(folder.path());
        assert_no_stray_items(folder.path(), TAGS);
    }
}

#[test]
fn an_object_store_stays_whole() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        let store = Arc::new(InMemory::new());
        let sink = || {
            let store: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(&store);
            Files::in_store(store, "out", FileFormat::Csv, target(STREAM, mode))
        };
        let rows = |list: &str| ids_of_objects(&store, list);
        check(mode, sink, rows, |list| items_of_objects(&store, TAGS, list));
    }
}
