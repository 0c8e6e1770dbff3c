//! Names of streams and columns, of which each database has its own taste.

use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Sync},
    schema::ColumnType::{Float, Int, Text},
    sink::Target,
};

use crate::{
    database::{Database, on_each_database},
    support::{
        assert_lasting, batch, commit, ended, id_and_name, ints, listed, named, opened, schema,
        state, texts,
    },
};

on_each_database![
    odd_names_are_written,
    names_that_are_taken_are_refused,
    long_names_are_not_cut,
    columns_that_differ_in_case_are_two_or_none,
    streams_that_differ_in_case_are_two_or_none,
];

const ODD: [&str; 8] = [
    "a \"quoted\" name",
    "with.a.dot",
    "with ' and ` and [x]",
    "Straße 名前 \u{1f600}",
    "select",
    "--",
    "$1 ? :a %s \\",
    "new\nline\t",
];

fn odd_names_are_written(database: &dyn Database) {
    for odd in ODD {
        let quoted = format!("\"{}\"", odd.replace('"', "\"\""));
        let schema = schema(&[("id", Int), (odd, Text)]);
        let mut sink = opened(database, Target::new(odd, odd, [odd], Sync));
        let rows = |ids: [i64; 2]| batch(&[("id", ints(ids)), (odd, texts(["a", "b"]))]);
        commit(&mut *sink, &state(1, &schema, 2), &[rows([1, 2])]).unwrap();
        commit(&mut *sink, &ended(1, &schema, 2), &[rows([3, 4])]).unwrap();
        let wide = crate::support::schema(&[("id", Float), (odd, Text), ("more", Int)]);
        commit(&mut *sink, &ended(2, &wide, 2), &[rows([5, 6])]).unwrap();
        let rows = database.query(&format!("SELECT id, {quoted} FROM {quoted} ORDER BY id"));
        assert_eq!(listed(&rows), "5 a, 6 b", "{odd}");
        assert_eq!(sink.state().unwrap(), ended(2, &wide, 2));
        sink.reset(true).unwrap();
    }
}

fn names_that_are_taken_are_refused(database: &dyn Database) {
    for (name, words) in [
        ("", "empty"),
        ("_apipool_state", "`_apipool` are taken"),
        ("_ApiPool", "`_apipool` are taken"),
        ("cities__new", "must not end with `__new`"),
        ("cities__Seen", "must not end with `__seen`"),
        ("a\0b", "U+0000"),
    ] {
        let mut sink = database.sink(Target::new("world", name, ["id"], Append));
        assert_lasting(sink.open(), &[words]);
    }
    let mut sink = database.sink(Target::new("world", "sqlite_master", ["id"], Append));
    assert_eq!(sink.open().is_err(), database.is_sqlite());
    let mut sink = opened(database, Target::new("world", "cities", ["id"], Append));
    for (name, words) in [("", "empty"), ("_apipool_position", "are taken"), ("a\0b", "U+0000")] {
        let schema = schema(&[("id", Int), (name, Text)]);
        assert_lasting(commit(&mut *sink, &state(1, &schema, 0), &[]), &["no column", words]);
        sink.open().unwrap();
    }
}

fn long_names_are_not_cut(database: &dyn Database) {
    let most = if database.is_sqlite() { 989 } else { 52 };
    let mut sink = database.sink(Target::new("world", "x".repeat(most + 1), ["id"], Sync));
    assert_lasting(sink.open(), &["longer than"]);
    let most_of_column = if database.is_sqlite() { 1000 } else { 63 };
    let key = "k".repeat(most_of_column);
    let mut sink = opened(database, Target::new("world", "x".repeat(most), [&key], Sync));
    let fits = schema(&[(&key, Int)]);
    for run in 1..3 {
        commit(&mut *sink, &state(run, &fits, 1), &[batch(&[(&key, ints([1]))])]).unwrap();
        commit(&mut *sink, &ended(run, &fits, 2), &[batch(&[(&key, ints([2]))])]).unwrap();
    }
    let rows = database.query(&format!("SELECT * FROM {}", "x".repeat(most)));
    assert_eq!(rows.len(), 2);
    let long = schema(&[(&key, Int), (&"c".repeat(most_of_column + 1), Int)]);
    assert_lasting(commit(&mut *sink, &state(3, &long, 0), &[]), &["longer than"]);
}

fn columns_that_differ_in_case_are_two_or_none(database: &dyn Database) {
    let mut sink = opened(database, Target::new("world", "cities", ["id"], Merge));
    let both = schema(&[("id", Int), ("ID", Int)]);
    let rows = batch(&[("id", ints([1])), ("ID", ints([2]))]);
    let written = commit(&mut *sink, &state(1, &both, 1), &[rows]);
    if database.is_sqlite() {
        assert_lasting(written, &["two columns are called `ID`", "rename or drop one"]);
    } else {
        written.unwrap();
        assert_eq!(listed(&database.query("SELECT id, \"ID\" FROM cities")), "1 2");
    }
}

fn streams_that_differ_in_case_are_two_or_none(database: &dyn Database) {
    let mut sink = opened(database, Target::new("world", "cities", ["id"], Merge));
    commit(&mut *sink, &state(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
    let mut other = database.sink(Target::new("world", "Cities", ["id"], Merge));
    let opened = other.open();
    if database.is_sqlite() {
        assert_lasting(opened, &["table `Cities` is written by stream `cities` of job `world`"]);
    } else {
        opened.unwrap();
        commit(&mut *other, &state(1, &id_and_name(), 1), &[named(&[(2, "b")])]).unwrap();
        assert_eq!(listed(&database.query("SELECT id FROM \"Cities\"")), "2");
    }
    assert_eq!(listed(&database.query("SELECT id FROM cities")), "1");
}
