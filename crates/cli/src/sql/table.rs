//! Rows as a table for people.

use std::mem;

use console::{Alignment, measure_text_width, pad_str};

use super::cells::harmless;

/// How many rows a table looks at for the widths of its columns.
const LOOKED_AT: usize = 1000;
/// The widest column, in characters of a terminal.
const WIDEST: usize = 60;
/// What stands between columns.
const GAP: &str = "  ";

/// A table, which is printed in parts.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    /// Those of the columns, once enough rows are known, and the head is printed.
    widths: Option<Vec<usize>>,
    /// The rows that wait to be printed.
    waiting: Vec<Vec<String>>,
    rows: usize,
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Whether it has numbers, which stand on the right.
    pub(crate) is_number: bool,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, widths: None, waiting: Vec::new(), rows: 0 }
    }

    /// Adds a row, which has a cell for each column.
    pub(crate) fn add(&mut self, cells: &[String]) {
        self.waiting.push(cells.iter().map(|cell| harmless(cell).into_owned()).collect());
        self.rows += 1;
    }

    /// What can be printed now: nothing before the 1,000th row, and from then on all there is.
    pub(crate) fn take(&mut self) -> String {
        match self.rows < LOOKED_AT {
            true => String::new(),
            false => self.take_all(),
        }
    }

    /// The rest, with the number of rows.
    pub(crate) fn finish(&mut self) -> String {
        let mut text = self.take_all();
        let plural = if self.rows == 1 { "" } else { "s" };
        text.push_str(&format!("({} row{plural})\n", self.rows));
        text
    }

    fn take_all(&mut self) -> String {
        let (mut text, rows) = (String::new(), mem::take(&mut self.waiting));
        let widths = match self.widths.take() {
            Some(widths) => widths,
            None => {
                let head = self.columns.iter().map(|column| harmless(&column.name).into_owned());
                let head: Vec<String> = head.collect();
                let widths = widths_of(head.len(), rows.iter().chain([&head]));
                text.push_str(&self.line(&head, &widths));
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                text.push_str(&self.line(&rule, &widths));
                widths
            }
        };
        rows.iter().for_each(|row| text.push_str(&self.line(row, &widths)));
        self.widths = Some(widths);
        text
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let cells = cells.iter().zip(widths).zip(&self.columns).map(|((cell, width), column)| {
            let side = if column.is_number { Alignment::Right } else { Alignment::Left };
            // One that is wider than the first rows pushes the others aside.
            let width = measure_text_width(cell).clamp(*width, WIDEST.max(*width));
            pad_str(cell, width, side, Some("…"))
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        format!("{}\n", line.trim_end())
    }
}

/// The widths of so many columns.
fn widths_of<'a>(columns: usize, rows: impl Iterator<Item = &'a Vec<String>>) -> Vec<usize> {
    let mut widths = vec![0; columns];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).min(WIDEST).max(*width);
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |name: &str, is_number| Column { name: name.to_owned(), is_number };
        Table::new(vec![column("name", false), column("n", true)])
    }

    fn add(table: &mut Table, cells: [&str; 2]) {
        table.add(&cells.map(str::to_owned));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = table();
        add(&mut table, ["Zürich", "7"]);
        add(&mut table, ["東京", "1200"]);
        assert_eq!(table.take(), "");
        let said = "name       n\n------  ----\nZürich     7\n東京    1200\n(2 rows)\n";
        assert_eq!(table.finish(), said);
    }

    #[test]
    fn a_table_without_rows_has_a_head() {
        assert_eq!(table().finish(), "name  n\n----  -\n(0 rows)\n");
    }

    #[test]
    fn a_cell_is_one_line_and_not_too_wide() {
        let mut table = table();
        add(&mut table, [&"a".repeat(61), "1"]);
        add(&mut table, ["b\n\x1b[2J", "2"]);
        let said = table.finish();
        assert!(said.contains(&format!("{}…  1\n", "a".repeat(59))), "{said}");
        assert!(said.contains("b\\n\\u{1b}[2J "), "{said}");
    }

    #[test]
    fn the_first_rows_give_the_widths_of_all() {
        let mut table = table();
        for _ in 0..LOOKED_AT {
            assert_eq!(table.take(), "");
            add(&mut table, ["abc", "1"]);
        }
        assert_eq!(table.take().lines().count(), LOOKED_AT + 2);
        add(&mut table, ["a longer one", "22"]);
        add(&mut table, ["a", "3"]);
        assert_eq!(table.take(), "a longer one  22\na     3\n");
        assert_eq!(table.finish(), "(1002 rows)\n");
    }
}
