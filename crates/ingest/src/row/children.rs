//! [pure] The child tables of a stream: the items of the lists in its rows.

use std::{collections::BTreeSet, mem};

use arrow_array::RecordBatch;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::{
    columns::Columns, fault::Fault, growth::Growth, names::free_name, reader::Cells,
    rules::RowRules, value::Value,
};
use crate::{
    description::{Nested, SchemaPolicy},
    schema::{Column, ColumnType},
    state::ChildState,
};

/// The most child tables of a stream: objects whose keys are data have lists at no end of places.
const MAX_TABLES: usize = 100;

/// The column of the place of an item in its list.
const INDEX: &str = "_index";

/// The items of a list in some rows.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) batches: Vec<RecordBatch>,
    /// Which of the rows each item is of: how many were written before it.
    pub(crate) rows: Vec<usize>,
}

/// The child tables of a stream.
#[derive(Debug)]
pub(super) struct Children {
    stream: String,
    policy: SchemaPolicy,
    refuses: fn(&str) -> Option<&'static str>,
    /// The columns of the stream's key, as they are called in a child table, with their types.
    key: Vec<(String, ColumnType)>,
    tables: Vec<ChildTable>,
    /// The lists that are left out.
    discarded: BTreeSet<String>,
}

#[derive(Debug)]
struct ChildTable {
    name: String,
    /// Where in a row the list is.
    path: Vec<String>,
    columns: Columns,
    /// Which row of the stream each item that was gathered is of.
    rows: Vec<usize>,
}

/// The items of a list in a row, before they are in the table of this number.
#[derive(Debug)]
pub(super) struct Gathered<'a> {
    table: usize,
    items: Vec<Vec<Value<'a>>>,
}

impl Children {
    pub(super) fn new(rules: &RowRules) -> Self {
        let RowRules { stream, policy, refuses, key, .. } = rules;
        let key = key.iter().map(|column| (format!("_{stream}_{column}"), ColumnType::Bool));
        Self {
            stream: stream.clone(),
            policy: *policy,
            refuses: *refuses,
            key: key.collect(),
            tables: Vec::new(),
            discarded: BTreeSet::new(),
        }
    }

    /// Adds the tables that there were before.
    pub(super) fn restore(&mut self, before: IndexMap<String, ChildState>, parent: &mut Columns) {
        for (name, state) in before {
            // Its list may be left out by now, or be kept in a planned column.
            parent.claim(&state.path, &[]);
            self.add(name, state, parent);
        }
    }

    fn add(&mut self, name: String, state: ChildState, parent: &mut Columns) {
        let ChildState { path, schema, paths, wide } = state;
        parent.reader.add_lists(path.iter().map(String::as_str));
        let within = path.join(".");
        let growth = Growth { within, policy: self.policy, refuses: self.refuses };
        let mut columns = Columns::new(growth, Nested::Flatten, wide, BTreeSet::new());
        for (name, kind) in &self.key {
            columns.give(name.clone(), *kind);
        }
        columns.give(INDEX.to_owned(), ColumnType::Int);
        columns.restore(schema, paths);
        self.tables.push(ChildTable { name, path, columns, rows: Vec::new() });
    }

