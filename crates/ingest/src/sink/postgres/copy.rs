//! Sends rows by `COPY` in PostgreSQL's binary format.

use std::{collections::HashMap, pin::pin, sync::Arc};

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array,
};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};
use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use pgpq::{
    ArrowToPostgresBinaryEncoder,
    encoders::{EncoderBuilder, StringEncoderBuilder},
    error::ErrorKind,
    pg_schema::PostgresType,
};
use tokio_postgres::Transaction;

use super::{
    error::{failed, is_of_value},
    refuses::{refuses, refuses_json},
};
use crate::{
    schema::{ColumnType, Schema},
    sink::{
        SinkError,
        sql::{
            cells::{Cell, Cells},
            kinds::kind_of,
            names::list,
            statements::names,
        },
    },
};

/// The column that says which of two rows is the later one.
pub(super) const POSITION: &str = "_apipool_position";

/// How many rows are encoded at once: their bytes are in memory a second time.
const ROWS_AT_ONCE: usize = 4096;

/// Where rows are sent.
pub(super) struct Copy<'a> {
    /// The table, quoted.
    pub(super) into: &'a str,
    /// Its columns, except for that of the position.
    pub(super) schema: &'a Schema,
    /// Whether it has a column that numbers its rows.
    pub(super) has_position: bool,
}

impl Copy<'_> {
    /// Sends the rows of batches.
    ///
    /// # Errors
    /// A lasting one that names the column, if there is a value that PostgreSQL does not hold.
    pub(super) async fn send(
        &self,
        transaction: &Transaction<'_>,
        batches: &[RecordBatch],
    ) -> Result<(), SinkError> {
        let what = || format!("rows for {} in PostgreSQL", self.into);
        let failed = |error: tokio_postgres::Error| match self.blamed(&error, batches) {
            Some(place) => failed(format!("{}: {place}", what()))(error),
            None => failed(what())(error),
        };
        let encoded = |error: ErrorKind| SinkError::lasting(what()).because(error);
        let fields = self.fields();
        let mut encoder = encoder(&fields, self.schema).map_err(encoded)?;
        let columns = list(fields.fields().iter().map(|field| field.name().as_str()));
        let sql = format!("COPY {} ({columns}) FROM STDIN (FORMAT binary)", self.into);
        let sink = transaction.copy_in::<_, Bytes>(&sql).await.map_err(failed)?;
        let mut sink = pin!(sink);
        let mut out = BytesMut::new();
        encoder.write_header(&mut out).map_err(encoded)?;
        let mut position = 0;
        for batch in batches {
            let batch = self.conformed(batch, &fields, &mut position)?;
            for start in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
                let rows = batch.slice(start, ROWS_AT_ONCE.min(batch.num_rows() - start));
                encoder.write_batch(&rows, &mut out).map_err(encoded)?;
                sink.send(out.split().freeze()).await.map_err(failed)?;
            }
        }
        encoder.write_footer(&mut out).map_err(encoded)?;
        sink.send(out.freeze()).await.map_err(failed)?;
        sink.finish().await.map(drop).map_err(failed)
    }

    /// If it is about a value: the first column with a text that PostgreSQL does not hold, and why;
    /// or else where the server says that the value is.
    fn blamed(&self, error: &tokio_postgres::Error, batches: &[RecordBatch]) -> Option<String> {
        if !is_of_value(error) {
            return None;
        }
        let refused = names(self.schema).find_map(|name| {
            let reason = batches.iter().find_map(|batch| refused(batch, name, self.schema))?;
            Some(format!("column `{name}` {reason}"))
        });
        let place = || error.as_db_error()?.where_()?.lines().next().map(str::to_owned);
        refused.or_else(place)
    }

    fn fields(&self) -> SchemaRef {
        let position = self.has_position.then(|| Field::new(POSITION, DataType::Int64, false));
        let columns = self.schema.columns.iter();
        let columns = columns.map(|column| Field::new(&column.name, column.kind.arrow(), true));
        Arc::new(arrow_schema::Schema::new(columns.chain(position).collect::<Vec<_>>()))
    }

    /// The rows of a batch with the columns of the table.
    fn conformed(
        &self,
        batch: &RecordBatch,
        fields: &SchemaRef,
        position: &mut i64,
    ) -> Result<RecordBatch, SinkError> {
        let unknown = batch.schema_ref().fields().iter().map(|field| field.name());
        if let Some(name) = unknown.clone().find(|name| self.schema.get(name).is_none()) {
            return Err(SinkError::lasting(format!(
                "the table has no column `{name}` of its rows"
            )));
        }
        let columns = self.schema.columns.iter();
        let columns = columns.map(|column| conform(batch, &column.name, column.kind));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        if self.has_position {
            let rows = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
            columns.push(Arc::new(Int64Array::from_iter_values(*position..*position + rows)));
            *position += rows;
        }
        RecordBatch::try_new(Arc::clone(fields), columns)
            .map_err(|error: ArrowError| SinkError::lasting("rows for PostgreSQL").because(error))
    }
}

/// The values of a batch in a column of type `to`.
fn conform(batch: &RecordBatch, name: &str, to: ColumnType) -> Result<ArrayRef, SinkError> {
    let Some((place, field)) = batch.schema_ref().fields().find(name) else {
        return Ok(new_null_array(&to.arrow(), batch.num_rows()));
    };
    let array = batch.column(place);
    if kind_of(field) == Some(to) {
        return Ok(Arc::clone(array));
    }
    let cells = Cells::of(field, array, to)?;
    let rows = 0..array.len();
    let mut scratch = String::new();
    Ok(match to {
        ColumnType::Int => {
            Arc::new(Int64Array::from_iter(rows.map(|row| match cells.get(row, &mut scratch) {
                Cell::Int(value) => Some(value),
                Cell::Null | Cell::Float(_) | Cell::Text(_) => None,
            })))
        }
        ColumnType::Float => {
            Arc::new(Float64Array::from_iter(rows.map(|row| match cells.get(row, &mut scratch) {
                Cell::Float(value) => Some(value),
                Cell::Null | Cell::Int(_) | Cell::Text(_) => None,
            })))
        }
        _ => Arc::new(StringArray::from_iter(rows.map(|row| match cells.get(row, &mut scratch) {
            Cell::Text(text) => Some(text.to_owned()),
            Cell::Null | Cell::Int(_) | Cell::Float(_) => None,
        }))),
    })
}

fn encoder(fields: &SchemaRef, schema: &Schema) -> Result<ArrowToPostgresBinaryEncoder, ErrorKind> {
    let mut builders = HashMap::with_capacity(fields.fields().len());
    for field in fields.fields() {
        let builder = match schema.get(field.name()).map(|column| column.kind) {
            Some(ColumnType::Json) => EncoderBuilder::String(
                StringEncoderBuilder::new_with_output(Arc::clone(field), PostgresType::Jsonb)?,
            ),
            _ => EncoderBuilder::try_new(Arc::clone(field))?,
        };
        builders.insert(field.name().clone(), builder);
    }
    ArrowToPostgresBinaryEncoder::try_new_with_encoders(fields, &builders)
}

fn refused(batch: &RecordBatch, name: &str, schema: &Schema) -> Option<&'static str> {
    let is_json = schema.get(name)?.kind == ColumnType::Json;
    let texts = batch.column_by_name(name)?.as_any().downcast_ref::<StringArray>()?;
    texts.iter().flatten().find_map(|text| match is_json {
        true => refuses_json(text),
        false => text.contains('\0').then(|| refuses(text)).flatten(),
    })
}
