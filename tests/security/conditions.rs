//! Conditions and columns that take long, or too much of the stack.

use vantage_api_pool::{
    AwwPool, Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, Filtering},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use crate::support::{raw_server::RawServer, soon};

fn api(server: &RawServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.url()).build().unwrap())
        .filtering(Filtering::Local)
        .paging(Paging::none())
}

#[tokio::test]
async fn security_14_a_long_text_is_looked_through_once() {
    let text = "a".repeat(1_000_000);
    let body = format!(r#"[{{"id":1,"n":"{text}"}}]"#);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let server = RawServer::answering(head);
    let table = |pattern: String| {
        let rows = Table::<PoolApi, EmptyEntity>::new("rows", api(&server)).with_id_column("id");
        let mut rows = rows.with_column_of::<String>("n");
        rows.add_condition(ApiCondition::like("n", pattern));
        rows
    };
    // In a debug build this took minutes.
    let found = soon("no row", table(format!("%{}b", "a".repeat(990))).list_values()).await;
    assert!(found.unwrap().is_empty());
    let found = soon("the row", table("%a%_a%".into()).list_values()).await;
    assert_eq!(found.unwrap().len(), 1);
    let error = soon("an error", table("a".repeat(1_001)).list_values()).await.unwrap_err();
    assert!(error.to_string().contains("more than 1,000 characters"), "{error}");
}

#[tokio::test]
async fn security_06_a_path_of_many_keys_is_refused() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
    let path = vec!["a"; 200_000].join(".");
    let yaml = format!(
        "name: rows\ncolumns:\n  id: {{ type: int, flags: [id] }}\n  n: {{ type: int, path: {path} }}\n"
    );
    let error = api(&server).vista_factory().with_yaml(&yaml).unwrap_err();
    assert!(error.is_incorrect_usage(), "{error}");
    let settings = ApiTable::new().alias("n", vec!["a"; 65].join("."));
    let rows = Table::<PoolApi, EmptyEntity>::new("rows", api(&server).table("rows", settings));
    let rows = rows.with_id_column("id").with_column_of::<i64>("n");
    let error = soon("an error", rows.list_values()).await.unwrap_err();
    assert!(error.to_string().contains("more than 64"), "{error}");
}

#[tokio::test]
async fn security_15_conditions_are_nested_no_deeper_than_they_can_be_read() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
    let nested = |levels: usize| {
        let leaf = ApiCondition::eq("n", 1);
        (1..levels).fold(leaf, |inner, level| match level % 2 {
            0 => ApiCondition::All(vec![inner, ApiCondition::eq("a", 1)]),
            _ => ApiCondition::Any(vec![inner, ApiCondition::eq("b", 1)]),
        })
    };
    for (levels, is_read) in [(128, true), (129, false), (1_000, false)] {
        let rows = Table::<PoolApi, EmptyEntity>::new("rows", api(&server)).with_id_column("id");
        let mut rows = rows.with_column_of::<i64>("n");
        rows.add_condition(nested(levels));
        match soon("the rows", rows.list_values()).await {
            Ok(_) => assert!(is_read, "{levels}"),
            Err(error) => assert!(!is_read && error.to_string().contains("128 levels"), "{error}"),
        }
    }
}
