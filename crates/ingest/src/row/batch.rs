//! [pure] Gathers the values of rows by columns, and makes Arrow batches of them.

use std::{mem, sync::Arc};

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    builder::{
        BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
        StringBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_schema::ArrowError;

use super::value::Value;
use crate::schema::{ColumnType, Schema};

/// The values of one column.
#[derive(Debug)]
enum Values {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

/// Gathers rows.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    schema: Schema,
    columns: Vec<Values>,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    pub(crate) fn new(schema: Schema) -> Self {
        let columns = schema.columns.iter().map(|column| Values::of(column.kind, 0, 0)).collect();
        Self { schema, columns, rows: 0, bytes: 0 }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row, which has a value of its type for each column.
    pub(crate) fn push<'a>(&mut self, row: impl IntoIterator<Item = Value<'a>>) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            self.bytes += column.push(value);
        }
        self.rows += 1;
    }

    /// The rows so far as a batch; the next ones begin another.
    ///
    /// # Errors
    /// If rows were pushed with fewer values than there are columns.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        // The next one will have about as many rows.
        let rows = self.rows + self.rows / 8;
        let columns = self.columns.iter_mut().zip(&self.schema.columns).map(|(values, column)| {
            let bytes = values.text_bytes();
            let next = Values::of(column.kind, rows, bytes + bytes / 8);
            mem::replace(values, next).finish()
        });
        let columns = columns.collect();
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(self.schema.arrow(), columns)
    }
}

impl Values {
    /// None yet, with room for so many rows and for the bytes of their texts.
    fn of(kind: ColumnType, rows: usize, bytes: usize) -> Self {
        match kind {
            ColumnType::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            ColumnType::Int => Self::Int(Int64Builder::with_capacity(rows)),
            ColumnType::Float => Self::Float(Float64Builder::with_capacity(rows)),
            ColumnType::Decimal { .. } => {
                let values = Decimal128Builder::with_capacity(rows);
                Self::Decimal(values.with_data_type(kind.arrow()))
            }
            ColumnType::Date => Self::Date(Date32Builder::with_capacity(rows)),
            ColumnType::Timestamp => {
                let values = TimestampMicrosecondBuilder::with_capacity(rows);
                Self::Timestamp(values.with_data_type(kind.arrow()))
            }
            ColumnType::Text | ColumnType::Json => {
                Self::Text(StringBuilder::with_capacity(rows, bytes))
            }
        }
    }

    /// How many bytes its texts have.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Text(values) => values.values_slice().len(),
            _ => 0,
        }
    }

    /// Adds a value, and returns about how many bytes it has.
    fn push(&mut self, value: Value<'_>) -> usize {
        match (self, value) {
            (Self::Bool(values), Value::Bool(value)) => values.append_value(value),
            (Self::Int(values), Value::Int(value)) => values.append_value(value),
            (Self::Float(values), Value::Float(value)) => values.append_value(value),
            (Self::Decimal(values), Value::Decimal(value)) => values.append_value(value),
            (Self::Date(values), Value::Date(value)) => values.append_value(value),
            (Self::Timestamp(values), Value::Timestamp(value)) => values.append_value(value),
            (Self::Text(values), Value::Text(value)) => {
                values.append_value(&value);
                return value.len() + size_of::<i32>();
            }
            (values, _) => values.push_null(),
        }
        size_of::<i64>()
    }

    fn push_null(&mut self) {
        match self {
            Self::Bool(values) => values.append_null(),
            Self::Int(values) => values.append_null(),
            Self::Float(values) => values.append_null(),
            Self::Decimal(values) => values.append_null(),
            Self::Date(values) => values.append_null(),
            Self::Timestamp(values) => values.append_null(),
            Self::Text(values) => values.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut values) => shrunk(values.finish()),
            Self::Int(mut values) => shrunk(values.finish()),
            Self::Float(mut values) => shrunk(values.finish()),
            Self::Decimal(mut values) => shrunk(values.finish()),
            Self::Date(mut values) => shrunk(values.finish()),
            Self::Timestamp(mut values) => shrunk(values.finish()),
            Self::Text(mut values) => shrunk(values.finish()),
        }
    }
}

/// An array without room for more values: many of them may wait for a commit.
fn shrunk(mut array: impl Array + 'static) -> ArrayRef {
    array.shrink_to_fit();
    Arc::new(array)
}
