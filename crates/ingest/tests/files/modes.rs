//! What commits and runs do to a table of files.

use std::{fs, sync::Arc};

use arrow_array::{Array, ArrayRef, Int64Array, StringArray, cast::AsArray};
use vantage_api_ingest::{
    description::WriteMode,
    schema::ColumnType,
    sink::{FileFormat, Reject, Sink},
    state::StreamState,
};

use crate::support::{
    FORMATS, STREAM, assert_no_strays, batch, commit, commit_ids, files, ids, ids_schema, listed,
    manifest, read_ndjson, read_parquet, schema, state, state_at, target,
};

#[test]
fn appended_rows_of_many_commits_and_runs_stay() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = files(folder.path(), format, WriteMode::Append);
        assert_eq!(sink.open().unwrap(), StreamState::default());
        commit_ids(&mut sink, 0..3, 1, false).unwrap();
        commit_ids(&mut sink, 3..5, 1, true).unwrap();
        // A sink of another process goes on.
        let mut sink = files(folder.path(), format, WriteMode::Append);
        assert_eq!(sink.open().unwrap(), state(1, true, &ids_schema()));
        commit_ids(&mut sink, 5..6, 2, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), (0..6).collect::<Vec<_>>());
        assert_no_strays(folder.path());
        let names = listed(folder.path(), "parts");
        assert!(names[0].ends_with(format!("run-000001-part-000001.{format}")));
        let rows: Vec<_> = manifest(folder.path())["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["rows"].as_u64().unwrap())
            .collect();
        assert_eq!(rows, [3, 2, 1]);
    }
}

#[test]
fn a_commit_without_rows_writes_the_state_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Append);
    sink.open().unwrap();
    let state = state_at(1, false, 7);
    commit(&mut sink, &[], &[], &state).unwrap();
    let empty = batch(vec![("id", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef)]);
    commit(&mut sink, &[empty], &[], &state).unwrap();
    assert!(listed(folder.path(), "parts").is_empty());
    assert_eq!(sink.open().unwrap(), state);
    assert_no_strays(folder.path());
}

#[test]
fn older_files_keep_their_narrower_columns() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Parquet, WriteMode::Append);
    sink.open().unwrap();
    let ints = || batch(vec![("a", Arc::new(Int64Array::from(vec![7])) as ArrayRef)]);
    commit(&mut sink, &[ints()], &[], &state(1, false, &schema(&[("a", ColumnType::Int)])))
        .unwrap();
    let wider = schema(&[("a", ColumnType::Text), ("b", ColumnType::Bool)]);
    let texts = batch(vec![("a", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)]);
    let finished = state(1, true, &wider);
    commit(&mut sink, &[ints(), texts], &[], &finished).unwrap();
    let parts = listed(folder.path(), "parts");
    let (first, second) = (&read_parquet(&parts[0])[0], &read_parquet(&parts[1])[0]);
    assert_eq!((first.num_columns(), second.num_columns()), (1, 2));
    assert_eq!(first.schema().field(0).data_type(), &ColumnType::Int.arrow());
    let texts: Vec<_> = second.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!((texts, second.column(1).null_count()), (vec!["7", "x"], 2));
    assert_eq!(sink.open().unwrap(), finished);
}

#[test]
fn a_table_is_replaced_at_the_end_of_the_run_and_not_before() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = files(folder.path(), format, WriteMode::Replace);
        sink.open().unwrap();
        commit_ids(&mut sink, 0..2, 1, false).unwrap();
        assert!(ids(folder.path(), "parts").is_empty());
        commit_ids(&mut sink, 2..3, 1, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), [0, 1, 2]);

        commit_ids(&mut sink, 10..12, 2, false).unwrap();
        assert_eq!(ids(folder.path(), "parts"), [0, 1, 2]);
        // Who lists the folder by a pattern does not see them either.
        let visible = fs::read_dir(folder.path().join(STREAM)).unwrap();
        let visible = visible.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().ends_with(format.extension())
        });
        assert_eq!(visible.count(), 2);
        // The run goes on in another process.
        let mut sink = files(folder.path(), format, WriteMode::Replace);
        assert_eq!(sink.open().unwrap().run, 2);
        assert_no_strays(folder.path());
        commit_ids(&mut sink, 12..13, 2, false).unwrap();
        commit_ids(&mut sink, [], 2, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), [10, 11, 12]);
        assert_no_strays(folder.path());
    }
}

#[test]
fn a_run_without_rows_replaces_the_table_by_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Replace);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, true).unwrap();
    commit_ids(&mut sink, [], 2, true).unwrap();
    assert!(listed(folder.path(), "parts").is_empty());
    assert_no_strays(folder.path());
}

#[test]
fn a_run_that_replaces_drops_what_the_last_one_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Ndjson, WriteMode::Replace);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, false).unwrap();
    commit_ids(&mut sink, 5..6, 2, false).unwrap();
    assert_eq!(ids(folder.path(), "pending"), [5]);
    commit_ids(&mut sink, 6..7, 2, true).unwrap();
    assert_eq!(ids(folder.path(), "parts"), [5, 6]);
    assert_no_strays(folder.path());
}

