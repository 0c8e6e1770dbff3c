//! Rows of a query as text, in the format that was asked for.

use std::{fmt::Display, mem};

use console::{Alignment, measure_text_width, pad_str};
use vantage_api_sql::datafusion::arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema},
    error::ArrowError,
};

use super::{
    cells::{each_row, harmless, harmless_lines},
    json::JsonLines,
    table::{Column, Table},
};
use crate::arguments::Format;

/// The columns of a plan that is explained.
const PLAN: [&str; 2] = ["plan_type", "plan"];

/// Turns rows into text as they come.
#[derive(Debug)]
pub(crate) enum Printer {
    Table(Table),
    /// Each row as lines of column and value, with the names of the columns and the number of rows.
    Expanded(Vec<String>, usize),
    /// Plans, which are texts of several lines.
    Plans,
    Json(JsonLines, IsFirst),
    Ndjson(JsonLines),
    /// With the record of the names of the columns, until it is printed.
    Csv(Vec<Vec<String>>),
    /// A statement without rows.
    Nothing,
}

/// Whether no row was printed yet.
type IsFirst = bool;

impl Printer {
    /// Prints rows of such columns.
    ///
    /// # Errors
    /// If the format needs other names for them.
    pub(crate) fn new(format: Format, is_expanded: bool, schema: &Schema) -> Result<Self, String> {
        let fields = schema.fields();
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        if names.is_empty() {
            return Ok(Self::Nothing);
        }
        Ok(match format {
            Format::Table if names == PLAN => Self::Plans,
            Format::Table if is_expanded => Self::Expanded(names, 0),
            Format::Table => Self::Table(Table::new(
                fields.iter().map(|field| column(field.name(), field.data_type())).collect(),
            )),
            Format::Csv => Self::Csv(vec![names]),
            Format::Json | Format::Ndjson => {
                if let Some(name) = repeated(&names) {
                    return Err(format!(
                        "two columns are called `{name}`, and a row of JSON keeps one of them: name \
                         one with AS"
                    ));
                }
                match format {
                    Format::Json => Self::Json(JsonLines::new(), true),
                    _ => Self::Ndjson(JsonLines::new()),
                }
            }
        })
    }

    /// What is printed once these rows have come.
    ///
    /// # Errors
    /// For values that the format has no form for.
    pub(crate) fn rows(&mut self, batch: &RecordBatch) -> Result<String, ArrowError> {
        let mut text = String::new();
        match self {
            Self::Nothing => {}
            Self::Table(table) => {
                each_row(batch, |cells| table.add(&cells))?;
                text = table.take();
            }
            Self::Expanded(names, rows) => each_row(batch, |cells| {
                *rows += 1;
                expand(names, &cells, *rows, &mut text);
            })?,
            Self::Plans => each_row(batch, |cells| {
                let lines = cells.iter().flat_map(|cell| harmless_lines(cell.trim_end()));
                lines.for_each(|line| add_line(&mut text, &line));
            })?,
            Self::Ndjson(lines) => text = lines.lines(batch)?,
            Self::Json(lines, is_first) => {
                for line in lines.lines(batch)?.lines() {
                    text.push_str(if mem::replace(is_first, false) { "[\n" } else { ",\n" });
                    text.push_str(line);
                }
            }
            Self::Csv(head) => {
                let mut rows = mem::take(head);
                each_row(batch, |cells| rows.push(cells))?;
                text = records(rows)?;
            }
        }
        Ok(text)
    }

    /// What is printed at the end.
    ///
    /// # Errors
    /// For names of columns that the format has no form for.
    pub(crate) fn finish(&mut self) -> Result<String, ArrowError> {
        Ok(match self {
            Self::Nothing | Self::Plans | Self::Ndjson(_) => String::new(),
            Self::Table(table) => table.finish(),
            Self::Expanded(_, 0) => "(0 rows)\n".to_owned(),
            Self::Expanded(..) => String::new(),
            Self::Json(_, true) => "[]\n".to_owned(),
            Self::Json(_, false) => "\n]\n".to_owned(),
            Self::Csv(head) => records(mem::take(head))?,
        })
    }
}

fn column(name: &str, kind: &DataType) -> Column {
    Column { name: name.to_owned(), is_number: kind.is_numeric() }
}

/// A name that is there twice.
fn repeated(names: &[String]) -> Option<&String> {
    let is_repeated =
        |(index, name): &(usize, &String)| names.iter().take(*index).any(|other| other == *name);
    names.iter().enumerate().find(is_repeated).map(|(_, name)| name)
}

