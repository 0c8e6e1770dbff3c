//! How a server hands its rows out, and the reads that hold for each of them: as a stream,
//! as a Vantage table and as a Vista, compared with the rows that the server was given.

use std::{future::Future, time::Duration};

use ciborium::Value as Cbor;
use futures::TryStreamExt;
use indexmap::IndexMap;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use vantage_api_pool::{
    AwwPool, Envelope, PaginatedStream, Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, Filtering, PoolTableExt},
};
use vantage_dataset::prelude::*;
use vantage_table::{prelude::OrderBy, table::Table};
use vantage_types::{EmptyEntity, Entity, Record};
use vantage_vista::{FilterOp, NativeCondition, SortDirection, Vista, VistaFactory};

use crate::rows::{self, assert_same, fields_of};

pub type Rows = Table<PoolApi, EmptyEntity>;

/// How many pages a read fetches ahead unless told otherwise.
const AHEAD: u64 = 3;

/// Waits for something that must happen, however busy the machine is.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(120);
    match tokio::time::timeout(limit, work).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}

/// A set of a server, and how it is asked for.
#[derive(Clone)]
pub struct Source {
    pub url: String,
    pub path: &'static str,
    pub paging: Paging,
    pub envelope: Envelope,
    /// What else is particular to the table.
    pub table: ApiTable,
    /// A row as the server has it in an item.
    pub item: fn(&Value) -> Value,
    /// A row as a table of the server has it.
    pub row: fn(&Value) -> Value,
}

impl Source {
    pub fn new(url: String, path: &'static str, paging: Paging, envelope: Envelope) -> Self {
        let table = ApiTable::new();
        Self { url, path, paging, envelope, table, item: Value::clone, row: Value::clone }
    }

    pub fn pool(&self) -> AwwPool {
        AwwPool::builder(&self.url).build().unwrap()
    }

    pub fn stream(&self) -> PaginatedStream {
        self.stream_of(&self.pool())
    }

    pub fn stream_of(&self, pool: &AwwPool) -> PaginatedStream {
        let stream = PaginatedStream::get(pool, format!("/{}", self.path));
        stream.paging(self.paging.clone()).envelope(self.envelope.clone())
    }

    pub fn settings(&self) -> ApiTable {
        let table = self.table.clone().path(self.path);
        table.paging(self.paging.clone()).envelope(self.envelope.clone())
    }

    pub fn api_of(&self, pool: AwwPool) -> PoolApi {
        PoolApi::new(pool).table("rows", self.settings())
    }

    pub fn table_of<E: Entity<Cbor>>(&self, api: PoolApi) -> Table<PoolApi, E> {
        // As aliases are of columns that are declared.
        Table::new("rows", api)
            .with_id_column("id")
            .with_column_of::<String>("name")
            .with_column_of::<Cbor>("note")
            .with_column_of::<i64>("big")
            .with_column_of::<f64>("score")
            .with_column_of::<Cbor>("flag")
            .with_column_of::<i64>("team")
            .with_column_of::<Cbor>("nested")
    }

    pub fn typed<E: Entity<Cbor>>(&self) -> Table<PoolApi, E> {
        self.table_of(self.api_of(self.pool()))
    }

    pub fn rows(&self) -> Rows {
        self.typed()
    }

    pub fn filtered(&self, filtering: Filtering) -> Self {
        Self { table: self.table.clone().filtering(filtering), ..self.clone() }
    }

    pub fn vista(&self) -> Vista {
        let table = self.rows();
        let factory = table.data_source().vista_factory();
        factory.from_table(table).unwrap()
    }

    /// The rows as a table of this server has them.
    pub fn expected(&self) -> Vec<Value> {
        rows::all().iter().map(self.row).collect()
    }
}

