//! [pure] The columns of a table: where its rows have them, how they grow and widen, and the rows that
//! are gathered in them.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
};

use arrow_array::RecordBatch;
use indexmap::IndexMap;

use super::{
    batch::BatchBuilder,
    cell::Cell,
    fault::Fault,
    growth::Growth,
    names::free_name,
    plain::{Holds, PlainRows},
    reader::{Cells, RowReader},
    value::Value,
};
use crate::{
    description::{Nested, SchemaPolicy},
    schema::{Column, ColumnType, Schema},
};

/// The most columns that a table grows to: databases have few more, and rows whose keys are data have
/// no end of them.
const MAX_COLUMNS: usize = 1000;

/// The column of items that are not objects.
const ITEM: &str = "value";

/// The columns of a table, and the rows that are gathered in them.
#[derive(Debug)]
pub(super) struct Columns {
    growth: Growth,
    pub(super) reader: RowReader,
    schema: Schema,
    /// Where in a row each column is whose name does not say it.
    paths: IndexMap<String, Vec<String>>,
    /// The `int` columns with numbers that a float does not hold.
    wide: BTreeSet<String>,
    /// The columns that get the type of their first value.
    untyped: BTreeSet<String>,
    /// How many columns are planned: the first ones.
    planned: usize,
    /// The columns that are left out.
    dropped: Vec<String>,
    /// How often more became known of columns: others, their types, numbers that a float does not hold.
    changes: usize,
    batch: BatchBuilder,
    /// Batches of the schemas before this one.
    done: Vec<RecordBatch>,
    /// About how many bytes the rows in them have.
    bytes: usize,
    /// The fields that are left out.
    discarded: BTreeSet<String>,
}

impl Columns {
    pub(super) fn new(
        growth: Growth,
        nested: Nested,
        wide: BTreeSet<String>,
        untyped: BTreeSet<String>,
    ) -> Self {
        Self {
            growth,
            reader: RowReader::new(nested),
            schema: Schema::default(),
            paths: IndexMap::new(),
            wide,
            untyped,
            planned: 0,
            dropped: Vec::new(),
            changes: 0,
            batch: BatchBuilder::new(Schema::default()),
            done: Vec::new(),
            bytes: 0,
            discarded: BTreeSet::new(),
        }
    }

    /// Adds a column that is known before the first row; without a type, it gets that of its first
    /// value.
    pub(super) fn plan(
        &mut self,
        name: String,
        kind: Option<ColumnType>,
        declared: bool,
        path: Vec<String>,
    ) {
        match kind {
            Some(_) => self.untyped.remove(&name),
            None => self.untyped.insert(name.clone()),
        };
        self.add(Column { name, kind: kind.unwrap_or(ColumnType::Bool), declared }, path);
        self.planned = self.schema.columns.len();
    }

    /// Leaves out the column of this name.
    pub(super) fn drop_column(&mut self, name: &str) {
        self.reader.drop_field([name]);
        self.dropped.push(name.to_owned());
    }

    /// Adds a column whose values are not read.
    pub(super) fn give(&mut self, name: String, kind: ColumnType) {
        self.reader.add_given();
        self.schema.columns.push(Column { name, kind, declared: false });
    }

    /// Adds the columns that there were before, unless they are there, and begins the first batch.
    pub(super) fn restore(&mut self, before: Schema, mut paths: IndexMap<String, Vec<String>>) {
        for column in before.columns {
            let path = paths.swap_remove(&column.name);
            let columns = &mut self.schema.columns;
            match columns.iter_mut().find(|own| own.name == column.name) {
                // The table has the wider type of before it was declared.
                Some(own) => {
                    own.kind = own.kind.widened(column.kind);
                    path.map(|path| self.claim(&path, &[]));
                }
                None => {
                    let path = path.unwrap_or_else(|| vec![column.name.clone()]);
                    self.restore_column(column, path);
                }
            }
        }
        self.begin_batch();
    }

