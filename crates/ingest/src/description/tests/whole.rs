use std::time::Duration;

use ciborium::Value;
use secrecy::ExposeSecret;
use vantage_api_pool::PoolApi;
use vantage_table::traits::column_like::ColumnLike;

use super::*;
use crate::schema::ColumnType;

const WHOLE: &str = r#"
vars:
  host: api.example.com
  folder: out
api:
  base_url: https://${host}/v1
  auth: { bearer: "${TOKEN}" }
  rate_limit: 2.5
  call_timeout: ${TIMEOUT:-1m}
  workers: ${WORKERS}
tables:
  - name: countries
    id_column: code
    columns:
      code: string
      name: { type: text, flags: [title, searchable] }
      population: { type: i64, path: stats.population }
      area: { type: "decimal(18,4)" }
      updated_at: timestamp
    references:
      cities: { table: cities, kind: has_many, foreign_key: country }
    contained:
      borders: { host_column: borders, kind: contains_many, columns: { code: text, km: float } }
    api:
      envelope: { items: result.rows, total: result.count }
      paging: { by: page, size_param: $top, size: 100 }
      filters: { style: suffixes }
  - name: cities
    id: [country, name]
    api: { endpoint: "countries/{country}/cities" }
  - name: events
    columns: { id: u64, at: date }
  - name: logs
    api: { max_pages: 3 }
