//! Commits that fail leave nothing.

use std::sync::Arc;

use arrow_array::{ArrayRef, LargeStringArray};
use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace, Sync},
    schema::ColumnType::{Float, Int, Text},
    sink::Reject,
};

use crate::{
    database::{Database, on_each_database},
    support::{
        assert_lasting, batch, cities, commit, commit_with, ended, id_and_name, ints, listed,
        named, names, opened, schema, state, tables, texts,
    },
};

on_each_database![
    a_value_that_the_table_refuses_leaves_nothing,
    a_value_of_no_column_leaves_nothing,
    a_change_of_the_schema_is_undone,
    an_end_that_fails_leaves_the_run,
];

/// Makes the table refuse rows with the name `no`.
fn refuse_no(database: &dyn Database, table: &str) {
    database.query(&match database.is_sqlite() {
        true => format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON {table} WHEN new.name = 'no' BEGIN \
             SELECT RAISE(ABORT, 'it says no'); END"
        ),
        false => format!("ALTER TABLE {table} ADD CONSTRAINT refuse CHECK (name::text <> 'no')"),
    });
}

fn a_value_that_the_table_refuses_leaves_nothing(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        let first = state(1, &schema, 1);
        commit(&mut *sink, &first, &[named(&[(1, "a")])]).unwrap();
        let table = if mode == Replace { "cities__new" } else { "cities" };
        refuse_no(database, table);
        let rejects = [Reject { reason: "odd".into(), row: "{}".into() }];
        let batches = [named(&[(2, "b"), (1, "c")]), named(&[(3, "d"), (4, "no"), (5, "e")])];
        let refused = commit_with(&mut *sink, &state(1, &schema, 6), &batches, &rejects);
        assert_lasting(refused, &["rows"]);
        let rows = database.query(&format!("SELECT id, name FROM {table}"));
        assert_eq!(listed(&rows), "1 a", "{mode:?}");
        assert!(database.query("SELECT * FROM _apipool_rejects").is_empty());
        assert_eq!(sink.open().unwrap(), first);
        let batches = [named(&[(2, "b"), (3, "d")])];
        commit(&mut *sink, &ended(1, &schema, 3), &batches).unwrap();
        assert_eq!(names(database), "1 a, 2 b, 3 d", "{mode:?}");
        sink.reset(true).unwrap();
    }
}

fn a_value_of_no_column_leaves_nothing(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Merge)), id_and_name());
    commit(&mut *sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["b"]));
    for (rows, words) in [
        (batch(&[("id", ints([2])), ("name", large)]), "column `name` is text and cannot hold"),
        (batch(&[("id", ints([2])), ("of", texts(["b"]))]), "no column `of`"),
        (batch(&[("id", texts(["2"])), ("name", texts(["b"]))]), "column `id` is int"),
    ] {
        let refused = commit(&mut *sink, &state(1, &schema, 3), &[named(&[(3, "c")]), rows]);
        assert_lasting(refused, &[words]);
        assert_eq!(names(database), "1 a");
        assert_eq!(sink.open().unwrap(), state(1, &schema, 1));
    }
}

fn a_change_of_the_schema_is_undone(database: &dyn Database) {
    let (mut sink, narrow) = (opened(database, cities(Merge)), id_and_name());
    commit(&mut *sink, &state(1, &narrow, 1), &[named(&[(1, "a")])]).unwrap();
    refuse_no(database, "cities");
    let wide = schema(&[("id", Float), ("name", Text), ("of", Int)]);
    let refused = commit(&mut *sink, &state(1, &wide, 2), &[named(&[(2, "no")])]);
    assert_lasting(refused, &["rows"]);
    assert_eq!(listed(&database.query("SELECT * FROM cities")), "1 a");
    assert_eq!(sink.open().unwrap(), state(1, &narrow, 1));
    commit(&mut *sink, &state(1, &wide, 2), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(listed(&database.query("SELECT * FROM cities ORDER BY id")), "1 a null, 2 b null");
}

fn an_end_that_fails_leaves_the_run(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Sync)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    // Something refers to the row that is to be deleted.
    if database.is_sqlite() {
        database.query(
            "CREATE TRIGGER keep BEFORE DELETE ON cities BEGIN SELECT RAISE(ABORT, 'kept'); END",
        );
    } else {
        database.query("CREATE TABLE visits (city bigint REFERENCES cities (id))");
        database.query("INSERT INTO visits VALUES (1)");
    }
    let refused = commit(&mut *sink, &ended(2, &schema, 2), &[named(&[(3, "c")])]);
    assert!(refused.unwrap_err().is_lasting());
    assert_eq!(names(database), "1 a, 2 b");
    database.query(if database.is_sqlite() { "DROP TRIGGER keep" } else { "DROP TABLE visits" });
    assert_eq!(sink.open().unwrap(), state(2, &schema, 1));
    commit(&mut *sink, &ended(2, &schema, 2), &[named(&[(3, "c")])]).unwrap();
    assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "2 b, 3 c"));
}
