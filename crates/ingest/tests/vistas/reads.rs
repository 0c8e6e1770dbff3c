//! Rows that a job has written are read as they were written.

use ciborium::Value;
use vantage_api_ingest::{Error, schema::ColumnType};
use vantage_dataset::traits::{ReadableValueSet as _, WritableValueSet as _};
use vantage_vista::{
    Capability, ColumnFlag, FilterOp, SortDirection,
    contract::{check_advertised, check_clone},
};

use crate::support::{THINGS, Written, ids, ints, text};

#[tokio::test]
async fn a_table_keeps_the_contract_of_its_driver() {
    let written = Written::with_things();
    let things = written.things().await;
    check_clone(&things, "is_new", Value::Bool(true)).await;
    check_clone(&things, "price", Value::Float(9.5)).await;
    check_advertised(&things).await;
    let ordered = things.clone().with_order("weight", SortDirection::Descending).unwrap();
    check_advertised(&ordered).await;
}

#[tokio::test]
async fn values_have_the_types_of_their_columns() {
    let written = Written::with_things();
    let things = written.things().await;
    let row = things.get_value("1").await.unwrap().unwrap();
    let tags = Value::Map(vec![(text("a"), Value::Array(vec![Value::from(1), text("x")]))]);
    for (column, expected) in [
        ("id", Value::from(1)),
        ("name", text("Anvil")),
        ("price", text("10.00")),
        ("weight", Value::Float(657.96)),
        ("is_new", Value::Bool(true)),
        ("day", text("2024-02-29")),
        ("at", text("2024-02-29T12:00:00.000000Z")),
        ("tags", tags),
    ] {
        assert_eq!(row.get(column), Some(&expected), "{column}");
    }
    let last = things.get_value("10").await.unwrap().unwrap();
    assert_eq!(last.get("price"), Some(&Value::Null));
    assert_eq!(things.id_column(), Some("id"));
    assert!(things.column("secret").unwrap().has_flag(ColumnFlag::Hidden));
    // It is not declared, so it is shown to those who name it.
    assert!(things.column("weight").unwrap().has_flag(ColumnFlag::Hidden));
    let name = things.column("name").unwrap();
    assert!(name.has_flag(ColumnFlag::Title) && !name.has_flag(ColumnFlag::Hidden));
    assert!(!things.column("tags").unwrap().has_flag(ColumnFlag::Orderable));
}

#[tokio::test]
async fn a_row_has_one_address() {
    let written = Written::with_things();
    let things = written.things().await;
    assert!(things.get_value("1").await.unwrap().is_some());
    for id in ["", "4", "01", " 1", "1.0", "+1", "1 OR 1=1", "99999999999999999999", "null"] {
        assert!(things.get_value(id).await.unwrap().is_none(), "{id:?}");
    }
    let narrowed = things.with_condition("is_new", FilterOp::Eq, false).unwrap();
    assert!(narrowed.get_value("1").await.unwrap().is_none());
    assert!(narrowed.get_value("2").await.unwrap().is_some());
}

