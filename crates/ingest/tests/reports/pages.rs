//! Pages that look like the last one.

use serde_json::json;

use crate::{
    api::Reply,
    setup::{ROWS, Setup, all, numbered},
};

const BY_CURSOR: &str = "
tables:
  - { name: rows, id: id, api: { paging: { by: cursor, param: after, next: next } } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: rows }
";

// databricks/databricks-sdk-java#818, openai/openai-node#2561
#[tokio::test]
async fn pages_without_rows_that_lead_on_are_not_the_last() {
    let setup = Setup::new(BY_CURSOR, |request| {
        let (rows, next) = match request.number("after") {
            None => (Vec::new(), json!(1)),
            Some(1) => (numbered(1..=2), json!(2)),
            Some(2) => (Vec::new(), json!(3)),
            Some(3) => (Vec::new(), json!(4)),
            _ => (numbered(3..=3), json!(null)),
        };
        Reply::json(&json!({ "data": rows, "next": next }))
    });
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=3));
}

// airbytehq/airbyte#34883
#[tokio::test]
async fn a_page_with_a_row_less_is_not_the_last_if_the_total_says_so() {
    let setup = Setup::new(ROWS, |request| {
        let rows = match request.page() {
            1 => numbered(1..=10),
            2 => numbered(11..=19),
            3 => numbered(20..=29),
            _ => Vec::new(),
        };
        Reply::json(&json!({ "data": rows, "pagination": { "total": 29 } }))
    });
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=29));
}
