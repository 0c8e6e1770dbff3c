//! [pure] Conditions, searches and orders as SQL. A null is less than nothing and greater than
//! nothing, and differs from every value, as in Vantage.

use ciborium::Value as Cbor;
use rusqlite::types::Value;
use vantage_vista::{FilterOp, SortDirection, operand_text};

use crate::{
    description::{day_of, moment_of},
    schema::ColumnType,
    sink::{
        sql::{decimals::is_decimal, names::quoted, text},
        sqlite::reading::DECIMAL,
    },
};

/// A piece of SQL with the values of its parameters, each of which is `?`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Clause {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// Why there is no clause for a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The operator is unknown.
    Operator,
    /// The value is none of the column.
    Value,
}

impl Clause {
    fn of(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    fn with(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    /// Adds one that must hold as well, or the first.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.sql += if self.sql.is_empty() { " WHERE " } else { " AND " };
        self.sql += &other.sql;
        self.values.extend(other.values.iter().cloned());
        self
    }

    /// A condition on a column.
    ///
    /// # Errors
    /// If it cannot be said.
    pub(super) fn comparing(
        (name, kind): (&str, ColumnType),
        op: FilterOp,
        value: &Cbor,
    ) -> Result<Self, Refusal> {
        let column = compared(name, kind);
        let own = quoted(name);
        let operand = || operand(kind, value).ok_or(Refusal::Value);
        Ok(match op {
            FilterOp::Eq if value.is_null() => Self::of(format!("{own} IS NULL")),
            FilterOp::Ne if value.is_null() => Self::of(format!("{own} IS NOT NULL")),
            FilterOp::Eq => Self::of(format!("{column} = ?")).with(operand()?),
            FilterOp::Ne => Self::of(format!("{column} IS NOT ?")).with(operand()?),
            FilterOp::Gt => Self::of(format!("{column} > ?")).with(operand()?),
            FilterOp::Gte => Self::of(format!("{column} >= ?")).with(operand()?),
            FilterOp::Lt => Self::of(format!("{column} < ?")).with(operand()?),
            FilterOp::Lte => Self::of(format!("{column} <= ?")).with(operand()?),
            FilterOp::InSet | FilterOp::NotInSet => {
                let Cbor::Array(items) = value else { return Err(Refusal::Value) };
                Self::listed(name, kind, items, op == FilterOp::InSet)?
            }
            FilterOp::Like => Self::finding(name, &operand_text(value)),
            _ => return Err(Refusal::Operator),
        })
    }

    fn listed(name: &str, kind: ColumnType, items: &[Cbor], is_in: bool) -> Result<Self, Refusal> {
        let (column, own) = (compared(name, kind), quoted(name));
        let values = items.iter().filter(|item| !item.is_null());
        let values: Option<Vec<Value>> = values.map(|item| operand(kind, item)).collect();
        let values = values.ok_or(Refusal::Value)?;
        let has_null = items.iter().any(Cbor::is_null);
        let marks = vec!["?"; values.len()].join(", ");
        let sql = match (is_in, has_null) {
            (true, false) => format!("{column} IN ({marks})"),
            (true, true) => format!("({column} IN ({marks}) OR {own} IS NULL)"),
            (false, false) => format!("({column} NOT IN ({marks}) OR {own} IS NULL)"),
            (false, true) => format!("({column} NOT IN ({marks}) AND {own} IS NOT NULL)"),
        };
        Ok(Self { sql, values })
    }

    /// Whether the text of a column has this one in it, whatever the case of ASCII letters.
    fn finding(name: &str, text: &str) -> Self {
        let sql = format!("instr(lower({}), ?) > 0", quoted(name));
        Self::of(sql).with(Value::Text(text.to_ascii_lowercase()))
    }

    /// Whether the text of one of these columns has this one in it.
    pub(super) fn searching(names: &[&str], text: &str) -> Self {
        let mut all = Self::default();
        for (index, name) in names.iter().enumerate() {
            let Self { sql, values } = Self::finding(name, text);
            all.sql += if index == 0 { "(" } else { " OR " };
            all.sql += &sql;
            all.values.extend(values);
        }
        all.sql += if names.is_empty() { "0" } else { ")" };
        all
    }
}

/// The end of a statement that orders rows: by the column, with nulls last, and then by id.
pub(super) fn order(by: Option<((&str, ColumnType), SortDirection)>, id: &str) -> String {
    let last = quoted(id);
    let Some(((name, kind), direction)) = by else { return format!(" ORDER BY {last}") };
    let (column, own) = (compared(name, kind), quoted(name));
    let way = match direction {
        SortDirection::Ascending => "ASC",
        SortDirection::Descending => "DESC",
    };
    if name == id {
        return format!(" ORDER BY {column} {way}");
    }
    format!(" ORDER BY {own} IS NULL, {column} {way}, {last}")
}

/// A column as it is compared.
fn compared(name: &str, kind: ColumnType) -> String {
    let name = quoted(name);
    match kind {
        ColumnType::Decimal { .. } => format!("{name} COLLATE {DECIMAL}"),
        _ => name,
    }
}

/// A value as one of a column, as the sink would have written it; `None` if it is not one.
fn operand(kind: ColumnType, value: &Cbor) -> Option<Value> {
    let integer = |value: &Cbor| value.as_integer().map(i128::from);
    Some(match (kind, value) {
        (ColumnType::Bool, Cbor::Bool(flag)) => Value::Integer(i64::from(*flag)),
        (ColumnType::Int | ColumnType::Float, Cbor::Integer(_)) => {
            Value::Integer(i64::try_from(integer(value)?).ok()?)
        }
        (ColumnType::Int | ColumnType::Float, Cbor::Float(number)) => Value::Real(*number),
        // As ids are written, and foreign keys.
        (ColumnType::Int, Cbor::Text(text)) => {
            let number: i64 = text.parse().ok()?;
            Value::Integer(Some(number).filter(|number| number.to_string() == *text)?)
        }
        (ColumnType::Float, Cbor::Text(text)) => {
            Value::Real(text.parse().ok().filter(|number: &f64| number.is_finite())?)
        }
        (ColumnType::Decimal { .. } | ColumnType::Text, Cbor::Integer(_)) => {
            Value::Text(integer(value)?.to_string())
        }
        (ColumnType::Decimal { .. }, Cbor::Float(number)) if number.is_finite() => {
            Value::Text(number.to_string())
        }
        (ColumnType::Decimal { .. }, Cbor::Text(text)) if is_decimal(text) => {
            Value::Text(text.clone())
        }
        (ColumnType::Date, Cbor::Text(text)) => Value::Text(day_of(text)?.to_string()),
        (ColumnType::Timestamp, Cbor::Text(text)) => {
            let mut out = String::new();
            text::push_timestamp(&mut out, moment_of(text)?.timestamp_micros());
            Value::Text(out)
        }
        (ColumnType::Text, Cbor::Text(text)) => Value::Text(text.clone()),
        (ColumnType::Text, Cbor::Float(number)) => {
            let mut out = String::new();
            text::push_float(&mut out, *number);
            Value::Text(out)
        }
        (ColumnType::Text, Cbor::Bool(flag)) => Value::Text(text::bool_text(*flag).to_owned()),
        (ColumnType::Json, Cbor::Text(_) | Cbor::Integer(_) | Cbor::Float(_) | Cbor::Bool(_)) => {
            Value::Text(serde_json::to_string(value).ok()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cbor {
        Cbor::Text(text.into())
    }

    fn said(kind: ColumnType, op: FilterOp, value: &Cbor) -> (String, Vec<Value>) {
        let Clause { sql, values } = Clause::comparing(("a", kind), op, value).unwrap();
        (sql, values)
    }

    #[test]
    fn a_null_differs_from_every_value() {
        let one = || vec![Value::Integer(1)];
        let list = |items: &[Cbor]| Cbor::Array(items.to_vec());
        let (number, null) = (Cbor::from(1), Cbor::Null);
        for (op, value, sql, values) in [
            (FilterOp::Eq, null.clone(), "\"a\" IS NULL", vec![]),
            (FilterOp::Ne, null.clone(), "\"a\" IS NOT NULL", vec![]),
            (FilterOp::Ne, number.clone(), "\"a\" IS NOT ?", one()),
            (FilterOp::InSet, list(&[]), "\"a\" IN ()", vec![]),
            (
                FilterOp::NotInSet,
                list(std::slice::from_ref(&number)),
                "(\"a\" NOT IN (?) OR \"a\" IS NULL)",
                one(),
            ),
            (
                FilterOp::InSet,
                list(&[number.clone(), null.clone()]),
                "(\"a\" IN (?) OR \"a\" IS NULL)",
                one(),
            ),
        ] {
            assert_eq!(said(ColumnType::Int, op, &value), (sql.to_owned(), values));
        }
        assert!(Clause::comparing(("a", ColumnType::Int), FilterOp::Gt, &null).is_err());
    }

    #[test]
    fn a_value_is_written_as_the_sink_writes_it() {
        let decimal = ColumnType::Decimal { precision: 9, scale: 2 };
        for (kind, value, expected) in [
            (ColumnType::Bool, Cbor::Bool(true), Some(Value::Integer(1))),
            (ColumnType::Bool, Cbor::from(1), None),
            (ColumnType::Int, text("7"), Some(Value::Integer(7))),
            (ColumnType::Int, text("07"), None),
            (ColumnType::Int, Cbor::from(u64::MAX), None),
            (ColumnType::Text, Cbor::from(7), Some(Value::Text("7".into()))),
            (decimal, Cbor::Float(12.5), Some(Value::Text("12.5".into()))),
            (decimal, text("1e5"), None),
            (ColumnType::Date, text("2024-02-29"), Some(Value::Text("2024-02-29".into()))),
            (ColumnType::Date, text("29.2.2024"), None),
            (
                ColumnType::Timestamp,
                text("2024-02-29T13:00:00+01:00"),
                Some(Value::Text("2024-02-29T12:00:00.000000Z".into())),
            ),
            (ColumnType::Json, text("a"), Some(Value::Text("\"a\"".into()))),
            (ColumnType::Json, Cbor::Array(vec![]), None),
        ] {
            assert_eq!(operand(kind, &value), expected, "{kind} {value:?}");
        }
    }

    #[test]
    fn names_are_quoted_wherever_they_are() {
        let decimal = ColumnType::Decimal { precision: 9, scale: 2 };
        let by = Some((("a\"b", decimal), SortDirection::Descending));
        let column = "\"a\"\"b\"";
        assert_eq!(
            order(by, "id"),
            format!(" ORDER BY {column} IS NULL, {column} COLLATE {DECIMAL} DESC, \"id\"")
        );
        assert_eq!(order(None, "id"), " ORDER BY \"id\"");
        let search = Clause::searching(&["a", "b"], "Ärger");
        assert_eq!(search.sql, "(instr(lower(\"a\"), ?) > 0 OR instr(lower(\"b\"), ?) > 0)");
        assert_eq!(search.values, vec![Value::Text("Ärger".into()); 2]);
        assert_eq!(Clause::searching(&[], "a").sql, "0");
    }
}
