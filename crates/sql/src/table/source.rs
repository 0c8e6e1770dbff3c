//! A table as queries see it: its columns, what its settings say of conditions and orders, and the
//! table of Vantage that is read.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ciborium::Value;
use datafusion::common::stats::Precision;
use vantage_api_ingest::{
    description::{ColumnFlag, SqlSettings, TableDescription},
    rows::type_of_rust,
    schema::ColumnType,
};
use vantage_api_pool::{
    Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, Filtering},
};
use vantage_table::{
    column::{core::Column, flags::ColumnFlag as Flag},
    sorting::OrderBy,
    table::Table,
    traits::column_like::ColumnLike,
};
use vantage_types::{EmptyEntity, Entity};

use super::{Columns, SourceColumn, Totals};

/// Whether rows that are asked for by a condition are checked once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The API applies the conditions that it takes.
    Exact,
    /// It may ignore them.
    Checked,
}

/// How many rows a table may have of which nothing is known: too many to be held at once.
const USUAL_ROWS: usize = 1_000_000;
/// More than any other.
const MOST_ROWS: usize = usize::MAX >> 16;

/// A table of an API.
pub(crate) struct Source {
    /// The name in messages.
    pub(crate) name: String,
    table: Table<PoolApi, EmptyEntity>,
    pub(crate) columns: Columns,
    pub(crate) settings: SqlSettings,
    pub(crate) trust: Trust,
    /// The placeholders of its path that no condition of its own fills.
    pub(crate) placeholders: Vec<String>,
    /// How many rows a page has, if that is set.
    pub(crate) page_size: Option<u64>,
    /// Whether its pages have numbers, so that any of them can be asked for.
    #[cfg(feature = "distributed")]
    pub(crate) counts_pages: bool,
    totals: Mutex<Totals>,
}

impl Source {
    /// A table of a description, with `columns`. `api` has the settings of [`readable`].
    pub(crate) fn described(
        description: &TableDescription,
        columns: &TableDescription,
        api: &PoolApi,
    ) -> Self {
        let own = description.settings();
        let placeholders = placeholders(own.own_path().unwrap_or(&description.name));
        let key = description.key();
        let mut all: Vec<SourceColumn> = columns
            .columns
            .iter()
            .map(|(name, column)| {
                let has = |flag: ColumnFlag| column.flags.contains(&flag);
                SourceColumn {
                    name: name.clone(),
                    kind: column.kind,
                    path: api.path_of(&description.name, name),
                    is_nullable: !has(ColumnFlag::Mandatory)
                        && !key.contains(name)
                        && !placeholders.contains(name),
                    is_parameter: has(ColumnFlag::RequestParam) || placeholders.contains(name),
                }
            })
            .collect();
        add_placeholders(&mut all, &placeholders);
        let mut table = columns.table(api);
        for name in &placeholders {
            if !columns.columns.contains_key(name) {
                let column = Column::from_column(Column::<String>::new(name));
                table.add_column::<Value>(column.with_flag(Flag::RequestParam));
            }
        }
        Self {
            name: description.name.clone(),
            table,
            columns: Columns::new(all),
            settings: description.sql.clone(),
            trust: trust_of(&own),
            placeholders,
            page_size: own.own_paging().and_then(Paging::size),
            #[cfg(feature = "distributed")]
            counts_pages: own.own_paging().is_some_and(Paging::is_numbered),
            totals: Mutex::default(),
        }
    }

    /// A table of a program, whose columns say by their Rust types what rows have.
    pub(crate) fn typed<E: Entity<Value>>(table: Table<PoolApi, E>, settings: SqlSettings) -> Self {
        let name = table.table_name().to_owned();
        let id = table.id_field().map(|column| column.name().to_owned());
        let mut placeholders = placeholders(&name);
        let is_filled = |name: &str| {
            let mut conditions = table.conditions();
            conditions.any(|own| matches!(own, ApiCondition::Eq { field, .. } if field == name))
        };
        placeholders.retain(|name| !is_filled(name));
        let mut all: Vec<SourceColumn> = table
            .columns()
            .iter()
            .map(|(column, declared)| {
                let has = |flag| declared.flags().contains(&flag);
                SourceColumn {
                    name: column.clone(),
                    kind: type_of_rust(declared.get_type()).unwrap_or(ColumnType::Text),
                    path: table.data_source().path_of(&name, column),
                    is_nullable: !has(Flag::Mandatory)
                        && id.as_ref() != Some(column)
                        && !placeholders.contains(column),
                    is_parameter: has(Flag::RequestParam) || placeholders.contains(column),
                }
            })
            .collect();
        add_placeholders(&mut all, &placeholders);
        Self {
            name,
            table: table.into_entity(),
            columns: Columns::new(all),
            settings,
            trust: Trust::Exact,
            placeholders,
            page_size: None,
            #[cfg(feature = "distributed")]
            counts_pages: false,
            totals: Mutex::default(),
        }
    }

