//! [pure] The columns of rows that were seen: their types, which of them names a row, and which has
//! the time of the last change.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value;

use crate::names;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Float,
    Timestamp,
    Date,
    Text,
    Json,
}

impl Kind {
    /// Its name in a description.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// `None` for null, which fits any type.
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_i64() => Self::Int,
            Value::Number(_) => Self::Float,
            Value::String(text) if is_timestamp(text) => Self::Timestamp,
            Value::String(text) if is_date(text) => Self::Date,
            Value::String(_) => Self::Text,
            Value::Array(_) | Value::Object(_) => Self::Json,
        })
    }

    /// The type that has the values of both.
    fn with(self, other: Self) -> Self {
        let is_text = |kind| matches!(kind, Self::Text | Self::Date | Self::Timestamp);
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (one, other) if is_text(one) && is_text(other) => Self::Text,
            _ => Self::Json,
        }
    }
}

/// A column of the rows that were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// `None` if all its values were null.
    pub(crate) kind: Option<Kind>,
    /// How many rows have a value.
    filled: usize,
    /// Whether no two rows had the same value, and none had none.
    is_unique: bool,
}

/// The columns of rows, in the order of their names.
pub(crate) fn columns(rows: &[&Value]) -> IndexMap<String, Column> {
    let mut names = BTreeSet::new();
    names.extend(rows.iter().filter_map(|row| row.as_object()).flat_map(|row| row.keys()));
    let column = |name: &String| {
        let values: Vec<_> =
            rows.iter().filter_map(|row| row.get(name)).filter(|value| !value.is_null()).collect();
        let kind = values.iter().filter_map(|value| Kind::of(value)).reduce(Kind::with);
        let is_scalar = values.iter().all(|value| value.is_string() || value.is_i64());
        let different: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
        let is_unique = is_scalar && values.len() == rows.len() && different.len() == rows.len();
        Column { kind, filled: values.len(), is_unique }
    };
    names.into_iter().map(|name| (name.clone(), column(name))).collect()
}

/// The column that names a row: `id` first, then other usual names, then the name of the table with
/// `id` behind it. It differs in all the rows.
pub(crate) fn id_of(columns: &IndexMap<String, Column>, table: &str) -> Option<String> {
    let unique = || columns.iter().filter(|(_, column)| column.is_unique).map(|(name, _)| name);
    let of_table = format!("{}id", names::singular(&names::plain(table)));
    let exact = |wanted: &&str| unique().find(|name| name.as_str() == *wanted);
    let alike = |wanted: &&str| unique().find(|name| names::plain(name) == names::plain(wanted));
    let found = names::ID.iter().find_map(exact);
    let found = found.or_else(|| names::ID.iter().find_map(alike));
    found.or_else(|| unique().find(|name| names::plain(name) == of_table)).cloned()
}

/// The column with the time of the last change that every row has.
pub(crate) fn changed_of(columns: &IndexMap<String, Column>) -> Option<(&String, Kind)> {
    let most = columns.values().map(|column| column.filled).max().unwrap_or_default();
    let is_moment = |column: &Column| {
        matches!(column.kind, Some(Kind::Timestamp | Kind::Date)) && column.filled == most
    };
    names::CHANGED.iter().find_map(|wanted| {
        let mut found = columns.iter().filter(|(name, _)| names::plain(name) == *wanted);
        found.find_map(|(name, column)| Some((name, column.kind.filter(|_| is_moment(column))?)))
    })
}

/// A moment as in RFC 3339, with its zone.
fn is_timestamp(text: &str) -> bool {
    let Some((date, rest)) = text.get(..10).zip(text.get(10..)) else { return false };
    let zone_at = rest.rfind(['Z', 'z', '+', '-']);
    let Some((time, zone)) = zone_at.map(|at| rest.split_at(at)) else { return false };
    let time = time.strip_prefix(['T', 't', ' ']).unwrap_or_default();
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_zone = matches!(zone, "Z" | "z") || zone.get(1..).is_some_and(|at| has(at, "00:00"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|c| c.is_ascii_digit());
    is_date(date) && has(clock, "00:00:00") && is_fraction && is_zone
}

fn is_date(text: &str) -> bool {
    let part = |range| text.get(range).and_then(|part: &str| part.parse::<u8>().ok());
    has(text, "0000-00-00")
        && part(5..7).is_some_and(|month| (1..=12).contains(&month))
        && part(8..10).is_some_and(|day| (1..=31).contains(&day))
}

/// Whether a text has digits where the pattern has zeros, and its other characters where they are.
fn has(text: &str, pattern: &str) -> bool {
    let fits = |(c, like): (char, char)| match like {
        '0' => c.is_ascii_digit(),
        like => c == like,
    };
    text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kinds(rows: &Value) -> Vec<(String, Option<Kind>)> {
        let rows: Vec<&Value> = rows.as_array().unwrap().iter().collect();
        columns(&rows).into_iter().map(|(name, column)| (name, column.kind)).collect()
    }

    #[test]
    fn types_are_those_of_all_rows() {
        let rows = json!([
            {"a": 1, "b": 1, "c": "2024-01-01", "d": "2024-01-01T00:00:00Z", "e": null, "f": 1},
            {"a": 2, "b": 1.5, "c": "x", "d": "2024-01-01 10:00:00.25+02:00", "e": null, "f": "x"},
        ]);
        let found: Vec<_> = kinds(&rows).into_iter().map(|(_, kind)| kind).collect();
        let [int, float, text, json] = [Kind::Int, Kind::Float, Kind::Text, Kind::Json].map(Some);
        assert_eq!(found, [int, float, text, Some(Kind::Timestamp), None, json]);
    }

    #[test]
    fn what_only_looks_like_a_moment_is_text() {
        for text in ["2024-13-01", "2024-01-01T00:00:00", "2024-1-1", "0000-00-00", "20240101", ""]
        {
            assert_eq!(Kind::of(&json!(text)), Some(Kind::Text), "{text}");
        }
    }

    #[test]
    fn an_id_differs_in_all_rows() {
        let id = |rows: Value, table| {
            let rows = rows.as_array().unwrap().clone();
            id_of(&columns(&rows.iter().collect::<Vec<_>>()), table)
        };
        assert_eq!(id(json!([{"id": 1}, {"id": 2}]), "x").as_deref(), Some("id"));
        assert_eq!(
            id(json!([{"id": 1, "key": "a"}, {"id": 1, "key": "b"}]), "x").as_deref(),
            Some("key")
        );
        assert_eq!(id(json!([{"Id": "a"}, {"Id": "b"}]), "x").as_deref(), Some("Id"));
        assert_eq!(
            id(json!([{"city_id": 1}, {"city_id": 2}]), "cities").as_deref(),
            Some("city_id")
        );
        assert_eq!(id(json!([{"id": 1}, {}]), "x"), None);
        assert_eq!(id(json!([{"id": null}, {"id": 1}]), "x"), None);
    }

    #[test]
    fn the_time_of_a_change_is_preferred_to_that_of_the_creation() {
        let at = "2024-01-01T00:00:00Z";
        let rows = json!([{"created_at": at, "updatedAt": at, "modified": "yesterday"}]);
        let rows: Vec<&Value> = rows.as_array().unwrap().iter().collect();
        let columns = columns(&rows);
        assert_eq!(changed_of(&columns).unwrap().0, "updatedAt");
    }
}
