//! Tables below that of a stream: whose they are, what they may be called, and how they are forgotten.

use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace, Sync},
    schema::ColumnType::{Int, Text},
    sink::{Child, Target},
    state::{ChildState, StreamState},
};

use crate::{
    database::{Database, on_each_database},
    support::{
        STREAM, TAGS, assert_lasting, batch, cities, commit, commit_children, commit_tags, ended,
        id_and_name, ints, items, listed, named, opened, schema, state, tables, tags, texts,
    },
};

on_each_database![
    odd_names_are_written,
    names_that_are_taken_are_refused,
    lists_that_differ_in_case_are_two_or_none,
    tables_of_others_are_left_alone,
    a_table_that_someone_makes_meanwhile_is_left_alone,
    a_table_of_items_is_no_stream,
    a_stream_is_no_table_of_items,
    a_table_of_items_has_one_stream,
    a_table_that_is_gone_is_not_begun_in_the_middle,
    tables_are_dropped_with_their_stream,
    tables_stay_when_a_stream_is_forgotten,
];

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn odd_names_are_written(database: &dyn Database) {
    for odd in ["a \"quoted\" name", "with.a.dot", "with ' and [x]", "Straße 名前", "select"] {
        let (table, parent) = (format!("{odd}_{odd}"), format!("_{odd}_{odd}"));
        let own = schema(&[("id", Int), (odd, Text)]);
        let below = schema(&[(&parent, Text), ("_index", Int), (odd, Int)]);
        for mode in [Sync, Replace] {
            let mut sink = opened(database, Target::new(odd, odd, [odd], mode));
            let mut write = |state: &StreamState, key: &str, value: i64| {
                let rows = [batch(&[("id", ints([1])), (odd, texts([key]))])];
                let items = [batch(&[
                    (&parent, texts([key])),
                    ("_index", ints([0])),
                    (odd, ints([value])),
                ])];
                let children = [Child::new(&table, &below, &items)];
                commit_children(&mut *sink, state, &rows, &children).unwrap();
            };
            write(&state(1, &own, 1), "a", 7);
            write(&ended(1, &own, 2), "b", 8);
            write(&state(2, &own, 1), "b", 9);
            write(&ended(2, &own, 2), "b", 9);
            let columns = [parent.as_str(), "_index", odd].map(quoted).join(", ");
            let rows = database.query(&format!("SELECT {columns} FROM {}", quoted(&table)));
            let expected = if mode == Sync { "b 0 9" } else { "b 0 9, b 0 9" };
            assert_eq!(listed(&rows), expected, "{odd}");
            sink.reset(true).unwrap();
            assert_eq!(tables(database), "", "{odd}");
        }
    }
}

fn names_that_are_taken_are_refused(database: &dyn Database) {
    let (own, columns) = (id_and_name(), tags());
    let long = "x".repeat(1000);
    for (table, words) in [
        ("cities__new", "must not end with `__new`"),
        ("cities__Seen", "must not end with `__seen`"),
        ("cities_a\0b", "U+0000"),
        (long.as_str(), "longer than"),
    ] {
        let mut sink = opened(database, cities(Replace));
        let children = [Child::new(table, &columns, &[])];
        let refused = commit_children(&mut *sink, &state(1, &own, 0), &[], &children);
        assert_lasting(refused, &[words]);
        assert_eq!(tables(database), "");
    }
}

fn lists_that_differ_in_case_are_two_or_none(database: &dyn Database) {
    let (mut sink, own, columns) = (opened(database, cities(Merge)), id_and_name(), tags());
    let children = [Child::new(TAGS, &columns, &[]), Child::new("cities_Tags", &columns, &[])];
    let written = commit_children(&mut *sink, &ended(1, &own, 0), &[], &children);
    if database.is_sqlite() {
        assert_lasting(written, &["two tables are called `cities_Tags`"]);
        assert_eq!(tables(database), "");
    } else {
        written.unwrap();
        assert_eq!(database.query("SELECT * FROM \"cities_Tags\"").len(), 0);
        assert_eq!(database.query("SELECT * FROM cities_tags").len(), 0);
    }
}

