//! Child tables: folders beside the stream's, whose files are committed with those of its rows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{Array, ArrayRef, StringArray, cast::AsArray};
use serde_json::json;
use vantage_api_ingest::{
    description::WriteMode,
    schema::ColumnType,
    sink::{Child, Commit, FileFormat, Files, Sink},
    state::StreamState,
};

use crate::support::{
    FORMATS, STREAM, TAGS, assert_no_stray_items, assert_no_strays, batch, commit_ids,
    commit_items, files, files_below, ids, items, items_batch, listed_of, manifest, read_ndjson,
    read_parquet, schema, state, target,
};

/// Another child table.
const LINKS: &str = "cities_links";

/// A sink that appends to a stream, opened.
fn appending(folder: &Path, stream: &str) -> Files {
    let mut sink = Files::new(folder, FileFormat::Csv, target(stream, WriteMode::Append));
    sink.open().unwrap();
    sink
}

/// The files below a folder, with what is in them.
fn contents(folder: PathBuf) -> BTreeMap<PathBuf, Vec<u8>> {
    files_below(folder).into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

#[test]
fn items_are_appended_in_a_folder_beside_the_stream() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = files(folder.path(), format, WriteMode::Append);
        sink.open().unwrap();
        commit_items(&mut sink, 0..3, &[(TAGS, vec![0, 0, 2])], 1, false).unwrap();
        commit_items(&mut sink, 3..5, &[(TAGS, vec![])], 1, true).unwrap();
        // A sink of another process goes on.
        let mut sink = files(folder.path(), format, WriteMode::Append);
        assert_eq!(sink.open().unwrap().run, 1);
        commit_items(&mut sink, 5..6, &[(TAGS, vec![5])], 2, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), (0..6).collect::<Vec<_>>());
        assert_eq!(items(folder.path(), TAGS, "parts"), [0, 0, 2, 5]);
        let names = listed_of(folder.path(), TAGS, "parts");
        assert_eq!(names.len(), 2);
        assert!(names[0].ends_with(format!("cities_tags/run-000001-part-000001.{format}")));
        assert_eq!(manifest(folder.path())["children"][TAGS]["parts"][0]["rows"], 3);
        assert_no_strays(folder.path());
        assert_no_stray_items(folder.path(), TAGS);
    }
}

#[test]
fn an_item_has_the_key_of_its_row_and_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Ndjson, WriteMode::Append);
    sink.open().unwrap();
    commit_items(&mut sink, 0..3, &[(TAGS, vec![2])], 1, true).unwrap();
    let read = read_ndjson(&listed_of(folder.path(), TAGS, "parts")[0]);
    let item: Vec<_> = read[0].iter().map(|(name, value)| (&**name, value.get())).collect();
    assert_eq!(item, [("_cities_id", "2"), ("_index", "0"), ("value", "\"tag of 2\"")]);
}

#[test]
fn files_of_items_have_the_columns_of_their_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Parquet, WriteMode::Append);
    sink.open().unwrap();
    commit_items(&mut sink, 0..1, &[(TAGS, vec![0])], 1, false).unwrap();
    // The key of the stream has got wider, and items have a field more.
    let rows = [batch(vec![("id", Arc::new(StringArray::from(vec!["a"])) as ArrayRef)])];
    let finished = state(1, true, &schema(&[("id", ColumnType::Text)]));
    let wider = schema(&[
        ("_cities_id", ColumnType::Text),
        ("_index", ColumnType::Int),
        ("value", ColumnType::Text),
        ("name", ColumnType::Text),
    ]);
    let batches = [items_batch(&[7])];
    let children = [Child::new(TAGS, &wider, &batches)];
    let commit = Commit::new(&finished.schema, &rows, &[], &finished, true);
    sink.commit(&commit.with_children(&children)).unwrap();
    let parts = listed_of(folder.path(), TAGS, "parts");
    let (first, second) = (&read_parquet(&parts[0])[0], &read_parquet(&parts[1])[0]);
    assert_eq!((first.num_columns(), second.num_columns()), (3, 4));
    assert_eq!(second.column(0).as_string::<i32>().value(0), "7");
    assert_eq!(second.column(3).null_count(), 1);
}