    /// The table with these conditions, orders and parameters beside its own.
    pub(crate) fn narrowed(
        &self,
        conditions: &[ApiCondition],
        orders: &[(String, bool)],
        query: Option<&str>,
    ) -> Table<PoolApi, EmptyEntity> {
        let mut table = self.table.clone();
        if let Some(query) = query {
            let name = table.table_name();
            let joint = if name.contains('?') { '&' } else { '?' };
            let name = format!("{name}{joint}{query}");
            table.set_table_name(name);
        }
        conditions.iter().for_each(|condition| table.add_condition(condition.clone()));
        for (column, is_descending) in orders {
            let column = ApiCondition::column(column);
            table.add_order(match is_descending {
                true => OrderBy::descending(column),
                false => OrderBy::ascending(column),
            });
        }
        table
    }

    /// The pool that is asked.
    pub(crate) fn pool(&self) -> &vantage_api_pool::AwwPool {
        self.table.data_source().pool()
    }

    /// The last total of the set of these conditions that a page told, and whether it counts as the
    /// number of rows.
    pub(crate) fn total_of(&self, conditions: &[ApiCondition]) -> Option<(u64, bool)> {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.of(&name_of(conditions), self.trusted(), Instant::now())
    }

    /// How many rows the set of these conditions may have, of which no page has told the total. A table
    /// whose path has no value yet is the greatest, so that the other side of a join is read first.
    pub(crate) fn unknown_rows(&self, conditions: &[ApiCondition]) -> Precision<usize> {
        let is_filled = |name: &String| {
            conditions.iter().any(|condition| condition.field() == Some(name.as_str()))
        };
        Precision::Inexact(match self.placeholders.iter().all(is_filled) {
            true => USUAL_ROWS,
            false => MOST_ROWS,
        })
    }

    /// Remembers a total of the set of these conditions.
    pub(crate) fn tell_total(&self, conditions: &[ApiCondition], total: u64) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.tell(&name_of(conditions), total, Instant::now());
    }

    /// Forgets the totals: rows were written.
    pub(crate) fn forget_totals(&self) {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).forget();
    }

    fn trusted(&self) -> Option<Duration> {
        self.settings.trust_total
    }
}

/// The settings of a table with which the conditions that the API takes are sent, and nothing is done
/// on the rows: that is left to the query. An API that may know no conditions, or is to be asked for
/// none, takes those of parameters alone.
pub(crate) fn readable(description: &TableDescription) -> ApiTable {
    let settings = description.settings();
    let is_local = settings.own_filtering() == Some(Filtering::Local);
    let says = settings.own_filters().is_some() || settings.own_filtering().is_some();
    let filters = settings.own_filters().cloned().unwrap_or_default();
    let settings = settings.filtering(Filtering::Server);
    // An API of which nothing is said of conditions may know none.
    if says && !is_local {
        return settings;
    }
    let columns = description.columns.iter();
    let parameters = columns.filter(|(_, column)| column.flags.contains(&ColumnFlag::RequestParam));
    settings.filters(filters.only(parameters.map(|(name, _)| name)))
}

fn trust_of(own: &ApiTable) -> Trust {
    match own.own_filtering() {
        Some(Filtering::Checked) => Trust::Checked,
        _ => Trust::Exact,
    }
}

fn placeholders(path: &str) -> Vec<String> {
    let names = path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// Placeholders that are not columns are columns of text.
fn add_placeholders(columns: &mut Vec<SourceColumn>, placeholders: &[String]) {
    for name in placeholders {
        if !columns.iter().any(|column| column.name == *name) {
            columns.push(SourceColumn {
                name: name.clone(),
                kind: ColumnType::Text,
                path: Vec::new(),
                is_nullable: false,
                is_parameter: true,
            });
        }
    }
}

/// Conditions as the name of their set.
fn name_of(conditions: &[ApiCondition]) -> String {
    let mut texts: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    texts.sort();
    texts.join(" AND ")
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_placeholders_of_a_path_are_found_once_each() {
        assert_eq!(placeholders("a/{b}/c/{d}?e={b}"), ["b", "d"]);
        assert_eq!(placeholders("a/b"), [""; 0]);
    }

    #[test]
    fn conditions_name_the_same_set_in_any_order() {
        let (a, b) = (ApiCondition::eq("a", 1), ApiCondition::gt("b", 2));
        assert_eq!(name_of(&[a.clone(), b.clone()]), name_of(&[b, a]));
    }
}
