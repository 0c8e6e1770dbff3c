//! Conditions, orders and searches as APIs take them, and what is done on the rows where
//! they do not; shapes of bodies; settings of single tables; previews and aggregates.

use std::{future::Future, time::Duration};

use crate::support::{
    hostile::{Answer, Dialect, Hostile, HostileServer, Log, Shape, Sorts, Total},
    raw_server::RawServer,
};
use ciborium::Value;
use rust_decimal::Decimal;
use serde_json::json;
use vantage_api_pool::{
    ApiCondition, ApiTable, AwwPool, ColumnConditions, Envelope, Filtering, Filters, Lists,
    Operator, PageRequest, PageStrategy, PageView, Paging, PoolApi, PoolTableExt, Sorting,
};
use vantage_core::VantageError;
use vantage_dataset::prelude::*;
use vantage_table::{pagination::Pagination, table::Table};
use vantage_types::EmptyEntity;

type Rows = Table<PoolApi, EmptyEntity>;

fn api(url: String) -> PoolApi {
    PoolApi::new(AwwPool::builder(url).build().unwrap())
}

fn rows(api: PoolApi) -> Rows {
    Table::new("rows", api)
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("n")
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("no wait lasts for ever")
}

async fn listed(table: &Rows) -> Vec<String> {
    within(table.list_values()).await.unwrap().into_keys().collect()
}

fn ids(of: impl IntoIterator<Item = u64>) -> Vec<String> {
    of.into_iter().map(|id| id.to_string()).collect()
}

/// The queries of all requests so far, without the page.
fn queries(server: &HostileServer) -> Vec<String> {
    let shown = |query: &[(String, String)]| {
        let pairs = query.iter().filter(|(name, _)| name != "page" && name != "per_page");
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    };
    server.log(|log| log.seen.iter().map(|seen| shown(&seen.query)).collect())
}

#[tokio::test]
async fn accept_26_operators_are_sent_as_the_dialect_has_them() {
    let dialects = [
        (Dialect::Suffixes, Filters::suffixes(), "n__gte=90&name__istartswith=ROW 9"),
        (Dialect::Brackets, Filters::brackets("filter"), "filter[n][gte]=90&filter[n][ne]=93"),
    ];
    for (dialect, filters, sent) in dialects {
        let server = Hostile::new(95).dialect(dialect).start();
        let table = rows(api(server.url()).filters(filters));
        let (second, expected) = match dialect {
            Dialect::Suffixes => (table["name"].starts_with("ROW 9"), vec![90, 91, 92, 93, 94]),
            _ => (table["n"].ne(93), vec![90, 91, 92, 94]),
        };
        let condition = table["n"].gte(90) & second;
        let table = table.with_condition(condition);
        assert_eq!(listed(&table).await, ids(expected.clone()));
        assert_eq!(within(table.get_count()).await.unwrap(), expected.len() as i64);
        assert!(queries(&server).iter().all(|query| query == sent), "{:?}", queries(&server));
    }
}

#[tokio::test]
async fn accept_26_what_is_not_sent_is_evaluated_on_the_rows_where_that_is_allowed() {
    let server = Hostile::with_rows(vec![
        json!({ "id": "a", "n": 1, "at": "2024-05-01T12:00:00Z" }),
        json!({ "id": "b", "n": null, "at": "2024-05-01T14:30:00+02:00" }),
        json!({ "id": "c", "n": 9_007_199_254_740_993_u64, "at": "2024-05-01T14:00:00+02:00" }),
    ])
    .start();
    let table =
        || rows(api(server.url()).filtering(Filtering::Mixed)).with_column_of::<String>("at");
    let cases = [
        (table()["n"].gt(9_007_199_254_740_992_u64), &["c"][..]),
        (!table()["n"].eq(1), &["c"]),
        (table()["n"].is_null() | table()["n"].eq(1), &["a", "b"]),
        (table()["n"].not_in_list([1, 2]), &["c"]),
        (table()["at"].eq("2024-05-01T12:00:00.0Z"), &[]),
        (table()["at"].gte("2024-05-01T12:00:00.0Z"), &["a", "b", "c"]),
        (table()["at"].lte(Value::Tag(0, Box::new("2024-05-01T12:00:00Z".into()))), &["a", "c"]),
        (table()["at"].contains("t14"), &["b", "c"]),
    ];
    for (condition, expected) in cases {
        let shown = condition.to_string();
        let table = table().with_condition(condition);
        assert_eq!(listed(&table).await, expected, "{shown}");
        assert_eq!(within(table.get_count()).await.unwrap(), expected.len() as i64, "{shown}");
    }
    let sent = queries(&server);
    let equality = "at=2024-05-01T12:00:00.0Z";
    assert!(sent.iter().all(|query| query.is_empty() || query == equality), "{sent:?}");
}

