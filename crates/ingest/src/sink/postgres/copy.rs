//! Sends rows by `COPY` in PostgreSQL's binary format.

use std::{mem, pin::pin, sync::Arc};

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array,
};
use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::Transaction;

use super::{
    binary::{END, HEADER, Values, push_row},
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

/// After so many bytes the rows so far are sent: they are in memory a second time.
const BYTES_AT_ONCE: usize = 256 * 1024;

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
        let position = self.has_position.then_some(POSITION);
        let columns = list(names(self.schema).chain(position));
        let sql = format!("COPY {} ({columns}) FROM STDIN (FORMAT binary)", self.into);
        let sink = transaction.copy_in::<_, Bytes>(&sql).await.map_err(failed)?;
        let mut sink = pin!(sink);
        let (mut out, mut position) = (HEADER.to_vec(), 0);
        for batch in batches {
            let arrays = self.conformed(batch)?;
            let kinds = self.schema.columns.iter().map(|column| column.kind);
            let columns = arrays.iter().zip(kinds).map(|(array, kind)| Values::of(array, kind));
            let numbers = self.has_position.then_some(Some(Values::Positions(position)));
            position += batch.num_rows() as i64;
            let columns: Option<Vec<_>> = columns.chain(numbers).collect();
            let columns = columns.ok_or_else(|| SinkError::lasting(what()))?;
            for row in 0..batch.num_rows() {
                push_row(&columns, row, &mut out).ok_or_else(|| {
                    SinkError::lasting(format!("{}: a value does not fit", what()))
                })?;
                if out.len() >= BYTES_AT_ONCE {
                    let next = Vec::with_capacity(out.len());
                    sink.send(mem::replace(&mut out, next).into()).await.map_err(failed)?;
                }
            }
        }
        out.extend_from_slice(&END);
        sink.send(out.into()).await.map_err(failed)?;
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

    /// The rows of a batch in the columns of the table.
    fn conformed(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, SinkError> {
        let unknown = batch.schema_ref().fields().iter().map(|field| field.name());
        if let Some(name) = unknown.clone().find(|name| self.schema.get(name).is_none()) {
            return Err(SinkError::lasting(format!(
                "the table has no column `{name}` of its rows"
            )));
        }
        let columns = self.schema.columns.iter();
        columns.map(|column| conform(batch, &column.name, column.kind)).collect()
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

fn refused(batch: &RecordBatch, name: &str, schema: &Schema) -> Option<&'static str> {
    let is_json = schema.get(name)?.kind == ColumnType::Json;
    let texts = batch.column_by_name(name)?.as_any().downcast_ref::<StringArray>()?;
    texts.iter().flatten().find_map(|text| match is_json {
        true => refuses_json(text),
        false => text.contains('\0').then(|| refuses(text)).flatten(),
    })
}
