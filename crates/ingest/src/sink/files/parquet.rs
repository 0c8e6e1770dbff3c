//! [pure] Rows as Parquet.

use std::io::Write;

use arrow_array::RecordBatch;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::error::WriteError;
use crate::{schema::Schema, sink::SinkError};

/// Writes batches that have the columns of `schema`.
pub(super) fn write(
    batches: &mut dyn Iterator<Item = Result<RecordBatch, SinkError>>,
    schema: &Schema,
    zstd_level: i32,
    out: &mut (dyn Write + Send),
) -> Result<(), WriteError> {
    let compression = Compression::ZSTD(ZstdLevel::try_new(zstd_level)?);
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(out, schema.arrow(), Some(properties))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}
