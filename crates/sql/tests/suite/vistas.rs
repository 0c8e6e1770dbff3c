//! Vistas as tables: of the API, and of what a job has written.

use std::sync::Arc;

use ciborium::Value;
use tempfile::TempDir;
use vantage_api_ingest::{Job, description::Description, vistas};
use vantage_api_sql::{VistaTableProvider, datafusion::prelude::SessionContext};
use vantage_types::Record;
use vantage_vista::{Column, Vista, VistaMetadata, mocks::MockShell};

use crate::{
    queries::made,
    support::{Api, Pages},
    world::{PAGE, config, groups, items, local, shown},
};

/// An API with rows, a context with its Vistas, and the folder of what a job has written.
struct Vistas {
    api: Api,
    context: SessionContext,
    _folder: TempDir,
}

impl Vistas {
    /// `items` and `groups` are those of the job, `api_items` those of the API.
    async fn new() -> Self {
        let (api, folder) = (Api::start(Pages::Numbered, PAGE), tempfile::tempdir().unwrap());
        api.put("items", items(53));
        api.put("groups", groups());
        let yaml = format!(
            "api: {{ base_url: \"{}\" }}
tables:
  - name: items
    id: id
    columns: {{ id: int, n: int, x: float, t: text, b: bool, day: date, at: timestamp, grp: int }}
    api:
      paging: {{ by: page, size_param: per_page, size: {PAGE} }}
      envelope: {{ items: data, total: total }}
      filters: {{ style: suffixes }}
      filtering: mixed
      writes: {{ style: rest }}
  - name: groups
    id: id
    columns: {{ id: int, name: text, size: int }}
    api: {{ paging: {{ by: page, size_param: per_page, size: {PAGE} }}, envelope: {{ items: data, total: total }} }}
jobs:
  copy:
    sink: {{ sqlite: \"{}\" }}
    streams: [{{ table: items, write: merge, schema: discard }}, {{ table: groups, write: merge }}]
gateway:
  auth: none
  tables:
    items: {{ source: {{ job: copy }} }}
    groups: {{ source: {{ job: copy }} }}
    api_items: {{ source: {{ api: items }} }}
",
            api.url(),
            folder.path().join("copy.db").display()
        );
        let description = Description::from_yaml(&yaml).unwrap();
        let report = Job::new(&description, "copy").unwrap().run().await;
        assert!(report.is_complete(), "{report}");
        let pool = description.api.clone().builder().unwrap().build().unwrap();
        let found = vistas::of_gateway(&description, &description.source(&pool)).await.unwrap();
        let context = SessionContext::new_with_config(config());
        for (name, vista) in found {
            register(&context, &name, vista);
        }
        api.asked();
        Self { api, context, _folder: folder }
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn try_rows(&self, sql: &str) -> vantage_api_sql::datafusion::error::Result<Vec<String>> {
        Ok(shown(&self.context.sql(sql).await?.collect().await?))
    }
}

/// A Vista of the gateway of a description.
async fn vista_of(yaml: &str, name: &str) -> Vista {
    let description = Description::from_yaml(yaml).unwrap();
    let pool = description.api.clone().builder().unwrap().build().unwrap();
    let mut found = vistas::of_gateway(&description, &description.source(&pool)).await.unwrap();
    found.swap_remove(name).unwrap()
}

fn register(context: &SessionContext, name: &str, vista: Vista) {
    context.register_table(name, Arc::new(VistaTableProvider::of(vista))).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_over_vistas_have_the_rows_of_the_same_queries_in_memory() {
    let (vistas, context) = (Vistas::new().await, local(53));
    for query in made(60, 30) {
        let sql = query.sql.replace("other.", "");
        let mut expected = shown(&context.sql(&sql).await.unwrap().collect().await.unwrap());
        let mut found = vistas.rows(&sql).await;
        if !query.is_ordered {
            expected.sort();
            found.sort();
        }
        assert_eq!(found, expected, "{sql}");
    }
    assert!(vistas.api.asked().is_empty());
}

#[tokio::test]
async fn a_vista_of_an_api_is_asked_by_the_conditions_that_it_takes() {
    let vistas = Vistas::new().await;
    assert_eq!(vistas.rows("SELECT id FROM api_items WHERE id > 50 AND n + 1 > 0").await.len(), 3);
    let asked = vistas.api.asked();
    assert!(asked.iter().all(|url| url.contains("id__gt=50")), "{asked:?}");
    assert_eq!(vistas.rows("SELECT t FROM api_items LIMIT 3").await.len(), 3);
    assert_eq!(vistas.api.asked().len(), 1);
    let plan = vistas.rows("EXPLAIN SELECT id FROM api_items WHERE id = 7").await.concat();
    assert!(plan.contains("VistaScanExec") && plan.contains("id=7"), "{plan}");
    assert!(vistas.api.asked().is_empty());
    let plan = vistas.rows("EXPLAIN SELECT id FROM items WHERE id = 7").await.concat();
    assert!(plan.contains("sqlite: SELECT") && plan.contains("WHERE"), "{plan}");
    let join = "SELECT count(*) FROM api_items a JOIN items i ON a.id = i.id WHERE i.id <= 5";
    assert_eq!(vistas.rows(join).await, ["5"]);
}

#[tokio::test]
async fn a_vista_of_many_pages_is_hardly_asked_twice_for_one() {
    let api = Api::start(Pages::Numbered, 70);
    api.put("items", items(2100));
    let yaml = format!(
        "api: {{ base_url: \"{}\" }}
tables: [{{ name: items, id: id, columns: {{ id: int }}, api: {{ envelope: {{ items: data, total: total }}, paging: {} }} }}]
gateway: {{ auth: none, tables: {{ items: {{ source: {{ api: items }} }} }} }}
",
        api.url(),
        Pages::Numbered.yaml(70)
    );
    let context = SessionContext::new_with_config(config());
    register(&context, "items", vista_of(&yaml, "items").await);
    api.asked();
    let found = context.sql("SELECT id FROM items").await.unwrap().collect().await.unwrap();
    assert_eq!(shown(&found).len(), 2100);
    let mut asked = api.asked();
    asked.sort();
    let twice: Vec<_> = asked.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(asked.len() >= 30 && twice.is_empty(), "{twice:?}");
}

#[tokio::test]
async fn rows_are_inserted_into_a_vista_that_takes_them_and_into_no_other() {
    let vistas = Vistas::new().await;
    let insert = "INSERT INTO api_items (id, t) VALUES (100, 'new')";
    assert_eq!(vistas.rows(insert).await, ["1"]);
    assert_eq!(vistas.api.rows("items").len(), 54);
    let error = vistas.try_rows("INSERT INTO items (id, t) VALUES (100, 'new')").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`items`") && error.contains("takes no rows"), "{error}");
}

#[tokio::test]
async fn a_value_that_is_none_of_its_column_is_an_error_that_names_both() {
    let api = Api::start(Pages::None, PAGE);
    api.put("odd", vec![serde_json::json!({ "id": "a", "n": "many" })]);
    let yaml = format!(
        "api: {{ base_url: \"{}\" }}
tables: [{{ name: odd, id: id, columns: {{ id: text, n: text }}, api: {{ envelope: {{ items: data }}, paging: {{ by: none }} }} }}]
gateway: {{ auth: none, tables: {{ odd: {{ source: {{ api: odd }} }} }} }}
",
        api.url()
    );
    let vista = vista_of(&yaml, "odd").await;
    let context = SessionContext::new_with_config(config());
    register(
        &context,
        "odd",
        vista.map_shell(|inner| typed::Typed::new(inner, Column::new("n", "int"))),
    );
    let read = context.sql("SELECT n FROM odd").await.unwrap().collect().await;
    let error = read.unwrap_err().to_string();
    assert!(error.contains("`odd`") && error.contains("`n`"), "{error}");
}

/// A Vista in memory, which compares the values that it has.
#[tokio::test]
async fn a_vista_that_has_other_values_than_a_query_loses_and_adds_no_rows() {
    let columns =
        [("n", "u64"), ("day", "date"), ("at", "timestamp"), ("size", "int"), ("x", "float")];
    let mut metadata = VistaMetadata::new().with_column(Column::untyped("any"));
    for (name, kind) in columns {
        metadata = metadata.with_column(Column::new(name, kind));
    }
    let text = |text: &str| Value::Text(text.to_owned());
    let values = |n: u64, at: &str, size: Value, x: f64, any: Value| -> Record<Value> {
        let at = Value::Tag(0, Box::new(text(at)));
        let all = [("n", n.into()), ("day", text("2024-01-01")), ("at", at)];
        let all = all.into_iter().chain([("size", size), ("x", x.into()), ("any", any)]);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let shell = MockShell::new()
        .with_metadata(metadata)
        .with_record("1", values(7, "2024-01-01T00:00:00.500Z", 3.into(), 0.5, 7.into()))
        .with_record("2", values(u64::MAX, "2023-06-01", Value::Null, f64::NAN, text("x")));
    let context = SessionContext::new_with_config(config());
    register(&context, "cells", Vista::new("cells", shell));
    for (condition, expected) in [
        ("n = 7", 1),
        ("n IN (18446744073709551615, 1)", 1),
        ("n > 6", 2),
        ("day = '2024-01-01'", 2),
        ("at >= '2024-01-01T00:00:00Z'", 1),
        ("at = '2024-01-01T00:00:00.500Z'", 1),
        ("at < '2023-06-02'", 1),
        ("any = '7'", 1),
        ("any IN ('7', 'x')", 2),
        ("size = 3", 1),
        ("size > 2", 1),
        ("size >= 3 AND x < 1", 1),
        ("x > 0.1", 1),
        ("x < 0.1", 0),
    ] {
        let sql = format!("SELECT n FROM cells WHERE {condition}");
        let found = context.sql(&sql).await.unwrap().collect().await.unwrap();
        assert_eq!(shown(&found).len(), expected, "{condition}");
    }
    let plan = context.sql("EXPLAIN SELECT n FROM cells WHERE size = 3").await.unwrap();
    let plan = shown(&plan.collect().await.unwrap()).concat();
    assert!(!plan.contains("FilterExec"), "{plan}");
}

/// A Vista one of whose columns says another type than its values have.
mod typed {
    use vantage_vista::{Column, TableShell, VistaMetadata, forward_table_shell};

    #[derive(Clone)]
    pub(super) struct Typed {
        inner: Box<dyn TableShell>,
        metadata: VistaMetadata,
    }

    impl Typed {
        pub(super) fn new(inner: Box<dyn TableShell>, column: Column) -> Self {
            let metadata = inner.metadata().clone().with_column(column);
            Self { inner, metadata }
        }
    }

    forward_table_shell!(Typed, inner, {
        fn metadata(&self) -> &VistaMetadata {
            &self.metadata
        }
    });
}
