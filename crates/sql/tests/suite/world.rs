//! Two APIs with some rows, and sessions that read them with one setting or another.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{
            ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch,
            StringArray, TimestampMicrosecondArray,
        },
        datatypes::{DataType, Field, Schema, TimeUnit},
        util::display::{ArrayFormatter, FormatOptions},
    },
    datasource::MemTable,
    prelude::{SessionConfig, SessionContext},
};
use serde_json::{Value, json};
use vantage_api_ingest::description::Description;
use vantage_api_sql::{ApiSession, datafusion};

use crate::support::{Api, Pages};

pub(crate) const ITEMS: usize = 53;
pub(crate) const GROUPS: usize = 9;
pub(crate) const PAGE: usize = 7;

const WORDS: [&str; 8] = ["apple", "Apple", "banana", "cherry", "a_b", "É", "zoo", "apricot"];

/// The rows of `items`, each of which has an `id`, and most a value in the other columns.
pub(crate) fn items(rows: usize) -> Vec<Value> {
    let mut random = fastrand::Rng::with_seed(7);
    let rows = (1..=rows).map(|id| {
        let mut some = |value: Value| if random.usize(0..8) == 0 { Value::Null } else { value };
        let day = 1 + id % 27;
        json!({
            "id": id,
            "n": some((id * 7 % 11).into()),
            "x": some((id as f64 / 4.0).into()),
            "t": some(WORDS[id % WORDS.len()].into()),
            "b": some((id % 3 == 0).into()),
            "day": some(format!("2024-02-{day:02}").into()),
            "at": some(format!("2024-02-{day:02}T{:02}:00:00Z", id % 24).into()),
            "grp": some((id % (GROUPS + 2)).into()),
            "unused": { "deep": [1, 2, { "x": id }] },
        })
    });
    rows.collect()
}

pub(crate) fn groups() -> Vec<Value> {
    let rows = (0..GROUPS).map(|id| json!({ "id": id, "name": WORDS[id % 8], "size": id * 10 }));
    rows.collect()
}

/// The APIs, `items` by the one and `groups` by the other.
pub(crate) struct World {
    pub(crate) items: Api,
    pub(crate) groups: Api,
}

impl World {
    pub(crate) fn new(pages: Pages) -> Self {
        Self::of(pages, ITEMS, PAGE)
    }

    pub(crate) fn of(pages: Pages, rows: usize, size: usize) -> Self {
        let (one, other) = (Api::start(pages, size), Api::start(Pages::Numbered, size));
        one.put("items", items(rows));
        other.put("groups", groups());
        Self { items: one, groups: other }
    }

    /// A session with both, whose tables have these settings besides.
    pub(crate) fn session(&self, pages: Pages, api: &str, sql: &str) -> ApiSession {
        let session = ApiSession::with_config(config()).unwrap();
        let items = items_yaml(pages, api, sql);
        session.add("public", &described(&self.items, &items)).unwrap();
        let paging = Pages::Numbered.yaml(PAGE);
        let groups = format!(
            "  - name: groups
    id: id
    columns: {{ id: int, name: text, size: int }}
    api: {{ paging: {paging}, envelope: {{ items: data, total: total }}, {api} }}
    sql: {{ {sql} }}
"
        );
        session.add("other", &described(&self.groups, &groups)).unwrap();
        session
    }
}

/// Few partitions, so that plans are the same on every machine.
pub(crate) fn config() -> SessionConfig {
    SessionConfig::new().with_target_partitions(3)
}

pub(crate) fn items_yaml(pages: Pages, api: &str, sql: &str) -> String {
    let paging = pages.yaml(PAGE);
    let total = if pages.tell_totals() { ", total: total" } else { "" };
    format!(
        "  - name: items
    id: id
    columns: {{ id: int, n: int, x: float, t: text, b: bool, day: date, at: timestamp, grp: int }}
    api: {{ paging: {paging}, envelope: {{ items: data{total} }}, {api} }}
    sql: {{ {sql} }}
"
    )
}

/// The description of an API with tables. A request that is not answered is not given up while a test
/// waits for it: what ends it is that nobody wants it any more.
pub(crate) fn described(api: &Api, tables: &str) -> Description {
    let url = api.url();
    let yaml = format!("api: {{ base_url: \"{url}\", attempt_timeout: 1h }}\ntables:\n{tables}");
    Description::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// The same rows in memory, decoded by nobody.
pub(crate) fn local(rows: usize) -> SessionContext {
    let context = SessionContext::new_with_config(config());
    let all = items(rows);
    let ints = |key: &str| -> ArrayRef {
        Arc::new(all.iter().map(|row| row[key].as_i64()).collect::<Int64Array>())
    };
    let floats: Float64Array = all.iter().map(|row| row["x"].as_f64()).collect();
    let texts: StringArray = all.iter().map(|row| row["t"].as_str()).collect();
    let flags: BooleanArray = all.iter().map(|row| row["b"].as_bool()).collect();
    let moment = |text: &str| {
        let (day, hour) = (&text[8..10], text.get(11..13).unwrap_or("00"));
        // 2024-02-01 is day 19754.
        let days = 19_753 + day.parse::<i64>().unwrap();
        (days, days * 24 + hour.parse::<i64>().unwrap())
    };
    let days: Date32Array =
        all.iter().map(|row| row["day"].as_str().map(|day| moment(day).0 as i32)).collect();
    let moments: TimestampMicrosecondArray =
        all.iter().map(|row| row["at"].as_str().map(|at| moment(at).1 * 3_600_000_000)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", ints("id")),
        ("n", ints("n")),
        ("x", Arc::new(floats)),
        ("t", Arc::new(texts)),
        ("b", Arc::new(flags)),
        ("day", Arc::new(days)),
        ("at", Arc::new(moments.with_timezone("UTC"))),
        ("grp", ints("grp")),
    ];
    let fields = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), *name != "id"));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    assert_eq!(
        schema.field(6).data_type(),
        &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    );
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    put(&context, "items", RecordBatch::try_new(schema, columns).unwrap());
    let all = groups();
    let ids: Int64Array = all.iter().map(|row| row["id"].as_i64()).collect();
    let names: StringArray = all.iter().map(|row| row["name"].as_str()).collect();
    let sizes: Int64Array = all.iter().map(|row| row["size"].as_i64()).collect();
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as ArrayRef),
        ("name", Arc::new(names)),
        ("size", Arc::new(sizes)),
    ]);
    put(&context, "groups", batch.unwrap());
    context
}

fn put(context: &SessionContext, name: &str, batch: RecordBatch) {
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    context.register_table(name, Arc::new(table)).unwrap();
}

/// The rows of batches as texts, in their order.
pub(crate) fn shown(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            rows.push(cells.join(" | "));
        }
    }
    rows
}

/// The rows of a query.
pub(crate) async fn rows(session: &ApiSession, sql: &str) -> Vec<String> {
    match try_rows(session, sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}: {error}"),
    }
}

pub(crate) async fn try_rows(
    session: &ApiSession,
    sql: &str,
) -> datafusion::error::Result<Vec<String>> {
    Ok(shown(&session.sql(sql).await?.collect().await?))
}

/// The text of a plan.
pub(crate) async fn plan(session: &ApiSession, sql: &str) -> String {
    let rows = rows(session, &format!("EXPLAIN {sql}")).await;
    rows.into_iter().filter(|row| row.starts_with("physical_plan")).collect()
}
