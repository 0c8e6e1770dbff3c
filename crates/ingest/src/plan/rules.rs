//! [pure] The rules of a stream's rows, from what is declared of its table and of itself.

use ciborium::Value;
use indexmap::IndexMap;

use crate::{
    description::{
        Check, ChecksDescription, ColumnChange, ColumnRule, Hash, Mask, OnFail, StreamDescription,
        TableDescription, WriteMode,
    },
    row::{Cell, ColumnCheck, ColumnPlan, Made, RowChecks, RowRules},
    schema::ColumnType,
};

/// The rules of the rows, of which `columns` are declared.
pub(super) fn rules_of(
    mut columns: IndexMap<String, ColumnPlan>,
    key: Vec<String>,
    stream: &StreamDescription,
    refuses: fn(&str) -> Option<&'static str>,
) -> RowRules {
    let mut dropped = Vec::new();
    for (name, change) in &stream.columns {
        match change {
            ColumnChange::Drop => {
                columns.shift_remove(name);
                dropped.push(name.clone());
            }
            ColumnChange::Make(rule) => {
                let before = columns.shift_remove(name);
                columns.insert(name.clone(), plan_of(name, rule, before));
            }
        }
    }
    RowRules {
        stream: stream.name.clone(),
        columns,
        dropped,
        key,
        cursor: stream.incremental.as_ref().map(|incremental| incremental.field.clone()),
        policy: stream.schema,
        nested: stream.nested,
        refuses,
        checks: checks_of(&stream.checks),
        knows_rows: knows_rows(stream),
        reads_all: stream.reads_all(),
    }
}

/// Whether rows are left out that the last run has written: there is no key by which they would be
/// found.
pub(super) fn knows_rows(stream: &StreamDescription) -> bool {
    stream.incremental.is_some() && stream.write == WriteMode::Append
}

fn checks_of(checks: &ChecksDescription) -> RowChecks {
    let columns = checks.columns.iter().flat_map(|(name, checks)| {
        checks.iter().map(move |check| (name.clone(), column_check(check)))
    });
    RowChecks { columns: columns.collect(), fails: checks.on_fail == OnFail::Fail }
}

fn column_check(check: &Check) -> ColumnCheck {
    let end = |end: &Option<Value>| end.as_ref().map_or(Cell::Null, cell_of);
    match check {
        Check::NotNull => ColumnCheck::NotNull,
        Check::Unique => ColumnCheck::Unique,
        Check::Range(range) => ColumnCheck::Range(end(&range.least), end(&range.greatest)),
    }
}

fn plan_of(name: &str, rule: &ColumnRule, before: Option<ColumnPlan>) -> ColumnPlan {
    let before =
        before.unwrap_or_else(|| ColumnPlan { path: keys_of(name), ..ColumnPlan::default() });
    let made = match (&rule.constant, rule.hash, rule.mask) {
        (Some(constant), ..) => Some(Made::Constant(cell_of(constant))),
        (None, Some(Hash::Sha256), _) => Some(Made::Sha256),
        (None, None, Some(Mask::Last4)) => Some(Made::Last4),
        (None, None, None) => None,
    };
    let path = match (&rule.from, &made) {
        (_, Some(Made::Constant(_))) => Vec::new(),
        (Some(from), _) => keys_of(from),
        (None, _) => before.path,
    };
    let kind = match &made {
        Some(Made::Constant(cell)) => rule.kind.or(cell.kind()),
        // A hash or a mask is a text, whatever the value was.
        Some(_) => rule.kind.or(Some(ColumnType::Text)),
        None => rule.kind.or(before.kind),
    };
    ColumnPlan { kind, path, made }
}

fn cell_of(value: &Value) -> Cell<'static> {
    match value {
        Value::Bool(flag) => Cell::Bool(*flag),
        Value::Integer(number) => Cell::Number(i128::from(*number).to_string().into()),
        Value::Float(number) => Cell::Number(number.to_string().into()),
        Value::Text(text) => Cell::Text(text.clone().into()),
        _ => Cell::Null,
    }
}

/// Where a column of a table is in its rows.
pub(super) fn path_of(table: &TableDescription, column: &str) -> Vec<String> {
    let path = table.columns.get(column).and_then(|column| column.path.as_deref());
    keys_of(path.unwrap_or(column))
}

/// The keys of a path: `\.` is a dot in a key.
fn keys_of(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = path.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, keys.last_mut()) {
            ('\\', Some(key)) if chars.peek() == Some(&'.') => key.extend(chars.next()),
            ('.', _) => keys.push(String::new()),
            (char, Some(key)) => key.push(char),
            (_, None) => {}
        }
    }
    keys
}
