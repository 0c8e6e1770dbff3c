//! Columns that become wider: what is there is what it would be if it came now.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float64Array, StringArray};
use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace, Sync},
    schema::ColumnType::{self, Bool, Date, Float, Int, Json, Text, Timestamp},
    sink::Target,
};

use crate::{
    database::{Database, Row, on_each_database},
    support::{
        STREAM, assert_lasting, batch, batch_of, cities, commit, ended, id_and_name, ints, listed,
        named, names, opened, schema, state, tables, texts,
    },
    values::{ALL, columns, one, plain, rows, stored, values, widened},
};

on_each_database![
    every_type_holds_its_values,
    every_type_becomes_every_wider_one,
    a_column_widens_again_and_again,
    a_key_widens_with_what_was_seen,
    rows_of_several_types_come_in_one_commit,
    columns_are_added,
    a_replaced_table_has_columns_of_its_own,
    what_others_have_put_on_a_table_stays,
    columns_of_others_stay,
];

fn every_type_holds_its_values(database: &dyn Database) {
    for (number, kind) in ALL.into_iter().enumerate() {
        let stream = format!("t{number}");
        let mut sink = opened(database, Target::new("w", &stream, ["id"], Merge));
        commit(&mut *sink, &state(1, &columns(kind), 1), &[rows(0, kind, values(kind))]).unwrap();
        let stored = stored(database, &stream, 0);
        let is_sqlite = database.is_sqlite();
        let expected: Vec<Option<&str>> = match kind {
            Bool if is_sqlite => vec![None, Some("1"), Some("0")],
            Bool => vec![None, Some("true"), Some("false")],
            Int => vec![
                None,
                Some("0"),
                Some("-7"),
                Some("9223372036854775807"),
                Some("-9223372036854775808"),
            ],
            Float => {
                let read =
                    plain(&stored).into_iter().map(|text| text.map(|text| text.parse().unwrap()));
                let array: Float64Array = read.collect();
                assert_eq!(&array as &dyn arrow_array::Array, &*values(kind));
                continue;
            }
            ColumnType::Decimal { .. } => vec![
                None,
                Some("0.000"),
                Some("-0.005"),
                Some("1.500"),
                Some("99999999999999999.999"),
            ],
            Date => vec![None, Some("1970-01-01"), Some("2024-02-29"), Some("0001-01-01")],
            Timestamp if is_sqlite => vec![
                None,
                Some("1970-01-01T00:00:00.000000Z"),
                Some("1969-12-31T23:59:59.999999Z"),
                Some("2024-02-29T12:34:56.123456Z"),
                Some("9999-12-31T23:59:59.999999Z"),
            ],
            Timestamp => vec![
                None,
                Some("1970-01-01 00:00:00+00"),
                Some("1969-12-31 23:59:59.999999+00"),
                Some("2024-02-29 12:34:56.123456+00"),
                Some("9999-12-31 23:59:59.999999+00"),
            ],
            Json if !is_sqlite => vec![
                None,
                Some("null"),
                Some("\"007\""),
                Some("[1.50, 12345678901234567890.123]"),
                Some("{\"a\": {\"é\": [true, null]}, \"b\": 1}"),
            ],
            _ => {
                let values = values(kind);
                let values = values.as_any().downcast_ref::<StringArray>().unwrap();
                assert_eq!(plain(&stored), values.iter().collect::<Vec<_>>());
                continue;
            }
        };
        assert_eq!(plain(&stored), expected, "{kind}");
    }
}