/// The whole set as a stream, as values and as `T`.
pub async fn streams_are_whole<T>(source: &Source)
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    let expected: Vec<Value> = rows::all().iter().map(source.item).collect();
    let values = within("the values", source.stream().try_collect::<Vec<Value>>()).await;
    assert_same("the values", &values.unwrap(), &expected);
    let typed = source.stream().items_as::<T>();
    let typed = within("the items", typed.try_collect::<Vec<T>>()).await.unwrap();
    let typed: Vec<_> = typed.iter().map(|item| serde_json::to_value(item).unwrap()).collect();
    assert_same("the items", &typed, &expected);

    // From where another read stood, in the middle of a page.
    let mut begun = source.stream();
    for row in &expected[..333] {
        let value = within("a row", begun.try_next()).await.unwrap().unwrap();
        assert_same("a row", &[value], std::slice::from_ref(row));
    }
    let token = begun.resume_token().to_text().parse().unwrap();
    let rest = source.stream().resume_from(token).try_collect::<Vec<Value>>();
    assert_same("the rest", &within("the rest", rest).await.unwrap(), &expected[333..]);
}

/// The whole set as a table, row by row, in windows and counted.
pub async fn tables_are_whole(source: &Source) {
    let (table, expected) = (source.rows(), source.expected());
    let listed = within("the list", table.list_values()).await.unwrap();
    let ids: Vec<_> = expected.iter().map(|row| text_of(&row["id"])).collect();
    assert_eq!(listed.keys().cloned().collect::<Vec<_>>(), ids);
    assert_same("the list", &json_rows(&listed), &expected);
    let count = within("the count", table.get_count()).await.unwrap();
    assert_eq!(count, rows::COUNT);
    for id in [1, 24, 700, rows::COUNT] {
        let found = within("a row", table.get_value(id.to_string())).await.unwrap();
        let found = json(&found.unwrap_or_else(|| panic!("row {id} is there")));
        assert_same("a row", &[found], &expected[id as usize - 1..][..1]);
    }
    assert!(within("no row", table.get_value("5000")).await.unwrap().is_none());
    let (first, _) = within("some row", table.get_some_value()).await.unwrap().unwrap();
    assert_eq!(first, "1");
    for (offset, limit) in WINDOWS {
        let window = within("a window", table.list_window(offset as u64, limit as u64)).await;
        let window = json_rows(&window.unwrap());
        let wanted: Vec<_> = expected.iter().skip(offset).take(limit).cloned().collect();
        assert_same(&format!("the window {offset}+{limit}"), &window, &wanted);
    }
}

/// In the first page, across two, across several, over the end, behind it, and empty.
const WINDOWS: [(usize, usize); 7] =
    [(0, 10), (45, 10), (500, 130), (1_230, 50), (1_237, 5), (3_000, 5), (7, 0)];

/// The whole set as entities, read through records and straight from JSON.
pub async fn entities_are_whole<E>(source: &Source)
where
    E: Entity<Cbor> + Serialize + DeserializeOwned + 'static,
{
    let table = source.typed::<E>();
    let shown = |rows: IndexMap<String, E>| -> Vec<Value> {
        rows.values().map(|row| serde_json::to_value(row).unwrap()).collect()
    };
    let direct = within("the direct list", table.list_direct()).await.unwrap();
    // The type may have a part of the fields alone.
    let first = serde_json::to_value(&direct["1"]).unwrap();
    let expected: Vec<_> = source.expected().iter().map(|row| fields_of(row, &first)).collect();
    assert_same("the direct list", &shown(direct), &expected);
    let listed = within("the list", table.list()).await.unwrap();
    assert_same("the list of entities", &shown(listed), &expected);
    let one = within("an entity", table.get("77")).await.unwrap().unwrap();
    assert_same("an entity", &[serde_json::to_value(one).unwrap()], &expected[76..77]);
}

