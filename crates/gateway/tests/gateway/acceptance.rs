//! What a user of a REST backend for Vantage relies on, through the gateway: tables of this
//! project's own client, over tables of a gateway. Each test is named after what it holds.

use std::future::Future;

use ciborium::Value;
use futures::TryStreamExt;
use vantage_api_gateway::{Ops, TableConfig};
use vantage_api_pool::{
    AwwPool, Paging, PoolApi,
    tokens::{StaticTokens, bearer},
    vantage::{
        ApiCondition, ColumnConditions, Filters, Lists, Operator, PoolTableExt, Sorting, Writes,
    },
};
use vantage_dataset::{
    contract::{
        Fixture, OpFixture, check_delete, check_delete_all, check_insert, check_operator_condition,
        check_patch, check_replace, check_unnarrowed,
    },
    prelude::*,
};
use vantage_table::{column::core::Column as Of, pagination::Pagination, table::Table};
use vantage_types::{EmptyEntity, Record};
use vantage_vista::{
    Capability, Column, ColumnFlag, FilterOp, Vista, VistaMetadata, contract, mocks::MockShell,
};

use crate::support::{LONG, Served, closed, text};

type Rows = Table<PoolApi, EmptyEntity>;

/// A gateway over these rows `(id, name, parent, price)`, in pages of two.
struct Behind {
    mock: MockShell,
    served: Option<Served>,
}

impl Behind {
    async fn start(rows: Vec<(String, &'static str, &'static str, i64)>) -> Self {
        let column = |name, of| Column::new(name, of).with_flag(ColumnFlag::Orderable);
        let metadata = VistaMetadata::new()
            .with_column(column("id", "string").with_flag(ColumnFlag::Id))
            .with_column(column("name", "string"))
            .with_column(column("parent", "string"))
            .with_column(column("price", "i64"))
            .with_id_column("id");
        let mock = MockShell::new().with_metadata(metadata);
        for (id, name, parent, price) in rows {
            let row = [
                ("id".to_owned(), text(&id)),
                ("name".to_owned(), text(name)),
                ("parent".to_owned(), text(parent)),
                ("price".to_owned(), Value::from(price)),
            ];
            mock.set_record(id, Record::from_iter(row));
        }
        let config = TableConfig::new(Vista::new("rows", mock.clone()))
            .page_size(2, 50)
            .operations(Ops::ALL)
            .writable(["id", "name", "parent", "price"]);
        let builder = closed().table("rows", config);
        let served = tokio::task::spawn_blocking(|| Served::start(builder)).await.unwrap();
        Self { mock, served: Some(served) }
    }

    /// With the rows of the contract of writable sets, and others around them.
    async fn seeded() -> Self {
        let row = |id: &str, name, parent| (id.to_owned(), name, parent, 1);
        Self::start(vec![
            row("other1", "o", "p3"),
            row("other2", "o", "p3"),
            row("in1", "a", "p1"),
            row("other3", "o", "p3"),
            row("out1", "b", "p2"),
        ])
        .await
    }

    async fn numbered(rows: i64) -> Self {
        let row = |n: i64| (n.to_string(), "n", if n % 3 == 0 { "fizz" } else { "none" }, n);
        Self::start((0..rows).map(row).collect()).await
    }

    fn served(&self) -> &Served {
        self.served.as_ref().unwrap()
    }

    fn pool(&self) -> AwwPool {
        AwwPool::builder(format!("http://{}/api/v1/tables", self.served().address))
            .token_source(1, StaticTokens::new(["token-of-ada"]), bearer)
            .attempt_timeout(LONG)
            .build()
            .unwrap()
    }

    fn api(&self) -> PoolApi {
        let filters = Filters::none()
            .operator(Operator::Eq, "{field}=eq.{value}")
            .operator(Operator::Ne, "{field}=neq.{value}")
            .operator(Operator::Gt, "{field}=gt.{value}")
            .operator(Operator::Gte, "{field}=gte.{value}")
            .operator(Operator::Lt, "{field}=lt.{value}")
            .operator(Operator::Lte, "{field}=lte.{value}")
            .operator(Operator::In, "{field}=in.({value})")
            .lists(Lists::Joined);
        PoolApi::new(self.pool())
            .item_endpoints(true)
            .filters(filters)
            .sorting(Sorting::suffixed("order", "."))
            .writes(Writes::rest().etags(true))
    }

    fn table_of(&self, api: PoolApi) -> Rows {
        Rows::new("rows", api)
            .with_id_column("id")
            .with_column_of::<String>("name")
            .with_column_of::<String>("parent")
            .with_column_of::<i64>("price")
    }

    fn table(&self) -> Rows {
        self.table_of(self.api())
    }

    fn vista(&self) -> Vista {
        self.api().vista_factory().from_table(self.table()).unwrap()
    }