fn tables_of_others_are_left_alone(database: &dyn Database) {
    for (table, modes) in
        [(TAGS, &[Append, Merge, Replace, Sync][..]), ("cities_tags__new", &[Replace][..])]
    {
        for mode in modes {
            database.query(&format!("CREATE TABLE {table} (_cities_id bigint)"));
            let (mut sink, schema) = (opened(database, cities(*mode)), id_and_name());
            let given = [(1, 0, "x")];
            let refused = commit_tags(&mut *sink, &state(1, &schema, 1), &[(1, "a")], &given);
            assert_lasting(refused, &[&format!("a table `{table}` already"), "has not written"]);
            assert_eq!(tables(database), table, "{mode:?}");
            assert_eq!(sink.open().unwrap(), StreamState::default());
            sink.reset(true).unwrap();
            assert_eq!(database.query(&format!("SELECT * FROM {table}")).len(), 0);
            database.query(&format!("DROP TABLE {table}"));
            let mut sink = opened(database, cities(*mode));
            commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &given).unwrap();
            assert_eq!(items(database), "1 0 x", "{mode:?}");
            sink.reset(true).unwrap();
        }
    }
}

fn a_table_that_someone_makes_meanwhile_is_left_alone(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Replace)), id_and_name());
    let first = state(1, &schema, 1);
    commit_tags(&mut *sink, &first, &[(1, "a")], &[(1, 0, "x")]).unwrap();
    database.query("CREATE TABLE cities_tags (id bigint)");
    database.query("INSERT INTO cities_tags VALUES (7)");
    let refused = commit_tags(&mut *sink, &ended(1, &schema, 1), &[], &[]);
    assert_lasting(refused, &["a table `cities_tags` already"]);
    assert_eq!(sink.open().unwrap(), first);
    sink.reset(true).unwrap();
    assert_eq!(tables(database), TAGS);
    assert_eq!(listed(&database.query("SELECT * FROM cities_tags")), "7");
}

fn a_table_of_items_is_no_stream(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
        for job in ["world", "other"] {
            let mut other = database.sink(Target::new(job, TAGS, ["id"], mode));
            let words = ["table `cities_tags` is written by stream `cities` of job `world`"];
            assert_lasting(other.open(), &words);
            assert_eq!(other.state().unwrap(), StreamState::default());
            other.reset(true).unwrap();
            other.reset(false).unwrap();
            assert_eq!(items(database), "1 0 x", "{mode:?}");
        }
        commit_tags(&mut *sink, &ended(2, &schema, 1), &[(2, "b")], &[(2, 0, "y")]).unwrap();
        sink.reset(true).unwrap();
        let mut other = opened(database, Target::new("world", TAGS, ["id"], mode));
        other.reset(true).unwrap();
    }
}

