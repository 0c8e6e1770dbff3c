//! Which columns there are, and how they grow.

use arrow_array::{Array, cast::AsArray, types::Int64Type};

use super::*;
use crate::{
    schema::{Column, ColumnType},
    state::StreamState,
};

#[test]
fn columns_are_found_in_the_rows_and_widen() {
    let mut decoder = RowDecoder::new(rules(SchemaPolicy::Evolve), Learned::default());
    let decoded = decode(
        &mut decoder,
        &[r#"{"a": 1, "b": true}"#, r#"{"a": 2.5, "c": "x"}"#, r#"{"b": {"d": 1}}"#],
    );
    let decoded = decoded.unwrap();
    assert_eq!(named(&decoded.learned.schema), ["a float", "b json", "c text"]);
    assert_eq!((counts(&decoded), decoded.rejects.len()), (vec![1, 1, 1], 0));
    let first = decoded.batches[0].column(0).as_primitive::<Int64Type>();
    assert_eq!(first.value(0), 1);
    let last = decoded.batches[2].column(1).as_string::<i32>();
    assert_eq!(last.value(0), r#"{"d": 1}"#);
    assert!(decoded.batches[2].column(0).is_null(0));
}

#[test]
fn no_digit_is_lost_when_whole_numbers_meet_fractions() {
    let mut decoder = RowDecoder::new(rules(SchemaPolicy::Evolve), Learned::default());
    let rows = [r#"{"a": 9007199254740993}"#, r#"{"a": 0.5}"#];
    assert_eq!(named(&decode(&mut decoder, &rows).unwrap().learned.schema), ["a text"]);
    let mut decoder = RowDecoder::new(rules(SchemaPolicy::Evolve), Learned::default());
    let rows = [r#"{"a": 0.5}"#, r#"{"a": 9007199254740993}"#];
    let decoded = decode(&mut decoder, &rows).unwrap();
    assert_eq!(named(&decoded.learned.schema), ["a text"]);
    assert_eq!(decoded.batches[1].column(0).as_string::<i32>().value(0), "9007199254740993");
}

#[test]
fn a_schema_may_be_kept_in_three_ways() {
    let before = Learned {
        schema: Schema {
            columns: vec![Column { name: "a".into(), kind: ColumnType::Int, declared: false }],
        },
        ..Learned::default()
    };
    let rows = [r#"{"a": 1, "b": 2}"#, r#"{"a": "x"}"#, r#"{"a": 3}"#];
    let decoder = |policy| RowDecoder::new(rules(policy), before.clone());

    let frozen = decode(&mut decoder(SchemaPolicy::Freeze), &rows);
    assert_eq!(frozen.unwrap_err(), "the table has no column for `b`");
    let mut bare = RowDecoder::new(rules(SchemaPolicy::Freeze), Learned::default());
    let refused = decode(&mut bare, &rows).unwrap_err();
    assert!(refused.ends_with("declare its `columns`"), "{refused}");

    let mut discarding = decoder(SchemaPolicy::Discard);
    let discarded = decode(&mut discarding, &rows).unwrap();
    assert_eq!((counts(&discarded), discarded.rejects.len()), (vec![2], 1));
    assert_eq!(discarding.discarded(), ["b"]);

    let apart = decode(&mut decoder(SchemaPolicy::Quarantine), &rows).unwrap();
    assert_eq!(reasons(&apart), ["the table has no column for `b`", "`a` holds no int"]);
    assert_eq!(apart.rejects[1].row, rows[1]);
    assert_eq!(counts(&apart), [1]);
}

#[test]
fn fields_that_differ_only_in_case_or_by_their_place_are_columns_of_their_own() {
    let flat = RowRules { nested: Nested::Flatten, ..rules(SchemaPolicy::Evolve) };
    let mut decoder = RowDecoder::new(flat.clone(), Learned::default());
    let row = r#"{"a_b": 1, "A_B": 2, "a": {"b": 3}}"#;
    let decoded = decode(&mut decoder, &[row]).unwrap();
    assert_eq!(named(&decoded.learned.schema), ["a_b int", "A_B_2 int", "a_b_3 int"]);
    let again = decode(&mut RowDecoder::new(flat, decoded.learned.clone()), &[row]).unwrap();
    assert_eq!(again.learned, decoded.learned);
    assert_eq!(again.batches, decoded.batches);
}

#[test]
fn a_column_that_was_null_so_far_gets_the_type_of_its_first_value_after_a_restart_too() {
    for policy in [SchemaPolicy::Freeze, SchemaPolicy::Quarantine] {
        let plan = ColumnPlan { path: vec!["a".into()], ..ColumnPlan::default() };
        let columns = IndexMap::from([("a".to_owned(), plan)]);
        let planned = RowRules { columns, ..rules(policy) };
        let mut first = RowDecoder::new(planned.clone(), Learned::default());
        let decoded = decode(&mut first, &[r#"{"a": null}"#]).unwrap();
        assert_eq!(named(&decoded.learned.schema), ["a bool"]);
        let mut state = StreamState::default();
        decoded.learned.store(&mut state);
        // Also if the column is not planned any more.
        for rules in [planned, rules(policy)] {
            let mut second = RowDecoder::new(rules.clone(), Learned::of(&state));
            let decoded = decode(&mut second, &[r#"{"a": 7}"#]).unwrap();
            assert_eq!(named(&decoded.learned.schema), ["a int"]);
            assert_eq!((counts(&decoded), decoded.rejects.len()), (vec![1], 0));
            let mut third = RowDecoder::new(rules, decoded.learned);
            let misfit = match decode(&mut third, &[r#"{"a": "x"}"#]) {
                Ok(decoded) => reasons(&decoded).concat(),
                Err(error) => error,
            };
            assert_eq!(misfit, "`a` holds no int");
        }
    }
}
