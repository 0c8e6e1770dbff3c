//! The rows of pages as batches with the columns that a query needs.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
        datatypes::SchemaRef,
    },
    error::Result,
};
use vantage_api_ingest::rows::RowBatches;

use super::pages::Piece;
use crate::{
    error::SqlError,
    pushdown::{Read, scalar_of},
    table::SourceColumn,
};

/// How many rows without columns are in a batch.
const ROWS_OF_COUNT: u64 = 1 << 16;

/// Makes batches of pages.
pub(super) struct Rows {
    table: String,
    schema: SchemaRef,
    columns: Vec<SourceColumn>,
    decoder: RowBatches,
}

impl Rows {
    /// `columns` are those of `schema`.
    pub(super) fn new(table: &str, schema: SchemaRef, columns: Vec<SourceColumn>) -> Self {
        let decoded = columns.iter().filter(|column| !column.is_parameter);
        let decoder = RowBatches::of(decoded.map(SourceColumn::decoded));
        Self { table: table.to_owned(), schema, columns, decoder }
    }

    /// The rows of a page, in their order.
    pub(super) fn batches(&mut self, piece: Piece) -> Result<Vec<RecordBatch>> {
        match piece {
            Piece::Page(read, page) => {
                let number = page.number();
                let failed = |source| SqlError::Page { table: self.table.clone(), source };
                let rows = page.texts().collect::<Result<Vec<_>, _>>().map_err(failed)?;
                self.rows(&read, number, &rows)
            }
            Piece::Rows(read, number, rows) => {
                let rows: Vec<_> = rows.iter().map(|row| row.get()).collect();
                self.rows(&read, number, &rows)
            }
            Piece::Count(rows) => {
                let whole = (0..rows / ROWS_OF_COUNT).map(|_| ROWS_OF_COUNT);
                let sizes = whole.chain(Some(rows % ROWS_OF_COUNT).filter(|rest| *rest > 0));
                sizes.map(|rows| self.batch(Vec::new(), rows as usize)).collect()
            }
        }
    }

    fn rows(&mut self, read: &Read, number: u64, rows: &[&str]) -> Result<Vec<RecordBatch>> {
        let of_row = |what: String| SqlError::Row { table: self.table.clone(), page: number, what };
        if self.columns.iter().all(|column| column.is_parameter) {
            let constants =
                self.columns.iter().map(|column| self.constant(read, column, rows.len()));
            return Ok(vec![self.batch(constants.collect::<Result<_>>()?, rows.len())?]);
        }
        let decoded = self.decoder.decode(rows).map_err(of_row)?;
        let batches = decoded.into_iter().map(|batch| {
            let mut decoded = batch.columns().iter();
            let columns = self.columns.iter().map(|column| match column.is_parameter {
                true => self.constant(read, column, batch.num_rows()),
                false => Ok(decoded
                    .next()
                    .cloned()
                    .unwrap_or_else(|| new_null_array(&column.kind.arrow(), batch.num_rows()))),
            });
            let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
            self.batch(columns, batch.num_rows()).map_err(|error| {
                of_row(self.missing(&batch).unwrap_or_else(|| error.to_string())).into()
            })
        });
        batches.collect()
    }

    /// Which column has no value that must have one.
    fn missing(&self, batch: &RecordBatch) -> Option<String> {
        let fields = self.schema.fields().iter().filter(|field| !field.is_nullable());
        fields
            .filter(|field| {
                batch.column_by_name(field.name()).is_some_and(|column| column.null_count() > 0)
            })
            .map(|field| format!("a row has no `{}`, which every row must have", field.name()))
            .next()
    }

    /// The value that rows were asked for by, in each of them.
    fn constant(&self, read: &Read, column: &SourceColumn, rows: usize) -> Result<ArrayRef> {
        let Some(value) = read.asked(&column.name) else {
            return Ok(new_null_array(&column.kind.arrow(), rows));
        };
        let scalar = scalar_of(value, column.kind).ok_or_else(|| {
            let what = format!("`{}` cannot hold what it was asked for by", column.name);
            SqlError::table(&self.table, what)
        })?;
        scalar.to_array_of_size(rows)
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
