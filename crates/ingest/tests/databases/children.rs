//! Tables below that of a stream, whose rows are the items of a list: what each way to write leaves in
//! them.

use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace, Sync},
    schema::ColumnType::{Int, Json, Text},
    sink::{Child, Sink, Target},
};

use crate::{
    database::{Database, on_each_database},
    support::{
        STREAM, TAGS, assert_lasting, batch, batch_of, cities, commit, commit_children,
        commit_tags, ended, id_and_name, ints, items, listed, named, names, opened, schema, state,
        tables, tagged, tags, texts,
    },
};

on_each_database![
    append_adds_items,
    merge_replaces_the_items_of_its_rows,
    merge_knows_the_items_of_keys_of_several_columns,
    replace_replaces_items_with_their_rows,
    replace_leaves_a_table_alone_that_the_run_does_not_have,
    replace_drops_what_a_run_has_begun_and_does_not_have_in_the_end,
    sync_deletes_the_items_of_rows_that_are_gone,
    items_are_written_in_another_way_from_the_next_run_on,
    lists_appear_later,
    a_key_widens_with_that_of_its_items,
    columns_of_items_widen_and_are_added,
    items_that_the_table_refuses_leave_nothing,
    items_without_a_whole_key_are_refused,
    a_state_of_before_there_were_child_tables_is_read,
];

fn append_adds_items(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Append)), id_and_name());
    let twice = [(1, 0, "x"), (1, 1, "y"), (1, 0, "x"), (1, 1, "y")];
    commit_tags(&mut *sink, &state(1, &schema, 3), &[(1, "a"), (1, "a"), (2, "b")], &twice)
        .unwrap();
    assert_eq!(items(database), "1 0 x, 1 0 x, 1 1 y, 1 1 y");
    commit_tags(&mut *sink, &ended(1, &schema, 4), &[(3, "c")], &[(3, 0, "z")]).unwrap();
    commit_tags(&mut *sink, &ended(2, &schema, 1), &[(3, "c")], &[]).unwrap();
    assert_eq!(items(database), "1 0 x, 1 0 x, 1 1 y, 1 1 y, 3 0 z");
    assert_eq!(tables(database), "cities, cities_tags");
}

fn merge_replaces_the_items_of_its_rows(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Merge)), id_and_name());
    let first = [(1, 0, "x"), (1, 1, "y"), (2, 0, "z"), (3, 0, "w")];
    let rows = [(1, "a"), (2, "a"), (3, "a")];
    commit_tags(&mut *sink, &state(1, &schema, 3), &rows, &first).unwrap();
    // One has fewer, the other has none now.
    let rows = [(1, "b"), (2, "b")];
    commit_tags(&mut *sink, &state(1, &schema, 5), &rows, &[(1, 0, "y")]).unwrap();
    assert_eq!(items(database), "1 0 y, 3 0 w");
    commit_tags(&mut *sink, &ended(1, &schema, 5), &[], &[]).unwrap();
    assert_eq!(items(database), "1 0 y, 3 0 w");
    let mut sink = opened(database, cities(Merge));
    let (rows, last) = ([(1, "c"), (1, "d")], [(1, 0, "v"), (1, 1, "u")]);
    commit_tags(&mut *sink, &state(2, &schema, 2), &rows, &last).unwrap();
    assert_eq!(items(database), "1 0 v, 1 1 u, 3 0 w");
    commit_tags(&mut *sink, &ended(2, &schema, 3), &[(3, "e")], &[]).unwrap();
    assert_eq!(items(database), "1 0 v, 1 1 u");
    assert_eq!(names(database), "1 d, 2 b, 3 e");
    assert_eq!(tables(database), "cities, cities_tags");
}

fn merge_knows_the_items_of_keys_of_several_columns(database: &dyn Database) {
    let mut sink = opened(database, Target::new("world", STREAM, ["of", "id"], Merge));
    let own = schema(&[("id", Int), ("of", Text)]);
    let below = schema(&[("_cities_of", Text), ("_cities_id", Int), ("_index", Int), ("n", Int)]);
    let mut write = |written, rows: &[(i64, &str)], items: &[(&str, i64, i64, i64)]| {
        let rows = batch(&[
            ("id", ints(rows.iter().map(|row| row.0))),
            ("of", texts(rows.iter().map(|row| row.1))),
        ]);
        let items = [batch(&[
            ("n", ints(items.iter().map(|item| item.3))),
            ("_cities_id", ints(items.iter().map(|item| item.1))),
            ("_index", ints(items.iter().map(|item| item.2))),
            ("_cities_of", texts(items.iter().map(|item| item.0))),
        ])];
        let children = [Child::new(TAGS, &below, &items)];
        commit_children(&mut *sink, &state(1, &own, written), &[rows], &children).unwrap();
        listed(&database.query("SELECT * FROM cities_tags ORDER BY n"))
    };
    let first = [("x", 1, 0, 1), ("y", 1, 0, 2), ("x", 2, 0, 3), ("x", 2, 1, 4)];
    let left = write(3, &[(1, "x"), (1, "y"), (2, "x")], &first);
    assert_eq!(left, "x 1 0 1, y 1 0 2, x 2 0 3, x 2 1 4");
    let left = write(5, &[(1, "y"), (2, "x")], &[("x", 2, 0, 5)]);
    assert_eq!(left, "x 1 0 1, x 2 0 5");
}

