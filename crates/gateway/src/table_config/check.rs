//! [pure] Checks what is said of a table when the gateway is built, so that a slip is an error
//! then and not a hole later.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use indexmap::IndexMap;
use vantage_vista::{Capability, Column, ColumnFlag, ReferenceKind, Vista};

use super::{Kind, Ops, Relation, RelationTarget, Table, TableColumn, TableConfig};
use crate::error::Error;

/// The driver of tables that are read through a pool.
const REMOTE: &str = "api-pool";

impl TableConfig {
    /// The table of this name as it is served. Its relations are added by
    /// [`resolve_relations`].
    ///
    /// # Errors
    /// If anything that was said does not fit the table.
    pub(crate) fn into_table(self, name: &str) -> Result<(Table, Vec<String>), Error> {
        let wrong = |what: String| Error::table(name, what);
        if !is_name(name) {
            return Err(wrong("a name has 1 to 64 of the characters a-z A-Z 0-9 _ -".to_owned()));
        }
        let Some(id_column) = self.vista.id_column().map(str::to_owned) else {
            return Err(wrong("it has no id column, so its rows have no address".to_owned()));
        };
        let (page_size, max_page_size) = (self.page_size, self.max_page_size);
        if page_size == 0 || max_page_size < page_size {
            return Err(wrong(format!(
                "page_size({page_size}, {max_page_size}): the first must be at least 1 and not \
                 above the second"
            )));
        }
        self.check_ops().map_err(wrong)?;
        let columns = self.columns_of(&id_column).map_err(wrong)?;
        let is_shown = |column: &str| columns.get(column).is_some_and(|uses| uses.readable);
        // A table that declares no columns looks at all that its rows have.
        let searches = self.vista.capabilities().has(Capability::Search)
            && !self.vista.columns().is_empty()
            && searched(&self.vista).all(|column| is_shown(&column.name));
        let is_remote = self.vista.driver_name() == REMOTE;
        let table = Table {
            name: name.to_owned(),
            ops: self.ops,
            columns,
            id_column,
            required_filters: self.required_filters,
            page_size,
            max_page_size,
            max_bulk_rows: self.max_bulk_rows,
            cache_ttl: self.cache_ttl.or(is_remote.then_some(Duration::ZERO)),
            relations: Vec::new(),
            transaction: self.transaction,
            scope: self.scope,
            readers: self.readers,
            writers: self.writers,
            searches,
            is_remote,
            writes_seen: Arc::default(),
            is_watched: AtomicBool::new(false),
            vista: self.vista,
        };
        Ok((table, self.relations))
    }

    fn check_ops(&self) -> Result<(), String> {
        let capabilities = self.vista.capabilities();
        let needs = [
            (Ops::INSERT, Capability::Insert),
            (Ops::REPLACE, Capability::Update),
            (Ops::PATCH, Capability::Update),
            (Ops::DELETE, Capability::Delete),
        ];
        for (op, capability) in needs {
            if self.ops.has(op) && !capabilities.has(capability) {
                let what = op.names().next().unwrap_or_default();
                return Err(format!(
                    "operations: the table has no {capability}, which {what} needs"
                ));
            }
        }
        let sets = [Ops::INSERT, Ops::REPLACE, Ops::PATCH].iter().any(|op| self.ops.has(*op));
        let names_columns = self.writable.is_some() || !self.write_only.is_empty();
        if sets && !names_columns {
            return Err("writable: name the columns that clients may set".to_owned());
        }
        if !sets && names_columns {
            return Err(
                "writable: nothing is written: add insert, replace or patch to the operations"
                    .into(),
            );
        }
        if self.max_bulk_rows > 0 && !self.ops.has(Ops::PATCH) && !self.ops.has(Ops::DELETE) {
            return Err(
                "max_bulk_rows: neither patch nor delete is among the operations".to_owned()
            );
        }
        Ok(())
    }

    fn columns_of(&self, id_column: &str) -> Result<IndexMap<String, TableColumn>, String> {
        let declared = self.vista.columns();
        let shown: Vec<String> = match &self.columns {
            Some(columns) => columns.clone(),
            None => {
                let shown = declared.values().filter(|column| {
                    !column.has_flag(ColumnFlag::Hidden)
                        && !column.has_flag(ColumnFlag::RequestParam)
                });
                shown.map(|column| column.name.clone()).collect()
            }
        };
        if shown.is_empty() {
            return Err("columns: the table declares none, so name those that are shown".into());
        }
        no_doubles("columns", &shown)?;
        let mut all = IndexMap::new();
        for name in &shown {
            if !declared.is_empty() && !declared.contains_key(name) {
                return Err(format!("columns: there is no column {name:?}"));
            }
            all.insert(name.clone(), shown_column(name, declared.get(name), name == id_column));
        }
        self.mark_filterable(&mut all)?;
        self.mark_writable(&mut all)?;
        for name in &self.required_filters {
            if !all.get(name).is_some_and(|column| column.filterable) {
                return Err(format!("require_filter: {name:?} cannot be filtered by"));
            }
        }
        Ok(all)
    }

