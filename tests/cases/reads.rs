//! Rows and values as real servers give them, read through Vantage.

use std::{
    collections::HashMap,
    future::Future,
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use ciborium::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;
use vantage_api_pool::{
    AwwPool, Envelope, Paging, PoolApi,
    paging::{PageRequest, PageStrategy, PageView},
    vantage::{
        ApiCondition, ApiTable, Combined, Filtering, Filters, Lists, Operator, PoolTableExt,
        Sorting, Writes,
    },
};
use vantage_dataset::prelude::*;
use vantage_table::{sorting::OrderBy, table::Table};
use vantage_types::EmptyEntity;
use vantage_vista::{Capability, FilterOp, SortDirection};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, method},
};

use crate::support::{
    mock::{self, param},
    soon,
};

type Rows = Table<PoolApi, EmptyEntity>;

async fn within<T>(work: impl Future<Output = T>) -> T {
    soon("a read or a write", work).await
}

/// A set in pages, whose rows are JSON as it is written here.
#[derive(Clone)]
struct Set {
    rows: Vec<String>,
    size: usize,
    tells_total: bool,
    way: Way,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Page,
    Offset,
    /// `next` holds the URL of the next page, or `cursor` what leads there.
    Next,
}

impl Set {
    fn of<S: Into<String>>(rows: impl IntoIterator<Item = S>) -> Self {
        let rows = rows.into_iter().map(Into::into).collect();
        Self { rows, size: 10, tells_total: true, way: Way::Page }
    }

