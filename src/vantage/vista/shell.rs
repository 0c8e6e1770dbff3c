//! The operations of a Vista, run on its table. Reads go through the table, so that its hooks see
//! them.

use std::sync::Arc;

use async_trait::async_trait;
use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::{Result, error};
use vantage_dataset::traits::{InsertableValueSet, ReadableValueSet, WritableValueSet};
use vantage_table::{
    conditions::ConditionHandle,
    pagination::Pagination,
    sorting::OrderBy,
    table::{Table, VistaMetadataOptions},
    traits::table_source::TableSource,
};
use vantage_types::{EmptyEntity, Record};
use vantage_vista::{
    Capability, ColumnFlag, Condition, NativeCondition, Page, Preview, Reference, SortDirection,
    TableShell, Transaction, Vista, VistaCapabilities, VistaMetadata, VistaResolver,
    condition_column_error, direct, unknown_relation, unsupported,
};

use super::narrowing;
use crate::vantage::{
    ApiCondition, PoolApi, PoolTableExt,
    path::{placeholders, without_query},
    reads::Read,
    record::id_text,
    writes::after_write,
};

/// The shell of one table. A clone owns its conditions and shares the pool.
#[derive(Clone)]
pub(super) struct PoolShell {
    table: Table<PoolApi, EmptyEntity>,
    capabilities: VistaCapabilities,
    pub(super) metadata: VistaMetadata,
    /// Builds the targets of relations by name; without it they come from the table's own
    /// relations.
    pub(super) resolver: Option<Arc<dyn VistaResolver>>,
    /// Fields by which a relation narrows that are not columns.
    joined_by: Vec<String>,
    /// The search that is set.
    search: Option<ConditionHandle>,
    /// The orders that the table came with.
    own_orders: Vec<OrderBy<ApiCondition>>,
}

impl PoolShell {
    /// # Errors
    /// `IncorrectUsage` for a table with a window.
    pub(super) fn of(table: Table<PoolApi, EmptyEntity>) -> Result<Self> {
        if table.pagination().is_some() {
            let name = without_query(table.table_name());
            return Err(error!("a Vista is made of a table without a window", table = name)
                .mark_incorrect_usage());
        }
        let metadata = metadata_of(&table);
        let capabilities = capabilities_of(&table, &metadata);
        let orders = table
            .orders()
            .map(|(by, direction)| OrderBy { expression: by.clone(), direction: *direction });
        Ok(Self {
            capabilities,
            metadata,
            resolver: None,
            joined_by: Vec::new(),
            search: None,
            own_orders: orders.collect(),
            table,
        })
    }

    /// A Vista with the name of its table.
    pub(super) fn into_vista(self) -> Vista {
        Vista::new(without_query(self.table.table_name()).to_owned(), self)
    }

    fn is_known(&self, field: &str) -> bool {
        self.metadata.columns.contains_key(field)
            || self.joined_by.iter().any(|name| name == field)
            || placeholders(&narrowing::settings(&self.table).path).any(|name| name == field)
    }

    /// Adds a condition if it can be sent to the API or evaluated on the rows.
    fn narrow(&mut self, condition: ApiCondition) -> Result<()> {
        narrowing::takes(&self.table, &condition)?;
        self.table.add_condition(condition);
        if narrowing::confines(&self.table) {
            self.capabilities = self.capabilities.with(Capability::ConfineWrites);
        } else {
            self.capabilities = self.capabilities.without(Capability::ConfineWrites);
        }
        Ok(())
    }

    /// The whole set of a relation's target, before it is narrowed.
    fn target(&self, reference: &Reference) -> Result<Vista> {
        if let Some(resolver) = &self.resolver {
            return resolver.vista(&reference.target);
        }
        let target = self.table.get_ref_target_erased(&reference.name)?;
        let joined_by = reference.keys.iter().filter_map(|key| key.to.clone());
        Ok(Self { joined_by: joined_by.collect(), ..Self::of(target)? }.into_vista())
    }

