//! Whose a stream is: the last one that has opened it, and a table that a stream has made.

use std::{sync::Barrier, thread};

use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace, Sync},
    sink::{Sink, Target},
};

use crate::{
    database::{Database, PostgresSchema, SqliteFile, on_each_database},
    support::{
        STREAM, assert_lasting, cities, commit, ended, id_and_name, named, names, opened, state,
        tables, written,
    },
};

on_each_database![
    the_last_one_that_has_opened_writes,
    to_look_at_the_state_takes_nothing_away,
    a_table_has_one_stream,
    tables_of_others_are_left_alone,
    a_table_that_is_gone_is_not_begun_in_the_middle,
    what_is_remembered_is_read_or_refused,
    a_sink_that_is_not_open_writes_nothing,
];

fn the_last_one_that_has_opened_writes(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let (mut first, schema) = (opened(database, cities(mode)), id_and_name());
        commit(&mut *first, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
        let mut second = opened(database, cities(mode));
        let late = commit(&mut *first, &ended(2, &schema, 1), &[named(&[(2, "b")])]);
        assert_lasting(late, &["stream `cities` of job `world`", "another process"]);
        assert_eq!(names(database), "1 a");
        commit(&mut *second, &ended(2, &schema, 1), &[named(&[(3, "c")])]).unwrap();
        assert_eq!(first.open().unwrap(), ended(2, &schema, 1));
        commit(&mut *first, &ended(3, &schema, 1), &[named(&[(4, "d")])]).unwrap();
        assert!(commit(&mut *second, &ended(3, &schema, 1), &[]).unwrap_err().is_lasting());
        first.reset(true).unwrap();
    }
}

fn to_look_at_the_state_takes_nothing_away(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Merge)), id_and_name());
    let mut other = database.sink(cities(Merge));
    for run in 1..4 {
        commit(&mut *sink, &state(run, &schema, run), &[named(&[(1, "a")])]).unwrap();
        assert_eq!(other.state().unwrap(), state(run, &schema, run));
        assert_eq!(sink.state().unwrap(), state(run, &schema, run));
    }
}

fn a_table_has_one_stream(database: &dyn Database) {
    let mut sink = opened(database, cities(Merge));
    commit(&mut *sink, &state(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
    let mut other = database.sink(Target::new("other", STREAM, ["id"], Merge));
    assert_lasting(other.open(), &["written by stream `cities` of job `world`"]);
    sink.reset(true).unwrap();
    other.open().unwrap();
}

fn tables_of_others_are_left_alone(database: &dyn Database) {
    for (table, mode) in [("cities", Append), ("cities__new", Replace), ("cities__seen", Sync)] {
        database.query(&format!("CREATE TABLE {table} (id int)"));
        for mode in [Append, Merge, Replace, Sync] {
            let mut sink = database.sink(cities(mode));
            assert_lasting(sink.open(), &[&format!("a table `{table}` already")]);
            assert_eq!(tables(database), table);
        }
        database.query(&format!("DROP TABLE {table}"));
        // A table that came after the stream was opened.
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
        if table != "cities" {
            database.query(&format!("CREATE TABLE {table} (id int)"));
            let refused = commit(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])]);
            assert_lasting(refused, &[&format!("a table `{table}` already")]);
            assert_eq!(database.query(&format!("SELECT * FROM {table}")).len(), 0);
            database.query(&format!("DROP TABLE {table}"));
        }
        assert_eq!(names(database), "1 a");
        database.sink(cities(mode)).reset(true).unwrap();
    }
}