    fn counted(rows: usize) -> Self {
        Self::of((0..rows).map(|id| format!(r#"{{"id":{id},"n":{}}}"#, id % 7)))
    }
}

fn number(request: &Request, name: &str) -> Option<usize> {
    param(request, name)?.parse().ok()
}

impl Respond for Set {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let size = number(request, "limit").map_or(self.size, |limit| limit.min(self.size));
        let first = match self.way {
            Way::Page => (number(request, "page").unwrap_or(1) - 1) * size,
            Way::Offset => number(request, "offset").unwrap_or(0),
            Way::Next => number(request, "at").unwrap_or(0),
        };
        let rows: Vec<&str> = self.rows.iter().skip(first).take(size).map(String::as_str).collect();
        let after = first + size;
        let next = match after < self.rows.len() {
            true => format!(r#","next":"{}?at={after}","cursor":"{after}""#, request.url.path()),
            false => r#","next":null,"cursor":null"#.to_owned(),
        };
        let next = if self.way == Way::Next { next } else { String::new() };
        let total = match self.tells_total {
            true => format!(r#","total":{}"#, self.rows.len()),
            false => String::new(),
        };
        let body = format!(r#"{{"data":[{}]{total}{next}}}"#, rows.join(","));
        ResponseTemplate::new(200).set_body_raw(body, "application/json")
    }
}

async fn serve(answer: impl Respond + 'static) -> MockServer {
    let server = mock::server().await;
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    server
}

fn api(server: &MockServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.uri()).build().unwrap())
        .envelope(Envelope::items_at("data").total_at("total"))
        .paging(Paging::page_number().page_size("limit", 10))
}

async fn paths(server: &MockServer) -> Vec<String> {
    let requests = mock::received(server).await;
    let path = |request: &Request| match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    requests.iter().map(path).collect()
}

/// What each of `rows` is at `/rows/{id}` and as the only row of `/rows`.
async fn one_row(row: &'static str) -> MockServer {
    serve(move |request: &Request| {
        let body = match request.url.path() {
            "/rows" => format!(r#"{{"data":[{row}],"total":1}}"#),
            _ => row.to_owned(),
        };
        ResponseTemplate::new(200).set_body_raw(body, "application/json")
    })
    .await
}

// ---------------------------------------------------------------- 25: digits

const BEYOND: &str = "18446744073709551616";
const BELOW: &str = "-9223372036854775809";

#[tokio::test]
async fn case_25_ids_above_64_bits_are_ids_and_keep_their_digits() {
    let long = "123456789012345678901234567890123456789012345678901234567890";
    let ids = [BEYOND, BELOW, long, "18446744073709551615", "7"];
    let server = serve(Set::of(ids.map(|id| format!(r#"{{"id":{id},"n":{id}}}"#)))).await;
    for filtering in [Filtering::Server, Filtering::Checked] {
        let table = Rows::new("rows", api(&server).filtering(filtering)).with_id_column("id");
        let rows = within(table.list_values()).await.unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), ids);
        for id in [BEYOND, BELOW, long] {
            assert_eq!((&rows[id]["id"], &rows[id]["n"]), (&id.into(), &id.into()));
            let row = within(table.get_value(id)).await.unwrap();
            assert_eq!(row.unwrap()["id"], Value::from(id), "{filtering:?}");
        }
        assert_eq!(rows["7"]["n"], Value::from(7));
        let beyond = table.clone().with_condition(ApiCondition::gt("n", u64::MAX));
        if filtering == Filtering::Checked {
            continue;
        }
        let beyond = beyond.with_condition(ApiCondition::eq("n", BEYOND));
        assert!(within(beyond.list_values()).await.unwrap_err().is_unsupported());
    }
    let narrowed = Rows::new("rows", api(&server).filtering(Filtering::Local))
        .with_id_column("id")
        .with_condition(ApiCondition::gt("n", u64::MAX));
    let rows = within(narrowed.list_values()).await.unwrap();
    assert_eq!(rows.keys().collect::<Vec<_>>(), [BEYOND, long]);
}

#[tokio::test]
async fn case_25_an_id_above_64_bits_is_asked_for_by_its_digits_and_found() {
    let server =
        one_row(r#"{"id":18446744073709551616,"meta":{"ref":18446744073709551617}}"#).await;
    let table = Rows::new("rows", api(&server).item_endpoints(true)).with_id_column("id");
    let row = within(table.get_value(BEYOND)).await.unwrap().unwrap();
    assert_eq!(row["id"], Value::from(BEYOND));
    let nested = Value::Map(vec![("ref".into(), "18446744073709551617".into())]);
    assert_eq!(row["meta"], nested);
    assert_eq!(paths(&server).await, [format!("/rows/{BEYOND}")]);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    id: u128,
    n: i128,
    f: f64,
}

#[tokio::test]
async fn case_25_columns_of_128_bits_and_floats_read_what_is_beyond_64_typed() {
    let server = one_row(
        r#"{"id":18446744073709551616,"n":-9223372036854775809,"f":1000000000000000000000}"#,
    )
    .await;
    let wide = Wide { id: 1 << 64, n: i128::from(i64::MIN) - 1, f: 1e21 };
    let plain = Table::<PoolApi, Wide>::new("rows", api(&server)).with_id_column("id");
    let declared = Table::<PoolApi, Wide>::new("rows", api(&server))
        .with_column_of::<u128>("id")
        .with(|table| table.set_id_field("id"))
        .with_column_of::<i128>("n")
        .with_column_of::<f64>("f");
    for table in [declared, plain] {
        assert_eq!(within(table.list()).await.unwrap()[BEYOND], wide);
        assert_eq!(within(table.get(BEYOND)).await.unwrap(), Some(wide.clone()));
        assert_eq!(within(table.list_direct()).await.unwrap()[BEYOND], wide);
        let first = table.clone().with(|table| {
            table.set_pagination(Some(vantage_table::pagination::Pagination::window(0, 1)));
        });
        assert_eq!(within(first.list_direct()).await.unwrap()[BEYOND], wide);
    }
}

#[tokio::test]
async fn case_25_ids_join_tables_by_all_their_digits() {
    let server = serve(|request: &Request| {
        let body = match request.url.path() {
            "/parents" => {
                r#"{"data":[{"id":18446744073709551616},{"id":18446744073709551617}],"total":2}"#
                    .to_owned()
            }
            _ => format!(
                r#"{{"data":[{{"id":1,"parent":{0}}}],"total":1}}"#,
                param(request, "parent").unwrap()
            ),
        };
        ResponseTemplate::new(200).set_body_raw(body, "application/json")
    })
    .await;
    let api = api(&server).table("children", ApiTable::new());
    let parents = Rows::new("parents", api.clone()).with_id_column("id").with_many(
        "children",
        "parent",
        |api| Table::<PoolApi, EmptyEntity>::new("children", api).with_id_column("id"),
    );
    let error = within(parents.get_ref_as::<EmptyEntity>("children").unwrap().list_values()).await;
    // Both children have the id 1 and differ in their parent: both were read.
    assert!(error.unwrap_err().to_string().contains("share one id"));
    let paths = paths(&server).await;
    for id in ["18446744073709551616", "18446744073709551617"] {
        assert!(paths.iter().any(|path| path.contains(&format!("parent={id}"))), "{paths:?}");
    }
}

// ------------------------------------------------------- 76: numbers as ids

#[tokio::test]
async fn case_76_a_number_is_an_id_by_its_value_however_it_is_written() {
    for (written, id) in [
        ("1e0", "1"),
        ("1.0", "1"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.50", "1.5"),
        ("12E2", "1200"),
        ("2.5e-1", "0.25"),
        ("0.12345678901234567891", "0.12345678901234567891"),
        ("7", "7"),
    ] {
        let server = serve(Set::of([format!(r#"{{"id":{written},"n":1}}"#)])).await;
        let table = Rows::new("rows", api(&server)).with_id_column("id");
        let rows = within(table.list_values()).await.unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), [id], "{written}");
        assert!(within(table.get_value(id)).await.unwrap().is_some(), "{written}");
        let direct =
            Table::<PoolApi, HashMap<String, serde_json::Value>>::new("rows", api(&server))
                .with_id_column("id");
        assert_eq!(within(direct.list_direct()).await.unwrap().keys().collect::<Vec<_>>(), [id]);
        let local = Rows::new("rows", api(&server).filtering(Filtering::Local))
            .with_id_column("id")
            .with_condition(ApiCondition::eq("id", id));
        assert_eq!(within(local.list_values()).await.unwrap().len(), 1, "{written}");
    }
}

#[tokio::test]
async fn case_76_two_forms_of_one_number_are_one_id_and_two_long_decimals_are_two() {
    let server = serve(Set::of([r#"{"id":1}"#, r#"{"id":1.0}"#])).await;
    let table = Rows::new("rows", api(&server)).with_id_column("id");
    assert!(within(table.list_values()).await.unwrap_err().to_string().contains("share one id"));
    let long = ["0.12345678901234567891", "0.12345678901234567892"];
    let server = serve(Set::of(long.map(|id| format!(r#"{{"id":{id}}}"#)))).await;
    let table = Rows::new("rows", api(&server)).with_id_column("id");
    assert_eq!(within(table.list_values()).await.unwrap().keys().collect::<Vec<_>>(), long);
}

#[tokio::test]
async fn case_76_such_an_id_leads_to_its_item_and_is_written_there() {
    let server = one_row(r#"{"id":1.0,"n":1}"#).await;
    Mock::given(method("PATCH"))
        .respond_with(
            ResponseTemplate::new(200).set_body_raw(r#"{"id":1.0,"n":2}"#, "application/json"),
        )
        .mount(&server)
        .await;
    let api = api(&server).item_endpoints(true).writes(Writes::rest());
    let table = Rows::new("rows", api).with_id_column("id");
    let mut row = within(table.get_value("1")).await.unwrap().unwrap();
    row.insert("n".into(), 2.into());
    assert_eq!(within(table.patch_value("1", &row)).await.unwrap()["n"], Value::from(2));
    assert_eq!(paths(&server).await, ["/rows/1", "/rows/1"]);
}

#[tokio::test]
async fn case_76_an_aliased_id_is_read_like_any_other() {
    let server =
        serve(Set::of([r#"{"meta":{"id":18446744073709551616}}"#, r#"{"meta":{"id":1e0}}"#])).await;
    let aliased = ApiTable::new().alias("id", "meta.id");
    let table = Rows::new("rows", api(&server).table("rows", aliased)).with_id_column("id");
    let rows = within(table.list_values()).await.unwrap();
    assert_eq!(rows.keys().collect::<Vec<_>>(), [BEYOND, "1"]);
}

#[tokio::test]
async fn case_76_ids_in_lines_and_in_what_is_wrapped_are_the_same() {
    let lines = serve(|_: &Request| {
        let body = "{\"id\":18446744073709551616}\n{\"id\":1.0}\n";
        ResponseTemplate::new(200).set_body_raw(body, "application/x-ndjson")
    })
    .await;
    let api = PoolApi::new(AwwPool::builder(lines.uri()).build().unwrap())
        .envelope(Envelope::ndjson())
        .paging(Paging::none());
    let table = Rows::new("rows", api).with_id_column("id");
    let rows = within(table.list_values()).await.unwrap();
    assert_eq!(rows.keys().collect::<Vec<_>>(), [BEYOND, "1"]);
    let server = one_row(r#"{"data":{"id":18446744073709551616}}"#).await;
    let table = Rows::new("rows", self::api(&server).item_endpoints(true)).with_id_column("id");
    assert!(within(table.get_value(BEYOND)).await.unwrap().is_some());
}

// ------------------------------------------------------------- 29: long lists

/// Waits for what would take many minutes if each row was compared with each value.
async fn in_a_few_minutes<T>(work: impl Future<Output = T>) -> T {
    let limit = std::time::Duration::from_secs(180);
    tokio::time::timeout(limit, work).await.expect("the work grows with rows times values")
}

#[tokio::test]
async fn case_29_a_long_list_on_many_rows_costs_no_more_than_the_rows() {
    const ROWS: usize = 100_000;
    const KEYS: usize = 10_000;
    let server = serve(Set { size: ROWS, ..Set::counted(ROWS) }).await;
    let api = PoolApi::new(AwwPool::builder(server.uri()).build().unwrap())
        .envelope(Envelope::items_at("data"))
        .paging(Paging::none())
        .filtering(Filtering::Local);
    let table = Rows::new("rows", api).with_id_column("id");
    // None of the values is in the first half of the rows.
    let keys = || (0..KEYS).map(|key| (ROWS / 2 + key * 7) as u64);
    let expected = keys().filter(|key| *key < ROWS as u64).count();
    let read = |condition| {
        let table = table.clone().with_condition(condition);
        async move { in_a_few_minutes(table.list_values()).await.unwrap().len() }
    };
    assert_eq!(read(ApiCondition::is_in("id", keys())).await, expected);
    let texts = keys().map(|key| key.to_string());
    assert_eq!(read(ApiCondition::is_in("id", texts)).await, expected);
    assert_eq!(read(ApiCondition::is_not_in("id", keys())).await, ROWS - expected);
    let one_by_one = keys().map(|key| ApiCondition::eq("id", key)).reduce(|a, b| a | b);
    assert_eq!(read(one_by_one.unwrap()).await, expected);
    assert_eq!(read(!ApiCondition::is_in("id", keys())).await, ROWS - expected);
}

// --------------------------------------------- 42: what JSON has, read typed

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Thing {
    id: u64,
    meta: Meta,
    weights: Vec<f64>,
    parts: Vec<Part>,
    scale: Option<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Meta {
    dims: Dims,
    active: bool,
    owner: Option<Uuid>,
    host: Option<IpAddr>,
    count: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Dims {
    h: f64,
    w: f64,
    n: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    mass: f64,
    pieces: u8,
}

const OWNER: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

fn thing(id: u64, active: &str) -> String {
    format!(
        r#"{{"id":{id},"meta":{{"dims":{{"h":1,"w":2.5,"n":3}},"active":{active},"owner":"{OWNER}","host":"::1","count":4}},
           "weights":[1,2.5,3],"parts":[{{"mass":7,"pieces":8}},{{"mass":0.5,"pieces":9}}],"scale":2}}"#
    )
}

fn expected(id: u64, active: bool) -> Thing {
    Thing {
        id,
        meta: Meta {
            dims: Dims { h: 1.0, w: 2.5, n: 3 },
            active,
            owner: Some(Uuid::try_parse(OWNER).unwrap()),
            host: Some("::1".parse().unwrap()),
            count: 4,
        },
        weights: vec![1.0, 2.5, 3.0],
        parts: vec![Part { mass: 7.0, pieces: 8 }, Part { mass: 0.5, pieces: 9 }],
        scale: Some(2.0),
    }
}

#[tokio::test]
async fn case_42_nested_whole_numbers_and_flags_of_0_and_1_read_typed() {
    let rows = [thing(1, "true"), thing(2, "1"), thing(3, "0")];
    let server = serve(Set::of(rows)).await;
    let table = Table::<PoolApi, Thing>::new("rows", api(&server)).with_id_column("id");
    let things = within(table.list()).await.unwrap();
    let all = [expected(1, true), expected(2, true), expected(3, false)];
    assert_eq!(things.values().cloned().collect::<Vec<_>>(), all);
    for one in &all {
        assert_eq!(within(table.get(one.id.to_string())).await.unwrap().as_ref(), Some(one));
    }
    assert_eq!(within(table.get_some()).await.unwrap().unwrap().1, all[0]);
    let streamed: Vec<_> = within(futures::StreamExt::collect::<Vec<_>>(table.stream())).await;
    let streamed: Vec<Thing> = streamed.into_iter().map(|row| row.unwrap().1).collect();
    assert_eq!(streamed, all);
    let direct = within(table.list_direct()).await.unwrap();
    assert_eq!(direct.values().cloned().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn case_42_what_a_write_is_answered_with_reads_typed_too() {
    let server = one_row(r#"{"id":1,"dims":{"h":1,"w":2,"n":3}}"#).await;
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Sized {
        id: u64,
        dims: Dims,
    }
    Mock::given(any())
        .respond_with(|request: &Request| {
            let body = String::from_utf8(request.body.clone()).unwrap();
            // As a server does that knows no floats.
            let body = body.replace(".0", "");
            ResponseTemplate::new(200).set_body_raw(body, "application/json")
        })
        .mount(&server)
        .await;
    let api = api(&server).item_endpoints(true).writes(Writes::rest());
    let table = Table::<PoolApi, Sized>::new("rows", api).with_id_column("id");
    let sized = Sized { id: 1, dims: Dims { h: 1.0, w: 2.0, n: 3 } };
    assert_eq!(within(table.replace("1", &sized)).await.unwrap(), sized);
    assert_eq!(within(table.patch("1", &sized)).await.unwrap(), sized);
    assert_eq!(within(table.insert("1", &sized)).await.unwrap(), sized);
}

#[tokio::test]
async fn case_42_what_does_not_fit_is_told_by_row_and_column() {
    let server = serve(Set::of([thing(1, "true"), thing(2, r#""perhaps""#)])).await;
    let table = Table::<PoolApi, Thing>::new("rows", api(&server)).with_id_column("id");
    let told = format!("{:?}", within(table.list_direct()).await.unwrap_err());
    assert!(told.contains("bool") && told.contains("item: Some(1)"), "{told}");
    assert!(told.contains("meta.active"), "{told}");
    assert!(!told.contains("perhaps"), "{told}");
}

#[tokio::test]
async fn case_42_a_column_of_flags_over_0_and_1_is_found_by_true_and_false() {
    let rows = (0..6).map(|id| format!(r#"{{"id":{id},"on":{},"off":{}}}"#, id % 2, id % 3 == 0));
    let server = serve(Set::of(rows)).await;
    let api = api(&server).filtering(Filtering::Local);
    let declared = Rows::new("rows", api.clone()).with_id_column("id").with_column_of::<bool>("on");
    let plain = Rows::new("rows", api).with_id_column("id");
    for table in [declared, plain] {
        for (flag, ids) in [(true, ["1", "3", "5"]), (false, ["0", "2", "4"])] {
            for condition in [
                ApiCondition::eq("on", flag),
                ApiCondition::is_in("on", [flag, flag]),
                ApiCondition::ne("on", !flag),
                ApiCondition::eq("on", i64::from(flag)),
            ] {
                let shown = condition.to_string();
                let rows = within(table.clone().with_condition(condition).list_values()).await;
                assert_eq!(rows.unwrap().keys().collect::<Vec<_>>(), ids, "{shown}");
            }
        }
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Flags {
        on: bool,
        off: Option<bool>,
    }
    let typed = Table::<PoolApi, Flags>::new("rows", self::api(&server))
        .with_id_column("id")
        .with_column_of::<bool>("on");
    let flags = Flags { on: true, off: Some(true) };
    assert_eq!(within(typed.list()).await.unwrap()["3"], flags);
    assert_eq!(within(typed.list_direct()).await.unwrap()["3"], flags);
    assert_eq!(within(typed.list_values()).await.unwrap()["3"]["on"], Value::from(true));
}

// ---------------------------------------------------------- 43: told totals

#[tokio::test]
async fn case_43_a_window_brings_the_total_whatever_the_way_and_the_place() {
    for (way, paging) in [
        (Way::Page, Paging::page_number().page_size("limit", 10)),
        (Way::Page, Paging::page_number()),
        (Way::Offset, Paging::offset_limit("offset", "limit", 10)),
        (Way::Next, Paging::next_url("next")),
        (Way::Next, Paging::cursor("at", "cursor")),
    ] {
        let server = serve(Set { way, ..Set::counted(95) }).await;
        let api = api(&server).paging(paging.clone());
        let vista = api.vista_factory().from_table(Rows::new("rows", api).with_id_column("id"));
        let vista = vista.unwrap();
        for (offset, limit) in
            [(0, 3), (5, 3), (10, 10), (7, 20), (90, 10), (94, 1), (95, 5), (200, 10), (3, 1000)]
        {
            let page = within(vista.fetch_window(offset, limit)).await.unwrap();
            let rows = 95_usize.saturating_sub(offset).min(limit);
            assert_eq!(page.rows.len(), rows, "{paging:?} {offset}+{limit}");
            assert_eq!(page.total, Some(95), "{paging:?} {offset}+{limit}");
        }
    }
}

#[tokio::test]
async fn case_43_a_window_past_a_told_total_is_answered_by_the_first_page() {
    for (way, paging) in [
        (Way::Next, Paging::next_url("next")),
        (Way::Next, Paging::cursor("at", "cursor")),
        (Way::Page, Paging::page_number()),
        (Way::Offset, Paging::offset_limit("offset", "limit", 10)),
    ] {
        let server = serve(Set { way, ..Set::counted(95) }).await;
        let api = api(&server).paging(paging).prefetch(1);
        let vista = api.vista_factory().from_table(Rows::new("rows", api).with_id_column("id"));
        let page = within(vista.unwrap().fetch_window(200, 10)).await.unwrap();
        assert_eq!((page.rows.len(), page.total), (0, Some(95)));
        // One is asked for, and at most one more was under way by then.
        let asked = paths(&server).await;
        assert!(asked.len() <= 2, "{asked:?}");
    }
}

#[tokio::test]
async fn case_43_no_total_is_made_up_where_none_was_told() {
    let server = serve(Set { way: Way::Next, tells_total: false, ..Set::counted(35) }).await;
    let api = api(&server).paging(Paging::next_url("next"));
    let vista = api.vista_factory().from_table(Rows::new("rows", api).with_id_column("id"));
    let page = within(vista.unwrap().fetch_window(5, 3)).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (3, None));
}

// --------------------------------------------------- 49, 51: paths of items

#[tokio::test]
async fn case_49_the_slash_at_the_end_of_a_path_is_kept_for_its_items() {
    let server =
        serve(|_: &Request| ResponseTemplate::new(200).set_body_json(json!({ "id": 7, "n": 1 })))
            .await;
    for (path, item) in [
        ("page/", "/page/7/"),
        ("page/?lang=en", "/page/7/?lang=en"),
        ("page", "/page/7"),
        ("page?lang=en", "/page/7?lang=en"),
    ] {
        let table = ApiTable::new().path(path).item_endpoint(true);
        let rows = Rows::new("rows", api(&server).table("rows", table)).with_id_column("id");
        assert!(within(rows.get_value("7")).await.unwrap().is_some());
        assert_eq!(paths(&server).await.last().map(String::as_str), Some(item));
        let by_name = Rows::new(path, api(&server).item_endpoints(true)).with_id_column("id");
        assert!(within(by_name.get_value("7")).await.unwrap().is_some());
        assert_eq!(paths(&server).await.last().map(String::as_str), Some(item));
    }
}

#[tokio::test]
async fn case_49_writes_keep_the_slash() {
    let server = mock::server().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "id": 7, "n": 1 }));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let table = ApiTable::new().path("page/").writes(Writes::rest());
    let rows = Rows::new("rows", api(&server).table("rows", table)).with_id_column("id");
    let row = [("n".to_owned(), Value::from(1))].into_iter().collect();
    within(rows.patch_value("7", &row)).await.unwrap();
    within(rows.delete("7")).await.unwrap();
    assert_eq!(paths(&server).await, ["/page/7/", "/page/7/"]);
}

#[tokio::test]
async fn case_51_an_id_may_have_text_around_it_in_its_segment() {
    let server = serve(|_: &Request| {
        ResponseTemplate::new(200).set_body_json(json!({ "id": "a/b", "n": 1 }))
    })
    .await;
    for (template, item) in [
        ("items/{id}.json", "/items/a%2Fb.json"),
        ("items/{id}.json?full=1", "/items/a%2Fb.json?full=1"),
        ("Products({id})", "/Products(a%2Fb)"),
        ("items/row-{id}/full", "/items/row-a%2Fb/full"),
    ] {
        let table = ApiTable::new().item_path(template);
        let rows = Rows::new("rows", api(&server).table("rows", table)).with_id_column("id");
        assert!(within(rows.get_value("a/b")).await.unwrap().is_some());
        assert_eq!(paths(&server).await.last().map(String::as_str), Some(item));
    }
}

// ------------------------------------------- 48: filters and orders, 51: places

/// Takes whatever it is asked and has one row.
async fn taker() -> MockServer {
    serve(|_: &Request| {
        ResponseTemplate::new(200)
            .set_body_json(json!({ "data": [{ "id": 1, "n": 8 }], "total": 1 }))
    })
    .await
}

fn filtered(server: &MockServer, filters: Filters) -> Rows {
    Rows::new("rows", api(server).paging(Paging::none()).filters(filters))
        .with_id_column("id")
        .with_column_of::<i64>("n")
        .with_column_of::<String>("name")
        .with_column_of::<bool>("on")
}

async fn last_query(server: &MockServer) -> String {
    let query = mock::query(&mock::last(server).await).into_iter();
    let pairs = query.map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn case_48_a_vista_takes_each_operator_that_the_api_takes() {
    let server = taker().await;
    let filters = Filters::equality()
        .operator(Operator::Gte, "{field}__gte={value}")
        .operator(Operator::Ne, "{field}__ne={value}");
    let api = api(&server).paging(Paging::none()).filters(filters.only(["n"]));
    let table = Rows::new("rows", api.clone()).with_id_column("id").with_column_of::<i64>("n");
    let vista = api.vista_factory().from_table(table).unwrap();
    assert!(vista.capabilities().has(Capability::FilterOps));
    for (op, asked) in [
        (FilterOp::Gte, Some("n__gte=7")),
        (FilterOp::Ne, Some("n__ne=7")),
        (FilterOp::Eq, Some("n=7")),
        (FilterOp::Gt, None),
        (FilterOp::Lt, None),
        (FilterOp::Like, None),
    ] {
        let mut narrowed = vista.clone();
        let taken = narrowed.add_condition("n", op, 7);
        match asked {
            Some(asked) => {
                taken.unwrap();
                within(narrowed.list_values()).await.unwrap();
                assert_eq!(last_query(&server).await, asked);
            }
            None => assert!(taken.unwrap_err().is_unsupported(), "{op:?}"),
        }
        let other = vista.clone().add_condition("id", op, 7);
        assert!(other.unwrap_err().is_unsupported(), "{op:?}");
    }
    let none = self::api(&server).filters(Filters::equality());
    let table = Rows::new("rows", none.clone()).with_id_column("id").with_column_of::<i64>("n");
    let vista = none.vista_factory().from_table(table).unwrap();
    assert!(!vista.capabilities().has(Capability::FilterOps));
}

#[tokio::test]
async fn case_48_a_column_has_forms_and_lists_of_its_own() {
    let server = taker().await;
    let tags = Filters::none()
        .operator(Operator::Eq, "{field}=cs.{value}")
        .operator(Operator::In, "{field}[]={value}")
        .lists(Lists::Repeated);
    let table = filtered(&server, Filters::suffixes().column("name", tags));
    for (condition, asked) in [
        (ApiCondition::is_in("name", ["a", "b"]), "name[]=a&name[]=b"),
        (ApiCondition::eq("name", "a"), "name=cs.a"),
        (ApiCondition::is_in("n", [1, 2]), "n__in=1,2"),
        (ApiCondition::gt("n", 1), "n__gt=1"),
    ] {
        within(table.clone().with_condition(condition).list_values()).await.unwrap();
        assert_eq!(last_query(&server).await, asked);
    }
    let refused = table.with_condition(ApiCondition::gt("name", "a"));
    assert!(within(refused.list_values()).await.unwrap_err().is_unsupported());
}

#[tokio::test]
async fn case_48_all_conditions_go_in_one_parameter_with_values_of_their_types() {
    let server = taker().await;
    let conditions = [
        ApiCondition::gt("n", 7),
        ApiCondition::lt("n", 9),
        ApiCondition::eq("name", "x"),
        ApiCondition::eq("on", true),
    ];
    for (combined, asked) in [
        (Combined::json("where"), r#"where={"name":"x","on":true,"n":{"$gt":7,"$lt":9}}"#),
        (
            Combined::json("filter")
                .under("where")
                .operator(Operator::Gt, "gt")
                .operator(Operator::Lt, "lt"),
            r#"filter={"where":{"name":"x","on":true,"n":{"gt":7,"lt":9}}}"#,
        ),
        (Combined::odata("$filter"), "$filter=name eq 'x' and on eq true and n gt 7 and n lt 9"),
        (
            Combined::custom(|all| {
                let shown = all.iter().map(|one| {
                    format!("{}:{:?}:{:?}", one.field(), one.operator(), one.values().len())
                });
                Some(vec![("q".to_owned(), shown.collect::<Vec<_>>().join(","))])
            }),
            "q=name:Eq:1,on:Eq:1,n:Gt:1,n:Lt:1",
        ),
    ] {
        let table = filtered(&server, Filters::none().combined(combined));
        let narrowed = conditions.iter().cloned().fold(table, Table::with_condition);
        within(narrowed.list_values()).await.unwrap();
        assert_eq!(last_query(&server).await, asked);
    }
    // A text for a number, as ids are asked for, is a number there.
    let table = filtered(&server, Filters::none().combined(Combined::json("where")));
    within(table.clone().with_condition(ApiCondition::eq("n", "7")).list_values()).await.unwrap();
    assert_eq!(last_query(&server).await, r#"where={"n":7}"#);
    // What has no form is refused, or evaluated on the rows.
    let like = ApiCondition::starts_with("name", "x");
    let refused = table.clone().with_condition(like);
    assert!(within(refused.list_values()).await.unwrap_err().is_unsupported());
    let none = table.with_condition(ApiCondition::is_null("name"));
    within(none.list_values()).await.unwrap();
    assert_eq!(last_query(&server).await, r#"where={"name":null}"#);
}

#[tokio::test]
async fn case_48_a_long_list_among_combined_conditions_takes_several_requests() {
    let server = taker().await;
    let filters = Filters::none().combined(Combined::json("where")).max_in_values(2);
    let table = filtered(&server, filters)
        .with_condition(ApiCondition::is_in("n", [1, 2, 3]))
        .with_condition(ApiCondition::eq("name", "x"));
    within(table.list_values()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let asked: Vec<_> = requests.iter().filter_map(|request| param(request, "where")).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for part in [r#"{"n":{"$in":[1,2]},"name":"x"}"#, r#"{"n":{"$in":[3]},"name":"x"}"#] {
        assert!(asked.iter().any(|asked| asked == part), "{asked:?}");
    }
}

#[tokio::test]
async fn case_42_booleans_are_sent_in_the_words_of_the_api() {
    let server = taker().await;
    let table = filtered(&server, Filters::equality().booleans("1", "0"));
    for (condition, asked) in [
        (ApiCondition::eq("on", true), "on=1"),
        (ApiCondition::eq("on", false), "on=0"),
        (ApiCondition::eq("on", "true"), "on=1"),
        (ApiCondition::eq("name", "true"), "name=true"),
    ] {
        within(table.clone().with_condition(condition).list_values()).await.unwrap();
        assert_eq!(last_query(&server).await, asked);
    }
}

#[tokio::test]
async fn case_48_orders_have_the_form_of_the_api() {
    let server = taker().await;
    for (sorting, asked) in [
        (Sorting::by_direction("_sort", "_sort_desc"), "_sort_desc=n"),
        (Sorting::separate("_sort", "_order").joined(","), "_sort=n,name&_order=desc,asc"),
        (
            Sorting::template("sort=[{columns}]", r#"["{column}","{direction}"]"#, ","),
            r#"sort=[["n","desc"],["name","asc"]]"#,
        ),
        (
            Sorting::custom(|columns| {
                let shown = columns.iter().map(|(name, direction)| format!("{name} {direction:?}"));
                Some(vec![("$orderby".to_owned(), shown.collect::<Vec<_>>().join(", "))])
            }),
            "$orderby=n Descending, name Ascending",
        ),
    ] {
        let table = Rows::new("rows", api(&server).paging(Paging::none()).sorting(sorting))
            .with_id_column("id")
            .with_order(OrderBy::descending(ApiCondition::column("n")));
        let table = match asked {
            "_sort_desc=n" => table,
            _ => table.with_order(OrderBy::ascending(ApiCondition::column("name"))),
        };
        within(table.list_values()).await.unwrap();
        assert_eq!(last_query(&server).await, asked);
    }
}

#[tokio::test]
async fn case_48_all_of_it_can_be_said_in_yaml() {
    let server = taker().await;
    let yaml = |api: &str| {
        format!(
            "name: rows\ncolumns: {{ id: {{ type: int }}, n: {{ type: int }}, name: {{ type: string, flags: [orderable] }}, on: {{ type: bool }} }}\napi:\n  paging: {{ by: none }}\n{api}"
        )
    };
    let factory = api(&server).vista_factory();
    for (settings, asked) in [
        ("  filters: { style: none, combined: { style: json, param: where } }", r#"where={"n":7}"#),
        (
            "  filters: { style: none, combined: { style: json_list, param: q, under: f, keys: [a, b, c], operators: { eq: is } } }",
            r#"q={"f":[{"a":"n","b":"is","c":7}]}"#,
        ),
        (
            "  filters: { style: none, combined: { style: odata, param: $filter } }",
            "$filter=n eq 7",
        ),
        (
            "  filters: { columns: { n: { style: none, operators: { eq: '{field}=eq.{value}' } } } }",
            "n=eq.7",
        ),
    ] {
        let mut vista = factory.clone().with_yaml(&yaml(settings)).unwrap().build("rows").unwrap();
        vista.add_condition("n", FilterOp::Eq, 7).unwrap();
        within(vista.list_values()).await.unwrap();
        assert_eq!(last_query(&server).await, asked);
    }
    let words = yaml("  filters: { booleans: ['1', '0'] }");
    let mut vista = factory.clone().with_yaml(&words).unwrap().build("rows").unwrap();
    vista.add_condition("on", FilterOp::Eq, true).unwrap();
    within(vista.list_values()).await.unwrap();
    assert_eq!(last_query(&server).await, "on=1");
    for (settings, asked) in [
        (
            "  sorting: { style: by_direction, param: _sort, descending_param: _sort_desc }",
            "_sort_desc=name",
        ),
        (
            "  sorting: { style: separate, param: _sort, direction_param: _order, joined: ',' }",
            "_sort=name&_order=desc",
        ),
        (
            "  sorting: { style: template, form: 'sort=[{columns}]', column: '(\"{column}\",{direction})', words: ['1', '-1'] }",
            r#"sort=[("name",-1)]"#,
        ),
    ] {
        let mut vista = factory.clone().with_yaml(&yaml(settings)).unwrap().build("rows").unwrap();
        vista.set_order(Some(("name", SortDirection::Descending))).unwrap();
        within(vista.list_values()).await.unwrap();
        assert_eq!(last_query(&server).await, asked);
    }
    for wrong in [
        "  filters: { combined: { style: odata, param: q, under: x } }",
        "  filters: { combined: { style: json, param: q, keys: [a, b, c] } }",
        "  sorting: { style: prefixed, param: a, joined: ',' }",
        "  sorting: { style: by_direction, param: a }",
        "  sorting: { style: template, form: 'sort=x', column: '{column}' }",
        "  sorting: { style: template, form: 'sort={columns}', column: 'x' }",
    ] {
        assert!(
            factory.clone().with_yaml(&yaml(wrong)).unwrap_err().is_incorrect_usage(),
            "{wrong}"
        );
    }
}

/// Rows are asked for by a range in a header, as PostgREST has it.
struct ByRange;

impl PageStrategy for ByRange {
    fn first(&self) -> PageRequest {
        PageRequest::new().header("range-unit", "items").header("range", "0-9")
    }

    fn next(
        &self,
        page: &PageView<'_>,
    ) -> std::result::Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        let range = page.headers().get("content-range").ok_or("no range")?.to_str()?;
        let last: u64 = range.split(['-', '/']).nth(1).ok_or("no end")?.parse()?;
        let total: u64 = range.split('/').nth(1).ok_or("no total")?.parse()?;
        Ok((last + 1 < total).then(|| Self::from(last + 1)))
    }

    fn page_with_row(&self, row: u64) -> Option<(PageRequest, u64)> {
        Some((Self::from(row), row))
    }
}

impl ByRange {
    fn from(row: u64) -> PageRequest {
        PageRequest::new()
            .header("range-unit", "items")
            .header("range", format!("{row}-{}", row + 9))
    }
}

#[tokio::test]
async fn case_51_pages_are_asked_for_by_headers() {
    let server = serve(|request: &Request| {
        let range = request.headers.get("range").unwrap().to_str().unwrap();
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let last = last.min(94);
        let rows: Vec<_> = (first..=last).map(|id| json!({ "id": id })).collect();
        ResponseTemplate::new(200)
            .insert_header("content-range", format!("{first}-{last}/95").as_str())
            .set_body_json(json!({ "data": rows }))
    })
    .await;
    let api = api(&server).paging(Paging::custom(ByRange));
    let table = Rows::new("rows", api.clone()).with_id_column("id");
    assert_eq!(within(table.list_values()).await.unwrap().len(), 95);
    assert_eq!(paths(&server).await.len(), 10);
}

/// Asks by bodies, each with the cursor of the page before.
struct ByBody;

impl ByBody {
    fn after(cursor: &Json) -> PageRequest {
        PageRequest::new().post(&json!({ "filter": { "done": false }, "start_cursor": cursor }))
    }
}

impl PageStrategy for ByBody {
    fn first(&self) -> PageRequest {
        Self::after(&Json::Null)
    }

    fn next(
        &self,
        page: &PageView<'_>,
    ) -> std::result::Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        let next = &page.json::<Json>()?["next_cursor"];
        Ok((!next.is_null()).then(|| Self::after(next)))
    }
}

#[tokio::test]
async fn case_51_pages_are_asked_for_by_bodies() {
    let failed = AtomicBool::new(false);
    let answer = move |request: &Request| {
        let asked: Json = request.body_json().unwrap();
        assert_eq!((request.method.as_str(), &asked["filter"]["done"]), ("POST", &json!(false)));
        assert_eq!(request.headers["content-type"], "application/json");
        let first = asked["start_cursor"].as_str().map_or(0, |at| at.parse().unwrap());
        // As idempotent as a GET.
        if first == 4 && !failed.swap(true, SeqCst) {
            return ResponseTemplate::new(503);
        }
        let next = (first < 6).then(|| (first + 2).to_string());
        let rows: Vec<_> = (first..first + 2).map(|id| json!({ "id": id })).collect();
        ResponseTemplate::new(200).set_body_json(json!({ "data": rows, "next_cursor": next }))
    };
    let server = mock::server().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let api = api(&server).paging(Paging::custom(ByBody));
    let table = Rows::new("rows", api).with_id_column("id");
    assert_eq!(within(table.list_values()).await.unwrap().len(), 8);
    assert_eq!(paths(&server).await.len(), 5);
}

#[tokio::test]
async fn case_51_a_window_begins_where_a_strategy_can_compute_it() {
    let server = serve(|request: &Request| {
        let range = request.headers.get("range").unwrap().to_str().unwrap();
        let first: usize = range.split_once('-').unwrap().0.parse().unwrap();
        let last = (first + 9).min(94);
        let rows: Vec<_> = (first..=last).map(|id| json!({ "id": id })).collect();
        ResponseTemplate::new(200)
            .insert_header("content-range", format!("{first}-{last}/95").as_str())
            .set_body_json(json!({ "data": rows, "total": 95 }))
    })
    .await;
    let api = api(&server).paging(Paging::custom(ByRange));
    let table = Rows::new("rows", api.clone()).with_id_column("id");
    let rows = within(table.list_window(57, 13)).await.unwrap();
    let expected: Vec<String> = (57..70).map(|id| id.to_string()).collect();
    assert_eq!(rows.keys().cloned().collect::<Vec<_>>(), expected);
    let requests = server.received_requests().await.unwrap();
    let ranges: Vec<_> = requests
        .iter()
        .map(|request| request.headers.get("range").unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(ranges[..2], ["57-66", "67-76"]);
    assert!(!ranges.iter().any(|range| range == "0-9"), "{ranges:?}");
    // Where rows are judged here, their places are not those of the API.
    let local = Rows::new("rows", api.filtering(Filtering::Local))
        .with_id_column("id")
        .with_condition(ApiCondition::gte("id", 50));
    let rows = within(local.list_window(7, 2)).await.unwrap();
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["57", "58"]);
    let vista = self::api(&server).paging(Paging::custom(ByRange));
    let vista = vista.vista_factory().from_table(Rows::new("rows", vista).with_id_column("id"));
    let page = within(vista.unwrap().fetch_window(90, 20)).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (5, Some(95)));
}

// --------------------------------------------- as others have reported them

#[tokio::test]
async fn numbers_of_forty_digits_and_long_ids_in_lists_keep_them_all() {
    // A `numeric` column, and rows that a database has nested as JSON.
    let price = "1234567890123456789012345678901234567890";
    let row = format!(
        r#"{{"id":1,"price":{price},"members":[{{"id":98765432109876543210}},[98765432109876543211]]}}"#
    );
    let server = serve(Set::of([row])).await;
    let table = Rows::new("rows", api(&server)).with_id_column("id");
    let row = &within(table.list_values()).await.unwrap()["1"];
    assert_eq!(row["price"], Value::from(price));
    let member = Value::Map(vec![("id".into(), "98765432109876543210".into())]);
    let list = Value::Array(vec!["98765432109876543211".into()]);
    assert_eq!(row["members"], Value::Array(vec![member, list]));
}

#[tokio::test]
async fn ids_of_19_digits_are_never_rounded_whether_they_are_text_or_numbers() {
    for id in ["8200357849092798618", "\"1234567891234567891\""] {
        let plain = id.trim_matches('"');
        let server = serve(Set::of([format!(r#"{{"id":{id}}}"#)])).await;
        let table = Rows::new("rows", api(&server)).with_id_column("id");
        assert!(within(table.get_value(plain)).await.unwrap().is_some());
        assert!(paths(&server).await[0].contains(&format!("id={plain}")));
    }
}

#[tokio::test]
async fn an_empty_object_at_the_place_of_an_item_is_no_row() {
    let server = serve(|request: &Request| {
        let body = match request.url.path() {
            "/rows" => r#"{"data":[{"id":"1234567891234567891","n":1}],"total":1}"#,
            _ => "{}",
        };
        ResponseTemplate::new(200).set_body_raw(body, "application/json")
    })
    .await;
    let table = Rows::new("rows", api(&server).item_endpoints(true)).with_id_column("id");
    let row = within(table.get_value("1234567891234567891")).await.unwrap().unwrap();
    assert_eq!(row["n"], Value::from(1));
    assert_eq!(within(table.get_value("7")).await.unwrap(), None);
}

#[tokio::test]
async fn words_of_flags_and_directions_are_those_of_the_server() {
    let server = taker().await;
    let django = filtered(&server, Filters::suffixes().booleans("True", "False"));
    for (condition, asked) in [
        (ApiCondition::eq("on", true), "on=True"),
        (ApiCondition::eq("on", "false"), "on=False"),
        (ApiCondition::is_null("name"), "name__isnull=true"),
    ] {
        within(django.clone().with_condition(condition).list_values()).await.unwrap();
        assert_eq!(last_query(&server).await, asked);
    }
    let sorting = Sorting::separate("_sort", "_order").joined(",").words("ASC", "DESC");
    let table = Rows::new("rows", api(&server).paging(Paging::none()).sorting(sorting))
        .with_id_column("id")
        .with_order(OrderBy::ascending(ApiCondition::column("id")))
        .with_order(OrderBy::descending(ApiCondition::column("n")));
    within(table.list_values()).await.unwrap();
    assert_eq!(last_query(&server).await, "_sort=id,n&_order=ASC,DESC");
}

#[tokio::test]
async fn a_whole_number_that_is_written_as_a_float_is_one() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Options {
        id: u32,
        limits: HashMap<String, usize>,
        sizes: Vec<i64>,
    }
    let server = serve(Set::of([r#"{"id":1,"limits":{"results":30.0},"sizes":[2.0,3]}"#])).await;
    let table = Table::<PoolApi, Options>::new("rows", api(&server)).with_id_column("id");
    let limits = HashMap::from([("results".to_owned(), 30)]);
    let expected = Options { id: 1, limits, sizes: vec![2, 3] };
    assert_eq!(within(table.list()).await.unwrap()["1"], expected);
    assert_eq!(within(table.list_direct()).await.unwrap()["1"], expected);
}