    fn contained(&self, reference: &Reference, row: Option<&Record<Value>>) -> Result<Vista> {
        let parent = row.map(|row| {
            let id = self.metadata.id_column.as_ref().and_then(|id| row.get(id));
            (row, id.and_then(id_text).unwrap_or_default())
        });
        let wrap = |target| Self::of(target).map(Self::into_vista);
        let (decode, encode) = (|host: &Value| Some(host.clone()), |host| host);
        self.table.get_contained_ref(&reference.name, parent, wrap, decode, encode)
    }
}

/// Every window can be read, from the page that holds it or from the start of the
/// set; everything else depends on the settings.
fn capabilities_of(
    table: &Table<PoolApi, EmptyEntity>,
    metadata: &VistaMetadata,
) -> VistaCapabilities {
    let mut capabilities = VistaCapabilities::new()
        .with(Capability::Traverse)
        .with(Capability::Window)
        .with(Capability::NativeConditions);
    for write in narrowing::writes(table) {
        capabilities = capabilities.with(write);
    }
    let settings = narrowing::settings(table);
    // Pages that name each other are best read one after the other.
    if settings.paging.is_sequential() {
        capabilities = capabilities.with(Capability::Cursor);
    }
    if settings.filters.search("").is_some() {
        capabilities = capabilities.with(Capability::Search);
    }
    if metadata.columns.values().any(|column| column.has_flag(ColumnFlag::Orderable)) {
        capabilities = capabilities.with(Capability::Order);
    }
    let mut stored = metadata.columns.values().filter(|column| !column.is_computed());
    // Each operator on each column is accepted or refused separately when it is used.
    if stored.any(|column| narrowing::compares(table, &column.name)) {
        capabilities = capabilities.with(Capability::FilterOps);
    }
    capabilities
}

fn metadata_of(table: &Table<PoolApi, EmptyEntity>) -> VistaMetadata {
    let mut metadata = table.vista_metadata(VistaMetadataOptions {
        calculated: true,
        column_flags: true,
        id_flag: true,
        references: true,
        contained: true,
        ..VistaMetadataOptions::default()
    });
    for (name, column) in &mut metadata.columns {
        let order = narrowing::order(name, SortDirection::Ascending);
        if !column.is_computed() && narrowing::orders_by(table, &order).is_ok() {
            *column = column.clone().with_flag(ColumnFlag::Orderable);
        }
    }
    metadata
}

#[async_trait]
impl TableShell for PoolShell {
    fn metadata(&self) -> &VistaMetadata {
        &self.metadata
    }

    fn capabilities(&self) -> &VistaCapabilities {
        &self.capabilities
    }