    /// Adds a column that there was before. One that is left out now, or whose place a planned column
    /// has, gets no values any more.
    fn restore_column(&mut self, column: Column, path: Vec<String>) {
        let is_dropped = self.dropped.contains(&column.name) || self.is_dropped(&path);
        if is_dropped {
            self.reader.drop_field(path.iter().map(String::as_str));
        }
        if is_dropped || self.is_held(&path) {
            self.reader.add_given();
            self.append(column, path);
        } else {
            self.add(column, path);
        }
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn paths(&self) -> &IndexMap<String, Vec<String>> {
        &self.paths
    }

    pub(super) fn wide(&self) -> &BTreeSet<String> {
        &self.wide
    }

    pub(super) fn untyped(&self) -> &BTreeSet<String> {
        &self.untyped
    }

    pub(super) fn discarded(&self) -> &BTreeSet<String> {
        &self.discarded
    }

    /// Another number than before, if more has become known of columns.
    pub(super) fn changes(&self) -> usize {
        self.changes
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.schema.columns.iter().position(|column| column.name == name)
    }

    /// The column that is read at this place of a row.
    pub(super) fn position_of(&self, path: &[String]) -> Option<usize> {
        self.reader.column_at(path.iter().map(String::as_str))
    }

    /// How rows are read straight, `cursor` being the column that says what is new.
    pub(super) fn plain_rows(&self, cursor: Option<usize>) -> PlainRows {
        let mut rows = PlainRows::new(self.schema.columns.len(), cursor, self.growth.refuses);
        for (key, plain) in self.reader.plain_fields() {
            let holds = match plain.column {
                None => Holds::Nothing,
                Some(number) => match self.schema.columns.get(number) {
                    None => continue,
                    Some(column) if self.untyped.contains(&column.name) => Holds::Null,
                    Some(Column { name, kind, .. }) => {
                        Holds::Column { number, kind: *kind, is_wide: self.wide.contains(name) }
                    }
                },
            };
            rows.add(key, plain, holds);
        }
        rows
    }

    /// The cells of an item, for which columns are added as far as they may.
    pub(super) fn read_item<'a>(
        &mut self,
        item: &'a str,
        cells: &mut Cells<'a>,
    ) -> Result<(), Fault> {
        self.reader.read_item(item, cells).map_err(Fault::Row)?;
        if cells.unknown.is_empty() {
            return Ok(());
        }
        self.meet(&cells.unknown, &cells.values)?;
        self.reader.read_item(item, cells).map_err(Fault::Row)
    }

    /// Adds the values of a row to `values`. Columns may widen for them.
    pub(super) fn values<'a>(
        &mut self,
        cells: &[Cell<'a>],
        values: &mut Vec<Value<'a>>,
    ) -> Result<(), Fault> {
        for (number, cell) in cells.iter().enumerate() {
            values.push(self.value(number, cell)?);
        }
        Ok(())
    }

