//! [pure] Types of columns in SQLite, and how values are converted to wider ones.
//!
//! SQLite converts values by the declared type of their column: `007` is 7 in one of integers. So a
//! column gets its wider type before it gets wider values.

use super::connection::FLOAT_TEXT;
use crate::{
    schema::{ColumnType, Schema},
    sink::sql::names::quoted,
};

/// The declared type of a column.
pub(super) fn declared(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Int => "INTEGER",
        ColumnType::Float => "REAL",
        ColumnType::Decimal { .. }
        | ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::Text
        | ColumnType::Json => "TEXT",
    }
}

/// The type of a column that is declared so, if the last writer has not said more; `None` for one
/// that no stream has made.
pub(super) fn kind_of(name: &str, declared_type: &str, known: &Schema) -> Option<ColumnType> {
    let known = known.get(name).map(|column| column.kind);
    known.filter(|kind| declared(*kind) == declared_type).or(match declared_type {
        "BOOLEAN" => Some(ColumnType::Bool),
        "INTEGER" => Some(ColumnType::Int),
        "REAL" => Some(ColumnType::Float),
        "TEXT" => Some(ColumnType::Text),
        _ => None,
    })
}

/// The columns of a new table, in parentheses; with `key`, that is its primary key.
pub(super) fn definition(schema: &Schema, key: Option<&str>) -> String {
    let columns = schema.columns.iter();
    let columns =
        columns.map(|column| format!("{} {}", quoted(&column.name), declared(column.kind)));
    let key = key.map(|key| format!("PRIMARY KEY ({key})"));
    let parts: Vec<String> = columns.chain(key).collect();
    format!("({})", parts.join(", "))
}

/// The value of a column of type `from` as one of type `to`.
pub(super) fn converted(column: &str, from: ColumnType, to: ColumnType) -> String {
    use ColumnType::{Bool, Date, Decimal, Float, Int, Json, Text, Timestamp};
    let column = quoted(column);
    match (from, to) {
        (Bool | Int, Float) => format!("CAST({column} AS REAL)"),
        (Bool, Text | Json) => format!("CASE {column} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"),
        (Int, Text | Json) => format!("CAST({column} AS TEXT)"),
        (Float, Text | Json) => format!("{FLOAT_TEXT}({column})"),
        (Date | Timestamp | Text, Json) => {
            format!("CASE WHEN {column} IS NOT NULL THEN json_quote({column}) END")
        }
        (Bool | Int | Float | Decimal { .. } | Date | Timestamp | Text | Json, _) => column,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Column;
    use ColumnType::{Bool, Date, Float, Int, Json, Text};

    fn schema(columns: &[(&str, ColumnType)]) -> Schema {
        let column = |(name, kind): &(&str, ColumnType)| Column {
            name: (*name).into(),
            kind: *kind,
            declared: false,
        };
        Schema { columns: columns.iter().map(column).collect() }
    }

    #[test]
    fn a_declared_type_is_what_was_written_last() {
        let known = schema(&[("a", Date), ("b", Text)]);
        assert_eq!(kind_of("a", "TEXT", &known), Some(Date));
        assert_eq!(kind_of("b", "INTEGER", &known), Some(Int));
        assert_eq!(kind_of("c", "TEXT", &known), Some(Text));
        assert_eq!(kind_of("c", "VARCHAR(3)", &known), None);
    }

    #[test]
    fn tables_have_types_and_a_key() {
        let schema = schema(&[("id", Int), ("a \"b\"", Json), ("c", Bool)]);
        let columns = r#""id" INTEGER, "a ""b""" TEXT, "c" BOOLEAN"#;
        assert_eq!(definition(&schema, None), format!("({columns})"));
        let with_key = format!(r#"({columns}, PRIMARY KEY ("id"))"#);
        assert_eq!(definition(&schema, Some("\"id\"")), with_key);
    }

    #[test]
    fn values_that_are_the_same_in_a_wider_column_stay() {
        assert_eq!(converted("a", Bool, Int), "\"a\"");
        assert_eq!(converted("a", Date, Text), "\"a\"");
        assert_eq!(converted("a", Json, Json), "\"a\"");
        assert_eq!(converted("a", Int, Float), "CAST(\"a\" AS REAL)");
    }
}
