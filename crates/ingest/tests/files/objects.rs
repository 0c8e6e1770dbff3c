//! The same in an object store.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use vantage_api_ingest::{
    description::WriteMode,
    sink::{FileFormat, Files, Sink},
    state::StreamState,
};

use crate::{
    meddler::{Fault, Meddler},
    support::{
        STREAM, TAGS, block_on, commit_ids, commit_items, ids_of_objects, ids_schema,
        items_of_objects, state, target,
    },
};

fn sink(store: &Arc<InMemory>, mode: WriteMode) -> Files {
    let store: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(store);
    Files::in_store(store, "out", FileFormat::Csv, target(STREAM, mode))
}

/// The same by way of a meddler.
fn meddled(store: &Arc<Meddler>, mode: WriteMode) -> Files {
    let store: Arc<dyn ObjectStore> = Arc::<Meddler>::clone(store);
    Files::in_store(store, "out", FileFormat::Csv, target(STREAM, mode))
}

fn names(store: &InMemory) -> Vec<String> {
    let objects = block_on(store.list(None).try_collect::<Vec<_>>()).unwrap();
    let mut names: Vec<_> = objects.into_iter().map(|object| object.location.to_string()).collect();
    names.sort();
    names
}

fn text(store: &InMemory, path: &str) -> String {
    let bytes =
        block_on(async { store.get(&Path::from(path)).await.unwrap().bytes().await.unwrap() });
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn runs_replace_a_table_of_objects() {
    let store = Arc::new(InMemory::new());
    let mut sink = sink(&store, WriteMode::Replace);
    assert_eq!(sink.state().unwrap(), StreamState::default());
    assert!(names(&store).is_empty());
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, false).unwrap();
    assert_eq!(
        names(&store),
        ["out/cities/_next/run-000001-part-000001.csv", "out/cities/_state.json"]
    );
    commit_ids(&mut sink, 2..3, 1, true).unwrap();
    assert_eq!(
        names(&store),
        [
            "out/cities/_state.json",
            "out/cities/run-000001-part-000002-000001.csv",
            "out/cities/run-000001-part-000002.csv",
        ]
    );
    assert_eq!(text(&store, "out/cities/run-000001-part-000002-000001.csv"), "id\r\n0\r\n1\r\n");
    commit_ids(&mut sink, 7..8, 2, true).unwrap();
    assert_eq!(names(&store).len(), 2);
    assert_eq!(sink.state().unwrap(), state(2, true, &ids_schema()));
    sink.reset(true).unwrap();
    assert_eq!(names(&store), ["out/cities/_state.json"]);
    assert_eq!(sink.open().unwrap(), StreamState::default());
}

#[test]
fn child_tables_of_objects_are_beside_the_stream() {
    let store = Arc::new(InMemory::new());
    let mut sink = sink(&store, WriteMode::Replace);
    sink.open().unwrap();
    commit_items(&mut sink, 0..2, &[(TAGS, vec![0])], 1, false).unwrap();
    assert_eq!(
        names(&store),
        [
            "out/cities/_next/run-000001-part-000001.csv",
            "out/cities/_state.json",
            "out/cities_tags/_next/run-000001-part-000001.csv",
            "out/cities_tags/_state.json",
        ]
    );
    commit_items(&mut sink, 2..3, &[(TAGS, vec![2])], 1, true).unwrap();
    assert_eq!(
        names(&store),
        [
            "out/cities/_state.json",
            "out/cities/run-000001-part-000002-000001.csv",
            "out/cities/run-000001-part-000002.csv",
            "out/cities_tags/_state.json",
            "out/cities_tags/run-000001-part-000002-000001.csv",
            "out/cities_tags/run-000001-part-000002.csv",
        ]
    );
    assert_eq!(items_of_objects(&store, TAGS, "parts"), [0, 2]);
    commit_items(&mut sink, 7..8, &[(TAGS, vec![])], 2, true).unwrap();
    assert_eq!(names(&store).len(), 3);
    sink.reset(true).unwrap();
    assert_eq!(names(&store), ["out/cities/_state.json", "out/cities_tags/_state.json"]);
    assert_eq!(sink.open().unwrap(), StreamState::default());
}

#[test]
fn two_writers_exclude_each_other() {
    let store = Arc::new(InMemory::new());
    let mut first = sink(&store, WriteMode::Append);
    first.open().unwrap();
    commit_ids(&mut first, 0..1, 1, false).unwrap();
    let mut second = sink(&store, WriteMode::Append);
    second.open().unwrap();
    let error = commit_ids(&mut first, 100..101, 1, false).unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains("another sink"), "{error}");
    commit_ids(&mut second, 1..2, 1, true).unwrap();
    assert_eq!(
        names(&store),
        [
            "out/cities/_state.json",
            "out/cities/run-000001-part-000001.csv",
            "out/cities/run-000001-part-000003.csv",
        ]
    );
}

