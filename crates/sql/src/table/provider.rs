//! A table of an API for DataFusion.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use ciborium::Value;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    common::{DFSchema, Statistics, stats::Precision},
    datasource::{TableType, sink::DataSinkExec},
    error::{DataFusionError, Result},
    logical_expr::{
        Expr, TableProviderFilterPushDown as PushDown, dml::InsertOp, utils::conjunction,
    },
    physical_plan::{
        ExecutionPlan, empty::EmptyExec, filter::FilterExec, projection::ProjectionExec,
    },
};
use vantage_api_ingest::description::{SqlSettings, TableDescription};
use vantage_api_pool::PoolApi;
use vantage_table::table::Table;
use vantage_types::Entity;

use super::{Source, infer};
use crate::{
    error::SqlError,
    pushdown::{Request, Wanted},
    scan::ApiScanExec,
    write::RowSink,
};

/// A table of an API, for [`SessionContext::register_table`](datafusion::prelude::SessionContext::register_table).
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use std::sync::Arc;
/// use vantage_api_pool::{AwwPool, PoolApi};
/// use vantage_api_sql::ApiTableProvider;
/// use vantage_table::table::Table;
/// use vantage_types::EmptyEntity;
///
/// # fn demo(pool: AwwPool) -> Result<(), Box<dyn std::error::Error>> {
/// let cities = Table::<PoolApi, EmptyEntity>::new("cities", PoolApi::new(pool))
///     .with_id_column("id")
///     .with_column_of::<String>("name")
///     .with_column_of::<i64>("population");
/// let context = SessionContext::new();
/// context.register_table("cities", Arc::new(ApiTableProvider::of(cities)))?;
/// # Ok(()) }
/// ```
pub struct ApiTableProvider {
    source: Arc<Source>,
}

impl ApiTableProvider {
    /// A table of a program, with its conditions. Its columns are the declared ones, whose Rust types
    /// say theirs, as for [`Job::of`](vantage_api_ingest::Job::of); those of which nothing is known
    /// are text. Hooks and computed columns are left out.
    ///
    /// The API is asked by those filters of a query that its
    /// [`Filters`](vantage_api_pool::vantage::Filters) have a form for, if its
    /// [`Filtering`](vantage_api_pool::vantage::Filtering) is `Server` or `Mixed`.
    pub fn of<E: Entity<Value>>(table: Table<PoolApi, E>) -> Self {
        Self::with_settings(table, SqlSettings::default())
    }

    /// The same with other settings than the defaults.
    pub fn with_settings<E: Entity<Value>>(
        table: Table<PoolApi, E>,
        settings: SqlSettings,
    ) -> Self {
        Self { source: Arc::new(Source::typed(table, settings)) }
    }

    /// A table of a description, over an API with its settings for queries. Without declared columns
    /// it has those that its first page tells, which is read for that.
    ///
    /// # Errors
    /// If that page cannot be read.
    pub(crate) async fn described(
        table: &TableDescription,
        api: &PoolApi,
    ) -> Result<Self, SqlError> {
        if !table.columns.is_empty() {
            return Ok(Self::declared(table, api));
        }
        let columns = infer::columns_of(table, api).await?;
        Ok(Self { source: Arc::new(Source::described(table, &columns, api)) })
    }

    /// What is known of it.
    #[cfg(feature = "distributed")]
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// A table of a description with the columns that are declared.
    pub(crate) fn declared(table: &TableDescription, api: &PoolApi) -> Self {
        Self { source: Arc::new(Source::described(table, table, api)) }
    }

    /// The filters of parameters of requests that are asked for by no value: rows do not have them.
    /// Each with its column.
    fn misused(&self, filters: &[&Expr], taken: &[Option<Wanted>]) -> Vec<(usize, String)> {
        let asked = taken.iter().flatten().filter_map(|wanted| wanted.condition.field());
        let asked: Vec<&str> = asked.collect();
        let is_unasked = |name: &str| {
            let column = self.source.columns.get(name);
            column.is_some_and(|column| column.is_parameter && column.is_nullable)
                && !asked.contains(&name)
        };
        let each = filters.iter().zip(taken).enumerate();
        let open = each.filter(|(_, (_, taken))| taken.is_none());
        open.filter_map(|(at, (filter, _))| {
            let mut columns = filter.column_refs().into_iter();
            let column = columns.find(|column| is_unasked(&column.name))?;
            Some((at, column.name.clone()))
        })
        .collect()
    }
}

