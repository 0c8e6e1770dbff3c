//! [pure] The tables of an API, as data.

use std::fmt;

use ciborium::Value;
use indexmap::IndexMap;
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use vantage_api_pool::{PoolApi, vantage::ApiTable};
use vantage_table::{
    column::{core::Column, flags::ColumnFlag as Flag},
    table::Table,
};
use vantage_types::EmptyEntity;

use super::{column_type, extract, forms, sql::SqlSettings};
use crate::schema::ColumnType;

/// A table of the API.
///
/// | key | value |
/// |---|---|
/// | `name` | its name, which is its path as well unless `api` has an `endpoint` |
/// | `id` or `id_column` | the column whose values name a row, or a list of columns. By default the column with the flag `id`, or else the column `id` if it is among `columns` |
/// | `columns` | its [columns](ColumnDescription) by name. Those that are not declared are found in the rows |
/// | `references` | its [relations](ReferenceDescription) to other tables, by name |
/// | `contained` | the [records](ContainedDescription) in a column, by the name of the relation |
/// | `api` | how the API has it: an [`ApiTable`] as data, and `extract`, the [extractor](vantage_api_extract::Settings) of pages that are not JSON |
/// | `sql` | what queries in SQL may count on: [`SqlSettings`] |
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TableDescription {
    /// Its name.
    pub name: String,
    /// The columns whose values name a row; empty if there are none.
    #[serde(default, alias = "id_column", deserialize_with = "forms::one_or_many")]
    pub id: Vec<String>,
    /// The declared columns.
    #[serde(default)]
    pub columns: IndexMap<String, ColumnDescription>,
    /// Its relations to other tables.
    #[serde(default)]
    pub references: IndexMap<String, ReferenceDescription>,
    /// The records in its columns.
    #[serde(default)]
    pub contained: IndexMap<String, ContainedDescription>,
    /// How the API has it, without the paths of columns: see [`settings`](Self::settings).
    #[serde(default, deserialize_with = "extract::api")]
    pub api: ApiTable,
    /// What queries in SQL may count on.
    #[serde(default)]
    pub sql: SqlSettings,
}

impl TableDescription {
    /// A table without declared columns, at the path of its name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: Vec::new(),
            columns: IndexMap::new(),
            references: IndexMap::new(),
            contained: IndexMap::new(),
            api: ApiTable::new(),
            sql: SqlSettings::default(),
        }
    }

    /// How the API has it, with the paths of its columns.
    pub fn settings(&self) -> ApiTable {
        let paths = self.columns.iter();
        let paths = paths.filter_map(|(name, column)| Some((name, column.path.as_ref()?)));
        paths.fold(self.api.clone(), |api, (name, path)| api.alias(name, path))
    }

    /// The table in Vantage, over an API that has its [settings](Self::settings). Vantage has ids
    /// of one column, so a table with several has none there.
    #[must_use]
    pub fn table(&self, api: &PoolApi) -> Table<PoolApi, EmptyEntity> {
        let mut table = Table::new(&self.name, api.clone());
        for (name, column) in &self.columns {
            table.add_column::<Value>(column.typed(name));
            if column.flags.contains(&ColumnFlag::Title) {
                table.add_title_field(name);
            }
        }
        match self.id.as_slice() {
            [id] if self.columns.contains_key(id) => table.set_id_field(id),
            [id] => table = table.with_id_column(id),
            _ => {}
        }
        table
    }

    /// The columns whose values name a row, by the flag or the name of a column where `id` does
    /// not say so.
    #[must_use]
    pub fn key(&self) -> Vec<String> {
        if !self.id.is_empty() {
            return self.id.clone();
        }
        let is_flagged = |column: &ColumnDescription| column.flags.contains(&ColumnFlag::Id);
        let flagged = self.columns.iter().filter(|(_, column)| is_flagged(column));
        let flagged: Vec<String> = flagged.map(|(name, _)| name.clone()).collect();
        if flagged.is_empty() && self.columns.contains_key("id") {
            return vec!["id".to_owned()];
        }
        flagged
    }
}

