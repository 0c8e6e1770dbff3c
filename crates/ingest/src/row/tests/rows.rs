//! Which rows are written, and which are set aside.

use std::collections::HashMap;

use super::*;
use crate::schema::ColumnType;

#[test]
fn a_row_without_its_key_or_with_a_value_of_no_use_is_set_aside() {
    let at = ColumnPlan { kind: Some(ColumnType::Timestamp), path: vec!["at".into()], made: None };
    let mut decoder = RowDecoder::new(
        RowRules {
            columns: IndexMap::from([("at".into(), at)]),
            key: vec!["id".into()],
            cursor: Some("at".into()),
            ..rules(SchemaPolicy::Evolve)
        },
        Learned::default(),
    );
    let rows = [
        r#"{"at": "2024-01-01T00:00:00Z"}"#,
        r#"{"id": 1, "at": "2024-01-02T00:00:00Z"}"#,
        r#"{"id": 2, "at": "soon"}"#,
        r#"{"id": null}"#,
        "[]",
    ];
    let decoded = decode(&mut decoder, &rows).unwrap();
    let reasons = reasons(&decoded);
    assert_eq!(reasons[..3], ["it has no key: id", "`at` holds no timestamp", "it has no key: id"]);
    assert!(reasons[3].contains("an object"));
    assert_eq!(
        (counts(&decoded), decoded.mark.0.as_deref()),
        (vec![1], Some("2024-01-02T00:00:00Z"))
    );
}

#[test]
fn rows_for_which_a_check_does_not_hold_are_set_aside_or_fail_the_run() {
    let columns = vec![("b".to_owned(), ColumnCheck::NotNull)];
    let checks = |fails| RowChecks { columns: columns.clone(), fails };
    let rules = |fails| RowRules {
        checks: checks(fails),
        cursor: Some("a".into()),
        ..rules(SchemaPolicy::Evolve)
    };
    let rows = [r#"{"a": 1, "b": 2}"#, r#"{"a": 2}"#, r#"{"a": 1, "b": 3}"#];
    let mut decoder = RowDecoder::new(rules(false), Learned::default());
    let decoded = decode(&mut decoder, &rows).unwrap();
    let rejects = [Reject { reason: "`b` is null".into(), row: rows[1].into() }];
    assert_eq!((counts(&decoded), decoded.rejects.as_slice()), (vec![2], &rejects[..]));
    assert_eq!(decoded.mark.0.as_deref(), Some("1"), "it was not written");
    let mut decoder = RowDecoder::new(rules(true), Learned::default());
    assert_eq!(decode(&mut decoder, &rows).unwrap_err(), "`b` is null");
}

#[test]
fn rows_that_the_last_run_has_written_are_left_out_as_often() {
    let rules =
        RowRules { cursor: Some("at".into()), knows_rows: true, ..rules(SchemaPolicy::Evolve) };
    let row = r#"{"at": 2, "a": "x"}"#;
    let mut first = RowDecoder::new(rules.clone(), Learned::default());
    let decoded = decode(&mut first, &[r#"{"a": "y"}"#, row, row]).unwrap();
    assert_eq!(decoded.seen.len(), 2, "one has no cursor");
    assert!(decoded.seen.iter().all(|row| row.cursor == "2" && !row.is_repeated));
    let mut known = Known::default();
    known.add("", HashMap::from([(decoded.seen[0].hash, 2)]));
    let mut second = RowDecoder::new(rules, decoded.learned).knowing(known);
    // A column that is new is in no row of before.
    let rows = [r#"{"at": 2, "a": "x", "b": 1}"#, row, row, row];
    let decoded = decode(&mut second, &rows).unwrap();
    let is_repeated: Vec<_> = decoded.seen.iter().map(|row| row.is_repeated).collect();
    assert_eq!(is_repeated, [false, true, true, false]);
    assert_eq!((counts(&decoded), decoded.rejects.len()), (vec![2], 0));
    assert_eq!(decoded.mark.0.as_deref(), Some("2"));
}