#[test]
fn child_tables_are_replaced_with_the_stream() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let of = |table: &str, list: &str| items(folder.path(), table, list);
        let mut sink = files(folder.path(), format, WriteMode::Replace);
        sink.open().unwrap();
        commit_items(&mut sink, 0..2, &[(TAGS, vec![0]), (LINKS, vec![1])], 1, false).unwrap();
        assert_eq!((of(TAGS, "parts"), of(TAGS, "pending")), (vec![], vec![0]));
        commit_items(&mut sink, 2..3, &[(TAGS, vec![2]), (LINKS, vec![])], 1, true).unwrap();
        assert_eq!((of(TAGS, "parts"), of(LINKS, "parts")), (vec![0, 2], vec![1]));

        commit_items(&mut sink, 10..11, &[(TAGS, vec![10]), (LINKS, vec![])], 2, false).unwrap();
        assert_eq!((of(TAGS, "parts"), of(LINKS, "parts")), (vec![0, 2], vec![1]));
        // The run goes on in another process, and no row has links any more.
        let mut sink = files(folder.path(), format, WriteMode::Replace);
        assert_eq!(sink.open().unwrap().run, 2);
        commit_items(&mut sink, [], &[(TAGS, vec![]), (LINKS, vec![])], 2, true).unwrap();
        assert_eq!((of(TAGS, "parts"), of(LINKS, "parts")), (vec![10], vec![]));
        // Lists are not tables in the next run, and then links are one again.
        commit_items(&mut sink, 20..21, &[(TAGS, vec![20]), (LINKS, vec![])], 3, false).unwrap();
        commit_ids(&mut sink, 21..22, 3, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), [20, 21]);
        assert_eq!((of(TAGS, "parts"), of(LINKS, "parts")), (vec![10], vec![]));
        assert!(of(TAGS, "pending").is_empty());
        commit_items(&mut sink, 30..31, &[(LINKS, vec![30])], 4, true).unwrap();
        assert_eq!((of(TAGS, "parts"), of(LINKS, "parts")), (vec![10], vec![30]));
        assert_no_strays(folder.path());
        assert_no_stray_items(folder.path(), TAGS);
        assert_no_stray_items(folder.path(), LINKS);
    }
}

#[test]
fn a_reset_drops_the_items_with_the_rows() {
    for drop_rows in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Replace);
        sink.open().unwrap();
        commit_items(&mut sink, 0..2, &[(TAGS, vec![0, 1])], 1, true).unwrap();
        commit_items(&mut sink, 2..3, &[(TAGS, vec![2])], 2, false).unwrap();
        files(folder.path(), FileFormat::Csv, WriteMode::Replace).reset(drop_rows).unwrap();
        let kept = if drop_rows { vec![] } else { vec![0, 1] };
        assert_eq!(items(folder.path(), TAGS, "parts"), kept);
        assert!(items(folder.path(), TAGS, "pending").is_empty());
        assert_no_stray_items(folder.path(), TAGS);
        // The run that was under way writes nothing any more.
        let error = commit_items(&mut sink, 3..4, &[(TAGS, vec![3])], 2, true).unwrap_err();
        assert!(error.is_lasting() && error.to_string().contains("another sink"), "{error}");
        assert_no_stray_items(folder.path(), TAGS);
        assert_eq!(sink.open().unwrap(), StreamState::default());
        commit_items(&mut sink, 7..8, &[(TAGS, vec![7])], 1, true).unwrap();
        assert_eq!(items(folder.path(), TAGS, "parts"), [7]);
        assert_no_strays(folder.path());
        assert_no_stray_items(folder.path(), TAGS);
    }
}

#[test]
fn a_stream_that_had_no_child_tables_gets_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = appending(folder.path(), STREAM);
    commit_ids(&mut sink, 0..2, 1, false).unwrap();
    assert!(manifest(folder.path()).get("children").is_none());
    let mut sink = appending(folder.path(), STREAM);
    commit_items(&mut sink, 2..3, &[(TAGS, vec![2])], 1, true).unwrap();
    assert_eq!(ids(folder.path(), "parts"), [0, 1, 2]);
    assert_eq!(items(folder.path(), TAGS, "parts"), [2]);
}

#[test]
fn a_child_table_that_was_begun_goes_on_and_what_it_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    commit_ids(&mut appending(folder.path(), STREAM), 0..1, 1, false).unwrap();
    // The process died after it had listed the table, and before it made its folder.
    let mut begun = manifest(folder.path());
    begun["children"][TAGS] = json!({ "parts": [], "pending": [] });
    let path = folder.path().join(STREAM).join("_state.json");
    fs::write(path, serde_json::to_vec(&begun).unwrap()).unwrap();
    let mut sink = appending(folder.path(), STREAM);
    commit_items(&mut sink, 1..2, &[(TAGS, vec![1])], 1, false).unwrap();
    // It died while it wrote.
    let own = folder.path().join(TAGS);
    fs::create_dir_all(own.join("_next")).unwrap();
    for name in [
        "run-000009-part-000001.csv",
        "_run-000009-part-000001.csv.tmp",
        "_next/run-000009-part-000001.csv",
    ] {
        fs::write(own.join(name), "x").unwrap();
    }
    let mut sink = appending(folder.path(), STREAM);
    assert_no_stray_items(folder.path(), TAGS);
    commit_items(&mut sink, 2..3, &[(TAGS, vec![2])], 1, true).unwrap();
    assert_eq!(items(folder.path(), TAGS, "parts"), [1, 2]);
}

#[test]
fn the_folder_of_another_stream_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = appending(folder.path(), TAGS);
    commit_ids(&mut other, 0..2, 1, false).unwrap();
    let before = contents(folder.path().join(TAGS));
    let mut sink = appending(folder.path(), STREAM);
    commit_ids(&mut sink, 0..1, 1, false).unwrap();
    let error = commit_items(&mut sink, 1..2, &[(TAGS, vec![1])], 1, false).unwrap_err();
    let place = folder.path().join(TAGS).join("_state.json");
    assert!(error.is_lasting(), "{error}");
    assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
    assert_no_strays(folder.path());
    assert_eq!(sink.open().unwrap().run, 1);
    assert_eq!(ids(folder.path(), "parts"), [0]);
    sink.reset(true).unwrap();
    assert_eq!(contents(folder.path().join(TAGS)), before);
    commit_ids(&mut other, 2..3, 1, true).unwrap();
}