    /// How many requests for rows the gateway has answered.
    fn requests(&self) -> u64 {
        let stats = self.served().handle.stats();
        let routes = stats.routes.iter().filter(|route| route.route.starts_with("/tables/"));
        routes.map(|route| route.statuses.iter().sum::<u64>()).sum()
    }

    /// How many requests `work` makes, and what comes of it.
    async fn counted<T>(&self, work: impl Future<Output = T>) -> (u64, T) {
        let before = self.requests();
        let outcome = work.await;
        (self.requests() - before, outcome)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        // It waits for its thread, which may be waiting for a client on this one.
        let served = self.served.take();
        std::thread::spawn(move || drop(served));
    }
}

fn id(id: &str) -> String {
    id.to_owned()
}

async fn ids(table: &Rows) -> Vec<String> {
    table.list_values().await.unwrap().into_keys().collect()
}

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn accept_01_to_04_whole_sets_single_rows_and_counts_cost_what_they_should() {
    let behind = Behind::numbered(35).await;
    let table = behind.table();
    assert_eq!(ids(&table).await, numbers(0..35));
    let (requests, row) = behind.counted(table.get_value("33")).await;
    assert_eq!((requests, &row.unwrap().unwrap()["price"]), (1, &Value::from(33)));
    assert!(table.get_value("35").await.unwrap().is_none());
    let (requests, count) = behind.counted(table.get_count()).await;
    assert_eq!((requests, count.unwrap()), (1, 35));
    let fizz = table.clone().with_condition(ApiCondition::eq("parent", "fizz"));
    assert_eq!(fizz.get_count().await.unwrap(), 12);
    let (requests, some) = behind.counted(table.get_some_value()).await;
    assert_eq!((requests, some.unwrap().unwrap().0), (1, id("0")));
    let empty = table.with_condition(ApiCondition::eq("parent", "nobody"));
    assert_eq!(empty.get_count().await.unwrap(), 0);
    assert!(empty.get_some_value().await.unwrap().is_none());
}

#[tokio::test]
async fn accept_07_and_10_a_stream_and_a_list_hold_the_same_rows_in_the_same_order() {
    let behind = Behind::numbered(101).await;
    for paging in [
        Paging::page_number(),
        Paging::page_number().page_size("per_page", 7),
        Paging::offset_limit("offset", "limit", 7),
        // More than the gateway gives is a clear refusal, and not a shorter page.
        Paging::page_number().page_size("per_page", 50),
    ] {
        let stream = behind.pool().stream("rows").paging(paging.clone()).prefetch(4);
        let rows: Vec<serde_json::Value> = stream.try_collect().await.unwrap();
        let streamed: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(streamed, numbers(0..101), "{paging:?}");
        let table = behind.table_of(behind.api().paging(paging));
        assert_eq!(ids(&table).await, numbers(0..101));
    }
    let greedy = Paging::page_number().page_size("per_page", 51);
    let stream = behind.pool().stream("rows").paging(greedy);
    let error = stream.try_collect::<Vec<serde_json::Value>>().await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(400), "{error}");
}

#[tokio::test]
async fn accept_16_to_20_a_window_holds_exactly_its_rows() {
    let behind = Behind::numbered(95).await;
    for paging in [
        Paging::page_number(),
        Paging::page_number().page_size("per_page", 10),
        Paging::offset_limit("offset", "limit", 10),
    ] {
        let table = behind.table_of(behind.api().paging(paging.clone()));
        for (skip, limit) in [(0, 10), (20, 10), (23, 5), (7, 40), (90, 10), (94, 1), (95, 10)] {
            let window = Pagination::window(skip, limit);
            let window = table.clone().with(|table| table.set_pagination(Some(window)));
            let expected = numbers(skip.min(95)..(skip + limit).min(95));
            assert_eq!(ids(&window).await, expected, "{paging:?}: {skip}, {limit}");
        }
    }
    let (requests, nothing) =
        behind.counted(async { behind.vista().fetch_window(5, 0).await }).await;
    assert_eq!((requests, nothing.unwrap().rows.len()), (0, 0));
    let aligned = Paging::page_number().page_size("per_page", 10);
    let table = behind.table_of(behind.api().paging(aligned));
    let window = table.with(|table| table.set_pagination(Some(Pagination::window(20, 10))));
    let (requests, rows) = behind.counted(window.list_values()).await;
    assert_eq!((requests, rows.unwrap().len()), (1, 10));
}