    fn driver_name(&self) -> &'static str {
        "api-pool"
    }

    /// The requests of a list, one on each line, with credentials masked.
    fn preview(&self) -> Preview {
        let of_table = self.table.preview();
        let requests: Vec<String> =
            of_table.requests.iter().map(|url| format!("GET {url}")).collect();
        let on_rows = of_table.on_rows.iter().map(|what| format!("on the rows: {what}"));
        let unresolved = of_table.unresolved.iter().map(|what| format!("unresolved: {what}"));
        let mut notes: Vec<String> = on_rows.chain(unresolved).collect();
        let mut preview = Preview::new();
        match requests.is_empty() {
            true if notes.is_empty() => notes.push("no row can match".to_owned()),
            true => {}
            false => preview = preview.with_query(requests.join("\n")),
        }
        if notes.is_empty() { preview } else { preview.with_note(notes.join("\n")) }
    }

    async fn list(&self) -> Result<IndexMap<String, Record<Value>>> {
        self.table.list_values().await
    }

    async fn get(&self, id: &str) -> Result<Option<Record<Value>>> {
        self.table.get_value(id).await
    }

    async fn count(&self) -> Result<i64> {
        self.table.check_read().await?;
        self.table.data_source().get_table_count(&self.table).await
    }

    /// Rows of any window; the total is that of the responses, if they report one.
    async fn fetch_window(&self, offset: usize, limit: usize) -> Result<Page> {
        self.table.check_read().await?;
        if limit == 0 {
            return Ok(Page::new(Vec::new()));
        }
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let window = Pagination::window(signed(offset), signed(limit));
        let table = self.table.clone().with(|table| table.set_pagination(Some(window)));
        let (mut rows, total) =
            Read::of(table.data_source(), &table)?.resolved().await?.window().await?;
        for (_, row) in &mut rows {
            table.apply_lazy_expressions(row).await?;
        }
        let page = Page::new(rows);
        Ok(match total.and_then(|total| i64::try_from(total).ok()) {
            Some(total) => page.with_total(total),
            None => page,
        })
    }

    async fn fetch_cursor(
        &self,
        token: Option<Value>,
        limit: usize,
    ) -> Result<(Page, Option<Value>)> {
        if !self.capabilities.has(Capability::Cursor) {
            return unsupported(Capability::Cursor);
        }
        self.table.check_read().await?;
        let read = Read::of(self.table.data_source(), &self.table)?.resolved().await?;
        let (mut rows, next) = read.piece(token.as_ref(), limit as u64).await?;
        for (_, row) in &mut rows {
            self.table.apply_lazy_expressions(row).await?;
        }
        Ok((Page::new(rows), next))
    }

    /// Accepts conditions that can be sent to the API or, if its settings allow that, evaluated
    /// on the rows, and refuses the rest for the caller to evaluate.
    fn add_condition(&mut self, condition: &Condition) -> Result<()> {
        let field = condition.column.as_str();
        if !self.is_known(field) {
            return Err(condition_column_error(&self.metadata, field));
        }
        match narrowing::condition(condition) {
            Some(condition) => self.narrow(condition),
            None => unsupported(Capability::FilterOps),
        }
    }

    fn set_search(&mut self, text: Option<&str>) -> Result<()> {
        if !self.capabilities.has(Capability::Search) {
            return unsupported(Capability::Search);
        }
        let search = text.map(|text| {
            let source = self.table.data_source();
            source.search_table_condition(&self.table, text)
        });
        self.search = self.table.replace_temp_condition(self.search.take(), search)?;
        Ok(())
    }

    fn set_order(&mut self, order: Option<(&str, SortDirection)>) -> Result<()> {
        let orders = match order {
            Some((column, direction)) => {
                let order = narrowing::order(column, direction);
                narrowing::orders_by(&self.table, &order)?;
                vec![order]
            }
            None => self.own_orders.clone(),
        };
        self.table.clear_orders();
        for order in orders {
            self.table.add_order(order);
        }
        Ok(())
    }

    fn add_native_condition(&mut self, condition: NativeCondition) -> Result<()> {
        match condition.downcast::<ApiCondition>() {
            Ok(condition) => self.narrow(condition),
            Err(other) => Err(error!(
                "a native condition of this source is an ApiCondition",
                key = other.key()
            )
            .mark_incorrect_usage()),
        }
    }

    async fn insert(
        &self,
        id: Option<&str>,
        record: &Record<Value>,
    ) -> Result<(String, Record<Value>)> {
        let Some(id) = id else {
            let id = self.table.insert_return_id_value(record).await?;
            let stored = after_write(self.table.get_value(id.as_str()).await, &id)?;
            return Ok((id, stored.unwrap_or_else(|| record.clone())));
        };
        Ok((id.to_owned(), self.table.insert_value(id, record).await?))
    }

    async fn replace(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
        self.table.replace_value(id, record).await
    }

    /// A replace creates a row that is missing.
    async fn upsert(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
        self.table.replace_value(id, record).await
    }

    async fn patch(&self, id: &str, partial: &Record<Value>) -> Result<Record<Value>> {
        self.table.patch_value(id, partial).await
    }

    async fn delete(&self, id: &str) -> Result<()> {
        self.table.delete(id).await
    }

    async fn delete_all(&self) -> Result<()> {
        self.table.delete_all().await
    }

    fn get_ref(&self, relation: &str, row: Option<&Record<Value>>) -> Result<Vista> {
        let reference =
            self.metadata.references.get(relation).ok_or_else(|| unknown_relation(relation))?;
        if reference.kind.is_contained() {
            return self.contained(reference, row);
        }
        let target = self.target(reference)?;
        match row {
            Some(row) => reference.narrow(target, row),
            None => Ok(target),
        }
    }

    /// An API has no transactions: inside one, a write takes effect at once.
    fn rebind(&self, _: &Transaction) -> Result<Box<dyn TableShell>> {
        Ok(direct(Box::new(self.clone())))
    }
}