fn replace_replaces_items_with_their_rows(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Replace)), id_and_name());
    commit_tags(&mut *sink, &state(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
    assert_eq!(tables(database), "cities__new, cities_tags__new");
    commit_tags(&mut *sink, &ended(1, &schema, 2), &[(2, "b")], &[(2, 0, "y")]).unwrap();
    assert_eq!(tables(database), "cities, cities_tags");
    assert_eq!(items(database), "1 0 x, 2 0 y");
    // A run that is given up.
    commit_tags(&mut *sink, &state(2, &schema, 1), &[(3, "c")], &[(3, 0, "z")]).unwrap();
    assert_eq!(items(database), "1 0 x, 2 0 y");
    commit_tags(&mut *sink, &state(3, &schema, 1), &[(4, "d")], &[(4, 0, "w")]).unwrap();
    let mut sink = opened(database, cities(Replace));
    commit_tags(&mut *sink, &ended(3, &schema, 2), &[(5, "e")], &[(5, 0, "v")]).unwrap();
    assert_eq!(items(database), "4 0 w, 5 0 v");
    assert_eq!(names(database), "4 d, 5 e");
    commit_tags(&mut *sink, &ended(4, &schema, 1), &[(6, "f")], &[(6, 0, "u")]).unwrap();
    assert_eq!(items(database), "6 0 u");
    assert_eq!(tables(database), "cities, cities_tags");
}

fn replace_leaves_a_table_alone_that_the_run_does_not_have(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Replace)), id_and_name());
    commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(items(database), "1 0 x");
    commit(&mut *sink, &ended(2, &schema, 1), &[]).unwrap();
    assert_eq!((items(database).as_str(), names(database).as_str()), ("1 0 x", "2 b"));
    assert_eq!(tables(database), "cities, cities_tags");
    commit_tags(&mut *sink, &ended(3, &schema, 1), &[(3, "c")], &[(3, 0, "y")]).unwrap();
    assert_eq!(items(database), "3 0 y");
}

fn replace_drops_what_a_run_has_begun_and_does_not_have_in_the_end(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Replace)), id_and_name());
    commit_tags(&mut *sink, &ended(1, &schema, 1), &[(1, "a")], &[(1, 0, "x")]).unwrap();
    commit_tags(&mut *sink, &state(2, &schema, 1), &[(2, "b")], &[(2, 0, "y")]).unwrap();
    commit(&mut *sink, &ended(2, &schema, 2), &[named(&[(3, "c")])]).unwrap();
    assert_eq!((items(database).as_str(), names(database).as_str()), ("1 0 x", "2 b, 3 c"));
    assert_eq!(tables(database), "cities, cities_tags");
    commit_tags(&mut *sink, &ended(3, &schema, 1), &[(4, "d")], &[(4, 0, "z")]).unwrap();
    assert_eq!(items(database), "4 0 z");
}

fn sync_deletes_the_items_of_rows_that_are_gone(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Sync)), id_and_name());
    let (rows, first) = ([(1, "a"), (2, "a"), (3, "a")], [(1, 0, "x"), (2, 0, "y"), (3, 0, "z")]);
    commit_tags(&mut *sink, &ended(1, &schema, 3), &rows, &first).unwrap();
    let now = [(1, 0, "w"), (1, 1, "v")];
    commit_tags(&mut *sink, &state(2, &schema, 1), &[(1, "b")], &now).unwrap();
    assert_eq!(items(database), "1 0 w, 1 1 v, 2 0 y, 3 0 z");
    let mut sink = opened(database, cities(Sync));
    commit_tags(&mut *sink, &ended(2, &schema, 2), &[(3, "b")], &[]).unwrap();
    assert_eq!(names(database), "1 b, 3 b");
    assert_eq!(items(database), "1 0 w, 1 1 v");
    commit_tags(&mut *sink, &ended(3, &schema, 0), &[], &[]).unwrap();
    assert_eq!((items(database).as_str(), names(database).as_str()), ("", ""));
    assert_eq!(tables(database), "cities, cities_tags");
}

