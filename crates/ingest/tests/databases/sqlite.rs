//! What is SQLite's own.

use std::fs;

use vantage_api_ingest::{
    description::WriteMode::{Merge, Replace},
    schema::ColumnType::{Int, Json},
    sink::{Sink, Sqlite},
};

use crate::{
    database::{Database, SqliteFile, sqlite_rows},
    support::{
        assert_lasting, cities, commit, ended, id_and_name, listed, named, names, opened, schema,
        state,
    },
};

#[test]
fn the_file_keeps_what_was_committed_and_readers_go_on() {
    let file = SqliteFile::new();
    let (mut sink, schema) = (opened(&file, cities(Replace)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    assert_eq!(listed(&file.query("PRAGMA journal_mode")), "wal");
    let reader = file.connect();
    reader.execute_batch("BEGIN").unwrap();
    let rows = || listed(&sqlite_rows(&reader, "SELECT * FROM cities").unwrap());
    assert_eq!(rows(), "1 a");
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    commit(&mut *sink, &ended(2, &schema, 1), &[]).unwrap();
    assert_eq!(rows(), "1 a");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(rows(), "2 b");
}

#[test]
fn what_is_no_file_of_sqlite_is_named() {
    let file = SqliteFile::new();
    fs::write(file.path(), "not a database, but longer than the header of one is".repeat(10))
        .unwrap();
    let mut sink = file.sink(cities(Merge));
    for result in [sink.open(), sink.state()] {
        assert_lasting(result, &["world.db"]);
    }
    let missing = file.path().with_file_name("missing").join("world.db");
    let mut sink = Sqlite::new(&missing, cities(Merge));
    assert_lasting(sink.open(), &["missing/world.db"]);
    assert_lasting(Sqlite::new(":memory:", cities(Merge)).open(), &["write-ahead log"]);
    assert!(fs::read_to_string(file.path()).unwrap().starts_with("not a database"));
}

#[test]
fn rows_that_refer_to_a_replaced_table_stay() {
    let file = SqliteFile::new();
    let (mut sink, schema) = (opened(&file, cities(Merge)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    let connection = file.connect();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON; \
             CREATE TABLE visits (city REFERENCES cities (id) ON DELETE CASCADE); \
             INSERT INTO visits VALUES (1);",
        )
        .unwrap();
    let mut sink = opened(&file, cities(Replace));
    commit(&mut *sink, &ended(2, &schema, 1), &[named(&[(1, "b")])]).unwrap();
    assert_eq!(names(&file), "1 b");
    assert_eq!(listed(&file.query("SELECT * FROM visits")), "1");
}

#[test]
fn a_text_with_nul_is_kept_whole() {
    let file = SqliteFile::new();
    let mut sink = opened(&file, cities(Merge));
    let row = || named(&[(1, "a\0b")]);
    commit(&mut *sink, &state(1, &id_and_name(), 1), &[row()]).unwrap();
    assert_eq!(names(&file), "1 a\0b");
    let wide = schema(&[("id", Int), ("name", Json)]);
    commit(&mut *sink, &state(1, &wide, 2), &[named(&[(2, "a\0b")])]).unwrap();
    assert_eq!(names(&file), "1 \"a\\u0000b\", 2 \"a\\u0000b\"");
}

#[test]
fn what_is_debugged_is_the_place() {
    let text = format!("{:?}", Sqlite::new("world.db", cities(Merge)));
    assert!(text.contains("world.db") && text.contains("cities"), "{text}");
}
