//! What each way to write leaves in the table.

use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace, Sync},
    schema::ColumnType::{Int, Text},
    sink::{Reject, Target},
    state::StreamState,
};

use crate::{
    database::{Database, on_each_database},
    support::{
        STREAM, assert_lasting, batch, cities, commit, commit_with, ended, id_and_name, ints,
        listed, named, names, opened, schema, state, tables, texts,
    },
};

on_each_database![
    append_adds_rows,
    a_state_is_read_back,
    merge_replaces_rows_as_a_whole,
    merge_takes_the_last_row_of_a_key,
    merge_knows_keys_of_several_columns,
    merge_holds_tables_of_nothing_but_a_key,
    replace_is_seen_at_its_end,
    replace_goes_on_after_it_was_opened_again,
    replace_begins_anew,
    sync_deletes_what_is_gone,
    sync_goes_on_after_it_was_opened_again,
    sync_forgets_what_a_run_that_was_given_up_has_seen,
    sync_does_not_go_on_with_another_key,
    runs_without_rows_end_as_they_say,
    commits_without_columns_are_states,
    rejects_are_kept,
    a_table_is_written_in_another_way_from_the_next_run_on,
    keys_are_whole,
];

fn append_adds_rows(database: &dyn Database) {
    let schema = id_and_name();
    let mut sink = opened(database, cities(Append));
    let batches = [named(&[(1, "a"), (1, "a")]), named(&[(2, "b")])];
    commit(&mut *sink, &state(1, &schema, 3), &batches).unwrap();
    assert_eq!(names(database), "1 a, 1 a, 2 b");
    commit(&mut *sink, &ended(1, &schema, 4), &[named(&[(3, "c")])]).unwrap();
    commit(&mut *sink, &ended(2, &schema, 1), &[named(&[(1, "d")])]).unwrap();
    assert_eq!(names(database), "1 a, 1 a, 1 d, 2 b, 3 c");
    assert_eq!(tables(database), "cities");
}

fn a_state_is_read_back(database: &dyn Database) {
    let mut sink = database.sink(cities(Merge));
    assert_eq!(sink.state().unwrap(), StreamState::default());
    assert_eq!(sink.open().unwrap(), StreamState::default());
    let mut first = state(7, &id_and_name(), 2);
    first.mark = Some("'\"\u{0}é".into());
    commit(&mut *sink, &first, &[named(&[(1, "a"), (2, "b")])]).unwrap();
    assert_eq!(sink.state().unwrap(), first);
    let mut other = database.sink(Target::new("world", "other", ["id"], Merge));
    assert_eq!(other.open().unwrap(), StreamState::default());
    drop(sink);
    assert_eq!(database.sink(cities(Merge)).open().unwrap(), first);
}

fn merge_replaces_rows_as_a_whole(database: &dyn Database) {
    let mut sink = opened(database, cities(Merge));
    let wide = schema(&[("id", Int), ("name", Text), ("of", Text)]);
    let rows =
        batch(&[("of", texts(["x", "y"])), ("id", ints([1, 2])), ("name", texts(["a", "b"]))]);
    commit(&mut *sink, &state(1, &wide, 2), &[rows]).unwrap();
    let rows = batch(&[("id", ints([2, 3])), ("name", texts([None, Some("c")]))]);
    commit(&mut *sink, &state(1, &wide, 4), &[rows]).unwrap();
    let rows = database.query("SELECT * FROM cities ORDER BY id");
    assert_eq!(listed(&rows), "1 a x, 2 null null, 3 c null");
}

fn merge_takes_the_last_row_of_a_key(database: &dyn Database) {
    let mut sink = opened(database, cities(Merge));
    let batches = [named(&[(1, "a"), (2, "b"), (1, "c")]), named(&[(2, "d"), (3, "e"), (2, "f")])];
    commit(&mut *sink, &state(1, &id_and_name(), 6), &batches).unwrap();
    assert_eq!(names(database), "1 c, 2 f, 3 e");
    commit(&mut *sink, &state(1, &id_and_name(), 7), &[named(&[(3, "g"), (3, "h")])]).unwrap();
    assert_eq!(names(database), "1 c, 2 f, 3 h");
}

fn merge_knows_keys_of_several_columns(database: &dyn Database) {
    let mut sink = opened(database, Target::new("world", STREAM, ["of", "id"], Merge));
    let schema = schema(&[("id", Int), ("of", Text), ("name", Text)]);
    let rows = |names: [&'static str; 3]| {
        batch(&[("id", ints([1, 1, 2])), ("of", texts(["x", "y", "x"])), ("name", texts(names))])
    };
    commit(&mut *sink, &state(1, &schema, 3), &[rows(["a", "b", "c"])]).unwrap();
    commit(&mut *sink, &state(1, &schema, 6), &[rows(["d", "e", "f"])]).unwrap();
    let rows = database.query("SELECT id, \"of\", name FROM cities ORDER BY name");
    assert_eq!(listed(&rows), "1 x d, 1 y e, 2 x f");
}