fn a_table_that_is_gone_is_not_begun_in_the_middle(database: &dyn Database) {
    let schema = id_and_name();
    for mode in [Append, Merge, Sync] {
        let mut sink = opened(database, cities(mode));
        commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
        database.query("DROP TABLE cities");
        assert_lasting(sink.open(), &["table `cities` is gone", "reset"]);
        sink.reset(false).unwrap();
        sink.open().unwrap();
        commit(&mut *sink, &ended(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
        assert_eq!(names(database), "2 b");
        sink.reset(true).unwrap();
    }
    let mut sink = opened(database, cities(Replace));
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    database.query("DROP TABLE cities");
    let mut sink = opened(database, cities(Replace));
    commit(&mut *sink, &ended(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(names(database), "2 b");
}

fn what_is_remembered_is_read_or_refused(database: &dyn Database) {
    let mut sink = opened(database, cities(Merge));
    commit(&mut *sink, &state(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
    database.query("UPDATE _apipool_state SET state = '{\"run\": -1}'");
    let refused = commit(&mut *sink, &state(1, &id_and_name(), 2), &[named(&[(2, "b")])]);
    assert_lasting(
        refused,
        &["the state of stream `cities`", "is not one that this version reads"],
    );
    assert_lasting(sink.open(), &["is not one that this version reads"]);
    assert_lasting(sink.state(), &["is not one that this version reads"]);
    assert_eq!(names(database), "1 a");
}

fn a_sink_that_is_not_open_writes_nothing(database: &dyn Database) {
    let mut sink = database.sink(cities(Merge));
    let error = commit(&mut *sink, &state(1, &id_and_name(), 0), &[]).unwrap_err();
    assert!(!error.is_lasting() && error.to_string().contains("open"), "{error}");
}

const SINKS: u64 = 4;
const ROUNDS: u64 = 25;

/// Opens the stream and commits the row after the last one, again and again; returns how many it has.
fn compete(mut sink: Box<dyn Sink>) -> u64 {
    let mut committed = 0;
    for round in 0..ROUNDS {
        let mut state = sink.open();
        for _ in 0..=round % 3 {
            state = state.and_then(|state| {
                let next = written(&state);
                let row = i64::try_from(next).unwrap();
                let after = crate::support::state(1, &id_and_name(), next + 1);
                commit(&mut *sink, &after, &[named(&[(row, "a")])])?;
                committed += 1;
                Ok(after)
            });
        }
        if let Err(error) = state {
            let is_expected = !error.is_lasting() || error.to_string().contains("another");
            assert!(is_expected, "{error:?}");
        }
    }
    committed
}

/// Sinks that take a stream from each other lose and double nothing.
fn check_competition(place: &str, at: fn(&str) -> Box<dyn Database>) {
    let compete = |_| {
        let place = place.to_owned();
        thread::spawn(move || compete(at(&place).sink(cities(Append))))
    };
    let threads: Vec<_> = (0..SINKS).map(compete).collect();
    let committed: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let database = at(place);
    let rows = database.query("SELECT id FROM cities ORDER BY id");
    let ids: Vec<String> = (0..committed).map(|id| id.to_string()).collect();
    assert_eq!(rows.into_iter().map(|row| row[0].clone().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(written(&database.sink(cities(Append)).state().unwrap()), committed);
    assert!(committed > 0);
}

#[test]
fn sinks_compete_for_a_file() {
    let file = SqliteFile::new();
    check_competition(&file.place(), |place| Box::new(SqliteFile::at(place)));
}

#[test]
fn sinks_compete_in_postgres() {
    let schema = PostgresSchema::new();
    check_competition(&schema.place(), |place| Box::new(PostgresSchema::at(place)));
}

const STREAMS: i64 = 8;

/// Streams that are the first in a database, all at once, do not disturb each other.
fn check_beginning(place: &str, at: fn(&str) -> Box<dyn Database>) {
    let start = Barrier::new(STREAMS as usize);
    thread::scope(|scope| {
        for number in 0..STREAMS {
            let start = &start;
            scope.spawn(move || {
                let target = Target::new("world", format!("s{number}"), ["id"], Merge);
                let mut sink = at(place).sink(target);
                start.wait();
                sink.open().unwrap();
                let state = ended(1, &id_and_name(), 1);
                commit(&mut *sink, &state, &[named(&[(number, "a")])]).unwrap();
            });
        }
    });
    assert_eq!(tables(&*at(place)), "s0, s1, s2, s3, s4, s5, s6, s7");
}

#[test]
fn streams_begin_together_in_sqlite() {
    for _ in 0..20 {
        let file = SqliteFile::new();
        check_beginning(&file.place(), |place| Box::new(SqliteFile::at(place)));
    }
}

#[test]
fn streams_begin_together_in_postgres() {
    for _ in 0..5 {
        let schema = PostgresSchema::new();
        check_beginning(&schema.place(), |place| Box::new(PostgresSchema::at(place)));
    }
}