#[tokio::test]
async fn accept_05_a_count_trusts_the_total_only_if_all_conditions_were_sent() {
    let server = Hostile::new(95).start();
    let table = rows(api(server.url()).filtering(Filtering::Mixed));
    let all_sent = table.clone().with_condition(table["n"].eq(7));
    assert_eq!(within(all_sent.get_count()).await.unwrap(), 1);
    assert_eq!(server.log(|log| log.seen.len()), 1);
    let on_rows = table.clone().with_condition(table["n"].lt(57));
    assert_eq!(within(on_rows.get_count()).await.unwrap(), 57);
    assert!(server.log(|log| log.seen.len()) > 5, "the set is read");
}

#[tokio::test]
async fn accept_27_a_list_is_sent_in_the_form_of_the_api() {
    let plural =
        Filters::equality().operator(Operator::In, "{field}[]={value}").lists(Lists::Repeated);
    let forms = [
        (Dialect::Suffixes, Filters::suffixes(), "n__in=3,57,94"),
        (Dialect::Brackets, Filters::brackets("filter"), "filter[n]=3,57,94"),
        (Dialect::Equality, Filters::equality().lists(Lists::Repeated), "n=3&n=57&n=94"),
        (Dialect::Plural, plural, "n[]=3&n[]=57&n[]=94"),
    ];
    for (dialect, filters, sent) in forms {
        let server = Hostile::new(95).dialect(dialect).start();
        let table = rows(api(server.url()).filters(filters));
        let table = table.clone().with_condition(table["n"].in_list([3, 57, 94]));
        assert_eq!(listed(&table).await, ["3", "57", "94"]);
        assert_eq!(queries(&server), [sent]);
    }
}

#[tokio::test]
async fn accept_27_a_long_list_takes_several_requests_in_the_order_of_its_values() {
    let server = Hostile::new(95).dialect(Dialect::Suffixes).start();
    let filters = Filters::suffixes().max_in_values(2);
    let in_wanted = |sorting: Sorting| {
        let table = rows(api(server.url()).filters(filters.clone()).sorting(sorting));
        table.clone().with_condition(table["n"].in_list([94, 3, 57, 3, 12, 200, 0]))
    };
    let table = in_wanted(Sorting::none());
    assert_eq!(listed(&table).await, ids([3, 94, 12, 57, 0]));
    let mut sent = queries(&server);
    sent.sort();
    assert_eq!(sent, ["n__in=200,0", "n__in=57,12", "n__in=94,3"]);
    assert_eq!(within(table.get_count()).await.unwrap(), 5);
    assert!(within(table.get_value("57")).await.unwrap().is_some());
    assert!(within(table.get_value("58")).await.unwrap().is_none());
    let window = within(table.list_window(1, 3)).await.unwrap();
    assert_eq!(window.into_keys().collect::<Vec<_>>(), ["94", "12", "57"]);

    // An order among the rows of several requests is made on them, or refused.
    let ordered = |sorting| {
        let table = in_wanted(sorting);
        table.clone().with_order(table["n"].descending())
    };
    let error = within(ordered(Sorting::prefixed("sort")).list_values()).await.unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    let here = ordered(Sorting::prefixed("sort").on_rows(true));
    assert_eq!(listed(&here).await, ids([94, 57, 12, 3, 0]));
}

