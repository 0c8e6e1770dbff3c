//! Streams that begin anew.

use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace, Sync},
    schema::ColumnType::{Int, Text},
    sink::Reject,
    state::StreamState,
};

use crate::{
    database::{Database, on_each_database},
    support::{
        assert_lasting, batch, cities, commit, commit_with, ended, id_and_name, ints, named, names,
        opened, schema, state, tables, texts,
    },
};

on_each_database![
    a_stream_is_forgotten_with_its_rows,
    a_stream_is_forgotten_and_its_rows_stay,
    nothing_is_reset_where_nothing_is,
];

fn a_stream_is_forgotten_with_its_rows(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        let reject = [Reject { reason: "odd".into(), row: "{}".into() }];
        commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
        commit_with(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])], &reject).unwrap();
        database.sink(cities(mode)).reset(true).unwrap();
        assert_eq!(tables(database), "");
        for table in ["_apipool_state", "_apipool_rejects"] {
            assert!(database.query(&format!("SELECT * FROM {table}")).is_empty());
        }
        // The run that was under way does not go on.
        let late = commit(&mut *sink, &state(2, &schema, 2), &[named(&[(3, "c")])]);
        assert_lasting(late, &["opened or reset by another process"]);
        assert_eq!(sink.state().unwrap(), StreamState::default());
        assert_eq!(sink.open().unwrap(), StreamState::default());
        commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(4, "d")])]).unwrap();
        assert_eq!(names(database), "4 d");
        sink.reset(true).unwrap();
    }
}

fn a_stream_is_forgotten_and_its_rows_stay(database: &dyn Database) {
    for (mode, left) in
        [(Append, "1 a, 2 b, 4 d"), (Merge, "1 a, 2 b, 4 d"), (Replace, "4 d"), (Sync, "4 d")]
    {
        let wide = schema(&[("id", Text), ("name", Text)]);
        let text_id = batch(&[("id", texts(["2"])), ("name", texts(["b"]))]);
        let mut sink = opened(database, cities(mode));
        commit(&mut *sink, &ended(1, &wide, 1), &[named(&[(1, "a")])]).unwrap();
        commit(&mut *sink, &state(2, &wide, 1), &[text_id]).unwrap();
        database.sink(cities(mode)).reset(false).unwrap();
        let late = commit(&mut *sink, &state(2, &wide, 2), &[named(&[(3, "c")])]);
        assert_lasting(late, &["opened or reset by another process"]);
        assert_eq!(tables(database), "cities");
        // The columns are those of the table, so that the next run does not make them narrower.
        let before = sink.open().unwrap();
        let forgotten = StreamState {
            run: 2,
            is_finished: true,
            schema: wide.clone(),
            ..StreamState::default()
        };
        assert_eq!(before, forgotten);
        assert_eq!(sink.state().unwrap(), forgotten);
        let row = batch(&[("id", ints([4])), ("name", texts(["d"]))]);
        commit(&mut *sink, &state(3, &wide, 0), &[]).unwrap();
        commit(&mut *sink, &ended(3, &wide, 1), &[row]).unwrap();
        assert_eq!(names(database), left, "{mode:?}");
        sink.reset(true).unwrap();
    }
    // A run that was to make the table has left none.
    let mut sink = opened(database, cities(Replace));
    commit(&mut *sink, &state(1, &schema(&[("id", Int)]), 1), &[]).unwrap();
    sink.reset(false).unwrap();
    assert_eq!(tables(database), "");
    let forgotten = StreamState { run: 1, is_finished: true, ..StreamState::default() };
    assert_eq!(sink.open().unwrap(), forgotten);
}

fn nothing_is_reset_where_nothing_is(database: &dyn Database) {
    for drop_rows in [false, true] {
        database.sink(cities(Merge)).reset(drop_rows).unwrap();
        assert_eq!(database.sink(cities(Merge)).state().unwrap(), StreamState::default());
    }
    assert_eq!(tables(database), "");
    let _ = opened(database, cities(Merge));
    database.sink(cities(Append)).reset(true).unwrap();
    assert!(database.query("SELECT * FROM _apipool_state").is_empty());
    // A table of someone else stays.
    database.query("CREATE TABLE cities (id int)");
    database.sink(cities(Merge)).reset(true).unwrap();
    assert_eq!(tables(database), "cities");
}