/// The whole set as a Vista, in windows, by pieces where it can, and counted.
pub async fn vistas_are_whole(source: &Source) {
    let (vista, expected) = (source.vista(), source.expected());
    let listed = within("the list", vista.list_values()).await.unwrap();
    assert_same("the list", &json_rows(&listed), &expected);
    assert_eq!(within("the count", vista.count()).await.unwrap(), rows::COUNT);
    let found = within("a row", vista.get_value("1024")).await.unwrap().unwrap();
    assert_same("a row", &[json(&found)], &expected[1_023..1_024]);
    for (offset, limit) in WINDOWS {
        let page = within("a window", vista.fetch_window(offset, limit)).await.unwrap();
        let window: Vec<_> = page.rows.iter().map(|(_, row)| json(row)).collect();
        let wanted: Vec<_> = expected.iter().skip(offset).take(limit).cloned().collect();
        assert_same(&format!("the window {offset}+{limit}"), &window, &wanted);
        if let Some(total) = page.total {
            assert_eq!(total, rows::COUNT, "the window {offset}+{limit}");
        }
    }
    if vista.capabilities().has(vantage_vista::Capability::Cursor) {
        let (mut token, mut pieces) = (None, Vec::new());
        loop {
            let piece = vista.fetch_cursor(token.take(), 100);
            let (page, next) = within("a piece", piece).await.unwrap();
            assert!(page.rows.len() <= 100);
            pieces.extend(page.rows.iter().map(|(_, row)| json(row)));
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_same("the pieces", &pieces, &expected);
    }
}

/// Each window tells how many rows the set has, since each page does, and one behind the last
/// row does not read the set for that.
pub async fn windows_bring_the_total(source: &Source) {
    for (offset, limit) in [(0, 3), (5, 3), (650, 10), (1_230, 50), (3_000, 5)] {
        let pool = source.pool();
        let table = source.table_of::<EmptyEntity>(source.api_of(pool.clone()));
        let vista = table.data_source().vista_factory().from_table(table.clone()).unwrap();
        let page = within("a window", vista.fetch_window(offset, limit)).await.unwrap();
        assert_eq!(page.total, Some(rows::COUNT), "the window {offset}+{limit}");
        let attempts = within("the counts", pool.stats()).await.unwrap().attempts;
        // One page says that the set ends before the window. Those after it may be under way.
        let most = 1 + AHEAD;
        assert!(offset < 3_000 || attempts <= most, "{attempts} requests for {offset}+{limit}");
    }
}

/// The rows that `holds` for are those that the table finds under the condition: listed, in
/// a window, counted and one by one, by the table and by the Vista.
pub async fn finds(source: &Source, condition: ApiCondition, holds: impl Fn(&Value) -> bool) {
    let what = format!("{condition}");
    let all = rows::all();
    let (inside, outside): (Vec<_>, Vec<_>) = all.iter().partition(|row| holds(row));
    assert!(!inside.is_empty() && !outside.is_empty(), "{what}: the condition says something");
    let expected: Vec<_> = inside.iter().map(|row| (source.row)(row)).collect();
    let table = source.rows().with_condition(condition.clone());
    let listed = within(&what, table.list_values()).await.unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_same(&what, &json_rows(&listed), &expected);
    let count = within(&what, table.get_count()).await.unwrap();
    assert_eq!(count as usize, expected.len(), "{what}: the count");
    let window = within(&what, table.list_window(1, 60)).await.unwrap();
    let wanted: Vec<_> = expected.iter().skip(1).take(60).cloned().collect();
    assert_same(&format!("{what}: a window"), &json_rows(&window), &wanted);
    for (row, is_inside) in [(inside[inside.len() - 1], true), (outside[0], false)] {
        let id = row["id"].to_string();
        let found = within(&what, table.get_value(id.as_str())).await.unwrap();
        assert_eq!(found.is_some(), is_inside, "{what}: the row {id}");
    }
    let native = NativeCondition::new(condition, "the condition");
    let vista = source.vista().with_native_condition(native).unwrap();
    let listed = within(&what, vista.list_values()).await.unwrap();
    assert_same(&format!("{what}: the Vista"), &json_rows(&listed), &expected);
}

/// The rows come in the order of `key`, and rows that are equal there in that of their ids.
pub async fn orders<K: Ord>(
    source: &Source,
    column: &str,
    direction: SortDirection,
    key: impl Fn(&Value) -> K,
) {
    let what = format!("by {column} {direction:?}");
    let mut expected = rows::all();
    let is_descending = direction == SortDirection::Descending;
    expected.sort_by(|one, other| {
        let order = key(one).cmp(&key(other));
        if is_descending { order.reverse() } else { order }
    });
    let expected: Vec<_> = expected.iter().map(source.row).collect();
    let by = ApiCondition::column(column);
    let by = if is_descending { OrderBy::descending(by) } else { OrderBy::ascending(by) };
    let table = source.rows().with_order(by);
    let listed = within(&what, table.list_values()).await.unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_same(&what, &json_rows(&listed), &expected);
    let window = within(&what, table.list_window(600, 20)).await.unwrap();
    assert_same(&format!("{what}: a window"), &json_rows(&window), &expected[600..620]);
    let vista = source.vista().with_order(column, direction).unwrap();
    let page = within(&what, vista.fetch_window(40, 20)).await.unwrap();
    let window: Vec<_> = page.rows.iter().map(|(_, row)| json(row)).collect();
    assert_same(&format!("{what}: the Vista"), &window, &expected[40..60]);
}

/// The record of a table as JSON.
pub fn json(row: &Record<Cbor>) -> Value {
    row.iter().map(|(name, value)| (name.clone(), json_value(value))).collect()
}

fn json_rows(rows: &IndexMap<String, Record<Cbor>>) -> Vec<Value> {
    rows.values().map(json).collect()
}

fn json_value(value: &Cbor) -> Value {
    match value {
        Cbor::Map(fields) => {
            let name = |name: &Cbor| name.as_text().expect("a name is a text").to_owned();
            fields.iter().map(|(key, value)| (name(key), json_value(value))).collect()
        }
        Cbor::Array(values) => values.iter().map(json_value).collect(),
        value => serde_json::to_value(value).unwrap(),
    }
}

fn text_of(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// Each text that the server takes in a condition finds the rows with that name.
pub async fn names_are_found(source: &Source, takes: impl Fn(&str) -> bool) {
    let all = rows::all();
    let mut asked = 0;
    // One of each kind, the empty one, and a long one.
    for row in &all[..100] {
        let name = row["name"].as_str().unwrap();
        if !takes(name) || name.len() > 1_000 {
            continue;
        }
        let table = source.rows().with_condition(ApiCondition::eq("name", name));
        let listed = within("the rows of a name", table.list_values()).await;
        let listed = listed.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let expected = all.iter().filter(|row| row["name"] == name).map(source.row);
        assert_same(&format!("{name:?}"), &json_rows(&listed), &expected.collect::<Vec<_>>());
        asked += 1;
    }
    assert!(asked > 0, "{asked} names");
}

/// The tables that YAML describes hold the set, and narrow it by each of the conditions.
pub async fn yaml_holds(
    source: &Source,
    yaml: &str,
    conditions: Vec<(&str, FilterOp, Cbor, Holds)>,
) {
    let factory = PoolApi::new(source.pool()).vista_factory();
    let vista = factory.from_yaml(yaml).unwrap_or_else(|error| panic!("{error}"));
    let all = rows::all();
    let listed = within("the list", vista.list_values()).await.unwrap();
    assert_same("the list", &json_rows(&listed), &source.expected());
    assert_eq!(within("the count", vista.count()).await.unwrap(), rows::COUNT);
    let page = within("a window", vista.fetch_window(333, 44)).await.unwrap();
    let window: Vec<_> = page.rows.iter().map(|(_, row)| json(row)).collect();
    assert_same("the window", &window, &source.expected()[333..377]);
    for (column, op, value, holds) in conditions {
        let what = format!("{column} {op:?} {value:?}");
        let narrowed = vista.clone().with_condition(column, op, value).unwrap();
        let listed = within(&what, narrowed.list_values()).await.unwrap();
        let expected: Vec<_> = all.iter().filter(|row| holds(row)).map(source.row).collect();
        assert_same(&what, &json_rows(&listed), &expected);
        let count = within(&what, narrowed.count()).await.unwrap();
        assert_eq!(count as usize, expected.len(), "{what}: the count");
    }
}

pub type Holds = fn(&Value) -> bool;