impl fmt::Debug for TableDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableDescription")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// A column: its type as a text, or a map.
///
/// | key | value |
/// |---|---|
/// | `type` | `bool` (or `boolean`), `int` (`integer`, `i64`, `i32`), `u64`, `float` (`double`, `f64`, `f32`), `decimal(DIGITS,DECIMALS)` (`numeric`), `date`, `timestamp` (`datetime`), `text` (`string`, `str`; the default) or `json` (`any`) |
/// | `path` | where it is in an item: keys joined by dots, such as `stats.population`; by default its name |
/// | `flags` | a list of [flags](ColumnFlag) |
///
/// `u64` is a decimal of 20 digits. A decimal has up to 38 digits, and within braces it is in
/// quotes: `{ type: "decimal(18,4)" }`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnDescription {
    /// The type of its values.
    pub kind: ColumnType,
    /// Where it is in an item, unless at its name.
    pub path: Option<String>,
    /// What is special about it.
    pub flags: Vec<ColumnFlag>,
}

impl ColumnDescription {
    /// A column at the path of its name.
    #[must_use]
    pub fn new(kind: ColumnType) -> Self {
        Self { kind, path: None, flags: Vec::new() }
    }

    /// The column in Vantage.
    fn typed(&self, name: &str) -> Column<Value> {
        let column = match self.kind {
            ColumnType::Bool => Column::from_column(Column::<bool>::new(name)),
            ColumnType::Int => Column::from_column(Column::<i64>::new(name)),
            ColumnType::Float => Column::from_column(Column::<f64>::new(name)),
            ColumnType::Decimal { .. } => Column::from_column(Column::<Decimal>::new(name)),
            ColumnType::Date | ColumnType::Timestamp | ColumnType::Text => {
                Column::from_column(Column::<String>::new(name))
            }
            ColumnType::Json => Column::new(name),
        };
        self.flags.iter().filter_map(|flag| flag.typed()).fold(column, Column::with_flag)
    }
}

impl fmt::Debug for ColumnDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)
    }
}

impl<'de> Deserialize<'de> for ColumnDescription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = ColumnDescription;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type, or a map of type, path and flags")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ColumnDescription, E> {
        column_type::parse(name).map(ColumnDescription::new)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ColumnDescription, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Data {
            #[serde(rename = "type", default = "text", deserialize_with = "column_type::named")]
            kind: ColumnType,
            #[serde(default)]
            path: Option<String>,
            #[serde(default)]
            flags: Vec<ColumnFlag>,
        }

        fn text() -> ColumnType {
            ColumnType::Text
        }

        let Data { kind, path, flags } = Data::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ColumnDescription { kind, path, flags })
    }
}

/// What is special about a column. Only `id` matters to a job; the others are for those who show
/// the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnFlag {
    /// Its values name a row.
    Id,
    /// It is what a row is called.
    Title,
    /// Searches look at it.
    Searchable,
    /// The API can order by it.
    Orderable,
    /// Every row has a value.
    Mandatory,
    /// It is not for people.
    Hidden,
    /// It is a parameter of requests, and in no row.
    RequestParam,
    /// The API makes its values.
    Auto,
    /// It is cheap to filter and order by it.
    Indexed,
    /// It is shown beside the title.
    Label,
}

impl ColumnFlag {
    /// The flag of a column in Vantage, if it has one.
    fn typed(self) -> Option<Flag> {
        Some(match self {
            Self::Searchable => Flag::Searchable,
            Self::Mandatory => Flag::Mandatory,
            Self::Hidden => Flag::Hidden,
            Self::RequestParam => Flag::RequestParam,
            Self::Indexed => Flag::Indexed,
            Self::Label => Flag::Label,
            Self::Id | Self::Title | Self::Orderable | Self::Auto => return None,
        })
    }
}

/// A relation to another table: `{ table: cities, kind: has_many, foreign_key: country }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReferenceDescription {
    /// The other table.
    pub table: String,
    /// `has_one`, the default, or `has_many`.
    #[serde(default)]
    pub kind: ReferenceKind,
    /// The column that holds the id of the other table's row, or, with `has_many`, the column of
    /// the other table that holds the id of this one's.
    #[serde(default)]
    pub foreign_key: Option<String>,
}

/// How many rows a relation leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReferenceKind {
    /// At most one.
    #[default]
    HasOne,
    /// Any number.
    HasMany,
}

/// Records in a column of a row:
/// `{ host_column: borders, kind: contains_many, columns: { code: text, km: float } }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainedDescription {
    /// The column that holds the record or the list of records.
    pub host_column: String,
    /// `contains_one`, the default, or `contains_many`.
    #[serde(default)]
    pub kind: ContainedKind,
    /// The column of a record that names it among the others.
    #[serde(default)]
    pub id_column: Option<String>,
    /// The columns of a record.
    pub columns: IndexMap<String, ColumnDescription>,
}

/// How many records a column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContainedKind {
    /// One.
    #[default]
    ContainsOne,
    /// A list of them.
    ContainsMany,
}