    /// The names of the tables by their numbers.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.tables.iter().map(|table| table.name.as_str())
    }

    /// The fields that were left out.
    pub(super) fn discarded(&self) -> impl Iterator<Item = &String> {
        let fields = self.tables.iter().flat_map(|table| table.columns.discarded());
        self.discarded.iter().chain(fields)
    }

    pub(super) fn learned(&self) -> IndexMap<String, ChildState> {
        let state = |table: &ChildTable| {
            let ChildTable { name, path, columns, .. } = table;
            let state = ChildState {
                path: path.clone(),
                schema: columns.schema().clone(),
                paths: columns.paths().clone(),
                wide: columns.wide().clone(),
            };
            (name.clone(), state)
        };
        self.tables.iter().map(state).collect()
    }

    /// Takes over the types of the stream's key.
    pub(super) fn set_key(&mut self, key: &[&Column]) -> Result<(), String> {
        for (number, ((_, own), column)) in self.key.iter_mut().zip(key).enumerate() {
            *own = column.kind;
            for table in &mut self.tables {
                table.columns.set_kind(number, column.kind)?;
            }
        }
        Ok(())
    }

    /// Decides on lists that no table has.
    pub(super) fn meet(
        &mut self,
        unknown: &[Vec<String>],
        parent: &mut Columns,
    ) -> Result<(), Fault> {
        for path in unknown {
            let field = path.join(".");
            match self.policy {
                // A field may be there twice.
                _ if self.tables.iter().any(|table| table.path == *path) => {}
                SchemaPolicy::Evolve => {
                    if self.tables.len() >= MAX_TABLES {
                        let what = format!("`{field}` would be child table {}", MAX_TABLES + 1);
                        return Err(Fault::Run(what));
                    }
                    let name = self.free_name(path);
                    self.add(name, ChildState { path: path.clone(), ..Default::default() }, parent);
                }
                SchemaPolicy::Discard => {
                    parent.reader.drop_lists(path.iter().map(String::as_str));
                    self.discarded.insert(field);
                }
                SchemaPolicy::Freeze => {
                    return Err(Fault::Run(format!("there is no child table for `{field}`")));
                }
                SchemaPolicy::Quarantine => {
                    return Err(Fault::Row(format!("there is no child table for `{field}`")));
                }
            }
        }
        Ok(())
    }

    fn free_name(&self, path: &[String]) -> String {
        free_name(&format!("{}_{}", self.stream, path.join("_")), self.names())
    }

    /// The items of the lists of a row, whose texts are in the order of the tables.
    pub(super) fn gather<'a>(
        &mut self,
        lists: &[Option<&'a str>],
        cells: &mut Cells<'a>,
        gathered: &mut Vec<Gathered<'a>>,
    ) -> Result<(), Fault> {
        for (number, (table, list)) in self.tables.iter_mut().zip(lists).enumerate() {
            if let Some(list) = *list {
                gathered.push(Gathered { table: number, items: table.items(list, cells)? });
            }
        }
        Ok(())
    }

    /// Adds what was gathered for the row of the stream that so many were written before.
    pub(super) fn push<'a>(
        &mut self,
        row: usize,
        key: &[Value<'a>],
        gathered: impl Iterator<Item = Gathered<'a>>,
    ) {
        for Gathered { table, items } in gathered {
            if let Some(table) = self.tables.get_mut(table) {
                (0..).zip(items).for_each(|(index, item)| table.push(row, key, index, item));
            }
        }
    }

    /// Another number than before, if more has become known of them.
    pub(super) fn changes(&self) -> usize {
        let of_columns = self.tables.iter().map(|table| table.columns.changes());
        self.tables.len() + of_columns.sum::<usize>()
    }

    /// About how many bytes the items have that were gathered.
    pub(super) fn bytes(&self) -> usize {
        self.tables.iter().map(|table| table.columns.bytes()).sum()
    }

    /// Takes the items that were gathered, by their tables.
    pub(super) fn take(&mut self) -> Result<IndexMap<String, Items>, String> {
        let mut all = IndexMap::new();
        for ChildTable { name, columns, rows, .. } in &mut self.tables {
            let batches = columns.take()?;
            if !batches.is_empty() {
                all.insert(name.clone(), Items { batches, rows: mem::take(rows) });
            }
        }
        Ok(all)
    }
}

impl ChildTable {
    /// The items of a list, with room for the key and the place of each.
    fn items<'a>(
        &mut self,
        list: &'a str,
        cells: &mut Cells<'a>,
    ) -> Result<Vec<Vec<Value<'a>>>, Fault> {
        let items: Vec<&'a RawValue> =
            serde_json::from_str(list).map_err(|error| Fault::Row(error.to_string()))?;
        loop {
            let changes = self.columns.changes();
            let mut all = Vec::with_capacity(items.len());
            for &item in &items {
                self.columns.read_item(item.get(), cells)?;
                let mut values = Vec::with_capacity(cells.values.len());
                self.columns.values(&cells.values, &mut values)?;
                all.push(values);
            }
            // A column that has widened in between would not take the values of before.
            if self.columns.changes() == changes {
                return Ok(all);
            }
        }
    }

    fn push<'a>(&mut self, row: usize, key: &[Value<'a>], index: i64, mut item: Vec<Value<'a>>) {
        let given = key.iter().cloned().chain([Value::Int(index)]);
        for (own, given) in item.iter_mut().zip(given) {
            *own = given;
        }
        self.columns.push(item);
        self.rows.push(row);
    }
}