fn every_type_becomes_every_wider_one(database: &dyn Database) {
    for from in ALL {
        for to in ALL.into_iter().filter(|to| *to != from && from.widened(*to) == *to) {
            let mut sink = opened(database, cities(Merge));
            let narrow = rows(0, from, values(from));
            commit(&mut *sink, &state(1, &columns(from), 1), &[narrow]).unwrap();
            // The same values again, which are widened on their way, and some of the wider type.
            let batches = [rows(100, from, values(from)), rows(200, to, values(to))];
            commit(&mut *sink, &state(1, &columns(to), 2), &batches).unwrap();
            let old = stored(database, STREAM, 0);
            assert_eq!(old.len(), values(from).len());
            assert_eq!(old, stored(database, STREAM, 100), "{from} to {to}");
            let kinds =
                |rows: &[Row]| rows.iter().filter_map(|row| row[1].clone()).collect::<Vec<_>>();
            let new = kinds(&stored(database, STREAM, 200));
            assert!(kinds(&old).iter().chain(&new).all(|kind| *kind == new[0]), "{from} to {to}");
            assert_eq!(plain(&old), widened(database, from, to), "{from} to {to}");
            sink.reset(true).unwrap();
        }
    }
}

fn a_column_widens_again_and_again(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let mut sink = opened(database, cities(mode));
        for (run, kind) in (0..).zip([Bool, Int, Float, Text, Json]) {
            let batches = [rows(run * 10, kind, one(kind))];
            commit(&mut *sink, &state(1, &columns(kind), 1), &batches).unwrap();
        }
        commit(&mut *sink, &ended(1, &columns(Json), 1), &[]).unwrap();
        let values = database.query("SELECT id, c FROM cities ORDER BY id");
        // What was true is 1 once there are numbers, and what was a number is text once there is one.
        let expected = "0 \"1\", 10 \"7\", 20 \"0.5\", 30 \"007\", 40 [7]";
        assert_eq!(listed(&values), expected, "{mode:?}");
        sink.reset(true).unwrap();
    }
}

fn a_key_widens_with_what_was_seen(database: &dyn Database) {
    let mut sink = opened(database, cities(Sync));
    commit(&mut *sink, &ended(1, &id_and_name(), 2), &[named(&[(7, "a"), (8, "b"), (9, "c")])])
        .unwrap();
    commit(&mut *sink, &state(2, &id_and_name(), 1), &[named(&[(7, "d")])]).unwrap();
    let wide = schema(&[("id", Text), ("name", Text)]);
    let other = batch(&[("id", texts(["8", "007"])), ("name", texts(["e", "f"]))]);
    commit(&mut *sink, &state(2, &wide, 3), &[other]).unwrap();
    commit(&mut *sink, &ended(2, &wide, 4), &[named(&[(7, "g")])]).unwrap();
    assert_eq!(
        (tables(database).as_str(), names(database).as_str()),
        ("cities", "007 f, 7 g, 8 e")
    );
}

fn rows_of_several_types_come_in_one_commit(database: &dyn Database) {
    let mut sink = opened(database, cities(Append));
    let batches: Vec<_> = (0..)
        .zip([Bool, Int, Float, Text])
        .map(|(at, kind)| rows(at * 10, kind, one(kind)))
        .chain([rows(40, Json, one(Json)), batch(&[("id", ints([50]))])])
        .chain([rows(60, Text, texts(["[7]"]))])
        .collect();
    commit(&mut *sink, &ended(1, &columns(Json), 6), &batches).unwrap();
    let values = database.query("SELECT id, c FROM cities ORDER BY id");
    let expected = "0 true, 10 7, 20 0.5, 30 \"007\", 40 [7], 50 null, 60 \"[7]\"";
    assert_eq!(listed(&values), expected);
}