    fn mark_filterable(&self, all: &mut IndexMap<String, TableColumn>) -> Result<(), String> {
        let Some(filterable) = &self.filterable else { return Ok(()) };
        no_doubles("filterable", filterable)?;
        for column in all.values_mut() {
            column.filterable = false;
        }
        for name in filterable {
            let declared = self.vista.column(name);
            if declared.is_some_and(Column::is_computed) {
                return Err(format!("filterable: {name:?} is computed"));
            }
            let is_parameter =
                declared.is_some_and(|column| column.has_flag(ColumnFlag::RequestParam));
            match all.get_mut(name) {
                Some(column) => column.filterable = true,
                None if is_parameter => {
                    let mut column = shown_column(name, declared, false);
                    (column.readable, column.orderable) = (false, false);
                    all.insert(name.clone(), column);
                }
                None => return Err(format!("filterable: {name:?} is not shown")),
            }
        }
        Ok(())
    }

    fn mark_writable(&self, all: &mut IndexMap<String, TableColumn>) -> Result<(), String> {
        let writable = self.writable.as_deref().unwrap_or_default();
        no_doubles("writable", writable)?;
        for name in writable {
            let Some(column) = all.get_mut(name).filter(|column| column.readable) else {
                return Err(format!("writable: {name:?} is not shown; say so by write_only"));
            };
            if self.vista.column(name).is_some_and(Column::is_computed) {
                return Err(format!("writable: {name:?} is computed"));
            }
            column.writable = true;
        }
        for name in &self.write_only {
            let declared = self.vista.column(name);
            if all.contains_key(name) {
                return Err(format!("write_only: {name:?} is shown"));
            }
            if declared.is_none() && !self.vista.columns().is_empty() {
                return Err(format!("write_only: there is no column {name:?}"));
            }
            let mut column = shown_column(name, declared, false);
            (column.readable, column.filterable, column.orderable) = (false, false, false);
            column.writable = true;
            all.insert(name.clone(), column);
        }
        Ok(())
    }
}

/// The uses of a column that is shown.
fn shown_column(name: &str, declared: Option<&Column>, is_id: bool) -> TableColumn {
    let has = |flag: ColumnFlag| declared.is_some_and(|column| column.has_flag(flag));
    let is_computed = declared.is_some_and(Column::is_computed) || has(ColumnFlag::Calculated);
    let kind = match declared.map_or(Kind::Any, Kind::of) {
        // Ids are texts at this boundary.
        Kind::Any if is_id => Kind::Text,
        kind => kind,
    };
    TableColumn {
        key: format!("{}:", serde_json::Value::from(name)).into_bytes(),
        kind,
        readable: true,
        writable: false,
        filterable: !declared.is_some_and(Column::is_computed),
        orderable: has(ColumnFlag::Orderable),
        mandatory: has(ColumnFlag::Mandatory) && !is_computed,
    }
}

/// The columns that a search looks at.
fn searched(vista: &Vista) -> impl Iterator<Item = &Column> {
    let is_flagged = |column: &Column| column.has_flag(ColumnFlag::Searchable);
    let any = vista.columns().values().any(is_flagged);
    vista.columns().values().filter(move |column| !any || is_flagged(column))
}

fn no_doubles(what: &str, names: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(format!("{what}: {name:?} is named twice")),
        None => Ok(()),
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(is_legal)
}

/// Finds the targets of the relations of a table among the `tables` of the gateway.
///
/// # Errors
/// If a relation does not exist, or leads to a table that is not served.
pub(crate) fn resolve_relations(
    table: &Table,
    names: &[String],
    is_served: impl Fn(&str) -> bool,
) -> Result<Vec<Relation>, Error> {
    no_doubles("relations", names).map_err(|what| Error::table(&table.name, what))?;
    let relation = |name: &String| {
        let wrong = |what: String| Error::table(&table.name, format!("relations: {what}"));
        let Some(reference) = table.vista.reference(name) else {
            return Err(wrong(format!("there is no relation {name:?}")));
        };
        if !is_name(name) {
            return Err(wrong(format!("{name:?} is not a name")));
        }
        let target = match reference.kind {
            ReferenceKind::ContainsOne | ReferenceKind::ContainsMany => {
                let target = table
                    .vista
                    .get_ref(name, None)
                    .map_err(|error| wrong(format!("{name:?}: {}", error.message())))?;
                let host = reference.host_column.as_deref().unwrap_or_default();
                if !table.column(host).is_some_and(|column| column.readable) {
                    return Err(wrong(format!("{name:?} is in {host:?}, which is not shown")));
                }
                let mut config = TableConfig::new(target);
                config.page_size = table.page_size;
                config.max_page_size = table.max_page_size;
                RelationTarget::Contained(Box::new(config.into_table(name)?.0))
            }
            _ if is_served(&reference.target) => RelationTarget::Table(reference.target.clone()),
            _ => {
                let target = &reference.target;
                return Err(wrong(format!("{name:?} leads to {target:?}, which is not served")));
            }
        };
        let is_many =
            matches!(reference.kind, ReferenceKind::HasMany | ReferenceKind::ContainsMany);
        Ok(Relation { name: name.clone(), is_many, target })
    };
    names.iter().map(relation).collect()
}
