//! [pure] The columns of a table: their types, where rows have them, and which ones are parameters.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use vantage_api_ingest::{
    rows::RowColumn,
    schema::{Column, ColumnType, Schema as RowSchema},
};

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    /// Where rows have it, key by key.
    pub(crate) path: Vec<String>,
    /// Whether a row may be without a value.
    pub(crate) is_nullable: bool,
    /// Whether it says what is asked for, so that rows have the value that they were asked for by: a
    /// parameter of requests, or a placeholder of the path.
    pub(crate) is_parameter: bool,
}

/// The columns of a table, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) all: Vec<SourceColumn>,
    pub(crate) schema: SchemaRef,
}

impl Columns {
    pub(crate) fn new(all: Vec<SourceColumn>) -> Self {
        let arrow = row_schema(&all).arrow();
        let fields = arrow.fields().iter().zip(&all);
        let fields = fields
            .map(|(field, column)| Arc::new(Field::clone(field).with_nullable(column.is_nullable)));
        Self { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())), all }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&SourceColumn> {
        self.all.iter().find(|column| column.name == name)
    }

    /// The types of all columns, as jobs know them.
    pub(crate) fn rows(&self) -> RowSchema {
        row_schema(&self.all)
    }
}

impl SourceColumn {
    /// What is decoded of a row for it.
    pub(crate) fn decoded(&self) -> RowColumn {
        RowColumn::new(&self.name, self.kind).at(&self.path)
    }
}

fn row_schema(columns: &[SourceColumn]) -> RowSchema {
    let columns = columns.iter().map(|SourceColumn { name, kind, .. }| Column {
        name: name.clone(),
        kind: *kind,
        declared: true,
    });
    RowSchema { columns: columns.collect() }
}
