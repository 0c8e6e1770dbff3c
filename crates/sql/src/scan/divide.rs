//! What of a scan other processes may read.

use std::sync::Arc;

use datafusion::{error::Result, physical_expr::utils::collect_columns};
use vantage_api_pool::vantage::ApiCondition;

use super::{ApiScanExec, PageRange};
use crate::{
    pushdown::Request,
    table::{Source, SourceColumn},
};

impl ApiScanExec {
    /// A scan as another process asks for it.
    pub(crate) fn asked(
        source: Arc<Source>,
        columns: Vec<usize>,
        request: Request,
        limit: Option<usize>,
        partitions: usize,
        range: Option<PageRange>,
    ) -> Result<Self> {
        let mut scan = Self::new(source, columns, request, limit, partitions)?;
        scan.range = range.map(Arc::new);
        Ok(scan)
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.limit
    }

    pub(crate) fn page_range(&self) -> Option<&PageRange> {
        self.range.as_deref()
    }

    /// The columns of its rows.
    pub(crate) fn columns(&self) -> Vec<SourceColumn> {
        self.of_columns()
    }

    /// For how many partitions it reads.
    pub(crate) fn for_partitions(&self) -> usize {
        self.partitions()
    }

    /// Whether a join may tell it keys to look up while the query runs.
    pub(crate) fn may_look_up(&self) -> bool {
        let columns = self.filters.iter().flat_map(collect_columns);
        let mut columns = columns
            .filter_map(|column| self.source.columns.all.get(*self.columns.get(column.index())?));
        columns.any(|column| {
            let value = self.source.example(&column.name);
            let takes = |condition| {
                let mut conditions = self.request.conditions.clone();
                conditions.push(condition);
                self.source.takes(&conditions, &self.request.orders)
            };
            takes(ApiCondition::eq(&column.name, value.clone()))
                || takes(ApiCondition::is_in(&column.name, [value]))
        })
    }

    /// Whether its pages may be read in any order, by several processes.
    pub(crate) fn is_divisible(&self) -> bool {
        self.source.counts_pages
            && self.limit.is_none()
            && self.range.is_none()
            && self.request.orders.is_empty()
            && !self.is_total()
    }

    /// The same scan, which no join narrows.
    pub(crate) fn without_look_ups(&self) -> Self {
        let mut scan = self.again();
        scan.filters = Vec::new();
        scan
    }

    /// The same scan of these pages, which no join narrows.
    pub(crate) fn of_range(&self, range: PageRange) -> Self {
        let mut scan = self.without_look_ups();
        scan.range = Some(Arc::new(range));
        scan
    }
}
