//! What jobs have written, beside the tables of the API.

use vantage_api_ingest::{Job, description::Description};
use vantage_api_sql::ApiSession;

use crate::{
    support::{Api, Pages},
    world::{PAGE, config, items, rows, try_rows},
};

pub async fn check(sink: &str) {
    let api = Api::start(Pages::Numbered, PAGE);
    api.put("items", items(40));
    let yaml = format!(
        "api: {{ base_url: \"{}\" }}
tables:
  - name: items
    id: id
    columns: {{ id: int, n: int, x: float, t: text, b: bool, day: date, at: timestamp, unused: json }}
    api: {{ paging: {{ by: page, size_param: per_page, size: 7 }}, envelope: {{ items: data }} }}
jobs:
  copy:
    sink: {sink}
    streams: [{{ table: items, name: copied, write: append }}]
",
        api.url()
    );
    let description = Description::from_yaml(&yaml).unwrap();
    let session = ApiSession::with_config(config()).unwrap();
    session.add("public", &description).unwrap();
    let early = try_rows(&session, "SELECT id FROM copy.copied").await;
    assert!(early.is_err(), "{sink}: {early:?}");
    let report = Job::new(&description, "copy").unwrap().run().await;
    assert!(report.is_complete(), "{sink}: {report}");
    api.asked();
    let all = "SELECT id, n, x, t, b, day, at FROM";
    let mut copied = rows(&session, &format!("{all} copy.copied")).await;
    assert!(api.asked().is_empty());
    let mut own = rows(&session, &format!("{all} items")).await;
    copied.sort();
    own.sort();
    assert_eq!(copied, own, "{sink}");
    assert_eq!(rows(&session, "SELECT count(*) FROM copy.copied").await, ["40"]);
    let join = "SELECT count(*) FROM copy.copied c JOIN items i ON c.id = i.id WHERE c.id <= 5";
    assert_eq!(rows(&session, join).await, ["5"]);
    let ten = "SELECT id FROM copy.copied LIMIT 10";
    assert_eq!(rows(&session, ten).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_sqlite_is_a_table_with_the_rows_of_the_api() {
    let folder = tempfile::tempdir().unwrap();
    check(&format!("{{ sqlite: \"{}\" }}", folder.path().join("copy.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_parquet_is_a_table_with_the_rows_of_the_api() {
    let folder = tempfile::tempdir().unwrap();
    check(&format!("{{ parquet: \"{}\" }}", folder.path().join("out").display())).await;
}
