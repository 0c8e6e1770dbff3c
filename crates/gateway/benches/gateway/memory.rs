//! A table of 20 rows in memory, of which a read copies what it returns and nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::Result;
use vantage_types::Record;
use vantage_vista::{
    Capability, Column, ColumnFlag, Condition, Page, Preview, TableShell, Vista, VistaCapabilities,
    VistaMetadata, unsupported,
};

pub(crate) const ROWS: usize = 20;
pub(crate) const NAME: &str = "Germany";
pub(crate) const COUNTRY: &str = "Federal Republic of somewhere";
pub(crate) const POPULATION: usize = 83_000_000;

#[derive(Clone)]
struct Memory(Arc<Inner>);

struct Inner {
    metadata: VistaMetadata,
    capabilities: VistaCapabilities,
    rows: IndexMap<String, Record<Value>>,
}

/// The table.
pub(crate) fn table() -> Vista {
    let metadata = VistaMetadata::new()
        .with_column(Column::new("id", "string").with_flag(ColumnFlag::Id))
        .with_column(Column::new("name", "string"))
        .with_column(Column::new("country", "string"))
        .with_column(Column::new("population", "i64"))
        .with_id_column("id");
    let row = |nth: usize| {
        let id = nth.to_string();
        let row = [
            ("id".to_owned(), Value::Text(id.clone())),
            ("name".to_owned(), Value::Text(NAME.to_owned())),
            ("country".to_owned(), Value::Text(COUNTRY.to_owned())),
            ("population".to_owned(), Value::from((POPULATION + nth) as u64)),
        ];
        (id, Record::from_iter(row))
    };
    let capabilities = [Capability::Window].into_iter().collect();
    let rows = (0..ROWS).map(row).collect();
    Vista::new("rows", Memory(Arc::new(Inner { metadata, capabilities, rows })))
}

#[async_trait]
impl TableShell for Memory {
    fn metadata(&self) -> &VistaMetadata {
        &self.0.metadata
    }

    fn capabilities(&self) -> &VistaCapabilities {
        &self.0.capabilities
    }

    fn driver_name(&self) -> &'static str {
        "memory"
    }

    fn preview(&self) -> Preview {
        Preview::new()
    }

    async fn list(&self) -> Result<IndexMap<String, Record<Value>>> {
        Ok(self.0.rows.clone())
    }

    async fn get(&self, id: &str) -> Result<Option<Record<Value>>> {
        Ok(self.0.rows.get(id).cloned())
    }

    async fn count(&self) -> Result<i64> {
        Ok(ROWS as i64)
    }

    async fn fetch_window(&self, offset: usize, limit: usize) -> Result<Page> {
        let rows = self.0.rows.iter().skip(offset).take(limit);
        let rows = rows.map(|(id, row)| (id.clone(), row.clone())).collect();
        Ok(Page::new(rows).with_total(ROWS as i64))
    }

    fn add_condition(&mut self, _: &Condition) -> Result<()> {
        unsupported(Capability::FilterOps)
    }
}
