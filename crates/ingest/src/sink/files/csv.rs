//! [pure] Rows as comma-separated values by RFC 4180.

use std::{fmt, io::Write};

use arrow_array::RecordBatch;

use super::{cells::Cells, error::WriteError};
use crate::{schema::Schema, sink::SinkError};

/// After so many bytes the records so far are passed on.
const CHUNK: usize = 64 * 1024;
/// The end of a record.
const END: &str = "\r\n";

/// Writes the names of the columns, and batches that have the columns of `schema`. Null is empty,
/// and an empty text is `""`, so that they differ.
pub(super) fn write(
    batches: &mut dyn Iterator<Item = Result<RecordBatch, SinkError>>,
    schema: &Schema,
    out: &mut dyn Write,
) -> Result<(), WriteError> {
    let mut records = header(schema);
    for batch in batches {
        let batch = batch?;
        let columns = schema.columns.iter().zip(batch.columns());
        let columns = columns.filter_map(|(column, array)| Cells::of(array, column.kind));
        let columns: Vec<_> = columns.collect();
        for row in 0..batch.num_rows() {
            write_row(&columns, row, &mut records).map_err(no_text)?;
            if records.len() >= CHUNK {
                out.write_all(records.as_bytes())?;
                records.clear();
            }
        }
    }
    Ok(out.write_all(records.as_bytes())?)
}

fn header(schema: &Schema) -> String {
    let mut header = String::new();
    for (number, column) in schema.columns.iter().enumerate() {
        if number > 0 {
            header.push(',');
        }
        push_text(&column.name, &mut header);
    }
    header + END
}

fn write_row(columns: &[Cells<'_>], row: usize, out: &mut String) -> fmt::Result {
    for (number, cells) in columns.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        if cells.is_null(row) {
            continue;
        }
        match cells.str(row) {
            Some(text) => push_text(text, out),
            None => cells.write_text(row, out)?,
        }
    }
    out.push_str(END);
    Ok(())
}

/// Adds a text, in quotes if it could be taken for anything but itself: PostgreSQL takes a line of
/// `\.` for the end of all.
fn push_text(text: &str, out: &mut String) {
    let has_edges = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    let is_plain = !text.is_empty() && text != "\\." && !has_edges;
    if is_plain && !text.contains(['"', ',', '\n', '\r']) {
        return out.push_str(text);
    }
    out.push('"');
    for (number, piece) in text.split('"').enumerate() {
        if number > 0 {
            out.push_str("\"\"");
        }
        out.push_str(piece);
    }
    out.push('"');
}

fn no_text(error: fmt::Error) -> WriteError {
    WriteError::Data(SinkError::lasting("the rows cannot be written as CSV").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_they_need_it() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("\"", "\"\"\"\""),
            ("a\nb\r\n", "\"a\nb\r\n\""),
            (" a", "\" a\""),
            ("\\.", "\"\\.\""),
            ("a\\.", "a\\."),
            ("é;☃", "é;☃"),
        ] {
            let mut out = String::new();
            push_text(text, &mut out);
            assert_eq!(out, expected);
        }
    }
}