#[tokio::test]
async fn conditions_find_what_they_say() {
    let written = Written::with_things();
    let things = written.things().await;
    let list = |items: &[Value]| Value::Array(items.to_vec());
    for (column, op, value, found) in [
        ("id", FilterOp::Gt, Value::from(2), "3 10"),
        ("name", FilterOp::Eq, text("007"), "2"),
        ("name", FilterOp::Like, text("AN"), "1"),
        ("name", FilterOp::Like, text("%"), "3"),
        ("name", FilterOp::Like, text("_"), "3"),
        ("is_new", FilterOp::Ne, Value::Bool(true), "2 3"),
        ("is_new", FilterOp::Eq, Value::Null, "3"),
        ("is_new", FilterOp::Ne, Value::Null, "1 2 10"),
        ("price", FilterOp::Gt, Value::Float(9.5), "1"),
        ("price", FilterOp::Lt, Value::from(0), "3"),
        ("price", FilterOp::Eq, text("9.5"), "2"),
        ("price", FilterOp::InSet, list(&[Value::from(10), Value::Null]), "1 10"),
        ("price", FilterOp::NotInSet, list(&[Value::from(10)]), "2 3 10"),
        ("price", FilterOp::NotInSet, list(&[Value::from(10), Value::Null]), "2 3"),
        ("price", FilterOp::InSet, list(&[]), ""),
        ("day", FilterOp::Lte, text("2024-02-29"), "1"),
        ("at", FilterOp::Eq, text("2024-02-29T13:00:00+01:00"), "1"),
        ("at", FilterOp::Gt, text("2024-02-29T12:00:00Z"), "2"),
        ("tags", FilterOp::Eq, text("x"), "2"),
    ] {
        let narrowed = things.clone().with_condition(column, op, value.clone()).unwrap();
        assert_eq!(ids(&narrowed).await.join(" "), found, "{column} {op:?} {value:?}");
        let count = narrowed.count().await.unwrap();
        assert_eq!(count, found.split_whitespace().count() as i64, "{column} {op:?}");
    }
    for (column, value) in [
        ("id", text("one")),
        ("price", text("cheap")),
        ("day", text("yesterday")),
        ("at", text("noon")),
        ("is_new", Value::from(1)),
    ] {
        let refused = things.clone().with_condition(column, FilterOp::Eq, value).unwrap_err();
        assert!(refused.is_incorrect_usage(), "{column}: {refused}");
    }
    assert!(things.clone().with_condition("nothing", FilterOp::Eq, 1).is_err());
}

#[tokio::test]
async fn windows_come_in_an_order_that_stays() {
    let written = Written::with_things();
    let things = written.things().await;
    assert_eq!(ids(&things).await, ["1", "2", "3", "10"]);
    for (column, direction, found) in [
        ("id", SortDirection::Descending, "10 3 2 1"),
        ("price", SortDirection::Ascending, "3 2 1 10"),
        ("price", SortDirection::Descending, "1 2 3 10"),
        ("is_new", SortDirection::Ascending, "2 1 10 3"),
    ] {
        let ordered = things.clone().with_order(column, direction).unwrap();
        assert_eq!(ids(&ordered).await.join(" "), found, "{column} {direction:?}");
        let page = ordered.fetch_window(1, 2).await.unwrap();
        let page: Vec<String> = page.rows.into_iter().map(|(id, _)| id).collect();
        assert_eq!(page, found.split(' ').skip(1).take(2).collect::<Vec<_>>());
    }
    assert!(things.clone().with_order("tags", SortDirection::Ascending).is_err());
    assert!(things.fetch_window(4, 10).await.unwrap().rows.is_empty());
    assert!(things.fetch_window(usize::MAX, usize::MAX).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn a_search_looks_at_the_columns_that_are_flagged() {
    let written = Written::with_things();
    let things = written.things().await;
    let found = async |text: &str| ids(&things.clone().with_search(text).unwrap()).await.join(" ");
    assert_eq!(found("anv").await, "1");
    assert_eq!(found("zo").await, "10");
    // It is in a column that is not flagged.
    assert_eq!(found("657").await, "");
}

#[tokio::test]
async fn nothing_is_written() {
    let written = Written::with_things();
    let things = written.things().await;
    for write in [Capability::Insert, Capability::Update, Capability::Delete, Capability::Import] {
        assert!(!things.capabilities().has(write), "{write:?}");
    }
    assert!(things.delete("1").await.unwrap_err().is_unsupported());
    assert_eq!(things.count().await.unwrap(), 4);
}

#[tokio::test]
async fn a_table_that_was_not_written_is_named_with_its_job() {
    let written = Written::new();
    let refused = async || written.vistas(THINGS).await.map(drop).unwrap_err();
    let error = refused().await;
    assert!(matches!(error, Error::NotWritten { .. }), "{error:?}");
    assert_eq!(error.to_string(), "job `copy` has not written the table `things` yet");
    assert!(!written.path().exists(), "reading makes no file");
    written.write("others", vec![("id", ColumnType::Int, ints([1]))]);
    assert!(matches!(refused().await, Error::NotWritten { .. }));
    std::fs::write(written.path(), "not a database, but as long as a header".repeat(10)).unwrap();
    let error = refused().await;
    assert!(matches!(error, Error::Sink(_)), "{error:?}");
    assert!(error.to_string().contains("copy.db"), "{error}");
}
