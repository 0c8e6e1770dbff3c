//! [pure] The type of a batch's column.

use arrow_schema::{DataType, Field, TimeUnit};

use crate::schema::{ColumnType, is_json};

/// The type of a field; `None` for one that no column has. JSON that is not marked as such is text.
pub(crate) fn kind_of(field: &Field) -> Option<ColumnType> {
    Some(match field.data_type() {
        DataType::Boolean => ColumnType::Bool,
        DataType::Int64 => ColumnType::Int,
        DataType::Float64 => ColumnType::Float,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: *scale }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, _) => ColumnType::Timestamp,
        DataType::Utf8 if is_json(field) => ColumnType::Json,
        DataType::Utf8 => ColumnType::Text,
        _ => return None,
    })
}
