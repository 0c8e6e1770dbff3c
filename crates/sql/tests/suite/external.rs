//! Tables that statements make.

use crate::{
    support::{Api, Pages},
    world::{PAGE, config, items, plan, rows, try_rows},
};
use vantage_api_sql::ApiSession;

fn api() -> (Api, ApiSession) {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("items", items(20));
    (api, ApiSession::with_config(config()).unwrap())
}

#[tokio::test]
async fn an_external_table_has_the_options_of_a_description() {
    let (api, session) = api();
    let sql = format!(
        "CREATE EXTERNAL TABLE t (id BIGINT NOT NULL, t VARCHAR, x DOUBLE) STORED AS API \
         LOCATION '{}/items?lang=en' OPTIONS ('paging.by' 'page', 'paging.size_param' 'per_page', \
         'paging.size' '7', 'envelope.items' 'data', 'envelope.total' 'total', 'filters.style' 'suffixes', 'id' 'id', \
         'sorting.style' 'prefixed', 'sorting.param' 'sort')",
        api.url()
    );
    rows(&session, &sql).await;
    assert!(api.asked().is_empty());
    assert_eq!(rows(&session, "SELECT id FROM t WHERE id > 18 ORDER BY id").await, ["19", "20"]);
    let asked = api.asked();
    assert_eq!(asked.len(), 1);
    for part in ["lang=en", "id__gt=18", "sort=id", "per_page=7"] {
        assert!(asked[0].contains(part), "{asked:?}");
    }
}

#[tokio::test]
async fn an_external_table_without_columns_finds_them() {
    let (api, session) = api();
    let sql = format!(
        "CREATE EXTERNAL TABLE t STORED AS API LOCATION '{}/items' OPTIONS ('envelope.items' 'data', 'envelope.total' 'total')",
        api.url()
    );
    rows(&session, &sql).await;
    assert_eq!(api.asked().len(), 1);
    assert_eq!(rows(&session, "SELECT sum(id) FROM t").await, ["210"]);
}

#[tokio::test]
async fn tables_at_the_roots_of_two_hosts_ask_their_own() {
    let (one, session) = api();
    let (other, _) = api();
    for (name, api) in [("one", &one), ("other", &other)] {
        let root = api.url().trim_end_matches("/v1").to_owned();
        let sql =
            format!("CREATE EXTERNAL TABLE {name} (id BIGINT) STORED AS API LOCATION '{root}?x=1'");
        rows(&session, &sql).await;
        // Nothing is there.
        assert!(try_rows(&session, &format!("SELECT id FROM {name}")).await.is_err());
        let asked: Vec<bool> = [&one, &other].map(|api| !api.asked().is_empty()).into();
        assert_eq!(asked, [name == "one", name == "other"]);
    }
}

#[tokio::test]
async fn an_external_table_that_is_none_is_refused_by_name() {
    let (api, session) = api();
    for (location, options, named) in [
        ("ftp://host/items", "", "URL"),
        (&*format!("{}/items", api.url()), "OPTIONS ('pagin.by' 'page')", "pagin"),
        (&*format!("{}/items", api.url()), "OPTIONS ('api.unknown' '1')", "unknown"),
        (&*format!("{}/absent", api.url()), "", "404"),
    ] {
        let sql = format!("CREATE EXTERNAL TABLE t STORED AS API LOCATION '{location}' {options}");
        let error = try_rows(&session, &sql).await.unwrap_err().to_string();
        assert!(error.contains(named), "{location} {options}: {error}");
    }
}

#[tokio::test]
async fn the_function_reads_a_url_wherever_a_table_may_be() {
    let (api, session) = api();
    let call =
        format!("api('{}/items', 'envelope.items', 'data', 'envelope.total', 'total')", api.url());
    assert_eq!(rows(&session, &format!("SELECT count(*) FROM {call}")).await, ["20"]);
    let join = format!("SELECT count(*) FROM {call} a JOIN {call} b ON a.id = b.id WHERE a.n > 5");
    assert_eq!(rows(&session, &join).await.len(), 1);
    assert!(plan(&session, &format!("SELECT id FROM {call}")).await.contains("/v1/items"));
    let wrong = format!("SELECT * FROM api('{}/items', 'envelope.items')", api.url());
    let error = try_rows(&session, &wrong).await.unwrap_err().to_string();
    assert!(error.contains("keys and values"), "{error}");
    let unknown =
        session.context().sql(&format!("SELECT * FROM {}", call.replace("items'", "x'"))).await;
    assert!(unknown.unwrap_err().to_string().contains("ApiSession::sql"));
}

#[tokio::test]
async fn rows_are_copied_into_files_of_every_kind() {
    let (api, session) = api();
    let folder = tempfile::tempdir().unwrap();
    let call =
        format!("api('{}/items', 'envelope.items', 'data', 'envelope.total', 'total')", api.url());
    for kind in ["parquet", "csv", "json"] {
        let file = folder.path().join(format!("items.{kind}"));
        let file = file.display();
        let copy = format!("COPY (SELECT id, t FROM {call}) TO '{file}'");
        assert_eq!(rows(&session, &copy).await, ["20"]);
        rows(
            &session,
            &format!("CREATE EXTERNAL TABLE {kind}_copy STORED AS {kind} LOCATION '{file}'"),
        )
        .await;
        assert_eq!(rows(&session, &format!("SELECT sum(id) FROM {kind}_copy")).await, ["210"]);
    }
}