    /// A cell as a value of its column, which may widen for it.
    fn value<'a>(&mut self, number: usize, cell: &Cell<'a>) -> Result<Value<'a>, Fault> {
        let Some(column) = self.schema.columns.get(number) else {
            return Ok(Value::Null);
        };
        if let Some(reason) = cell.text().and_then(self.growth.refuses) {
            return Err(Fault::Row(format!("`{}` {reason}", self.growth.place_of(&column.name))));
        }
        if !self.untyped.is_empty()
            && let Some(kind) = cell.kind()
            && self.untyped.remove(&column.name)
        {
            self.changes += 1;
            self.set_kind(number, kind).map_err(Fault::Run)?;
            return Ok(Value::of(cell, kind).unwrap_or(Value::Null));
        }
        if let Some(value) = Value::of(cell, column.kind) {
            if value.is_wide() && !self.wide.contains(&column.name) {
                self.wide.insert(column.name.clone());
                self.changes += 1;
            }
            return Ok(value);
        }
        let misfit = format!("`{}` holds no {}", self.growth.place_of(&column.name), column.kind);
        match self.growth.policy {
            _ if column.declared => Err(Fault::Row(misfit)),
            SchemaPolicy::Evolve => {
                let kind = self.wider(column, cell);
                let value = Value::of(cell, kind).ok_or(Fault::Row(misfit))?;
                self.set_kind(number, kind).map_err(Fault::Run)?;
                Ok(value)
            }
            SchemaPolicy::Freeze => Err(Fault::Run(misfit)),
            _ => Err(Fault::Row(misfit)),
        }
    }

    /// The narrowest type that holds the values of a column and one more, with all their digits.
    fn wider(&self, column: &Column, cell: &Cell<'_>) -> ColumnType {
        let kind = column.kind.widened(cell.kind().unwrap_or(column.kind));
        let loses_digits = match kind {
            ColumnType::Float => self.wide.contains(&column.name),
            _ => false,
        };
        match loses_digits || Value::of(cell, kind).is_none() {
            true => kind.widened(ColumnType::Text),
            false => kind,
        }
    }

    /// Gives a column another type. Rows that are gathered keep theirs.
    pub(super) fn set_kind(&mut self, number: usize, kind: ColumnType) -> Result<(), String> {
        if self.schema.columns.get(number).is_none_or(|column| column.kind == kind) {
            return Ok(());
        }
        self.end_batch()?;
        if let Some(column) = self.schema.columns.get_mut(number) {
            column.kind = kind;
        }
        self.begin_batch();
        Ok(())
    }

    /// Whether a field of an object that is flattened is one of those that are left out, or is held
    /// by a planned column, which are known by the names that they have in the table. `cells` are those
    /// of its row: a field that has such a name by itself goes first.
    pub(super) fn claim(&mut self, path: &[String], cells: &[Cell<'_>]) -> bool {
        let (name, keys) = (path.join("_"), path.iter().map(String::as_str));
        if path.len() < 2 {
            return false;
        }
        if self.is_held(path) {
            return true;
        }
        if self.is_dropped(path) {
            self.reader.drop_field(keys);
            self.changes += 1;
            return true;
        }
        let is_free = |number: &usize| {
            let is_null = cells.get(*number).is_none_or(|cell| *cell == Cell::Null);
            *number < self.planned && is_null && !self.paths.contains_key(&name)
        };
        let Some(number) = self.position(&name).filter(is_free) else { return false };
        self.reader.bind(keys.clone(), number);
        self.reader.keep_lists(keys);
        self.paths.insert(name, path.to_vec());
        self.changes += 1;
        true
    }

    /// Whether what is at this path, or an object that it is in, is left out.
    fn is_dropped(&self, path: &[String]) -> bool {
        parts(path).any(|part| self.dropped.contains(&part.join("_")))
    }

    /// Whether a planned column holds what is at this path, or an object that it is in.
    fn is_held(&self, path: &[String]) -> bool {
        let mut columns = parts(path).filter_map(|part| self.position_of(part));
        columns.any(|number| number < self.planned)
    }

    /// Decides on the fields of a row that no column has; `cells` are those of its columns.
    pub(super) fn meet(
        &mut self,
        unknown: &[(Vec<String>, Cell<'_>)],
        cells: &[Cell<'_>],
    ) -> Result<(), Fault> {
        self.end_batch().map_err(Fault::Run)?;
        let mut met = HashSet::new();
        for (path, cell) in unknown {
            // One may be there twice.
            if !met.insert(path) || self.claim(path, cells) {
                continue;
            }
            let keys: Vec<&str> = match path.as_slice() {
                [] => vec![ITEM],
                path => path.iter().map(String::as_str).collect(),
            };
            let field = self.growth.place_of(&keys.join("."));
            match self.growth.policy {
                SchemaPolicy::Evolve => {
                    if self.schema.columns.len() >= MAX_COLUMNS {
                        let what = format!("`{field}` would be column {}", MAX_COLUMNS + 1);
                        return Err(Fault::Run(what));
                    }
                    let kind = cell.kind().unwrap_or(ColumnType::Text);
                    let taken = self.schema.columns.iter().map(|column| column.name.as_str());
                    let name = free_name(&keys.join("_"), taken);
                    self.add(Column { name, kind, declared: false }, path.clone());
                }
                SchemaPolicy::Discard => {
                    self.reader.drop_field(path.iter().map(String::as_str));
                    self.discarded.insert(field);
                }
                SchemaPolicy::Freeze => {
                    let why = match self.schema.columns.is_empty() {
                        true => ", nor any other, and `freeze` adds none: declare its `columns`",
                        false => "",
                    };
                    return Err(Fault::Run(format!("the table has no column for `{field}`{why}")));
                }
                _ => return Err(Fault::Row(format!("the table has no column for `{field}`"))),
            }
        }
        self.begin_batch();
        Ok(())
    }

    fn add(&mut self, column: Column, path: Vec<String>) {
        self.reader.add(path.iter().map(String::as_str));
        self.append(column, path);
    }

    /// Adds a column to the schema; its number is that of the last one in the reader.
    fn append(&mut self, column: Column, path: Vec<String>) {
        if path.len() != 1 || path.first() != Some(&column.name) {
            self.paths.insert(column.name.clone(), path);
        }
        self.schema.columns.push(column);
    }

    /// Gathers a row.
    pub(super) fn push<'a>(&mut self, row: impl IntoIterator<Item = Value<'a>>) {
        self.batch.push(row);
    }

    /// About how many bytes the rows have that were gathered.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.batch.bytes()
    }

    /// Takes the rows that were gathered.
    pub(super) fn take(&mut self) -> Result<Vec<RecordBatch>, String> {
        self.end_batch()?;
        self.bytes = 0;
        Ok(mem::take(&mut self.done))
    }

    fn begin_batch(&mut self) {
        self.changes += 1;
        self.batch = BatchBuilder::new(self.schema.clone());
    }

    /// Ends the batch, whose schema may change now.
    fn end_batch(&mut self) -> Result<(), String> {
        if self.batch.rows() > 0 {
            self.bytes += self.batch.bytes();
            let batch = self.batch.finish().map_err(|error| error.to_string())?;
            self.done.push(batch);
        }
        Ok(())
    }
}

/// The paths of the objects that a field is in, from the outermost, and its own.
fn parts(path: &[String]) -> impl Iterator<Item = &[String]> {
    (1..=path.len()).filter_map(move |length| path.get(..length))
}
