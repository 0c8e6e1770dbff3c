//! A Vista for DataFusion.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    datasource::{TableType, sink::DataSinkExec},
    error::{DataFusionError, Result},
    logical_expr::{Expr, TableProviderFilterPushDown as PushDown, dml::InsertOp},
    physical_plan::ExecutionPlan,
};
use vantage_api_ingest::schema::ColumnType;
use vantage_vista::{Capability, Vista};

use super::{
    exec::VistaScanExec,
    narrowing::{kind_named, narrowed},
};
use crate::{
    error::SqlError,
    table::{Columns, SourceColumn},
    write::RowSink,
};

/// A Vista, for [`SessionContext::register_table`](datafusion::prelude::SessionContext::register_table):
/// the rows of any source of Vantage, with the conditions that it has.
///
/// Its columns have the types that it names as a description does, such as `int`, or as Rust does; those
/// of which nothing is known are text. Conditions on flags, integers, floats and texts that the Vista
/// takes narrow it; those on others, and on columns of which nothing is known, are those of the query
/// alone, since a Vista may have other values there. Where it may find more rows than SQL does, such as
/// by texts or by an order, they are checked again. With a limit it is asked for that many rows. It is
/// read by its cursors, if it has them, 10,000 rows at a time, where an API may be asked twice for the
/// page between; else all of its rows are in memory while a query reads it. The tables of an API are
/// better read by [`ApiTableProvider`](crate::ApiTableProvider). `INSERT` sends rows to one that takes them.
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use std::sync::Arc;
/// use vantage_api_sql::VistaTableProvider;
/// use vantage_vista::Vista;
///
/// # fn demo(cities: Vista) -> Result<(), Box<dyn std::error::Error>> {
/// let context = SessionContext::new();
/// context.register_table("cities", Arc::new(VistaTableProvider::of(cities)))?;
/// # Ok(()) }
/// ```
pub struct VistaTableProvider {
    vista: Vista,
    columns: Columns,
}

impl VistaTableProvider {
    /// The table of a Vista.
    #[must_use]
    pub fn of(vista: Vista) -> Self {
        let columns = vista.columns().values().map(|column| SourceColumn {
            name: column.name.clone(),
            kind: kind_named(column).unwrap_or(ColumnType::Text),
            path: vec![column.name.clone()],
            is_nullable: true,
            is_parameter: false,
        });
        let columns = Columns::new(columns.collect());
        Self { vista, columns }
    }
}

#[async_trait]
impl TableProvider for VistaTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<PushDown>> {
        let (_, taken) = narrowed(&self.vista, &self.columns, filters);
        let each = taken.into_iter().map(|taken| match taken {
            Some(true) => PushDown::Exact,
            Some(false) => PushDown::Inexact,
            None => PushDown::Unsupported,
        });
        Ok(each.collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (vista, taken) =
            narrowed(&self.vista, &self.columns, &filters.iter().collect::<Vec<_>>());
        if taken.contains(&None) {
            // Together with others than before.
            let what = "a condition was taken and is no more";
            return Err(SqlError::table(self.vista.name(), what).into());
        }
        // Rows that are left out later do not count.
        let limit = limit.filter(|_| taken.iter().all(|taken| *taken == Some(true)));
        let wanted = projection.cloned().unwrap_or_else(|| (0..self.columns.all.len()).collect());
        let schema = Arc::new(self.columns.schema.project(&wanted)?);
        let columns = wanted.iter().filter_map(|at| self.columns.all.get(*at).cloned()).collect();
        Ok(Arc::new(VistaScanExec::new(vista, columns, schema, limit)))
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let name = self.vista.name();
        if operation != InsertOp::Append {
            let what = format!("{operation} into `{name}`: rows can only be inserted");
            return Err(DataFusionError::NotImplemented(what));
        }
        if !self.vista.capabilities().has(Capability::Insert) {
            return Err(SqlError::table(name, "it takes no rows").into());
        }
        let sink = RowSink::new(name, Arc::new(self.vista.clone()), self.columns.rows());
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}

impl fmt::Debug for VistaTableProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VistaTableProvider").field("vista", &self.vista).finish_non_exhaustive()
    }
}