#[test]
fn objects_that_are_not_listed_are_removed() {
    let store = Arc::new(InMemory::new());
    let mut sink = sink(&store, WriteMode::Append);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..1, 1, false).unwrap();
    let others = ["out/cities/mine.csv", "out/citiesx/run-000001-part-000009.csv"];
    let stray = "out/cities/run-000002-part-000001.csv";
    for path in others.iter().chain([&stray]) {
        block_on(store.put(&Path::from(*path), "x".into())).unwrap();
    }
    sink.open().unwrap();
    let names = names(&store);
    assert!(!names.contains(&stray.to_owned()));
    assert!(others.iter().all(|path| names.contains(&(*path).to_owned())));
}

#[test]
fn a_manifest_that_is_not_ours_stays() {
    let store = Arc::new(InMemory::new());
    let path = "out/cities/_state.json";
    block_on(store.put(&Path::from(path), "{}".into())).unwrap();
    let error = sink(&store, WriteMode::Append).open().unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains(path), "{error}");
    assert_eq!(text(&store, path), "{}");
    assert_eq!(block_on(store.list(None).count()), 1);
}

#[test]
fn who_is_late_removes_nothing_of_the_next_one() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        let store = Arc::new(InMemory::new());
        let mut first = sink(&store, mode);
        first.open().unwrap();
        commit_items(&mut first, 0..2, &[(TAGS, vec![0, 1])], 1, false).unwrap();
        let meddler = Arc::new(Meddler::new(&store));
        let mut late = meddled(&meddler, mode);
        let theirs = Arc::clone(&store);
        // Before it looks for what it may remove, another one takes the stream over and commits.
        meddler.before_list(move || {
            let mut next = sink(&theirs, mode);
            next.open().unwrap();
            commit_items(&mut next, 2..3, &[(TAGS, vec![2])], 1, false).unwrap();
            commit_items(&mut next, 3..4, &[(TAGS, vec![3])], 1, true).unwrap();
        });
        let opened = late.open();
        if let Err(error) = &opened {
            assert!(!error.is_lasting(), "{error}");
        }
        let late_items = [(TAGS, vec![100])];
        assert!(
            opened.is_err() || commit_items(&mut late, 100..101, &late_items, 1, false).is_err()
        );
        assert_eq!(ids_of_objects(&store, "parts"), [0, 1, 2, 3]);
        assert_eq!(items_of_objects(&store, TAGS, "parts"), [0, 1, 2, 3]);
        assert_eq!(late.open().unwrap(), state(1, true, &ids_schema()));
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_whole_or_not_there() {
    let store = Arc::new(InMemory::new());
    let meddler = Arc::new(Meddler::new(&store));
    let mut sink = meddled(&meddler, WriteMode::Append);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..1, 1, false).unwrap();

    meddler.fail_next_put(Fault::Unavailable);
    assert!(!commit_ids(&mut sink, 1..2, 2, false).unwrap_err().is_lasting());
    assert_eq!(sink.open().unwrap().run, 1);
    assert_eq!(ids_of_objects(&store, "parts"), [0]);
    assert_eq!(names(&store).len(), 2);

    meddler.fail_next_put(Fault::AnswerLost);
    assert!(!commit_ids(&mut sink, 1..2, 2, false).unwrap_err().is_lasting());
    assert_eq!(sink.open().unwrap().run, 2);
    assert_eq!(ids_of_objects(&store, "parts"), [0, 1]);

    meddler.fail_next_put(Fault::Repeated);
    commit_ids(&mut sink, 2..3, 3, false).unwrap();
    commit_ids(&mut sink, 3..4, 3, true).unwrap();
    assert_eq!(ids_of_objects(&store, "parts"), [0, 1, 2, 3]);
    meddler.fail_next_put(Fault::AnswerLost);
    assert!(!sink.open().unwrap_err().is_lasting());
    assert_eq!(sink.open().unwrap().run, 3);
}

#[test]
fn a_child_table_that_is_begun_while_an_answer_is_lost_is_begun_again() {
    let store = Arc::new(InMemory::new());
    let meddler = Arc::new(Meddler::new(&store));
    let mut sink = meddled(&meddler, WriteMode::Append);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..1, 1, false).unwrap();
    for fault in [Fault::Unavailable, Fault::AnswerLost] {
        meddler.fail_next_put(fault);
        let failed = commit_items(&mut sink, 1..2, &[(TAGS, vec![1])], 1, false);
        assert!(!failed.unwrap_err().is_lasting(), "{fault:?}");
        assert_eq!(sink.open().unwrap().run, 1);
        assert_eq!(ids_of_objects(&store, "parts"), [0]);
        assert_eq!(names(&store).len(), 2);
    }
    meddler.fail_next_put(Fault::Repeated);
    commit_items(&mut sink, 1..2, &[(TAGS, vec![1])], 1, true).unwrap();
    assert_eq!(ids_of_objects(&store, "parts"), [0, 1]);
    assert_eq!(items_of_objects(&store, TAGS, "parts"), [1]);
}

#[tokio::test]
async fn a_thread_of_a_runtime_may_wait_for_a_store() {
    let store = Arc::new(InMemory::new());
    let mut sink = sink(&store, WriteMode::Append);
    sink.open().unwrap();
    commit_items(&mut sink, 0..1, &[(TAGS, vec![0])], 1, true).unwrap();
    assert_eq!(sink.state().unwrap().run, 1);
}
