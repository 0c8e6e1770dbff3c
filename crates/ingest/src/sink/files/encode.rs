//! [pure] Writes the rows of a commit in a format.

use std::io::Write;

use arrow_array::RecordBatch;

use super::{conform::conform, csv, error::WriteError, format::FileFormat, ndjson, parquet};
use crate::schema::Schema;

/// How rows are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoder {
    pub(super) format: FileFormat,
    /// How hard Parquet is compressed.
    pub(super) zstd_level: i32,
}

impl Encoder {
    /// Writes the rows one batch after another, each with the columns of `schema`.
    pub(super) fn write(
        self,
        batches: &[RecordBatch],
        schema: &Schema,
        out: &mut (dyn Write + Send),
    ) -> Result<(), WriteError> {
        let batches = batches.iter().filter(|batch| batch.num_rows() > 0);
        let mut batches = batches.map(|batch| conform(batch, schema));
        match self.format {
            FileFormat::Parquet => parquet::write(&mut batches, schema, self.zstd_level, out),
            FileFormat::Ndjson => ndjson::write(&mut batches, schema, out),
            FileFormat::Csv => csv::write(&mut batches, schema, out),
        }
    }
}