/// Adds a row as lines of column and value.
fn expand(names: &[String], cells: &[String], row: usize, text: &mut String) {
    add_line(text, &format!("-[ row {row} ]-"));
    let width = names.iter().map(|name| measure_text_width(&harmless(name))).max().unwrap_or(0);
    for (name, cell) in names.iter().zip(cells) {
        let name = harmless(name);
        let mut before = pad_str(&name, width, Alignment::Left, None);
        for line in harmless_lines(cell) {
            add_line(text, format!("{before}  {line}").trim_end());
            before = " ".repeat(width).into();
        }
    }
}

fn add_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// Records of CSV.
fn records(records: impl IntoIterator<Item = Vec<String>>) -> Result<String, ArrowError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for record in records {
        csv.write_record(&record).map_err(|error| not_csv(&error))?;
    }
    let bytes = csv.into_inner().map_err(|error| not_csv(&error))?;
    String::from_utf8(bytes).map_err(|error| not_csv(&error))
}

fn not_csv(error: &dyn Display) -> ArrowError {
    ArrowError::CsvError(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vantage_api_sql::datafusion::arrow::{
        array::{ArrayRef, Int64Array, StringArray},
        datatypes::{Field, SchemaRef},
    };

    use super::*;

    fn schema(names: [&str; 2]) -> SchemaRef {
        let [a, b] = names;
        Arc::new(Schema::new(vec![
            Field::new(a, DataType::Int64, true),
            Field::new(b, DataType::Utf8, true),
        ]))
    }

    fn rows() -> RecordBatch {
        let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let b: ArrayRef = Arc::new(StringArray::from(vec!["x, \"y\"", "two\nlines"]));
        RecordBatch::try_new(schema(["a", "b"]), vec![a, b]).unwrap()
    }

    fn printed(format: Format, is_expanded: bool, batches: &[RecordBatch]) -> String {
        let mut printer = Printer::new(format, is_expanded, &schema(["a", "b"])).unwrap();
        let mut text: String = batches.iter().map(|batch| printer.rows(batch).unwrap()).collect();
        text.push_str(&printer.finish().unwrap());
        text
    }

    #[test]
    fn each_format_has_all_rows() {
        let twice = [rows(), rows()];
        let of = |format| printed(format, false, &twice);
        let ndjson = "{\"a\":1,\"b\":\"x, \\\"y\\\"\"}\n{\"a\":null,\"b\":\"two\\nlines\"}\n";
        assert_eq!(of(Format::Ndjson), ndjson.repeat(2));
        let csv = "1,\"x, \"\"y\"\"\"\n,\"two\nlines\"\n";
        assert_eq!(of(Format::Csv), format!("a,b\n{csv}{csv}"));
        let json: Vec<serde_json::Value> = serde_json::from_str(&of(Format::Json)).unwrap();
        assert_eq!((json.len(), &json[3]["b"]), (4, &"two\nlines".into()));
        assert!(of(Format::Table).ends_with("   two\\nlines\n(4 rows)\n"));
        let said = "-[ row 1 ]-\na  1\nb  x, \"y\"\n-[ row 2 ]-\na\nb  two\n   lines\n";
        assert_eq!(printed(Format::Table, true, &[rows()]), said);
    }

    // duckdb/duckdb#1305, dbcli/litecli#18
    #[test]
    fn no_rows_are_no_empty_output() {
        let of = |format, is_expanded| printed(format, is_expanded, &[]);
        assert_eq!(of(Format::Csv, false), "a,b\n");
        assert_eq!(of(Format::Json, false), "[]\n");
        assert_eq!(of(Format::Ndjson, false), "");
        assert_eq!(of(Format::Table, false), "a  b\n-  -\n(0 rows)\n");
        assert_eq!(of(Format::Table, true), "(0 rows)\n");
        let mut nothing = Printer::new(Format::Json, false, &Schema::empty()).unwrap();
        assert_eq!(nothing.finish().unwrap(), "");
    }

    #[test]
    fn a_row_of_json_has_each_name_once() {
        let new = |format| Printer::new(format, false, &schema(["a", "a"]));
        assert!(new(Format::Csv).is_ok() && new(Format::Table).is_ok());
        for format in [Format::Json, Format::Ndjson] {
            assert!(new(format).unwrap_err().contains("two columns are called `a`"));
        }
    }

    #[test]
    fn a_plan_is_printed_as_it_is() {
        let schema = Arc::new(Schema::new(
            PLAN.map(|name| Field::new(name, DataType::Utf8, false)).to_vec(),
        ));
        let columns: [ArrayRef; 2] = [
            Arc::new(StringArray::from(vec!["physical_plan"])),
            Arc::new(StringArray::from(vec!["A\n  B\n"])),
        ];
        let plan = RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap();
        let mut printer = Printer::new(Format::Table, false, &schema).unwrap();
        assert_eq!(printer.rows(&plan).unwrap(), "physical_plan\nA\n  B\n");
    }
}