#[test]
fn the_folder_of_a_child_table_is_that_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = appending(folder.path(), "a");
    commit_items(&mut first, 0..1, &[("a_b_c", vec![0])], 1, false).unwrap();
    let before = contents(folder.path().join("a_b_c"));
    // A stream of that name.
    let mut other = Files::new(folder.path(), FileFormat::Csv, target("a_b_c", WriteMode::Append));
    for error in
        [other.open().unwrap_err(), other.state().unwrap_err(), other.reset(true).unwrap_err()]
    {
        assert!(error.is_lasting(), "{error}");
        assert!(error.to_string().contains("of the stream `a`"), "{error}");
    }
    // A list `c` in the rows of `a_b`, as there is a list `b_c` in those of `a`.
    let mut second = appending(folder.path(), "a_b");
    let error = commit_items(&mut second, 0..1, &[("a_b_c", vec![0])], 1, false).unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains("of the stream `a_b`"), "{error}");
    assert_eq!(contents(folder.path().join("a_b_c")), before);
    commit_items(&mut first, 1..2, &[("a_b_c", vec![1])], 1, true).unwrap();
}

#[test]
fn files_that_nobody_lists_stay() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(TAGS);
    let part = own.join("run-000001-part-000001.csv");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("mine.csv"), "x").unwrap();
    fs::write(&part, "x").unwrap();
    let mut sink = appending(folder.path(), STREAM);
    let error = commit_items(&mut sink, 0..1, &[(TAGS, vec![0])], 1, false).unwrap_err();
    assert!(error.is_lasting(), "{error}");
    assert!(error.to_string().contains(part.to_str().unwrap()), "{error}");
    assert_eq!(contents(own.clone()).len(), 2);
    fs::remove_file(&part).unwrap();
    sink.open().unwrap();
    commit_items(&mut sink, 0..1, &[(TAGS, vec![0])], 1, true).unwrap();
    sink.reset(true).unwrap();
    assert!(own.join("mine.csv").exists() && !part.exists());
}

#[test]
fn a_file_in_the_place_of_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(TAGS);
    fs::write(&file, "x").unwrap();
    let mut sink = appending(folder.path(), STREAM);
    let error = commit_items(&mut sink, 0..1, &[(TAGS, vec![0])], 1, false).unwrap_err();
    assert!(error.is_lasting(), "{error}");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"x");
    assert_no_strays(folder.path());
}

#[test]
fn a_child_table_that_is_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = appending(folder.path(), STREAM);
    commit_items(&mut sink, 0..1, &[(TAGS, vec![0])], 1, true).unwrap();
    let part = listed_of(folder.path(), TAGS, "parts").remove(0);
    fs::remove_file(&part).unwrap();
    let error = sink.open().unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains("is gone"), "{error}");
    assert!(error.to_string().contains(part.to_str().unwrap()), "{error}");
    let own = folder.path().join(TAGS);
    fs::remove_dir_all(&own).unwrap();
    let error = sink.open().unwrap_err();
    assert!(error.is_lasting(), "{error}");
    assert!(error.to_string().contains(own.join("_state.json").to_str().unwrap()), "{error}");
    // A reset gets out of it.
    sink.reset(true).unwrap();
    assert_eq!(sink.open().unwrap(), StreamState::default());
    commit_items(&mut sink, 5..6, &[(TAGS, vec![5])], 1, true).unwrap();
    assert_eq!(items(folder.path(), TAGS, "parts"), [5]);
}

/// The device that is always full takes the place of the file that is written.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_may_pass_and_leaves_the_last_commit() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = files(folder.path(), format, WriteMode::Append);
        sink.open().unwrap();
        commit_ids(&mut sink, 0..2, 1, false).unwrap();
        let own = folder.path().join(TAGS);
        fs::create_dir(&own).unwrap();
        for name in ["__state.json.tmp".to_owned(), format!("_run-000001-part-000003.{format}.tmp")]
        {
            std::os::unix::fs::symlink("/dev/full", own.join(&name)).unwrap();
            let error = commit_items(&mut sink, 2..4, &[(TAGS, vec![2, 3])], 1, true).unwrap_err();
            assert!(!error.is_lasting(), "{error}");
            assert!(!own.join(&name).is_symlink());
            assert_eq!(sink.open().unwrap().run, 1);
            assert_eq!(ids(folder.path(), "parts"), [0, 1]);
            assert!(items(folder.path(), TAGS, "parts").is_empty());
            assert_no_strays(folder.path());
            assert_no_stray_items(folder.path(), TAGS);
        }
        commit_items(&mut sink, 2..4, &[(TAGS, vec![2, 3])], 1, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), [0, 1, 2, 3]);
        assert_eq!(items(folder.path(), TAGS, "parts"), [2, 3]);
    }
}