#[tokio::test]
async fn accept_27_an_api_without_lists_is_asked_for_each_value_or_not_at_all() {
    let server = Hostile::new(95).start();
    let asked = |lists, filtering| {
        let filters = Filters::equality().lists(lists);
        let table = rows(api(server.url()).filters(filters).filtering(filtering));
        table.clone().with_condition(table["n"].in_list([57, 3]))
    };
    let refused = asked(Lists::Unsent, Filtering::Server);
    assert!(within(refused.list_values()).await.unwrap_err().is_unsupported());
    assert_eq!(server.log(|log| log.seen.len()), 0);
    assert_eq!(listed(&asked(Lists::Requests, Filtering::Server)).await, ["57", "3"]);
    let mut sent = queries(&server);
    sent.sort();
    assert_eq!(sent, ["n=3", "n=57"]);
    assert_eq!(listed(&asked(Lists::Unsent, Filtering::Mixed)).await, ["3", "57"]);
}

#[tokio::test]
async fn accept_33_a_search_is_sent_in_its_parameter() {
    let server = Hostile::new(95).searches("q").start();
    let filters = Filters::default().search_param("q");
    for filtering in [Filtering::Server, Filtering::Local] {
        let api = api(server.url()).filters(filters.clone()).filtering(filtering);
        let table = rows(api).with_search("row 9");
        assert_eq!(listed(&table).await, ids([9, 90, 91, 92, 93, 94]));
        assert_eq!(within(table.get_count()).await.unwrap(), 6);
        assert!(within(table.get_value("8")).await.unwrap().is_none());
        let two = table.with_search("row 8");
        assert!(within(two.list_values()).await.unwrap_err().is_unsupported());
    }
    assert!(queries(&server).iter().all(|query| query.contains("q=row 9")));
}

#[tokio::test]
async fn accept_34_an_order_reaches_the_wire_in_the_form_of_the_api() {
    let descending: Vec<String> = ids((0..95).rev());
    let forms = [
        (Sorts::Prefixed, Sorting::prefixed("sort"), "sort=-n"),
        (Sorts::Suffixed, Sorting::suffixed("sort", ":"), "sort=n:desc"),
        (Sorts::Separate, Sorting::separate("order_by", "order"), "order_by=n&order=desc"),
    ];
    for (sorts, sorting, sent) in forms {
        let server = Hostile::new(95).sorts(sorts).start();
        let table = rows(api(server.url()).sorting(sorting));
        let table = table.clone().with_order(table["n"].descending());
        assert_eq!(listed(&table).await, descending);
        let some = within(table.get_some_value()).await.unwrap().unwrap();
        assert_eq!(some.0, "94");
        assert!(queries(&server).iter().all(|query| query == sent), "{:?}", queries(&server));
    }
}

#[tokio::test]
async fn accept_34_an_order_that_the_api_does_not_take_is_made_on_the_rows_or_refused() {
    let server = Hostile::new(25).sorts(Sorts::Prefixed).start();
    let sorting = Sorting::prefixed("sort").only(["name"]);
    let ordered = |sorting: Sorting| {
        let table = rows(api(server.url()).sorting(sorting));
        table.clone().with_order(table["n"].descending())
    };
    let error = within(ordered(sorting.clone()).list_values()).await.unwrap_err();
    assert!(error.is_unsupported() && server.log(|log| log.seen.is_empty()), "{error}");
    let table = ordered(sorting.on_rows(true));
    assert_eq!(listed(&table).await, ids((0..25).rev()));
    let window = within(table.list_window(3, 2)).await.unwrap();
    assert_eq!(window.into_keys().collect::<Vec<_>>(), ["21", "20"]);
    assert!(queries(&server).iter().all(String::is_empty));
}

#[tokio::test]
async fn accept_19_a_window_without_a_total_is_served_and_a_short_page_marks_the_end() {
    let server = Hostile::new(25).total(Total::Absent).without_pagination().start();
    let api = api(server.url()).paging(Paging::page_number().page_size("per_page", 10));
    let window = |skip, limit| {
        rows(api.clone()).with(|table| table.set_pagination(Some(Pagination::window(skip, limit))))
    };
    assert_eq!(listed(&window(10, 10)).await, ids(10..20));
    assert_eq!(server.log(Log::pages), [2]);
    assert_eq!(listed(&window(20, 10)).await, ids(20..25));
}

