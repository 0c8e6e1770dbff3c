//! `apipool read`.

use futures::StreamExt;
use indexmap::{IndexMap, IndexSet};
use serde_json::value::RawValue;
use vantage_api_pool::vantage::{ApiCondition, PoolTableExt};
use vantage_table::prelude::OrderBy;

use super::{describe, pool};
use crate::{
    arguments::{Format, Read},
    failure::{Failure, unknown},
    output,
};

/// How many rows a printed table looks at to find its columns.
const LOOKED_AT: usize = 1000;

pub(crate) async fn run(read: &Read) -> Result<(), Failure> {
    let description = describe(&read.file)?;
    let source = description.source(pool(&description)?);
    let table = description.table(&read.table, &source);
    let names = description.tables.iter().map(|table| &table.name);
    let no_table = || unknown("the description has no table", &read.table, names);
    let mut table = table.ok_or_else(no_table)?;
    for (column, value) in &read.conditions {
        table.add_condition(ApiCondition::eq(column.as_str(), value.as_str()));
    }
    if let Some(order) = &read.order {
        table.add_order(match order.strip_prefix('-') {
            Some(column) => OrderBy::descending(ApiCondition::column(column)),
            None => OrderBy::ascending(ApiCondition::column(order.as_str())),
        });
    }
    let stream = table.stream_json().await.map_err(Failure::usage)?;
    let rows = stream.take(read.limit.unwrap_or(usize::MAX));
    print(read.format, rows).await
}

async fn print(
    format: Format,
    rows: impl futures::Stream<Item = Result<Box<RawValue>, vantage_api_pool::Error>>,
) -> Result<(), Failure> {
    let mut rows = std::pin::pin!(rows);
    let mut printer = Printer::new(format);
    let mut failed = None;
    while let Some(row) = rows.next().await {
        match row {
            Ok(row) => printer.row(&row)?,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    printer.finish()?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

type Row = IndexMap<String, Box<RawValue>>;

/// Prints rows as they come, as far as the format lets it.
struct Printer {
    format: Format,
    printed: usize,
    /// The rows that wait for the columns of all.
    kept: Vec<Row>,
    columns: IndexSet<String>,
}

impl Printer {
    fn new(format: Format) -> Self {
        Self { format, printed: 0, kept: Vec::new(), columns: IndexSet::new() }
    }

    fn row(&mut self, row: &RawValue) -> Result<(), Failure> {
        match self.format {
            Format::Ndjson => output::line(one_line(row.get())),
            Format::Json => {
                let before = if self.printed == 0 { "[\n" } else { ",\n" };
                output::text(format_args!("{before}{}", row.get()));
            }
            Format::Table | Format::Csv => {
                let row: Row = serde_json::from_str(row.get()).map_err(Failure::run)?;
                if self.printed < LOOKED_AT {
                    self.columns.extend(row.keys().cloned());
                    self.kept.push(row);
                } else {
                    self.release()?;
                    self.cells(&row)?;
                }
            }
        }
        self.printed += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        match self.format {
            Format::Ndjson => {}
            Format::Json if self.printed == 0 => output::line("[]"),
            Format::Json => output::line("\n]"),
            Format::Table | Format::Csv => self.release()?,
        }
        Ok(())
    }

    /// Prints the head and the rows that were kept.
    fn release(&mut self) -> Result<(), Failure> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let kept = std::mem::take(&mut self.kept);
        if self.format == Format::Csv {
            let columns: Vec<_> = self.columns.iter().cloned().collect();
            self.record(&columns)?;
            return kept.iter().try_for_each(|row| self.cells(row));
        }
        let cells = |row: &Row| {
            self.columns.iter().map(|column| shown(row.get(column).map(|value| &**value))).collect()
        };
        let rows: Vec<Vec<String>> = kept.iter().map(cells).collect();
        let columns: Vec<String> = self.columns.iter().cloned().collect();
        let width = |column: usize| {
            let widths = rows.iter().chain([&columns]).map(|row| row[column].chars().count());
            widths.max().unwrap_or(0).min(WIDEST)
        };
        let widths: Vec<_> = (0..columns.len()).map(width).collect();
        for row in [&columns].into_iter().chain(&rows) {
            output::line(padded(row, &widths));
        }
        Ok(())
    }

    fn cells(&self, row: &Row) -> Result<(), Failure> {
        let cells: Vec<_> = self
            .columns
            .iter()
            .map(|column| shown(row.get(column).map(|value| &**value)))
            .collect();
        if self.format == Format::Csv {
            return self.record(&cells);
        }
        output::line(cells.join("  "));
        Ok(())
    }

    fn record(&self, cells: &[String]) -> Result<(), Failure> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(cells).map_err(Failure::run)?;
        let record = writer.into_inner().map_err(Failure::run)?;
        output::text(String::from_utf8_lossy(&record));
        Ok(())
    }
}

/// The widest column of a printed table, in characters.
const WIDEST: usize = 40;

fn padded(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| {
        let cell: String = match cell.chars().count() > *width {
            true => cell.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
            false => cell.clone(),
        };
        format!("{cell:width$}")
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// A value for people: texts without quotes, and nothing for null.
fn shown(value: Option<&RawValue>) -> String {
    let text = value.map_or("null", RawValue::get);
    if text == "null" {
        return String::new();
    }
    serde_json::from_str::<String>(text).unwrap_or_else(|_| one_line(text))
}

/// JSON without line ends, which may be between its parts only.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
