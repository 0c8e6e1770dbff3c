//! Lists that become tables of their own.

use std::collections::HashMap;

use arrow_array::{cast::AsArray, types::Int64Type};

use super::*;
use crate::{schema::ColumnType, state::ChildState};

fn children(policy: SchemaPolicy) -> RowRules {
    RowRules { key: vec!["id".into()], nested: Nested::Children, ..rules(policy) }
}

fn evolving() -> RowDecoder {
    RowDecoder::new(children(SchemaPolicy::Evolve), Learned::default())
}

/// The columns of a child table.
fn of(decoded: &Decoded, table: &str) -> Vec<String> {
    named(&decoded.learned.children[table].schema)
}

/// How many items each batch of a child table has.
fn items(decoded: &Decoded, table: &str) -> Vec<usize> {
    decoded.children[table].batches.iter().map(RecordBatch::num_rows).collect()
}

/// The whole numbers in a column of a child table.
fn ints(decoded: &Decoded, table: &str, column: &str) -> Vec<Option<i64>> {
    let arrays = decoded.children[table].batches.iter().map(|batch| batch.column_by_name(column));
    arrays.flat_map(|array| array.unwrap().as_primitive::<Int64Type>().iter()).collect()
}

/// The texts in a column of a child table.
fn texts(decoded: &Decoded, table: &str, column: &str) -> Vec<Option<String>> {
    let arrays = decoded.children[table].batches.iter().map(|batch| batch.column_by_name(column));
    let texts = arrays.flat_map(|array| array.unwrap().as_string::<i32>().iter());
    texts.map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn each_item_is_a_row_with_the_key_of_its_row_and_its_place() {
    let mut decoder = evolving();
    let rows = [
        r#"{"lines": [{"sku": "a", "at": {"x": 1}}, {"sku": "b", "sizes": [1, 2]}], "id": 7}"#,
        r#"{"id": 8, "lines": [], "order": {"lines": null, "total": 9}}"#,
        r#"{"id": 9, "lines": [{"sku": "c"}]}"#,
    ];
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(named(&decoded.learned.schema), ["id int", "order_total int"]);
    assert_eq!(
        of(&decoded, "rows_lines"),
        ["_rows_id int", "_index int", "sku text", "at_x int", "sizes json"]
    );
    assert_eq!(decoded.children.len(), 1);
    assert_eq!(ints(&decoded, "rows_lines", "_rows_id"), [Some(7), Some(7), Some(9)]);
    assert_eq!(ints(&decoded, "rows_lines", "_index"), [Some(0), Some(1), Some(0)]);
    assert_eq!(ints(&decoded, "rows_lines", "at_x"), [Some(1), None, None]);
    let sku = texts(&decoded, "rows_lines", "sku");
    assert_eq!(sku, ["a", "b", "c"].map(|sku| Some(sku.to_owned())));
    let sizes = texts(&decoded, "rows_lines", "sizes");
    assert_eq!(sizes, [None, Some("[1, 2]".to_owned()), None]);
    assert_eq!(decoded.children["rows_lines"].rows, [0, 0, 2]);
    assert!(decoded.rejects.is_empty());
}

#[test]
fn items_that_are_no_objects_are_values() {
    let mut decoder = evolving();
    let row = r#"{"id": 1, "order": {"tags": [5, null, {"a": 6}, 7]}, "lists": [[8], []]}"#;
    let decoded = decode(&mut decoder, &[row]).unwrap();
    assert_eq!(
        of(&decoded, "rows_order_tags"),
        ["_rows_id int", "_index int", "value int", "a int"]
    );
    let values = ints(&decoded, "rows_order_tags", "value");
    assert_eq!(values, [Some(5), None, None, Some(7)]);
    assert_eq!(ints(&decoded, "rows_order_tags", "a"), [None, None, Some(6), None]);
    let lists = texts(&decoded, "rows_lists", "value");
    assert_eq!(lists, ["[8]", "[]"].map(|list| Some(list.to_owned())));
    let mut after = RowDecoder::new(children(SchemaPolicy::Evolve), decoded.learned.clone());
    let again = decode(&mut after, &[row]).unwrap();
    assert_eq!(again.learned, decoded.learned);
    assert_eq!(
        again.children["rows_order_tags"].batches,
        decoded.children["rows_order_tags"].batches
    );
}

#[test]
fn a_list_that_is_declared_stays_a_column() {
    let plan = |kind| ColumnPlan { kind, path: vec!["a".into(), "tags".into()], made: None };
    for kind in [Some(ColumnType::Json), None] {
        let columns = IndexMap::from([("tags".to_owned(), plan(kind))]);
        let rules = RowRules { columns, ..children(SchemaPolicy::Evolve) };
        let mut decoder = RowDecoder::new(rules, Learned::default());
        let row = r#"{"id": 1, "a": {"tags": [1], "b": [2]}}"#;
        let decoded = decode(&mut decoder, &[row]).unwrap();
        assert_eq!(named(&decoded.learned.schema), ["tags json", "id int"]);
        assert_eq!(decoded.learned.children.keys().collect::<Vec<_>>(), ["rows_a_b"]);
    }
}

#[test]
fn plain_values_stay_in_the_column_of_a_field_that_has_lists_too() {
    let mut decoder = evolving();
    let rows = [r#"{"id": 1, "a": 5}"#, r#"{"id": 2, "a": [6]}"#, r#"{"id": 3, "a": 7}"#];
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(named(&decoded.learned.schema), ["id int", "a int"]);
    assert_eq!(counts(&decoded), [3]);
    assert_eq!(ints(&decoded, "rows_a", "value"), [Some(6)]);
    let values = decoded.batches[0].column(1).as_primitive::<Int64Type>();
    assert_eq!(values.iter().collect::<Vec<_>>(), [Some(5), None, Some(7)]);
}

#[test]
fn no_value_is_lost_when_a_column_widens_within_a_list() {
    let mut decoder = evolving();
    let row = r#"{"id": 1, "a": [1, 2.5, 9007199254740993, {"b": 1}, "x"]}"#;
    let decoded = decode(&mut decoder, &[row]).unwrap();
    let values = texts(&decoded, "rows_a", "value");
    let expected = [Some("1"), Some("2.5"), Some("9007199254740993"), None, Some("x")];
    assert_eq!(values, expected.map(|value| value.map(str::to_owned)));
    // A row that comes later does not change what is there.
    let decoded = decode(&mut decoder, &[r#"{"id": 2, "a": [{"b": "y"}]}"#]).unwrap();
    assert_eq!(items(&decoded, "rows_a"), [1]);
    assert_eq!(of(&decoded, "rows_a")[3], "b text");
}

#[test]
fn child_tables_follow_the_key_of_the_stream() {
    let mut decoder = evolving();
    let rows =
        [r#"{"id": 1, "a": [1], "b": [1]}"#, r#"{"id": "x", "a": [2]}"#, r#"{"id": 2, "a": [3]}"#];
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(of(&decoded, "rows_a")[0], "_rows_id text");
    assert_eq!(of(&decoded, "rows_b")[0], "_rows_id text");
    assert_eq!(items(&decoded, "rows_a"), [1, 2]);
    let Items { batches, rows } = &decoded.children["rows_a"];
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 1);
    let keys = batches[1].column(0).as_string::<i32>();
    assert_eq!(keys.iter().collect::<Vec<_>>(), [Some("x"), Some("2")]);
    assert_eq!(rows, &[0, 1, 2]);
    // Also that of a row which is set aside.
    let refuses = |text: &str| (text == "bad").then_some("is bad");
    let rules = RowRules { refuses, ..children(SchemaPolicy::Evolve) };
    let mut decoder = RowDecoder::new(rules, Learned::default());
    let rows = [r#"{"id": 1, "a": [1]}"#, r#"{"id": "x", "c": "bad"}"#];
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(reasons(&decoded), ["`c` is bad"]);
    assert_eq!(named(&decoded.learned.schema)[0], "id text");
    assert_eq!(of(&decoded, "rows_a")[0], "_rows_id text");
}

#[test]
fn a_row_is_set_aside_as_a_whole_if_one_of_its_items_does_not_fit() {
    let before = decode(&mut evolving(), &[r#"{"id": 1, "a": [{"b": 1}], "c": 1}"#]).unwrap();
    let rows = [
        r#"{"id": 2, "a": [{"b": 2}, {"b": "x"}]}"#,
        r#"{"id": 3, "a": [{"b": 3}, {"d": 3}]}"#,
        r#"{"id": 4, "a": [4]}"#,
        r#"{"id": 5, "e": [5], "a": [{"b": 5}]}"#,
        r#"{"id": 6, "a": [{"b": 6}, {"b": null}], "e": []}"#,
    ];
    let rules = children(SchemaPolicy::Quarantine);
    let mut decoder = RowDecoder::new(rules, before.learned.clone());
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(
        reasons(&decoded),
        [
            "`a.b` holds no int",
            "the table has no column for `a.d`",
            "the table has no column for `a.value`",
            "there is no child table for `e`",
        ]
    );
    assert_eq!(counts(&decoded), [1]);
    assert_eq!(ints(&decoded, "rows_a", "_rows_id"), [Some(6), Some(6)]);
    assert_eq!(decoded.learned, before.learned);

    let mut decoder = RowDecoder::new(children(SchemaPolicy::Discard), before.learned.clone());
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(reasons(&decoded), ["`a.b` holds no int"]);
    assert_eq!(decoder.discarded(), ["e", "a.d", "a.value"]);
    assert_eq!(counts(&decoded), [4]);
    let values = ints(&decoded, "rows_a", "b");
    assert_eq!(values, [Some(3), None, None, Some(5), Some(6), None]);

    for (row, words) in [
        (rows[0], "`a.b` holds no int"),
        (rows[1], "the table has no column for `a.d`"),
        (rows[3], "there is no child table for `e`"),
    ] {
        let mut decoder = RowDecoder::new(children(SchemaPolicy::Freeze), before.learned.clone());
        assert_eq!(decode(&mut decoder, &[row]).unwrap_err(), words);
    }
}

#[test]
fn rows_without_a_key_and_those_that_a_check_refuses_leave_no_items() {
    let checks = RowChecks { columns: vec![("n".to_owned(), ColumnCheck::NotNull)], fails: false };
    let rules = RowRules { checks, ..children(SchemaPolicy::Evolve) };
    let mut decoder = RowDecoder::new(rules, Learned::default());
    let rows =
        [r#"{"a": [1], "n": 1}"#, r#"{"id": 1, "a": [2]}"#, r#"{"id": 2, "a": [3], "n": 1}"#];
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(reasons(&decoded), ["it has no key: id", "`n` is null"]);
    assert_eq!(ints(&decoded, "rows_a", "value"), [Some(3)]);
    assert_eq!(decoded.children["rows_a"].rows, [0]);
}

#[test]
fn tables_and_columns_that_would_have_one_name_have_two() {
    let mut decoder = evolving();
    let row = r#"{"id": 1, "a_b": [1], "A": {"b": [{"_index": 2, "_ROWS_id": 3, "value": 4}, 5]}}"#;
    let decoded = decode(&mut decoder, &[row]).unwrap();
    let tables: Vec<_> = decoded.learned.children.keys().collect();
    assert_eq!(tables, ["rows_a_b", "rows_A_b_2"]);
    assert_eq!(
        of(&decoded, "rows_A_b_2")[2..],
        ["_index_2 int", "_ROWS_id_2 int", "value int", "value_2 int"]
    );
}

#[test]
fn no_more_tables_are_made_than_a_stream_has() {
    let lists = |number: usize| {
        let lists: Vec<_> = (0..number).map(|list| format!(r#""l{list}": [1]"#)).collect();
        format!(r#"{{"id": 1, {}}}"#, lists.join(", "))
    };
    let decoded = decode(&mut evolving(), &[lists(100).as_str()]).unwrap();
    assert_eq!((decoded.children.len(), decoded.learned.children.len()), (100, 100));
    let refused = decode(&mut evolving(), &[lists(101).as_str()]).unwrap_err();
    assert_eq!(refused, "`l100` would be child table 101");
}

#[test]
fn a_row_whose_list_has_changed_is_another_one() {
    let rules =
        RowRules { cursor: Some("at".into()), knows_rows: true, ..children(SchemaPolicy::Evolve) };
    let rows = [r#"{"id": 1, "at": 2, "a": [1]}"#, r#"{"id": 1, "at": 2, "a": [1, 2]}"#];
    let mut first = RowDecoder::new(rules.clone(), Learned::default());
    let decoded = decode(&mut first, &rows[..1]).unwrap();
    let mut known = Known::default();
    known.add("", HashMap::from([(decoded.seen[0].hash, 1)]));
    let mut second = RowDecoder::new(rules, decoded.learned).knowing(known);
    let decoded = decode(&mut second, &rows).unwrap();
    let is_repeated: Vec<_> = decoded.seen.iter().map(|row| row.is_repeated).collect();
    assert_eq!(is_repeated, [true, false]);
    assert_eq!(ints(&decoded, "rows_a", "value"), [Some(1), Some(2)]);
    assert_eq!(decoded.children["rows_a"].rows, [0, 0]);
}

#[test]
fn tables_of_before_are_remembered_when_lists_stay_in_their_columns() {
    let before = decode(&mut evolving(), &[r#"{"id": 1, "a": [1]}"#]).unwrap().learned;
    let rules = RowRules { nested: Nested::Json, ..children(SchemaPolicy::Evolve) };
    let decoded = decode(&mut RowDecoder::new(rules, before.clone()), &[r#"{"id": 1, "a": [1]}"#]);
    let decoded = decoded.unwrap();
    assert_eq!(named(&decoded.learned.schema), ["id int", "a json"]);
    assert!(decoded.children.is_empty());
    assert_eq!(decoded.learned.children, before.children);
    let state = serde_json::to_string(&before.children["rows_a"]).unwrap();
    let read: ChildState = serde_json::from_str(&state).unwrap();
    assert_eq!(read, before.children["rows_a"]);
    assert!(decoded.bytes > 0);
}