#[tokio::test]
async fn accept_20_a_window_without_rows_returns_none_and_sends_nothing() {
    let server = Hostile::new(25).start();
    let window = within(rows(api(server.url())).list_window(5, 0)).await.unwrap();
    assert!(window.is_empty());
    assert_eq!(server.log(|log| log.seen.len()), 0);
}

#[tokio::test]
async fn accept_23_an_api_that_does_not_page_gets_no_page_parameters() {
    let server = Hostile::new(25).page_size(100, 100).strict().start();
    let table = rows(api(server.url()).paging(Paging::none()));
    assert_eq!(listed(&table).await.len(), 25);
    assert_eq!(within(table.get_count()).await.unwrap(), 25);
    assert_eq!(
        within(table.list_window(7, 3)).await.unwrap().into_keys().collect::<Vec<_>>(),
        ["7", "8", "9"]
    );
    assert!(server.log(|log| log.seen.iter().all(|seen| seen.query.is_empty())));
}

#[tokio::test]
async fn accept_24_a_count_takes_the_total_from_a_nested_key_or_a_header() {
    for (total, envelope) in [
        (Total::At("result.count"), Envelope::default().total_at("result.count")),
        (Total::InHeader("x-total-count"), Envelope::default().total_in_header("X-Total-Count")),
    ] {
        let server = Hostile::new(95).total(total).without_pagination().start();
        let table = rows(api(server.url()).envelope(envelope));
        assert_eq!(within(table.get_count()).await.unwrap(), 95);
        assert_eq!(server.log(|log| log.seen.len()), 1);
    }
}

/// Answers every request with this body.
async fn serving(content_type: &'static str, body: &'static str) -> RawServer {
    RawServer::start(move |mut peer| async move {
        while peer.head().await.is_some() {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-total-count: 3\r\ncontent-length: {length}\r\n\r\n"
            );
            peer.write((head + body).as_bytes()).await;
        }
    })
}

