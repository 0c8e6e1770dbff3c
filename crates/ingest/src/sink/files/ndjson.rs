//! [pure] Rows as lines of JSON.

use std::{
    fmt::{self, Write as _},
    io::Write,
};

use arrow_array::RecordBatch;

use super::{
    cells::{Cells, write_on_one_line, write_quoted},
    error::WriteError,
};
use crate::{
    schema::Schema,
    sink::{Reject, SinkError, fits::is_json},
};

/// After so many bytes the lines so far are passed on.
const CHUNK: usize = 64 * 1024;

/// Writes batches that have the columns of `schema`, each row as an object on a line of its own.
pub(super) fn write(
    batches: &mut dyn Iterator<Item = Result<RecordBatch, SinkError>>,
    schema: &Schema,
    out: &mut dyn Write,
) -> Result<(), WriteError> {
    let mut lines = String::new();
    for batch in batches {
        let batch = batch?;
        let columns = columns(&batch, schema);
        for row in 0..batch.num_rows() {
            write_row(&columns, row, &mut lines).map_err(no_text)?;
            if lines.len() >= CHUNK {
                out.write_all(lines.as_bytes())?;
                lines.clear();
            }
        }
    }
    Ok(out.write_all(lines.as_bytes())?)
}

/// The columns, each with its name and a colon in JSON.
fn columns<'a>(batch: &'a RecordBatch, schema: &Schema) -> Vec<(String, Cells<'a>)> {
    let columns = schema.columns.iter().zip(batch.columns());
    let columns = columns.filter_map(|(column, array)| {
        let mut name = String::new();
        write_quoted(&column.name, &mut name).ok()?;
        name.push(':');
        Some((name, Cells::of(array, column.kind)?))
    });
    columns.collect()
}

fn write_row(columns: &[(String, Cells<'_>)], row: usize, out: &mut String) -> fmt::Result {
    out.push('{');
    for (number, (name, cells)) in columns.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        out.push_str(name);
        cells.write_json(row, out)?;
    }
    out.push_str("}\n");
    Ok(())
}

/// Writes the rows that a run has set aside, each with the reason. A row that is not JSON is a text.
pub(super) fn write_rejects(
    rejects: &[Reject],
    run: u64,
    out: &mut dyn Write,
) -> Result<(), WriteError> {
    for reject in rejects {
        let mut line = String::new();
        write_reject(reject, run, &mut line).map_err(no_text)?;
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn write_reject(reject: &Reject, run: u64, out: &mut String) -> fmt::Result {
    write!(out, "{{\"run\":{run},\"reason\":")?;
    write_quoted(&reject.reason, out)?;
    out.push_str(",\"row\":");
    match is_json(&reject.row) {
        true => write_on_one_line(reject.row.trim(), out)?,
        false => write_quoted(&reject.row, out)?,
    }
    out.push_str("}\n");
    Ok(())
}

fn no_text(error: fmt::Error) -> WriteError {
    WriteError::Data(SinkError::lasting("the rows cannot be written as JSON").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_set_aside_stay_as_they_came() {
        let reject = |reason: &str, row: &str| Reject { reason: reason.into(), row: row.into() };
        let rejects = [
            reject("no \"key\"", "{\n\"a\": 1.000000000000000000001\n}"),
            reject("not JSON", "{\"a\""),
        ];
        let mut bytes = Vec::new();
        write_rejects(&rejects, 7, &mut bytes).unwrap();
        let expected = "{\"run\":7,\"reason\":\"no \\\"key\\\"\",\"row\":{ \"a\": 1.000000000000000000001 }}\n\
                        {\"run\":7,\"reason\":\"not JSON\",\"row\":\"{\\\"a\\\"\"}\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
