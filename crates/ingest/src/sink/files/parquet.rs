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

/// Each column has two pages of this size in memory, and what compresses them grows with it.
const PAGE_BYTES: usize = 256 * 1024;

/// Writes batches that have the columns of `schema`.
pub(super) fn write(
    batches: &mut dyn Iterator<Item = Result<RecordBatch, SinkError>>,
    schema: &Schema,
    zstd_level: i32,
    out: &mut (dyn Write + Send),
) -> Result<(), WriteError> {
    let compression = Compression::ZSTD(ZstdLevel::try_new(zstd_level)?);
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_data_page_size_limit(PAGE_BYTES)
        .build();
    let mut writer = ArrowWriter::try_new(out, schema.arrow(), Some(properties))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}