fn items_are_written_in_another_way_from_the_next_run_on(database: &dyn Database) {
    let schema = id_and_name();
    let run = |mode, run: u64, rows: &[(i64, &str)], given: &[(i64, i64, &str)]| {
        let mut sink = opened(database, cities(mode));
        commit_tags(&mut *sink, &state(run, &schema, 0), &[], &[]).unwrap();
        commit_tags(&mut *sink, &ended(run, &schema, 1), rows, given).unwrap();
        items(database)
    };
    assert_eq!(run(Append, 1, &[(1, "a")], &[(1, 0, "x")]), "1 0 x");
    let given = [(1, 0, "y"), (1, 1, "z")];
    assert_eq!(run(Merge, 2, &[(1, "b")], &given), "1 0 y, 1 1 z");
    assert_eq!(run(Append, 3, &[(2, "c")], &[(2, 0, "w")]), "1 0 y, 1 1 z, 2 0 w");
    assert_eq!(run(Sync, 4, &[(2, "d")], &[(2, 0, "v")]), "2 0 v");
    assert_eq!(run(Replace, 5, &[(3, "e")], &[(3, 0, "u")]), "3 0 u");
    // A run that was to replace the tables and is given up.
    let mut sink = opened(database, cities(Replace));
    commit_tags(&mut *sink, &state(6, &schema, 1), &[(9, "f")], &[(9, 0, "t")]).unwrap();
    assert_eq!(run(Append, 7, &[(3, "g")], &[(3, 0, "u")]), "3 0 u, 3 0 u");
    assert_eq!(tables(database), "cities, cities_tags");
}

fn lists_appear_later(database: &dyn Database) {
    let notes = schema(&[("_cities_id", Int), ("_index", Int), ("text", Text), ("n", Int)]);
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, own) = (opened(database, cities(mode)), id_and_name());
        commit(&mut *sink, &state(1, &own, 1), &[named(&[(1, "a")])]).unwrap();
        commit_tags(&mut *sink, &state(1, &own, 2), &[(2, "b")], &[(2, 0, "x")]).unwrap();
        let note = [batch_of(&notes, vec![ints([3]), ints([0]), texts(["y"]), ints([7])])];
        let columns = tags();
        let children =
            [Child::new(TAGS, &columns, &[]), Child::new("cities_a_notes", &notes, &note)];
        let rows = [named(&[(3, "c")])];
        commit_children(&mut *sink, &ended(1, &own, 3), &rows, &children).unwrap();
        assert_eq!(tables(database), "cities, cities_a_notes, cities_tags", "{mode:?}");
        assert_eq!(items(database), "2 0 x", "{mode:?}");
        assert_eq!(listed(&database.query("SELECT * FROM cities_a_notes")), "3 0 y 7", "{mode:?}");
        sink.reset(true).unwrap();
        assert_eq!(tables(database), "", "{mode:?}");
    }
}

fn a_key_widens_with_that_of_its_items(database: &dyn Database) {
    let wide = schema(&[("id", Text), ("name", Text)]);
    let wide_tags = schema(&[("_cities_id", Text), ("_index", Int), ("value", Json)]);
    let left = r#"7 0 "z", 8 0 "p""#;
    for (mode, left) in [(Merge, format!(r#"{left}, 9 0 "q""#)), (Sync, left.to_owned())] {
        let (mut sink, narrow) = (opened(database, cities(mode)), id_and_name());
        let (rows, first) =
            ([(7, "a"), (8, "a"), (9, "a")], [(7, 0, "x"), (7, 1, "x"), (8, 0, "y"), (9, 0, "q")]);
        commit_tags(&mut *sink, &ended(1, &narrow, 3), &rows, &first).unwrap();
        commit_tags(&mut *sink, &state(2, &narrow, 1), &[(7, "b")], &[(7, 0, "r")]).unwrap();
        let rows = [batch(&[("id", texts(["8"])), ("name", texts(["c"]))])];
        let text_id = ("_cities_id", texts(["8"]));
        let items_of_8 = [batch(&[text_id, ("_index", ints([0])), ("value", texts(["p"]))])];
        let children = [Child::new(TAGS, &wide_tags, &items_of_8)];
        commit_children(&mut *sink, &state(2, &wide, 2), &rows, &children).unwrap();
        // A number that is the same as a text.
        let (rows, items_of_7) = ([named(&[(7, "d")])], [tagged(&[(7, 0, "z")])]);
        let children = [Child::new(TAGS, &wide_tags, &items_of_7)];
        commit_children(&mut *sink, &ended(2, &wide, 3), &rows, &children).unwrap();
        assert_eq!(items(database), left, "{mode:?}");
        sink.reset(true).unwrap();
    }
}

fn columns_of_items_widen_and_are_added(database: &dyn Database) {
    let key = [("_cities_id", Int), ("_index", Int)];
    let narrow = schema(&[key[0], key[1], ("json", Json), ("n", Int)]);
    let wide = schema(&[key[0], key[1], ("json", Json), ("n", Text), ("more", Int)]);
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, own) = (opened(database, cities(mode)), id_and_name());
        let first = [batch_of(&narrow, vec![ints([1]), ints([0]), texts(["[1]"]), ints([5])])];
        let children = [Child::new(TAGS, &narrow, &first)];
        let rows = [named(&[(1, "a")])];
        commit_children(&mut *sink, &state(1, &own, 1), &rows, &children).unwrap();
        let columns = vec![ints([2]), ints([0]), texts(["{}"]), texts(["x"]), ints([6])];
        let children_of_2 = [batch_of(&wide, columns)];
        let children = [Child::new(TAGS, &wide, &children_of_2)];
        let rows = [named(&[(2, "b")])];
        commit_children(&mut *sink, &state(1, &own, 2), &rows, &children).unwrap();
        let children = [Child::new(TAGS, &wide, &[])];
        commit_children(&mut *sink, &ended(1, &own, 2), &[], &children).unwrap();
        let rows = database.query("SELECT * FROM cities_tags ORDER BY _cities_id");
        assert_eq!(listed(&rows), "1 0 [1] 5 null, 2 0 {} x 6", "{mode:?}");
        sink.reset(true).unwrap();
    }
}

