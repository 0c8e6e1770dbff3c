//! A table that a job has written.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    common::Statistics,
    datasource::{TableType, sink::DataSinkExec},
    error::{DataFusionError, Result},
    logical_expr::{Expr, TableProviderFilterPushDown as PushDown, dml::InsertOp},
    physical_plan::{ExecutionPlan, streaming::StreamingTableExec},
};
use vantage_api_ingest::{
    schema::{Column, Schema},
    sink::Stored,
};

use super::{insert::StoreSink, rows::StoreRows};

/// A table that a job has written, as it was when it was looked up.
#[derive(Debug)]
pub(super) struct StoreTable {
    stored: Stored,
    /// What it is called in errors.
    what: String,
    columns: Schema,
    schema: SchemaRef,
    /// What reads its files, if DataFusion does so by itself.
    in_files: Option<Arc<dyn TableProvider>>,
}

impl StoreTable {
    pub(super) fn new(
        stored: Stored,
        what: String,
        columns: Schema,
        in_files: Option<Arc<dyn TableProvider>>,
    ) -> Self {
        Self { stored, what, schema: columns.arrow(), columns, in_files }
    }
}

#[async_trait]
impl TableProvider for StoreTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<PushDown>> {
        match &self.in_files {
            Some(files) => files.supports_filters_pushdown(filters),
            None => Ok(vec![PushDown::Unsupported; filters.len()]),
        }
    }

    fn statistics(&self) -> Option<Statistics> {
        self.in_files.as_ref()?.statistics()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(files) = &self.in_files {
            return files.scan(state, projection, filters, limit).await;
        }
        let (schema, columns) = match projection {
            None => (Arc::clone(&self.schema), self.columns.clone()),
            Some(projection) => {
                let columns = projection.iter().filter_map(|at| self.columns.columns.get(*at));
                let columns: Vec<Column> = columns.cloned().collect();
                (Arc::new(self.schema.project(projection)?), Schema { columns })
            }
        };
        let rows = Arc::new(StoreRows {
            stored: self.stored.clone(),
            what: self.what.clone(),
            columns,
            schema: Arc::clone(&schema),
        });
        let scan = StreamingTableExec::try_new(schema, vec![rows], None, None, false, limit)?;
        Ok(Arc::new(scan))
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if operation != InsertOp::Append {
            let what = format!("{operation} into {}: rows can only be inserted", self.what);
            return Err(DataFusionError::NotImplemented(what));
        }
        let sink = StoreSink::new(self.stored.clone(), self.what.clone(), &self.schema);
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}