#[tokio::test]
async fn accept_25_to_34_conditions_and_orders_reach_the_rows_or_are_refused() {
    let behind = Behind::numbered(30).await;
    let table = behind.table();
    let with = |condition| table.clone().with_condition(condition);
    let price = || Of::<i64>::new("price");
    for (narrowed, expected) in [
        (with(ApiCondition::eq("price", 7)), numbers(7..8)),
        (with(ApiCondition::ne("parent", "none")), (0..10).map(|n| (3 * n).to_string()).collect()),
        (with(price().gt(27)), numbers(28..30)),
        (with(price().lt(2)), numbers(0..2)),
        (with(ApiCondition::is_in("id", ["3", "29", "none"])), vec![id("3"), id("29")]),
    ] {
        assert_eq!(ids(&narrowed).await, expected);
    }
    let none: [&str; 0] = [];
    let (requests, rows) =
        behind.counted(with(ApiCondition::is_in("id", none)).list_values()).await;
    assert_eq!((requests, rows.unwrap().len()), (0, 0));
    let reserved = "a&b=c,d\"e)(%2F é+";
    behind.mock.set_record(
        "reserved",
        Record::from_iter([
            ("id".to_owned(), text("reserved")),
            ("name".to_owned(), text(reserved)),
        ]),
    );
    assert_eq!(ids(&with(ApiCondition::eq("name", reserved))).await, ["reserved"]);
    behind.mock.remove_record("reserved");
    let vista = behind.vista();
    let ordered = vista.clone().with_order("price", vantage_vista::SortDirection::Descending);
    let rows = ordered.unwrap().list_values().await.unwrap();
    assert_eq!(rows.keys().next().map(String::as_str), Some("29"));
    let searched = vista.clone().with_search("x");
    let is_refused = match searched {
        Err(error) => error.is_unsupported(),
        Ok(searched) => searched.list_values().await.unwrap_err().is_unsupported(),
    };
    assert!(is_refused, "the gateway searches this table by no column");
    assert!(vista.clone().with_condition("nothing", FilterOp::Eq, text("x")).is_err());
    // What was narrowed was a clone.
    assert_eq!(vista.list_values().await.unwrap().len(), 30);
}

#[tokio::test]
async fn accept_68_the_contract_of_writable_sets_holds() {
    check_unnarrowed(&Behind::seeded().await.table(), id, text).await;
    for check in 0..5 {
        let behind = Behind::seeded().await;
        let all = behind.table();
        let set = all.clone().with_condition(ApiCondition::eq("parent", "p1"));
        let fixture = Fixture { all: &all, set: &set, id, text, detects_outside: true };
        match check {
            0 => check_delete(&fixture).await,
            1 => check_insert(&fixture).await,
            2 => check_patch(&fixture).await,
            3 => check_replace(&fixture).await,
            _ => check_delete_all(&fixture).await,
        }
    }
    let row = |id: &str, price| (id.to_owned(), "n", "p", price);
    let behind = Behind::start(vec![row("cheap", 5), row("dear", 20)]).await;
    let all = behind.table();
    let set = all.clone().with_condition(Of::<i64>::new("price").gt(10));
    let fixture = OpFixture { all: &all, set: &set, id, text, int: Value::from };
    check_operator_condition(&fixture).await;
}

#[tokio::test]
async fn accept_69_to_72_writes_tell_new_ids_and_meet_concurrent_changes() {
    let behind = Behind::seeded().await;
    let table = behind.table();
    let named = |name: &str| Record::from_iter([("name".to_owned(), text(name))]);
    let new = table.insert_return_id_value(&named("made")).await.unwrap();
    assert_eq!(behind.mock.get_record(&new).unwrap()["name"], text("made"));
    table.delete("nobody").await.unwrap();
    assert!(table.patch_value("nobody", &named("x")).await.unwrap_err().is_not_found());
    let set = table.clone().with_condition(ApiCondition::eq("parent", "p1"));
    let mut gone = behind.mock.get_record("in1").unwrap();
    gone.insert("parent".to_owned(), text("p9"));
    behind.mock.set_record("in1", gone);
    assert!(set.patch_value("in1", &named("x")).await.unwrap_err().is_not_found());
    assert_eq!(behind.mock.get_record("in1").unwrap()["name"], text("a"));
    let mistyped = Record::from_iter([("price".to_owned(), text("dear"))]);
    let error = table.patch_value("in1", &mistyped).await.unwrap_err();
    assert!(error.to_string().contains("422"), "{error}");
}

#[tokio::test]
async fn accept_73_what_a_vista_advertises_works() {
    let behind = Behind::numbered(30).await;
    let vista = behind.vista();
    for capability in [Capability::Window, Capability::FilterOps, Capability::Insert] {
        assert!(vista.capabilities().has(capability), "{capability:?}");
    }
    contract::check_advertised(&vista).await;
    contract::check_narrowing(&vista).await;
    contract::check_clone(&vista, "parent", text("fizz")).await;
    contract::check_advertised_writes(&vista).await;
}