fn a_stream_is_no_table_of_items(database: &dyn Database) {
    let schema = id_and_name();
    for job in ["world", "other"] {
        for mode in [Append, Merge, Replace, Sync] {
            let mut other = opened(database, Target::new(job, TAGS, ["id"], mode));
            let mut sink = opened(database, cities(mode));
            // Even before it has its table.
            let given = [(1, 0, "x")];
            let refused = commit_tags(&mut *sink, &state(1, &schema, 1), &[(1, "a")], &given);
            let words =
                format!("table `cities_tags` is written by stream `cities_tags` of job `{job}`");
            assert_lasting(refused, &[&words]);
            commit(&mut *other, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
            assert_eq!(tables(database), TAGS, "{mode:?}");
            other.reset(true).unwrap();
            sink.reset(true).unwrap();
        }
    }
}

fn a_table_of_items_has_one_stream(database: &dyn Database) {
    let own = id_and_name();
    let write = |stream: &str, job: &str, key: &str| {
        let mut sink = opened(database, Target::new(job, stream, ["id"], Merge));
        let below = schema(&[(key, Int), ("_index", Int), ("value", Text)]);
        let children = [Child::new("a_b_c", &below, &[])];
        commit_children(&mut *sink, &ended(1, &own, 0), &[], &children)
    };
    write("a", "world", "_a_id").unwrap();
    for job in ["world", "other"] {
        let refused = write("a_b", job, "_a_b_id");
        assert_lasting(refused, &["table `a_b_c` is written by stream `a` of job `world`"]);
        database.sink(Target::new(job, "a_b", ["id"], Merge)).reset(true).unwrap();
    }
    assert_eq!(tables(database), "a, a_b_c");
}

fn a_table_that_is_gone_is_not_begun_in_the_middle(database: &dyn Database) {
    let schema = id_and_name();
    for mode in [Append, Merge, Sync] {
        let mut sink = opened(database, cities(mode));
        commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
        database.query("DROP TABLE cities_tags");
        assert_lasting(sink.open(), &["table `cities_tags` is gone", "reset stream `cities`"]);
        sink.reset(false).unwrap();
        sink.open().unwrap();
        commit_tags(&mut *sink, &ended(2, &schema, 1), &[(2, "b")], &[(2, 0, "y")]).unwrap();
        assert_eq!(items(database), "2 0 y", "{mode:?}");
        sink.reset(true).unwrap();
    }
    let mut sink = opened(database, cities(Replace));
    commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
    database.query("DROP TABLE cities_tags");
    let mut sink = opened(database, cities(Replace));
    commit_tags(&mut *sink, &ended(2, &schema, 1), &[(2, "b")], &[(2, 0, "y")]).unwrap();
    assert_eq!(items(database), "2 0 y");
}

fn tables_are_dropped_with_their_stream(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
        commit_tags(&mut *sink, &state(2, &schema, 1), &[(2, "b")], &[(2, 0, "y")]).unwrap();
        database.sink(cities(mode)).reset(true).unwrap();
        assert_eq!(tables(database), "", "{mode:?}");
        assert!(database.query("SELECT * FROM _apipool_state").is_empty());
        let late = commit_tags(&mut *sink, &state(2, &schema, 2), &[(3, "c")], &[(3, 0, "z")]);
        assert_lasting(late, &["opened or reset by another process"]);
        assert_eq!(tables(database), "", "{mode:?}");
    }
}

fn tables_stay_when_a_stream_is_forgotten(database: &dyn Database) {
    for (mode, left) in [
        (Append, "1 0 x, 2 0 y, 3 0 z"),
        (Merge, "1 0 x, 2 0 y, 3 0 z"),
        (Replace, "3 0 z"),
        (Sync, "3 0 z"),
    ] {
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        let mut second = state(2, &schema, 1);
        let child = ChildState { schema: tags(), ..ChildState::default() };
        second.children.insert(TAGS.into(), child);
        commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
        commit_tags(&mut *sink, &second, &[(2, "b")], &[(2, 0, "y")]).unwrap();
        database.sink(cities(mode)).reset(false).unwrap();
        assert_eq!(tables(database), "cities, cities_tags", "{mode:?}");
        // The columns are known still, so that the next run does not make them narrower.
        let before = sink.open().unwrap();
        assert_eq!((before.run, before.is_finished), (2, true));
        assert_eq!(before.children, second.children);
        commit_tags(&mut *sink, &ended(3, &schema, 1), &[(3, "c")], &[(3, 0, "z")]).unwrap();
        assert_eq!(items(database), left, "{mode:?}");
        let rows = database.query("SELECT job, stream FROM _apipool_state ORDER BY stream");
        assert_eq!(listed(&rows), format!("world {STREAM}, world {TAGS}"));
        sink.reset(true).unwrap();
    }
}
