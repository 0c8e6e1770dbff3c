//! Rules that are added once the table has columns.

use arrow_array::{Array, cast::AsArray};

use super::*;

/// Rules in which these columns are at these paths, and the names in `dropped` are left out.
fn ruled(nested: Nested, columns: &[(&str, &[&str])], dropped: &[&str]) -> RowRules {
    let plan = |path: &[&str]| {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        ColumnPlan { kind: None, path, made: None }
    };
    RowRules {
        columns: columns.iter().map(|(name, path)| ((*name).to_owned(), plan(path))).collect(),
        dropped: dropped.iter().map(|name| (*name).to_owned()).collect(),
        key: vec!["id".into()],
        nested,
        ..rules(SchemaPolicy::Evolve)
    }
}

/// What becomes of a row after what was learned.
fn after(learned: &Learned, rules: &RowRules, row: &str) -> Decoded {
    decode(&mut RowDecoder::new(rules.clone(), learned.clone()), &[row]).unwrap()
}

/// The columns of the only row that have a value, and the child tables that have items.
fn filled(decoded: &Decoded) -> Vec<String> {
    let batch = &decoded.batches[0];
    let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
    let columns = names.zip(batch.columns()).filter(|(_, values)| values.is_valid(0));
    let tables = decoded.children.keys().map(|table| format!("table {table}"));
    columns.map(|(name, _)| name).chain(tables).collect()
}

/// Columns and their paths.
type Planned = &'static [(&'static str, &'static [&'static str])];

/// Columns, what is left out, and what has values then.
type Case = (Planned, &'static [&'static str], &'static [&'static str]);

const MAIL: Planned = &[("mail", &["user", "email"])];
const WHOLE: Planned = &[("user", &["user"])];
const BOTH: Planned = &[("user", &["user"]), ("mail", &["user", "email"])];
const CLAIMED: Planned = &[("user_email", &["user_email"])];

#[test]
fn columns_of_flattened_objects_have_values_as_if_the_rules_had_been_there_before() {
    let row = r#"{"id": 1, "user": {"email": "e", "name": "n", "at": {"street": "s"}}}"#;
    let before = after(&Learned::default(), &ruled(Nested::Flatten, &[], &[]), row);
    assert_eq!(filled(&before), ["id", "user_email", "user_name", "user_at_street"]);
    let cases: [Case; 9] = [
        (&[], &["user_email"], &["id", "user_name", "user_at_street"]),
        (&[], &["user"], &["id"]),
        (&[], &["user_at"], &["id", "user_email", "user_name"]),
        (MAIL, &[], &["mail", "id", "user_name", "user_at_street"]),
        (MAIL, &["user"], &["mail", "id"]),
        (MAIL, &["user_email"], &["mail", "id", "user_name", "user_at_street"]),
        (WHOLE, &[], &["user", "id"]),
        (BOTH, &[], &["user", "mail", "id"]),
        (CLAIMED, &[], &["user_email", "id", "user_name", "user_at_street"]),
    ];
    for (columns, dropped, expected) in cases {
        let rules = ruled(Nested::Flatten, columns, dropped);
        let fresh = after(&Learned::default(), &rules, row);
        assert_eq!(filled(&fresh), expected, "{columns:?}, {dropped:?}, from the start");
        let later = after(&before.learned, &rules, row);
        assert_eq!(filled(&later), expected, "{columns:?}, {dropped:?}, later");
        // The columns of before stay in the table.
        let names: Vec<_> = later.learned.schema.columns.iter().map(|own| &own.name).collect();
        assert!(before.learned.schema.columns.iter().all(|own| names.contains(&&own.name)));
        let again = after(&later.learned, &rules, row);
        assert_eq!(filled(&again), expected, "{columns:?}, {dropped:?}, after a restart");
    }
}

#[test]
fn lists_have_tables_as_if_the_rules_had_been_there_before() {
    let row = r#"{"id": 1, "order": {"lines": [1], "tags": ["x"]}, "top": [2]}"#;
    let before = after(&Learned::default(), &ruled(Nested::Children, &[], &[]), row);
    let all = ["id", "table rows_order_lines", "table rows_order_tags", "table rows_top"];
    assert_eq!(filled(&before), all);
    let lines: Planned = &[("order_lines", &["order_lines"])];
    let order: Planned = &[("order", &["order"])];
    let top: Planned = &[("top", &["top"])];
    let cases: [Case; 6] = [
        (&[], &["order_lines"], &["id", "table rows_order_tags", "table rows_top"]),
        (&[], &["order"], &["id", "table rows_top"]),
        (&[], &["top"], &["id", "table rows_order_lines", "table rows_order_tags"]),
        (lines, &[], &["order_lines", "id", "table rows_order_tags", "table rows_top"]),
        (order, &[], &["order", "id", "table rows_top"]),
        (top, &[], &["top", "id", "table rows_order_lines", "table rows_order_tags"]),
    ];
    for (columns, dropped, expected) in cases {
        let rules = ruled(Nested::Children, columns, dropped);
        let fresh = after(&Learned::default(), &rules, row);
        assert_eq!(filled(&fresh), expected, "{columns:?}, {dropped:?}, from the start");
        let later = after(&before.learned, &rules, row);
        assert_eq!(filled(&later), expected, "{columns:?}, {dropped:?}, later");
    }
}

#[test]
fn a_field_with_another_name_says_what_is_new_before_and_after() {
    let row = r#"{"id": 1, "updated_at": "2024-01-01"}"#;
    let with = |columns: Planned| {
        let rules = ruled(Nested::Json, columns, &[]);
        RowRules { cursor: Some("updated_at".into()), ..rules }
    };
    let before = after(&Learned::default(), &with(&[]), row);
    let renamed = after(&before.learned, &with(&[("changed", &["updated_at"])]), row);
    assert_eq!(named(&renamed.learned.schema), ["changed text", "id int", "updated_at text"]);
    assert_eq!(filled(&renamed), ["changed", "id"]);
    assert_eq!(renamed.mark.0.as_deref(), Some("2024-01-01"));
    let again = after(&renamed.learned, &with(&[]), row);
    assert_eq!(filled(&again), ["id", "updated_at"]);
    assert_eq!(again.mark.0.as_deref(), Some("2024-01-01"));
}

#[test]
fn a_field_is_hashed_and_no_longer_there_in_clear_text() {
    let row = r#"{"id": 1, "email": "ann@example.com"}"#;
    let before = after(&Learned::default(), &ruled(Nested::Json, &[], &[]), row);
    let cases: [&[&str]; 2] = [&[], &["email"]];
    for dropped in cases {
        let mut rules = ruled(Nested::Json, &[("email_hash", &["email"])], dropped);
        rules.columns["email_hash"].made = Some(Made::Sha256);
        for learned in [&Learned::default(), &before.learned] {
            let decoded = after(learned, &rules, row);
            assert_eq!(filled(&decoded), ["email_hash", "id"], "{dropped:?}");
            let hash = decoded.batches[0].column(0).as_string::<i32>();
            assert_eq!(hash.value(0).len(), 64);
        }
    }
}
