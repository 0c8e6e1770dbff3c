//! [pure] Types of columns in PostgreSQL, and how values are converted to wider ones.

use crate::{
    schema::{ColumnType, Schema},
    sink::sql::names::quoted,
};

/// The type of a column, as PostgreSQL writes it itself.
pub(super) fn sql_type(kind: ColumnType) -> String {
    match kind {
        ColumnType::Bool => "boolean".into(),
        ColumnType::Int => "bigint".into(),
        ColumnType::Float => "double precision".into(),
        ColumnType::Decimal { precision, scale } => {
            // PostgreSQL before 15 has no negative scale.
            let more = i16::from(scale.min(0)).unsigned_abs();
            format!("numeric({},{})", u16::from(precision) + more, scale.max(0))
        }
        ColumnType::Date => "date".into(),
        ColumnType::Timestamp => "timestamp with time zone".into(),
        ColumnType::Text => "text".into(),
        ColumnType::Json => "jsonb".into(),
    }
}

/// The type of a column that PostgreSQL writes so; `None` for one that no stream has made.
pub(super) fn kind_of(sql_type: &str) -> Option<ColumnType> {
    Some(match sql_type {
        "boolean" => ColumnType::Bool,
        "bigint" => ColumnType::Int,
        "double precision" => ColumnType::Float,
        "date" => ColumnType::Date,
        "timestamp with time zone" => ColumnType::Timestamp,
        "text" => ColumnType::Text,
        "jsonb" => ColumnType::Json,
        other => {
            let digits = other.strip_prefix("numeric(")?.strip_suffix(')')?;
            let (precision, scale) = digits.split_once(',')?;
            ColumnType::Decimal { precision: precision.parse().ok()?, scale: scale.parse().ok()? }
        }
    })
}

/// The columns of a new table.
pub(super) fn definition(schema: &Schema) -> String {
    let columns = schema.columns.iter();
    let columns =
        columns.map(|column| format!("{} {}", quoted(&column.name), sql_type(column.kind)));
    columns.collect::<Vec<_>>().join(", ")
}

/// The value of a column of type `from` as one of type `to`.
pub(super) fn converted(column: &str, from: ColumnType, to: ColumnType) -> String {
    use ColumnType::{Bool, Date, Decimal, Float, Int, Json, Text, Timestamp};
    let column = quoted(column);
    match (from, to) {
        (Bool, Int) => format!("{column}::integer::bigint"),
        (Bool, Float) => format!("{column}::integer::double precision"),
        (Int, Float) => format!("{column}::double precision"),
        (Date, Text) => date_text(&column),
        (Timestamp, Text) => timestamp_text(&column),
        (Date, Json) => format!("to_jsonb({})", date_text(&column)),
        (Timestamp, Json) => format!("to_jsonb({})", timestamp_text(&column)),
        (_, Text) => format!("{column}::text"),
        (Bool | Int | Float | Decimal { .. } | Text, Json) => format!("to_jsonb({column})"),
        (Bool | Int | Float | Decimal { .. } | Date | Timestamp | Text | Json, _) => column,
    }
}

// `to_char` leaves out that a year is before Christ.

fn date_text(column: &str) -> String {
    format!(
        "CASE WHEN {column} < '0001-01-01' THEN {column}::text ELSE to_char({column}, 'YYYY-MM-DD') END"
    )
}

fn timestamp_text(column: &str) -> String {
    format!(
        "CASE WHEN {column} < '0001-01-01T00:00:00Z' THEN {column}::text ELSE \
         to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') END"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_back() {
        use ColumnType::{Bool, Date, Decimal, Float, Int, Json, Text, Timestamp};
        let decimal = Decimal { precision: 38, scale: 9 };
        for kind in [Bool, Int, Float, decimal, Date, Timestamp, Text, Json] {
            assert_eq!(kind_of(&sql_type(kind)), Some(kind));
        }
        assert_eq!(sql_type(Decimal { precision: 3, scale: -2 }), "numeric(5,0)");
        for other in ["integer", "numeric", "character varying(3)"] {
            assert_eq!(kind_of(other), None);
        }
    }

    #[test]
    fn values_are_cast_if_postgresql_does_not_do_it_itself() {
        use ColumnType::{Bool, Float, Int, Json, Text};
        assert_eq!(converted("a", Bool, Int), "\"a\"::integer::bigint");
        assert_eq!(converted("a", Float, Text), "\"a\"::text");
        assert_eq!(converted("a", Text, Json), "to_jsonb(\"a\")");
    }
}