fn columns_are_added(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let mut sink = opened(database, cities(mode));
        commit(&mut *sink, &state(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
        let more = schema(&[("id", Int), ("name", Text), ("a \"b\".c", Float), ("d", Json)]);
        let float: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
        let none = texts([None::<&str>]);
        let rows = batch_of(&more, vec![ints([2]), none, float, texts(["{}"])]);
        commit(&mut *sink, &state(1, &more, 2), &[named(&[(3, "c")]), rows]).unwrap();
        commit(&mut *sink, &ended(1, &more, 2), &[]).unwrap();
        let rows = database.query("SELECT id, name, \"a \"\"b\"\".c\", d FROM cities ORDER BY id");
        assert_eq!(listed(&rows), "1 a null null, 2 null 0.5 {}, 3 c null null", "{mode:?}");
        sink.reset(true).unwrap();
    }
}

fn a_replaced_table_has_columns_of_its_own(database: &dyn Database) {
    let mut sink = opened(database, cities(Replace));
    let old = schema(&[("id", Int), ("c", Date), ("name", Text)]);
    let day: ArrayRef = Arc::new(Date32Array::from(vec![0]));
    let rows = batch(&[("id", ints([1])), ("c", Arc::clone(&day)), ("name", texts(["a"]))]);
    commit(&mut *sink, &ended(1, &old, 1), &[rows]).unwrap();
    // A run that widens, and is given up.
    let new = schema(&[("id", Int), ("c", Json), ("name", Json)]);
    commit(&mut *sink, &state(2, &new, 1), &[batch(&[("id", ints([2]))])]).unwrap();
    // Another way to write goes on with the table as it is.
    let mut sink = opened(database, cities(Append));
    let rows = batch(&[("id", ints([3])), ("c", day)]);
    commit(&mut *sink, &ended(3, &new, 1), &[rows]).unwrap();
    let rows = database.query("SELECT id, c, name FROM cities ORDER BY id");
    assert_eq!(listed(&rows), "1 \"1970-01-01\" \"a\", 3 \"1970-01-01\" null");
}

fn what_others_have_put_on_a_table_stays(database: &dyn Database) {
    let indexes = |table: &str| match database.is_sqlite() {
        true => format!(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = '{table}' ORDER BY name"
        ),
        false => format!(
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() \
             AND tablename = '{table}' ORDER BY indexname"
        ),
    };
    let mut sink = opened(database, cities(Merge));
    commit(&mut *sink, &ended(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
    database.query("CREATE INDEX \"by Name\" ON cities (name)");
    if database.is_sqlite() {
        database.query("CREATE VIEW v AS SELECT id, name FROM cities");
    }
    let wide = schema(&[("id", Float), ("name", Json)]);
    commit(&mut *sink, &ended(2, &wide, 1), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(listed(&database.query(&indexes(STREAM))), "by Name, cities__key");
    let mut sink = opened(database, cities(Replace));
    commit(&mut *sink, &ended(3, &wide, 1), &[named(&[(3, "c")])]).unwrap();
    assert_eq!(listed(&database.query(&indexes(STREAM))), "by Name");
    assert_eq!(names(database), "3 \"c\"");
    if database.is_sqlite() {
        assert_eq!(listed(&database.query("SELECT * FROM v")), "3 \"c\"");
    }
}

fn columns_of_others_stay(database: &dyn Database) {
    let mut sink = opened(database, cities(Merge));
    commit(&mut *sink, &state(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
    database.query("ALTER TABLE cities ADD COLUMN note varchar(9) DEFAULT 'none'");
    commit(&mut *sink, &state(1, &id_and_name(), 2), &[named(&[(1, "b"), (2, "c")])]).unwrap();
    let notes = "SELECT id, name, note FROM cities ORDER BY id";
    assert_eq!(listed(&database.query(notes)), "1 b none, 2 c none");
    let wide = schema(&[("id", Float), ("name", Text)]);
    let widened = commit(&mut *sink, &state(1, &wide, 2), &[]);
    if database.is_sqlite() {
        assert_lasting(widened, &["has columns that the stream has not written: note"]);
    } else {
        widened.unwrap();
    }
    assert_eq!(listed(&database.query(notes)), "1 b none, 2 c none");
    let mut sink = opened(database, cities(Merge));
    let taken = schema(&[("id", Float), ("name", Text), ("note", Text)]);
    let refused = commit(&mut *sink, &state(1, &taken, 2), &[]);
    assert_lasting(refused, &["column `note` of table `cities` is", "stream's text"]);
}