fn merge_holds_tables_of_nothing_but_a_key(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Merge)), schema(&[("id", Int)]));
    commit(&mut *sink, &state(1, &schema, 2), &[batch(&[("id", ints([1, 1]))])]).unwrap();
    commit(&mut *sink, &state(1, &schema, 4), &[batch(&[("id", ints([1, 2]))])]).unwrap();
    assert_eq!(listed(&database.query("SELECT * FROM cities ORDER BY id")), "1, 2");
}

fn replace_is_seen_at_its_end(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Replace)), id_and_name());
    commit(&mut *sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    assert_eq!(tables(database), "cities__new");
    commit(&mut *sink, &ended(1, &schema, 2), &[named(&[(2, "b")])]).unwrap();
    assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "1 a, 2 b"));
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(3, "c")])]).unwrap();
    assert_eq!(names(database), "1 a, 2 b");
    commit(&mut *sink, &ended(2, &schema, 1), &[]).unwrap();
    assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "3 c"));
    commit(&mut *sink, &ended(3, &schema, 1), &[named(&[(4, "d")])]).unwrap();
    assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "4 d"));
}

fn replace_goes_on_after_it_was_opened_again(database: &dyn Database) {
    let schema = id_and_name();
    for run in 1..3 {
        let mut sink = opened(database, cities(Replace));
        commit(&mut *sink, &state(run, &schema, 1), &[named(&[(1, "a")])]).unwrap();
        let mut sink = database.sink(cities(Replace));
        assert_eq!(sink.open().unwrap(), state(run, &schema, 1));
        commit(&mut *sink, &ended(run, &schema, 2), &[named(&[(2, "b")])]).unwrap();
        assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "1 a, 2 b"));
    }
}

fn replace_begins_anew(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Replace)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    commit(&mut *sink, &state(3, &schema, 1), &[named(&[(3, "c")])]).unwrap();
    assert_eq!(names(database), "1 a");
    commit(&mut *sink, &ended(3, &schema, 2), &[named(&[(4, "d")])]).unwrap();
    assert_eq!(names(database), "3 c, 4 d");
}

fn sync_deletes_what_is_gone(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Sync)), id_and_name());
    commit(&mut *sink, &state(1, &schema, 2), &[named(&[(1, "a"), (2, "b")])]).unwrap();
    commit(&mut *sink, &ended(1, &schema, 3), &[named(&[(3, "c")])]).unwrap();
    assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "1 a, 2 b, 3 c"));
    commit(&mut *sink, &state(2, &schema, 2), &[named(&[(2, "d"), (4, "e"), (2, "f")])]).unwrap();
    assert_eq!(names(database), "1 a, 2 f, 3 c, 4 e");
    commit(&mut *sink, &ended(2, &schema, 3), &[named(&[(2, "g")])]).unwrap();
    assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "2 g, 4 e"));
}

fn sync_goes_on_after_it_was_opened_again(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Sync)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 2), &[named(&[(1, "a"), (2, "b")])]).unwrap();
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(1, "c")])]).unwrap();
    let mut sink = opened(database, cities(Sync));
    commit(&mut *sink, &ended(2, &schema, 2), &[named(&[(3, "d")])]).unwrap();
    assert_eq!(names(database), "1 c, 3 d");
}

fn sync_forgets_what_a_run_that_was_given_up_has_seen(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Sync)), id_and_name());
    commit(&mut *sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(names(database), "1 a, 2 b");
    commit(&mut *sink, &ended(2, &schema, 1), &[]).unwrap();
    assert_eq!((tables(database).as_str(), names(database).as_str()), ("cities", "2 b"));
}

fn sync_does_not_go_on_with_another_key(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Sync)), id_and_name());
    commit(&mut *sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    let by_name = || Target::new("world", STREAM, ["id", "name"], Sync);
    let mut sink = opened(database, by_name());
    let refused = commit(&mut *sink, &ended(1, &schema, 2), &[named(&[(2, "b")])]);
    assert_lasting(refused, &["run of stream `cities`", "another key"]);
    let mut sink = opened(database, by_name());
    commit(&mut *sink, &ended(2, &schema, 2), &[named(&[(2, "b"), (2, "c")])]).unwrap();
    assert_eq!(names(database), "2 b, 2 c");
}

fn runs_without_rows_end_as_they_say(database: &dyn Database) {
    for (mode, left) in [(Append, "1 a"), (Merge, "1 a"), (Replace, ""), (Sync, "")] {
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
        commit(&mut *sink, &ended(2, &schema, 0), &[]).unwrap();
        assert_eq!(
            (tables(database).as_str(), names(database).as_str()),
            ("cities", left),
            "{mode:?}"
        );
        sink.reset(true).unwrap();
        assert_eq!(tables(database), "", "{mode:?}");
    }
}