jobs:
  world:
    sink: { sqlite: "${folder}/world.db" }
    every: 10m
    on_error: stop
    streams:
      - table: countries
        incremental: { field: updated_at, param: since, start: 2024-01-01T00:00:00Z, lookback: 1h }
        windows: { from: since, to: until, step: 1d }
        where: { status: active, region: [eu, us], size: { gte: 5, lt: 9.5 }, deleted_at: null }
        schema: quarantine
        reconcile: warn
        checks:
          columns: { name: [not_null, unique], population: [{ range: [0, 2e9] }] }
          rows: ">= 1"
          on_fail: fail
        prefetch: 32
        commit: { rows: 10, every: 500ms }
      - table: cities
        name: towns
        for_each: { table: countries, bind: { country: code } }
        write: sync
        nested: flatten
        columns:
          debug: drop
          email: { hash: sha256 }
          phone: { mask: last4, from: contact.phone }
          price: { type: "decimal(9,2)" }
          source: { const: crm }
      - { table: events, incremental: { field: id, format: text, start: 100 } }
      - { table: logs, sample: true, write: replace }
  hourly:
    sink: { postgres: "postgres://me:${TOKEN}@db/world" }
    cron: 0 */6 * * *
    streams: [{ table: countries, write: append }]
  files:
    sink: { parquet: s3://bucket/out }
    streams: [{ table: countries }]
"#;

fn whole() -> Description {
    reader().read_yaml(WHOLE).unwrap()
}

#[test]
fn a_whole_file_is_what_it_says() {
    let description = whole();
    let [countries, cities, events, _] = &description.tables[..] else { panic!() };
    assert_eq!(countries.id, ["code"]);
    assert_eq!(countries.columns["population"].path.as_deref(), Some("stats.population"));
    let kinds: Vec<_> = countries.columns.values().map(|column| column.kind).collect();
    let area = ColumnType::Decimal { precision: 18, scale: 4 };
    let text = ColumnType::Text;
    assert_eq!(kinds, [text, text, ColumnType::Int, area, ColumnType::Timestamp]);
    assert_eq!(countries.columns["name"].flags, [ColumnFlag::Title, ColumnFlag::Searchable]);
    assert_eq!(countries.references["cities"].kind, ReferenceKind::HasMany);
    assert_eq!(countries.contained["borders"].columns["km"].kind, ColumnType::Float);
    assert_eq!(cities.id, ["country", "name"]);
    assert_eq!(events.id, ["id"]);
    assert_eq!(description.jobs.keys().collect::<Vec<_>>(), ["world", "hourly", "files"]);
    let world = &description.jobs["world"];
    assert!(matches!(&world.sink, SinkDescription::Sqlite(path) if path.ends_with("out/world.db")));
    assert_eq!((world.every, world.on_error), (Some(Duration::from_secs(600)), OnError::Stop));
    let hourly = &description.jobs["hourly"];
    assert_eq!(hourly.cron.as_deref(), Some("0 */6 * * *"));
    let SinkDescription::Postgres(url) = &hourly.sink else { panic!() };
    assert_eq!(url.expose_secret(), "postgres://me:s3cret-token@db/world");
}

#[test]
fn a_whole_stream_is_what_it_says() {
    let description = whole();
    let [countries, towns, events, logs] = &description.jobs["world"].streams[..] else { panic!() };
    let incremental = countries.incremental.as_ref().unwrap();
    assert_eq!((&*incremental.field, &*incremental.param), ("updated_at", "since"));
    assert_eq!(incremental.start.as_deref(), Some("2024-01-01T00:00:00Z"));
    assert_eq!(incremental.lookback, Duration::from_secs(3_600));
    let windows = countries.windows.as_ref().unwrap();
    let expected = Windows::new("since", "until", Duration::from_secs(86_400));
    let expected = expected.format(MomentFormat::Rfc3339).start("2024-01-01T00:00:00Z");
    assert_eq!(*windows, expected);
    let conditions: Vec<_> = countries.conditions.iter().map(|c| c.to_api().to_string()).collect();
    assert_eq!(
        conditions,
        [
            "status = \"active\"",
            "region IN (\"eu\", \"us\")",
            "size >= 5",
            "size < 9.5",
            "deleted_at IS NULL",
        ],
    );
    assert_eq!((countries.schema, countries.nested), (SchemaPolicy::Quarantine, Nested::Json));
    let (rows, every) = (Some(10), Some(Duration::from_millis(500)));
    let commit = CommitEvery { rows, bytes: 16_777_216, every };
    assert_eq!((countries.commit, countries.reconcile), (commit, Reconcile::Warn));
    assert_eq!((countries.prefetch, towns.prefetch), (32, 8));
    let range = Range::new(Some(Value::from(0)), Some(Value::from(2e9)));
    assert_eq!(countries.checks.columns["name"], [Check::NotNull, Check::Unique]);
    assert_eq!(countries.checks.columns["population"], [Check::Range(range)]);
    assert_eq!(countries.checks.rows, Some(1..=u64::MAX));
    assert_eq!((countries.checks.on_fail, towns.checks.on_fail), (OnFail::Fail, OnFail::Reject));
    assert_eq!((&*towns.table, &*towns.name), ("cities", "towns"));
    assert_eq!(towns.for_each, Some(ForEach::new("countries", "country", "code")));
    assert_eq!(towns.columns["debug"], ColumnChange::Drop);
    let ColumnChange::Make(phone) = &towns.columns["phone"] else { panic!() };
    assert_eq!((phone.mask, phone.from.as_deref()), (Some(Mask::Last4), Some("contact.phone")));
    let ColumnChange::Make(source) = &towns.columns["source"] else { panic!() };
    assert_eq!(source.constant, Some(Value::from("crm")));
    let events = events.incremental.as_ref().unwrap();
    assert_eq!((&*events.param, events.start.as_deref()), ("id", Some("100")));
    assert!(logs.sample);
}

#[test]
fn windows_take_what_they_do_not_say_from_what_is_incremental() {
    let yaml = with_stream(
        "table: plain\nincremental: { field: at, format: date, start: 2024-01-01 }\n\
         windows: { from: a, to: b, step: 7d }",
    );
    let description = reader().read_yaml(&yaml).unwrap();
    let windows = description.jobs["copy"].streams[0].windows.as_ref().unwrap();
    let expected = Windows::new("a", "b", Duration::from_secs(7 * 86_400));
    assert_eq!(*windows, expected.format(MomentFormat::Date).start("2024-01-01"));
}

#[test]
fn rows_are_merged_if_they_have_a_key_and_the_sink_can() {
    let description = whole();
    let writes = |job: &str| {
        let streams = description.jobs[job].streams.iter();
        streams.map(|stream| stream.write).collect::<Vec<_>>()
    };
    assert_eq!(
        writes("world"),
        [WriteMode::Merge, WriteMode::Sync, WriteMode::Merge, WriteMode::Replace]
    );
    assert_eq!(writes("hourly"), [WriteMode::Append]);
    assert_eq!(writes("files"), [WriteMode::Replace]);
}

#[test]
fn tables_are_made_in_vantage() {
    let description = whole();
    let pool = description.api.clone().builder().unwrap().build().unwrap();
    let source: PoolApi = description.source(&pool);
    let countries = description.table("countries", &source).unwrap();
    assert_eq!(countries.id_field_name(), "code");
    let types: Vec<_> = countries.columns().values().map(ColumnLike::get_type).collect();
    let text = "alloc::string::String";
    assert_eq!(types, [text, text, "i64", "rust_decimal::decimal::Decimal", text]);
    assert_eq!(countries.title_fields(), ["name"]);
    let cities = description.table("cities", &source).unwrap();
    assert!(cities.id_field().is_none() && cities.columns().is_empty());
    assert!(description.table("continents", &source).is_none());
}

#[test]
fn what_a_program_builds_needs_no_file() {
    let mut description = Description::new(whole().api);
    description.tables.push(TableDescription::new("rows"));
    let stream = StreamDescription::new("rows");
    assert_eq!((&*stream.name, stream.write), ("rows", WriteMode::Append));
    assert_eq!(stream.prefetch, 8);
    let job = JobDescription::new(SinkDescription::Sqlite("rows.db".into()), vec![stream]);
    description.jobs.insert("copy".into(), job);
    assert!(description.table_named("rows").is_some());
}

#[test]
fn a_given_variable_comes_before_the_environment_and_that_before_the_file() {
    let yaml = "vars: { A: file, B: file, C: file }\n\
                api: { base_url: https://example.com }\n\
                jobs: {}\n\
                tables: [{ name: '${A} ${B} ${C} ${D:-default}' }]";
    let reader = Reader::new().environment([("A", "env"), ("B", "env")]).variable("A", "given");
    let description = reader.read_yaml(yaml).unwrap();
    assert_eq!(description.tables[0].name, "given env file default");
}