fn items_that_the_table_refuses_leave_nothing(database: &dyn Database) {
    for mode in [Append, Merge, Replace, Sync] {
        let (mut sink, schema) = (opened(database, cities(mode)), id_and_name());
        let first = state(1, &schema, 1);
        commit_tags(&mut *sink, &first, &[(1, "a")], &[(1, 0, "x")]).unwrap();
        let table = if mode == Replace { "cities_tags__new" } else { TAGS };
        database.query(&match database.is_sqlite() {
            true => format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON {table} WHEN new.value = 'no' BEGIN \
                 SELECT RAISE(ABORT, 'it says no'); END"
            ),
            false => format!("ALTER TABLE {table} ADD CONSTRAINT refuse CHECK (value <> 'no')"),
        });
        let (rows, given) = ([(1, "b"), (2, "b")], [(1, 0, "y"), (2, 0, "z"), (2, 1, "no")]);
        let refused = commit_tags(&mut *sink, &state(1, &schema, 3), &rows, &given);
        assert_lasting(refused, &["rows"]);
        let rows = database.query(&format!("SELECT * FROM {table}"));
        assert_eq!(listed(&rows), "1 0 x", "{mode:?}");
        assert_eq!(sink.open().unwrap(), first);
        commit_tags(&mut *sink, &ended(1, &schema, 2), &[(2, "b")], &[(2, 0, "y")]).unwrap();
        assert_eq!(items(database), "1 0 x, 2 0 y", "{mode:?}");
        assert_eq!(names(database), "1 a, 2 b", "{mode:?}");
        sink.reset(true).unwrap();
    }
}

fn items_without_a_whole_key_are_refused(database: &dyn Database) {
    let (own, without) = (id_and_name(), schema(&[("_index", Int), ("value", Text)]));
    for mode in [Append, Merge, Replace, Sync] {
        let mut sink = opened(database, cities(mode));
        let children = [Child::new(TAGS, &without, &[])];
        let refused = commit_children(&mut *sink, &state(1, &own, 0), &[], &children);
        assert_lasting(refused, &["`cities_tags` does not begin with the key of stream `cities`"]);
        assert_eq!(tables(database), "");
    }
    let mut sink: Box<dyn Sink> = opened(database, cities(Merge));
    let (columns, nameless) =
        (tags(), [batch(&[("_cities_id", ints([1])), ("value", texts(["x"]))])]);
    let children = [Child::new(TAGS, &columns, &nameless)];
    let rows = [named(&[(1, "a")])];
    let refused = commit_children(&mut *sink, &state(1, &own, 1), &rows, &children);
    assert_lasting(refused, &["1 rows have no `_index`"]);
}

fn a_state_of_before_there_were_child_tables_is_read(database: &dyn Database) {
    let (mut sink, schema) = (opened(database, cities(Merge)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    let columns = r#"[{"name": "id", "type": "int", "declared": false},
                      {"name": "name", "type": "text", "declared": false}]"#;
    database.query(&format!(
        "UPDATE _apipool_state SET state = '{{\"run\": 1, \"is_finished\": true, \"schema\": {columns}}}'"
    ));
    let before = sink.open().unwrap();
    assert_eq!((before.run, &before.schema, before.children.len()), (1, &schema, 0));
    commit_tags(&mut *sink, &ended(2, &schema, 1), &[(1, "b")], &[(1, 0, "x")]).unwrap();
    assert_eq!((items(database).as_str(), names(database).as_str()), ("1 0 x", "1 b"));
}