fn commits_without_columns_are_states(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, none) = (opened(database, cities(mode)), schema(&[]));
        commit(&mut *sink, &state(1, &none, 0), &[]).unwrap();
        assert_eq!(sink.state().unwrap(), state(1, &none, 0));
        assert_eq!(tables(database), "");
        let mut sink = opened(database, cities(mode));
        commit(&mut *sink, &state(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
        commit(&mut *sink, &ended(1, &id_and_name(), 1), &[]).unwrap();
        assert_eq!(
            (tables(database).as_str(), names(database).as_str()),
            ("cities", "1 a"),
            "{mode:?}"
        );
        sink.reset(true).unwrap();
        let mut sink = opened(database, cities(mode));
        commit(&mut *sink, &ended(1, &none, 0), &[]).unwrap();
        assert_eq!(tables(database), "");
        sink.reset(true).unwrap();
    }
}

fn rejects_are_kept(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Merge)), id_and_name());
    let reject = |reason: &str, row: &str| Reject { reason: reason.into(), row: row.into() };
    let rejects = [reject("no \"id\"", r#"{"name": "é"}"#), reject("nul", "{\"id\": \"\u{0}\"}")];
    commit_with(&mut *sink, &state(1, &schema, 0), &[], &rejects).unwrap();
    commit_with(&mut *sink, &ended(2, &schema, 0), &[], &[reject("late", "7")]).unwrap();
    let rows = database.query(
        "SELECT job, stream, run, reason, \"row\" FROM _apipool_rejects ORDER BY run, reason",
    );
    let nul = if database.is_sqlite() { "\u{0}" } else { "\\u0000" };
    assert_eq!(
        listed(&rows),
        format!(
            "world cities 1 no \"id\" {{\"name\": \"é\"}}, world cities 1 nul {{\"id\": \"{nul}\"}}, \
             world cities 2 late 7"
        )
    );
    let at = database.query("SELECT at FROM _apipool_rejects");
    assert!(at.iter().all(|row| row[0].as_deref().unwrap().starts_with("20")), "{at:?}");
}

fn a_table_is_written_in_another_way_from_the_next_run_on(database: &dyn Database) {
    let schema = id_and_name();
    let run = |mode, run: u64, rows: &[(i64, &str)]| {
        let mut sink = opened(database, cities(mode));
        commit(&mut *sink, &state(run, &schema, 0), &[]).unwrap();
        commit(&mut *sink, &ended(run, &schema, 1), &[named(rows)]).unwrap();
        names(database)
    };
    assert_eq!(run(Append, 1, &[(1, "a")]), "1 a");
    assert_eq!(run(Merge, 2, &[(1, "b"), (2, "b")]), "1 b, 2 b");
    assert_eq!(run(Append, 3, &[(2, "c")]), "1 b, 2 b, 2 c");
    let mut sink = opened(database, cities(Merge));
    let again = commit(&mut *sink, &state(4, &schema, 0), &[]);
    assert_lasting(again, &["index on the key of table `cities`"]);
    assert_eq!(run(Replace, 4, &[(2, "d"), (3, "d")]), "2 d, 3 d");
    assert_eq!(run(Sync, 5, &[(3, "e"), (4, "e")]), "3 e, 4 e");
    let mut sink = opened(database, cities(Replace));
    commit(&mut *sink, &state(6, &schema, 1), &[named(&[(9, "f")])]).unwrap();
    for mode in [Append, Merge, Sync] {
        let mut sink = opened(database, cities(mode));
        let other = commit(&mut *sink, &state(6, &schema, 2), &[named(&[(8, "f")])]);
        assert_lasting(other, &["run 6 of stream `cities`", "another way"]);
    }
    assert_eq!(run(Merge, 7, &[(4, "g")]), "3 e, 4 g");
    assert_eq!(tables(database), "cities");
}

fn keys_are_whole(database: &dyn Database) {
    let mut sink = opened(database, cities(Merge));
    let schema = id_and_name();
    commit(&mut *sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    let without = batch(&[("name", texts(["b", "c"]))]);
    let refused = commit(&mut *sink, &state(1, &schema, 3), &[named(&[(2, "b")]), without]);
    assert_lasting(refused, &["2 rows have no `id`"]);
    let mut sink = opened(database, Target::new("world", STREAM, ["id", "name"], Merge));
    let null = batch(&[("id", ints([2, 3])), ("name", texts([Some("b"), None]))]);
    let refused = commit(&mut *sink, &state(1, &schema, 3), &[null]);
    assert_lasting(refused, &["1 rows have no `name`"]);
    let mut sink = opened(database, Target::new("world", STREAM, Vec::<String>::new(), Merge));
    let refused = commit(&mut *sink, &state(1, &schema, 3), &[named(&[(2, "b")])]);
    assert_lasting(refused, &["without a key"]);
    assert_eq!(names(database), "1 a");
}
