//! The columns of a table that is written, their types, and how types widen.

use std::{collections::HashMap, fmt, sync::Arc};

use arrow_schema::{
    DataType, Field, SchemaRef, TimeUnit,
    extension::{EXTENSION_TYPE_METADATA_KEY, EXTENSION_TYPE_NAME_KEY},
};
use serde::{Deserialize, Serialize};

/// The extension type of Arrow for JSON that is held as text.
const JSON_TYPE: &str = "arrow.json";

/// The type of a column.
///
/// Columns that are not declared get the narrowest type that holds every value so far:
/// `bool` < `int` < `float` < `text` < `json`. A number that neither 64 bits nor a float hold
/// without loss of a digit makes its column `text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// A whole number of 64 bits with a sign.
    Int,
    /// A floating-point number of 64 bits.
    Float,
    /// A decimal with this many digits, `scale` of them after the point.
    Decimal {
        /// How many digits, from 1 to 38.
        precision: u8,
        /// How many of them are after the point.
        scale: i8,
    },
    /// A day, `2024-02-29`, of the years 1 to 9999.
    Date,
    /// A moment of these years with microseconds, kept in UTC. In rows it is a text as in RFC 3339, also
    /// with an offset such as `+0100`, or without one, which means UTC, or a day; or a number since
    /// 1970: of seconds below 10¹¹, of milliseconds below 10¹⁴, of microseconds below 10¹⁷, or of
    /// nanoseconds.
    Timestamp,
    /// Text.
    Text,
    /// Any JSON, as text.
    Json,
}

impl ColumnType {
    /// The narrowest type that holds the values of both.
    #[must_use]
    pub fn widened(self, other: Self) -> Self {
        use ColumnType::{Bool, Date, Decimal, Float, Int, Json, Text, Timestamp};
        match (self, other) {
            (one, same) if one == same => one,
            (Json, _) | (_, Json) => Json,
            (Bool | Int | Float, Bool | Int | Float) => self.max(other),
            (Bool | Int | Float | Decimal { .. } | Date | Timestamp | Text, _) => Text,
        }
    }

    /// How Arrow holds a column of this type. JSON is text there.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Text | Self::Json => DataType::Utf8,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Text => f.write_str("text"),
            Self::Json => f.write_str("json"),
        }
    }
}

/// A column of a table that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether its type was declared, so that it does not widen.
    pub declared: bool,
}

impl Column {
    fn field(&self) -> Field {
        let field = Field::new(&self.name, self.kind.arrow(), true);
        match self.kind {
            ColumnType::Json => field.with_metadata(HashMap::from([
                (EXTENSION_TYPE_NAME_KEY.to_owned(), JSON_TYPE.to_owned()),
                (EXTENSION_TYPE_METADATA_KEY.to_owned(), String::new()),
            ])),
            _ => field,
        }
    }
}

/// Whether a field of Arrow holds JSON.
pub(crate) fn is_json(field: &Field) -> bool {
    field.extension_type_name() == Some(JSON_TYPE)
}

/// The columns of a table that is written, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    /// The columns.
    pub columns: Vec<Column>,
}

/// How a table must change to hold the rows of another schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A column that it does not have.
    Add(Column),
    /// A column of a narrower type.
    Widen {
        /// The column's name.
        column: String,
        /// Its type so far.
        from: ColumnType,
        /// The type that it gets.
        to: ColumnType,
    },
}

impl Schema {
    /// The column of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Its fields in Arrow; every one may be null. JSON, which Arrow holds as text, has Arrow's
    /// extension type `arrow.json`.
    #[must_use]
    pub fn arrow(&self) -> SchemaRef {
        let fields = self.columns.iter().map(Column::field);
        Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()))
    }

    /// What a table of this schema must change to hold rows of `other` beside its own.
    #[must_use]
    pub fn changes_to(&self, other: &Self) -> Vec<Change> {
        let change = |column: &Column| match self.get(&column.name) {
            None => Some(Change::Add(column.clone())),
            Some(own) => {
                let to = own.kind.widened(column.kind);
                let (column, from) = (own.name.clone(), own.kind);
                (to != from).then_some(Change::Widen { column, from, to })
            }
        };
        other.columns.iter().filter_map(change).collect()
    }

    /// Makes a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Add(column) => self.columns.push(column.clone()),
            Change::Widen { column, to, .. } => {
                let own = self.columns.iter_mut().find(|own| own.name == *column);
                if let Some(own) = own {
                    own.kind = *to;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnType::{Bool, Date, Float, Int, Json, Text, Timestamp};

    const ALL: [ColumnType; 8] = [
        Bool,
        Int,
        Float,
        ColumnType::Decimal { precision: 9, scale: 2 },
        Date,
        Timestamp,
        Text,
        Json,
    ];

    #[test]
    fn widening_has_one_result_whatever_the_order() {
        for a in ALL {
            for b in ALL {
                assert_eq!(a.widened(b), b.widened(a), "{a} and {b}");
                assert_eq!(a.widened(b).widened(b), a.widened(b), "{a} and {b}");
                for c in ALL {
                    assert_eq!(a.widened(b).widened(c), a.widened(b.widened(c)), "{a}, {b}, {c}");
                }
            }
        }
    }

    #[test]
    fn numbers_stay_numbers_and_dates_become_text() {
        assert_eq!(Bool.widened(Int), Int);
        assert_eq!(Int.widened(Float), Float);
        assert_eq!(Float.widened(Text), Text);
        assert_eq!(Date.widened(Timestamp), Text);
        assert_eq!(Text.widened(Json), Json);
    }

    #[test]
    fn json_is_told_from_text_in_arrow() {
        let column = |name: &str, kind| Column { name: name.into(), kind, declared: true };
        let schema = Schema { columns: vec![column("a", Text), column("b", Json)] }.arrow();
        assert_eq!(
            schema.fields().iter().map(|field| is_json(field)).collect::<Vec<_>>(),
            [false, true]
        );
    }

    #[test]
    fn changes_add_and_widen_and_nothing_else() {
        let column = |name: &str, kind| Column { name: name.into(), kind, declared: false };
        let mut own = Schema { columns: vec![column("a", Int), column("b", Text)] };
        let other =
            Schema { columns: vec![column("c", Bool), column("a", Float), column("b", Int)] };
        let changes = own.changes_to(&other);
        assert_eq!(
            changes,
            [
                Change::Add(column("c", Bool)),
                Change::Widen { column: "a".into(), from: Int, to: Float },
            ]
        );
        changes.iter().for_each(|change| own.apply(change));
        assert_eq!(own.changes_to(&other), []);
    }
}