#[tokio::test]
async fn accept_38_a_body_of_lines_is_read_item_by_item() {
    let body = "{\"id\":1,\"n\":1}\n\n{\"id\":2,\"n\":18446744073709551615}\r\n  {\"id\":3}";
    let server = serving("application/x-ndjson", body).await;
    let api = api(server.url())
        .envelope(Envelope::ndjson().total_in_header("x-total-count"))
        .paging(Paging::none());
    let table = rows(api);
    let list = within(table.list_values()).await.unwrap();
    assert_eq!(list.keys().collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(list["2"]["n"], Value::from(u64::MAX));
    assert_eq!(within(table.get_count()).await.unwrap(), 3);
    let empty = serving("application/x-ndjson", "\n").await;
    let table = rows(super::vantage_dialects::api(empty.url()).envelope(Envelope::ndjson()));
    assert_eq!(listed(&table).await.len(), 0);
}

#[tokio::test]
async fn accept_39_a_cut_line_and_a_document_are_errors_and_no_rows() {
    for (content_type, body) in [
        ("application/x-ndjson", "{\"id\":1}\n{\"id\":2,\"na"),
        ("application/json", "{\"error\":\"it went wrong\"}"),
        ("text/html", "<html></html>"),
    ] {
        let server = serving(content_type, body).await;
        let api = api(server.url()).envelope(Envelope::ndjson()).paging(Paging::none());
        let error = within(rows(api).list_values()).await.unwrap_err();
        assert_eq!(error.context["kind"], "decode", "{content_type}");
        let source = std::error::Error::source(&error).and_then(std::error::Error::source).unwrap();
        if content_type.ends_with("ndjson") {
            assert!(source.to_string().contains("line 2 "), "{source}");
        }
    }
}

#[tokio::test]
async fn accept_39_a_body_of_another_shape_is_an_error_and_no_rows() {
    for answer in [Answer::ErrorEnvelope, Answer::Html, Answer::Empty, Answer::NoContent] {
        let server = Hostile::new(25).on_any(answer.clone()).start();
        let table = rows(api(server.url()));
        assert!(within(table.list_values()).await.is_err());
        assert!(within(table.get_count()).await.is_err());
        assert!(within(table.get_value("7")).await.is_err());
        let is_empty = matches!(answer, Answer::Empty | Answer::NoContent);
        let lenient =
            rows(api(server.url()).envelope(Envelope::default().no_content_is_empty(true)));
        assert_eq!(within(lenient.list_values()).await.is_ok(), is_empty);
    }
}

#[tokio::test]
async fn a_table_may_differ_from_its_api_in_everything() {
    let server = Hostile::new(25)
        .at("/v2/list")
        .shape(Shape::At("result.rows"))
        .dialect(Dialect::Suffixes)
        .sorts(Sorts::Prefixed)
        .start();
    let differing = ApiTable::new()
        .path("/v2/list")
        .item_path("/v2/list/{key}")
        .envelope(Envelope::items_at("result.rows"))
        .filters(Filters::suffixes())
        .sorting(Sorting::prefixed("sort"))
        .paging(Paging::page_number().page_size("per_page", 5));
    let api = api(server.url()).table("rows", differing);
    let table = rows(api.clone());
    let table = table.clone().with_condition(table["n"].gt(20)).with_order(table["n"].descending());
    assert_eq!(listed(&table).await, ids([24, 23, 22, 21]));
    assert!(within(table.get_value("22")).await.unwrap().is_some());
    assert_eq!(server.log(|log| log.to("/v2/list/22").len()), 1);
    let other = Rows::new("others", api);
    assert!(within(other.list_values()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_form_of_the_users_own_is_asked_first() {
    let server = Hostile::new(25).dialect(Dialect::Suffixes).start();
    let filters = Filters::equality().custom(|field, operator, values| {
        let between = operator == Operator::Gte;
        between.then(|| vec![(format!("{field}__gte"), values.concat())])
    });
    let table = rows(api(server.url()).filters(filters));
    let table = table.clone().with_condition(table["n"].gte(23));
    assert_eq!(listed(&table).await, ["23", "24"]);
    let silent = Filters::equality().custom(|_, _, _| Some(Vec::new()));
    let table = rows(api(server.url()).filters(silent));
    let error = within(table.clone().with_condition(table["n"].eq(3)).list_values()).await;
    assert!(error.unwrap_err().is_unsupported(), "no condition is dropped");
    let wrong = Filters::none().operator(Operator::Eq, "no parameter");
    let table = rows(api(server.url()).filters(wrong));
    let error = within(table.list_values()).await.unwrap_err();
    assert!(error.is_incorrect_usage() && error.to_string().contains("form"), "{error}");
}

#[tokio::test]
async fn sums_and_extremes_are_those_of_the_whole_narrowed_set() {
    let server = Hostile::with_rows(vec![
        json!({ "id": 1, "n": 7, "price": "0.10" }),
        json!({ "id": 2, "n": null, "price": "0.20" }),
        json!({ "id": 3, "n": -2, "price": "10.00" }),
    ])
    .page_size(1, 1)
    .start();
    let table =
        rows(api(server.url()).filtering(Filtering::Local)).with_column_of::<Decimal>("price");
    let n = table["n"].clone();
    assert_eq!(within(table.get_sum(&n)).await.unwrap(), Value::from(5));
    assert_eq!(within(table.get_max(&n)).await.unwrap(), Value::from(7));
    assert_eq!(within(table.get_min(&n)).await.unwrap(), Value::from(-2));
    let price = table["price"].clone();
    assert_eq!(within(table.get_sum(&price)).await.unwrap(), Value::from("10.30"));
    assert_eq!(within(table.get_max(&price)).await.unwrap(), Value::from("10.00"));
    let narrowed = table.clone().with_condition(table["n"].gt(0));
    assert_eq!(within(narrowed.get_sum(&n)).await.unwrap(), Value::from(7));
    let name = table["name"].clone();
    assert!(within(table.get_sum(&name)).await.unwrap_err().is_incorrect_usage());
}

/// One page, which is asked for like this.
struct OnePage(PageRequest);

impl PageStrategy for OnePage {
    fn first(&self) -> PageRequest {
        self.0.clone()
    }

    fn next(&self, _: &PageView<'_>) -> Next {
        Ok(None)
    }
}

type Next = std::result::Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::test]
async fn accept_74_a_preview_is_what_a_read_sends_and_sends_nothing() {
    let server = Hostile::new(95).dialect(Dialect::Suffixes).sorts(Sorts::Prefixed).start();
    let filters = Filters::suffixes().max_in_values(2);
    let api = api(server.url())
        .filters(filters)
        .filtering(Filtering::Mixed)
        .sorting(Sorting::prefixed("sort"))
        .paging(Paging::page_number().page_size("per_page", 10));
    let table = rows(api.clone());
    let aligned = table
        .clone()
        .with_condition(table["n"].gte(50))
        .with_order(table["n"].descending())
        .with(|table| table.set_pagination(Some(Pagination::window(20, 10))));
    let split = table
        .clone()
        .with_condition(table["n"].in_list([1, 2, 3]))
        .with_condition(table["name"].like("%w 2") | table["n"].eq(3))
        .with_condition(ApiCondition::eq("api_key", "canary"));
    for (table, rows_read) in [(aligned, 10), (split, 2)] {
        let before = server.log(|log| log.seen.len());
        let preview = table.preview();
        assert_eq!(server.log(|log| log.seen.len()), before, "a preview sends nothing");
        assert!(preview.unresolved.is_empty(), "{preview}");
        assert!(!preview.to_string().contains("canary"), "{preview}");
        assert_eq!(listed(&table).await.len(), rows_read);
        let mut sent = server.log(|log| {
            let url = |seen: &crate::support::hostile::Seen| {
                let pairs = seen.query.iter().map(|(name, value)| format!("{name}={value}"));
                format!("{}?{}", seen.path, pairs.collect::<Vec<_>>().join("&"))
            };
            log.seen[before..].iter().map(url).collect::<Vec<_>>()
        });
        let mut shown: Vec<String> = preview
            .requests
            .iter()
            .map(|url| {
                let path = url.strip_prefix(&server.url()).unwrap();
                percent_encoding::percent_decode_str(path).decode_utf8().unwrap().into_owned()
            })
            .collect();
        sent.sort();
        shown.sort();
        let masked: Vec<String> = sent.iter().map(|url| url.replace("canary", "***")).collect();
        assert_eq!(shown, masked);
    }
    let first = PageRequest::new().param("starting_after", "none");
    let custom = rows(api.clone().paging(Paging::custom(OnePage(first)))).preview();
    assert_eq!(custom.requests, [format!("{}/rows?starting_after=none", server.url())]);
    let elsewhere = Paging::custom(OnePage(PageRequest::to("https://cdn.example/rows")))
        .allow_origin("https://cdn.example");
    let elsewhere = rows(api.clone().paging(elsewhere)).preview();
    assert_eq!(elsewhere.requests, ["https://cdn.example/rows"], "{elsewhere}");
    let on_rows = table.clone().with_condition(table["name"].like("%w 2")).preview();
    assert_eq!(on_rows.on_rows, [r#"name LIKE "%w 2""#]);
    let open = Rows::new("rows/{country}/x", api.clone()).preview();
    assert_eq!(open.requests, [""; 0]);
    assert!(open.to_string().contains("country"), "{open}");
    let refused = rows(api).with_search("x").preview();
    assert!(refused.requests.is_empty() && !refused.unresolved.is_empty(), "{refused}");
}

#[tokio::test]
async fn a_get_reads_the_set_when_ids_cannot_be_asked_for() {
    let server = Hostile::new(25).without_item_endpoint().start();
    let table = rows(api(server.url()).filters(Filters::default().only(["n"])));
    assert!(within(table.get_value("17")).await.unwrap().is_some());
    assert!(queries(&server).iter().all(String::is_empty));
    let error: VantageError =
        within(table.with_condition(ApiCondition::eq("name", "x")).list_values())
            .await
            .unwrap_err();
    assert!(error.is_unsupported());
}