#[async_trait]
impl TableProvider for ApiTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.source.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<PushDown>> {
        let taken = self.source.taken(filters);
        let misused = self.misused(filters, &taken);
        let each = taken.iter().enumerate().map(|(at, taken)| match taken {
            Some(wanted) if wanted.is_exact => PushDown::Exact,
            Some(_) => PushDown::Inexact,
            // The scan refuses it.
            None if misused.iter().any(|(misused, _)| *misused == at) => PushDown::Exact,
            None => PushDown::Unsupported,
        });
        Ok(each.collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let (total, is_exact) = self.source.total_of(&[])?;
        let total = usize::try_from(total).ok()?;
        statistics.num_rows =
            if is_exact { Precision::Exact(total) } else { Precision::Inexact(total) };
        Some(statistics)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = &self.source;
        let wanted: Vec<usize> = match projection {
            Some(projection) => projection.clone(),
            None => (0..source.columns.all.len()).collect(),
        };
        let filters: Vec<&Expr> = filters.iter().collect();
        let taken = source.taken(&filters);
        if let Some((_, name)) = self.misused(&filters, &taken).first() {
            let what = format!(
                "`{name}` is a parameter of requests: compare it with values by `=` or `IN`"
            );
            return Err(SqlError::table(&source.name, what).into());
        }
        let is_exact = taken.iter().all(|taken| taken.as_ref().is_some_and(|taken| taken.is_exact));
        let open = filters.iter().zip(&taken).filter(|(_, taken)| taken.is_none());
        let open: Vec<Expr> = open.map(|(filter, _)| Expr::clone(filter)).collect();
        let mut columns = wanted.clone();
        for column in open.iter().flat_map(Expr::column_refs) {
            let at = source.columns.schema.index_of(&column.name)?;
            if !columns.contains(&at) {
                columns.push(at);
            }
        }
        let needed = columns.iter().filter_map(|at| source.columns.all.get(*at));
        let request = Request {
            fields: source.fields_of(needed),
            conditions: taken.into_iter().flatten().map(|taken| taken.condition).collect(),
            orders: Vec::new(),
        };
        if source.is_empty(&request.conditions) {
            let schema = source.columns.schema.project(&wanted)?;
            return Ok(Arc::new(EmptyExec::new(Arc::new(schema))));
        }
        let partitions = state.config().target_partitions();
        // Rows that are left out later do not count.
        let limit = limit.filter(|_| is_exact);
        let scan = ApiScanExec::new(Arc::clone(source), columns, request, limit, partitions)?;
        filtered(state, Arc::new(scan), open, wanted.len())
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if operation != InsertOp::Append {
            let what = format!("{operation} into an API: rows can only be inserted");
            return Err(DataFusionError::NotImplemented(what));
        }
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(RowSink::of_api(&self.source)), None)))
    }
}

/// The rows of a scan that also pass these filters, with its first columns alone.
fn filtered(
    state: &dyn Session,
    scan: Arc<dyn ExecutionPlan>,
    filters: Vec<Expr>,
    columns: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(filter) = conjunction(filters) else { return Ok(scan) };
    let schema = scan.schema();
    let predicate =
        state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)?;
    let filtered: Arc<dyn ExecutionPlan> = Arc::new(FilterExec::try_new(predicate, scan)?);
    let kept = schema.fields().iter().take(columns).enumerate().map(|(at, field)| {
        let column = datafusion::physical_expr::expressions::Column::new(field.name(), at);
        (Arc::new(column) as _, field.name().clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(kept.collect::<Vec<_>>(), filtered)?))
}

impl fmt::Debug for ApiTableProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiTableProvider").field("table", &self.source.name).finish_non_exhaustive()
    }
}