#[test]
fn rows_that_were_set_aside_are_kept_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Replace);
    sink.open().unwrap();
    let row = "{\"id\":null,\"n\":0.1000000000000000000001}";
    let rejects = [Reject { reason: "it has no key: id".into(), row: row.into() }];
    commit(&mut sink, &[], &rejects, &state(1, false, &ids_schema())).unwrap();
    commit(&mut sink, &[], &rejects, &state(1, true, &ids_schema())).unwrap();
    let files = listed(folder.path(), "rejects");
    assert_eq!(files.len(), 2);
    assert!(files[0].ends_with("_rejects/run-000001-part-000001.ndjson"));
    let read = read_ndjson(&files[0]);
    assert_eq!(read[0]["reason"].get(), "\"it has no key: id\"");
    assert_eq!((read[0]["row"].get(), read[0]["run"].get()), (row, "1"));
    sink.open().unwrap();
    assert_no_strays(folder.path());
}

#[test]
fn files_cannot_be_merged() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [WriteMode::Merge, WriteMode::Sync] {
        let error = files(folder.path(), FileFormat::Parquet, mode).open().unwrap_err();
        assert!(error.is_lasting(), "{error}");
        assert!(error.to_string().contains("appended or replaced"), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_state_can_be_looked_at_while_another_writes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/out");
    let mut looking = files(&root, FileFormat::Csv, WriteMode::Append);
    assert_eq!(looking.state().unwrap(), StreamState::default());
    assert!(!root.exists());
    let mut sink = files(&root, FileFormat::Csv, WriteMode::Append);
    sink.open().unwrap();
    let state = state_at(1, false, 2);
    commit(&mut sink, &[], &[], &state).unwrap();
    assert_eq!(looking.state().unwrap(), state);
    commit_ids(&mut sink, 0..1, 1, true).unwrap();
}

#[test]
fn a_reset_forgets_the_state_and_drops_the_rows_if_asked_to() {
    for drop_rows in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Replace);
        files(folder.path(), FileFormat::Csv, WriteMode::Replace).reset(drop_rows).unwrap();
        sink.open().unwrap();
        let reject = Reject { reason: "x".into(), row: "{}".into() };
        commit(&mut sink, &[], &[reject], &state(1, false, &ids_schema())).unwrap();
        commit_ids(&mut sink, 0..2, 1, true).unwrap();
        commit_ids(&mut sink, 2..3, 2, false).unwrap();
        files(folder.path(), FileFormat::Csv, WriteMode::Replace).reset(drop_rows).unwrap();
        assert_no_strays(folder.path());
        let kept = if drop_rows { vec![] } else { vec![0, 1] };
        assert_eq!(ids(folder.path(), "parts"), kept);
        assert_eq!(listed(folder.path(), "rejects").len(), usize::from(!drop_rows));
        // The run that was under way writes nothing any more.
        let error = commit_ids(&mut sink, 3..4, 2, true).unwrap_err();
        assert!(error.is_lasting() && error.to_string().contains("another sink"), "{error}");
        assert_no_strays(folder.path());
        assert_eq!(sink.open().unwrap(), StreamState::default());
        commit_ids(&mut sink, 7..8, 1, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), [7]);
    }
}

#[test]
fn a_run_is_ended_as_it_was_begun() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Append);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, false).unwrap();
    let error = files(folder.path(), FileFormat::Csv, WriteMode::Replace).open().unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains("run 1"), "{error}");
    let error = files(folder.path(), FileFormat::Parquet, WriteMode::Append).open().unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains("csv"), "{error}");
    commit_ids(&mut sink, 2..3, 1, true).unwrap();
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Replace);
    sink.open().unwrap();
    commit_ids(&mut sink, 9..10, 2, true).unwrap();
    assert_eq!(ids(folder.path(), "parts"), [9]);
}

#[test]
fn streams_with_odd_names_stay_in_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("out");
    let streams =
        ["..", ".", "../x", "/etc/x", "a/b", "a\\b", "C:x", "_state.json", "ä ☃", "a%2Fb"];
    for (number, stream) in streams.iter().enumerate() {
        let mut sink = vantage_api_ingest::sink::Files::new(
            &root,
            FileFormat::Csv,
            target(stream, WriteMode::Append),
        );
        sink.open().unwrap();
        commit_ids(&mut sink, 0..2, 1, true).unwrap();
        // Each has a folder of its own, right below.
        assert_eq!(fs::read_dir(&root).unwrap().count(), number + 1, "{stream}");
        assert_eq!(sink.open().unwrap().run, 1);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    for stream in ["", &"x".repeat(300)] {
        let mut sink = vantage_api_ingest::sink::Files::new(
            &root,
            FileFormat::Csv,
            target(stream, WriteMode::Append),
        );
        assert!(sink.open().unwrap_err().is_lasting());
    }
}

#[test]
fn a_local_place_may_be_a_url() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/out%20put", folder.path().display());
    let mut sink = vantage_api_ingest::sink::Files::new(
        url,
        FileFormat::Csv,
        target(STREAM, WriteMode::Append),
    );
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, true).unwrap();
    assert_eq!(ids(&folder.path().join("out put"), "parts"), [0, 1]);
}
