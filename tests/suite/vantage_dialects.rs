//! Conditions, orders and searches as APIs take them, and what is done on the rows where
//! they do not; shapes of bodies; settings of single tables; previews and aggregates.

use std::future::Future;

use crate::support::{
    mock::{self, Pages, json_text, numbered, param},
    soon,
};
use ciborium::Value;
use rust_decimal::Decimal;
use serde_json::json;
use vantage_api_pool::{
    AwwPool, Envelope, Paging, PoolApi,
    paging::{PageRequest, PageStrategy, PageView},
    vantage::{
        ApiCondition, ApiTable, ColumnConditions, Filtering, Filters, Lists, Operator,
        PoolTableExt, Sorting,
    },
};
use vantage_core::VantageError;
use vantage_dataset::prelude::*;
use vantage_table::{pagination::Pagination, table::Table};
use vantage_types::EmptyEntity;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{path, query_param},
};

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
    soon("a read", work).await
}

async fn listed(table: &Rows) -> Vec<String> {
    within(table.list_values()).await.unwrap().into_keys().collect()
}

fn ids(of: impl IntoIterator<Item = u64>) -> Vec<String> {
    of.into_iter().map(|id| id.to_string()).collect()
}

/// The queries of all requests so far, without the page.
async fn queries(server: &MockServer) -> Vec<String> {
    let shown = |request: &Request| {
        let query = mock::query(request).into_iter();
        let pairs = query.filter(|(name, _)| name != "page" && name != "per_page");
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    };
    mock::received(server).await.iter().map(shown).collect()
}

/// The rows with these numbers, for whoever asks with the parameter `name` of this value.
async fn mount_where(server: &MockServer, name: &str, value: &str, rows: &[u64]) {
    Mock::given(path("/rows"))
        .and(query_param(name, value))
        .respond_with(Pages(numbered(rows.iter().copied())))
        .mount(server)
        .await;
}

#[tokio::test]
async fn accept_26_operators_are_sent_as_the_dialect_has_them() {
    let starts = |table: &Rows| table["name"].starts_with("ROW 9");
    let differs = |table: &Rows| table["n"].ne(93);
    let suffixes = [("n__gte", "90"), ("name__istartswith", "ROW 9")];
    let brackets = [("filter[n][gte]", "90"), ("filter[n][ne]", "93")];
    type Second<'a> = &'a dyn Fn(&Rows) -> ApiCondition;
    let dialects: [(_, _, Second<'_>); 2] = [
        (Filters::suffixes(), suffixes, &starts),
        (Filters::brackets("filter"), brackets, &differs),
    ];
    for (filters, [first, second], condition) in dialects {
        let server = mock::server().await;
        Mock::given(path("/rows"))
            .and(query_param(first.0, first.1))
            .and(query_param(second.0, second.1))
            .respond_with(Pages(numbered([90, 91, 92, 94])))
            .expect(2)
            .mount(&server)
            .await;
        let table = rows(api(server.uri()).filters(filters));
        let condition = table["n"].gte(90) & condition(&table);
        let table = table.with_condition(condition);
        assert_eq!(listed(&table).await, ids([90, 91, 92, 94]));
        assert_eq!(within(table.get_count()).await.unwrap(), 4);
        let sent = format!("{}={}&{}={}", first.0, first.1, second.0, second.1);
        assert_eq!(queries(&server).await, [sent.clone(), sent]);
    }
}

#[tokio::test]
async fn accept_26_what_is_not_sent_is_evaluated_on_the_rows_where_that_is_allowed() {
    let server = mock::answering(Pages(vec![
        json!({ "id": "a", "n": 1, "at": "2024-05-01T12:00:00Z" }),
        json!({ "id": "b", "n": null, "at": "2024-05-01T14:30:00+02:00" }),
        json!({ "id": "c", "n": 9_007_199_254_740_993_u64, "at": "2024-05-01T14:00:00+02:00" }),
    ]))
    .await;
    let table =
        || rows(api(server.uri()).filtering(Filtering::Mixed)).with_column_of::<String>("at");
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
    let sent = queries(&server).await;
    let equality = "at=2024-05-01T12:00:00.0Z";
    assert!(sent.iter().all(|query| query.is_empty() || query == equality), "{sent:?}");
}

#[tokio::test]
async fn accept_05_a_count_trusts_the_total_only_if_all_conditions_were_sent() {
    let server = mock::serving(95).await;
    let table = rows(api(server.uri()).filtering(Filtering::Mixed));
    let all_sent = table.clone().with_condition(table["n"].eq(7));
    assert_eq!(within(all_sent.get_count()).await.unwrap(), 1);
    assert_eq!(queries(&server).await, ["n=7"]);
    let on_rows = table.clone().with_condition(table["n"].lt(57));
    assert_eq!(within(on_rows.get_count()).await.unwrap(), 57);
    assert!(mock::count(&server).await > 5, "the set is read");
}

#[tokio::test]
async fn accept_27_a_list_is_sent_in_the_form_of_the_api() {
    let plural =
        Filters::equality().operator(Operator::In, "{field}[]={value}").lists(Lists::Repeated);
    let forms = [
        (Filters::suffixes(), "n__in=3,57,94"),
        (Filters::brackets("filter"), "filter[n]=3,57,94"),
        (Filters::equality().lists(Lists::Repeated), "n=3&n=57&n=94"),
        (plural, "n[]=3&n[]=57&n[]=94"),
    ];
    for (filters, sent) in forms {
        let found = Pages(numbered([3, 57, 94])).whole();
        let server = mock::answering(found).await;
        let table = rows(api(server.uri()).filters(filters));
        let table = table.clone().with_condition(table["n"].in_list([3, 57, 94]));
        assert_eq!(listed(&table).await, ["3", "57", "94"]);
        assert_eq!(queries(&server).await, [sent]);
    }
}

#[tokio::test]
async fn accept_27_a_long_list_takes_several_requests_in_the_order_of_its_values() {
    let server = mock::server().await;
    for (values, found) in [("94,3", &[3, 94][..]), ("57,12", &[12, 57]), ("200,0", &[0])] {
        mount_where(&server, "n__in", values, found).await;
    }
    let filters = Filters::suffixes().max_in_values(2);
    let in_wanted = |sorting: Sorting| {
        let table = rows(api(server.uri()).filters(filters.clone()).sorting(sorting));
        table.clone().with_condition(table["n"].in_list([94, 3, 57, 3, 12, 200, 0]))
    };
    let table = in_wanted(Sorting::none());
    assert_eq!(listed(&table).await, ids([3, 94, 12, 57, 0]));
    let mut sent = queries(&server).await;
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
    let server = mock::serving(95).await;
    let asked = |lists, filtering| {
        let filters = Filters::equality().lists(lists);
        let table = rows(api(server.uri()).filters(filters).filtering(filtering));
        table.clone().with_condition(table["n"].in_list([57, 3]))
    };
    let refused = asked(Lists::Unsent, Filtering::Server);
    assert!(within(refused.list_values()).await.unwrap_err().is_unsupported());
    assert_eq!(mock::count(&server).await, 0);
    assert_eq!(listed(&asked(Lists::Requests, Filtering::Server)).await, ["57", "3"]);
    let mut sent = queries(&server).await;
    sent.sort();
    assert_eq!(sent, ["n=3", "n=57"]);
    assert_eq!(listed(&asked(Lists::Unsent, Filtering::Mixed)).await, ["3", "57"]);
}

#[tokio::test]
async fn accept_33_a_search_is_sent_in_its_parameter() {
    let server = mock::server().await;
    mount_where(&server, "q", "row 9", &[9, 90, 91, 92, 93, 94]).await;
    let filters = Filters::default().search_param("q");
    for filtering in [Filtering::Server, Filtering::Local] {
        let api = api(server.uri()).filters(filters.clone()).filtering(filtering);
        let table = rows(api).with_search("row 9");
        assert_eq!(listed(&table).await, ids([9, 90, 91, 92, 93, 94]));
        assert_eq!(within(table.get_count()).await.unwrap(), 6);
        assert!(within(table.get_value("8")).await.unwrap().is_none());
        let two = table.with_search("row 8");
        assert!(within(two.list_values()).await.unwrap_err().is_unsupported());
    }
    assert!(queries(&server).await.iter().all(|query| query.contains("q=row 9")));
}

#[tokio::test]
async fn accept_34_an_order_reaches_the_wire_in_the_form_of_the_api() {
    let forms = [
        (Sorting::prefixed("sort"), "sort=-n"),
        (Sorting::suffixed("sort", ":"), "sort=n:desc"),
        (Sorting::separate("order_by", "order"), "order_by=n&order=desc"),
    ];
    for (sorting, sent) in forms {
        let server = mock::answering(Pages(numbered((0..95).rev()))).await;
        let table = rows(api(server.uri()).sorting(sorting));
        let table = table.clone().with_order(table["n"].descending());
        assert_eq!(listed(&table).await, ids((0..95).rev()));
        let some = within(table.get_some_value()).await.unwrap().unwrap();
        assert_eq!(some.0, "94");
        let queries = queries(&server).await;
        assert!(queries.len() > 10 && queries.iter().all(|query| query == sent), "{queries:?}");
    }
}

#[tokio::test]
async fn accept_34_an_order_that_the_api_does_not_take_is_made_on_the_rows_or_refused() {
    let server = mock::serving(25).await;
    let sorting = Sorting::prefixed("sort").only(["name"]);
    let ordered = |sorting: Sorting| {
        let table = rows(api(server.uri()).sorting(sorting));
        table.clone().with_order(table["n"].descending())
    };
    let error = within(ordered(sorting.clone()).list_values()).await.unwrap_err();
    assert!(error.is_unsupported() && mock::count(&server).await == 0, "{error}");
    let table = ordered(sorting.on_rows(true));
    assert_eq!(listed(&table).await, ids((0..25).rev()));
    let window = within(table.list_window(3, 2)).await.unwrap();
    assert_eq!(window.into_keys().collect::<Vec<_>>(), ["21", "20"]);
    assert!(queries(&server).await.iter().all(String::is_empty));
}

#[tokio::test]
async fn accept_19_a_window_without_a_total_is_served_and_a_short_page_marks_the_end() {
    let server = mock::server().await;
    for (page, of) in [("1", 0..10), ("2", 10..20), ("3", 20..25)] {
        Mock::given(path("/rows"))
            .and(query_param("page", page))
            .respond_with(json_text(json!({ "data": numbered(of) }).to_string()))
            .mount(&server)
            .await;
    }
    Mock::given(path("/rows")).respond_with(json_text(r#"{"data":[]}"#)).mount(&server).await;
    let api = api(server.uri()).paging(Paging::page_number().page_size("per_page", 10));
    let window = |skip, limit| {
        rows(api.clone()).with(|table| table.set_pagination(Some(Pagination::window(skip, limit))))
    };
    assert_eq!(listed(&window(10, 10)).await, ids(10..20));
    assert_eq!(param(&mock::last(&server).await, "page").as_deref(), Some("2"));
    assert_eq!(mock::count(&server).await, 1);
    assert_eq!(listed(&window(20, 10)).await, ids(20..25));
}

#[tokio::test]
async fn accept_20_a_window_without_rows_returns_none_and_sends_nothing() {
    let server = mock::serving(25).await;
    let window = within(rows(api(server.uri())).list_window(5, 0)).await.unwrap();
    assert!(window.is_empty());
    assert_eq!(mock::count(&server).await, 0);
}

#[tokio::test]
async fn accept_23_an_api_that_does_not_page_gets_no_page_parameters() {
    let all = json_text(json!({ "data": numbered(0..25) }).to_string());
    let server = mock::answering(all).await;
    let table = rows(api(server.uri()).paging(Paging::none()));
    assert_eq!(listed(&table).await.len(), 25);
    assert_eq!(within(table.get_count()).await.unwrap(), 25);
    assert_eq!(
        within(table.list_window(7, 3)).await.unwrap().into_keys().collect::<Vec<_>>(),
        ["7", "8", "9"]
    );
    assert!(mock::received(&server).await.iter().all(|request| request.url.query().is_none()));
}

#[tokio::test]
async fn accept_24_a_count_takes_the_total_from_a_nested_key_or_a_header() {
    let (rows_of, bare) = (numbered(0..10), ResponseTemplate::new(200));
    let nested = json!({ "data": rows_of, "result": { "count": 95 } });
    let plain = bare.clone().insert_header("x-total-count", "95");
    for (answer, envelope) in [
        (bare.set_body_json(nested), Envelope::default().total_at("result.count")),
        (
            plain.set_body_json(json!({ "data": rows_of })),
            Envelope::default().total_in_header("X-Total-Count"),
        ),
    ] {
        let server = mock::answering(answer).await;
        let table = rows(api(server.uri()).envelope(envelope));
        assert_eq!(within(table.get_count()).await.unwrap(), 95);
        assert_eq!(mock::count(&server).await, 1);
    }
}

/// A server that answers every request with this body.
async fn holding(content_type: &str, body: &str) -> MockServer {
    let answer = ResponseTemplate::new(200).insert_header("x-total-count", "3");
    mock::answering(answer.set_body_raw(body, content_type)).await
}

#[tokio::test]
async fn accept_38_a_body_of_lines_is_read_item_by_item() {
    let body = "{\"id\":1,\"n\":1}\n\n{\"id\":2,\"n\":18446744073709551615}\r\n  {\"id\":3}";
    let server = holding("application/x-ndjson", body).await;
    let api = api(server.uri())
        .envelope(Envelope::ndjson().total_in_header("x-total-count"))
        .paging(Paging::none());
    let table = rows(api);
    let list = within(table.list_values()).await.unwrap();
    assert_eq!(list.keys().collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(list["2"]["n"], Value::from(u64::MAX));
    assert_eq!(within(table.get_count()).await.unwrap(), 3);
    let empty = holding("application/x-ndjson", "\n").await;
    let table = rows(super::vantage_dialects::api(empty.uri()).envelope(Envelope::ndjson()));
    assert_eq!(listed(&table).await.len(), 0);
}

#[tokio::test]
async fn accept_39_a_cut_line_and_a_document_are_errors_and_no_rows() {
    for (content_type, body) in [
        ("application/x-ndjson", "{\"id\":1}\n{\"id\":2,\"na"),
        ("application/json", "{\"error\":\"it went wrong\"}"),
        ("text/html", "<html></html>"),
    ] {
        let server = holding(content_type, body).await;
        let api = api(server.uri()).envelope(Envelope::ndjson()).paging(Paging::none());
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
    for (answer, is_empty) in [
        (json_text(r#"{"error":"it went wrong"}"#), false),
        (mock::html(), false),
        (ResponseTemplate::new(200), true),
        (ResponseTemplate::new(204), true),
    ] {
        let server = mock::answering(answer).await;
        let table = rows(api(server.uri()));
        assert!(within(table.list_values()).await.is_err());
        assert!(within(table.get_count()).await.is_err());
        assert!(within(table.get_value("7")).await.is_err());
        let lenient =
            rows(api(server.uri()).envelope(Envelope::default().no_content_is_empty(true)));
        assert_eq!(within(lenient.list_values()).await.is_ok(), is_empty);
    }
}

#[tokio::test]
async fn a_table_may_differ_from_its_api_in_everything() {
    let server = mock::server().await;
    let above = numbered((21..25).rev());
    let body = json!({ "result": { "rows": above }, "pagination": { "total": 4 } });
    Mock::given(path("/v2/list"))
        .and(query_param("n__gt", "20"))
        .and(query_param("sort", "-n"))
        .and(query_param("per_page", "5"))
        .respond_with(json_text(body.to_string()))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/v2/list/22"))
        .respond_with(json_text(above[2].to_string()))
        .expect(1)
        .mount(&server)
        .await;
    let differing = ApiTable::new()
        .path("/v2/list")
        .item_path("/v2/list/{key}")
        .envelope(Envelope::items_at("result.rows"))
        .filters(Filters::suffixes())
        .sorting(Sorting::prefixed("sort"))
        .paging(Paging::page_number().page_size("per_page", 5));
    let api = api(server.uri()).table("rows", differing);
    let table = rows(api.clone());
    let table = table.clone().with_condition(table["n"].gt(20)).with_order(table["n"].descending());
    assert_eq!(listed(&table).await, ids([24, 23, 22, 21]));
    assert!(within(table.get_value("22")).await.unwrap().is_some());
    let other = Rows::new("others", api);
    assert!(within(other.list_values()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_form_of_the_users_own_is_asked_first() {
    let server = mock::server().await;
    mount_where(&server, "n__gte", "23", &[23, 24]).await;
    let filters = Filters::equality().custom(|field, operator, values| {
        let between = operator == Operator::Gte;
        between.then(|| vec![(format!("{field}__gte"), values.concat())])
    });
    let table = rows(api(server.uri()).filters(filters));
    let table = table.clone().with_condition(table["n"].gte(23));
    assert_eq!(listed(&table).await, ["23", "24"]);
    assert_eq!(queries(&server).await, ["n__gte=23"]);
    let silent = Filters::equality().custom(|_, _, _| Some(Vec::new()));
    let table = rows(api(server.uri()).filters(silent));
    let error = within(table.clone().with_condition(table["n"].eq(3)).list_values()).await;
    assert!(error.unwrap_err().is_unsupported(), "no condition is dropped");
    let wrong = Filters::none().operator(Operator::Eq, "no parameter");
    let table = rows(api(server.uri()).filters(wrong));
    let error = within(table.list_values()).await.unwrap_err();
    assert!(error.is_incorrect_usage() && error.to_string().contains("form"), "{error}");
    assert_eq!(mock::count(&server).await, 1, "nothing else is sent");
}

#[tokio::test]
async fn sums_and_extremes_are_those_of_the_whole_narrowed_set() {
    let server = mock::server().await;
    for (page, row) in [
        ("1", json!({ "id": 1, "n": 7, "price": "0.10" })),
        ("2", json!({ "id": 2, "n": null, "price": "0.20" })),
        ("3", json!({ "id": 3, "n": -2, "price": "10.00" })),
    ] {
        let body = json!({ "data": [row], "pagination": { "total": 3, "total_pages": 3 } });
        let page = Mock::given(path("/rows")).and(query_param("page", page));
        page.respond_with(json_text(body.to_string())).mount(&server).await;
    }
    let table =
        rows(api(server.uri()).filtering(Filtering::Local)).with_column_of::<Decimal>("price");
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
    let server = mock::server().await;
    Mock::given(path("/rows"))
        .and(query_param("n__gte", "50"))
        .and(query_param("sort", "-n"))
        .respond_with(Pages(numbered((50..95).rev())))
        .mount(&server)
        .await;
    mount_where(&server, "n__in", "1,2", &[1, 2]).await;
    mount_where(&server, "n__in", "3", &[3]).await;
    let filters = Filters::suffixes().max_in_values(2);
    let api = api(server.uri())
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
        let before = mock::count(&server).await;
        let preview = table.preview();
        assert_eq!(mock::count(&server).await, before, "a preview sends nothing");
        assert!(preview.unresolved.is_empty(), "{preview}");
        assert!(!preview.to_string().contains("canary"), "{preview}");
        assert_eq!(listed(&table).await.len(), rows_read);
        let url = |request: &Request| {
            let query = mock::query(request).into_iter();
            let pairs = query.map(|(name, value)| format!("{name}={value}"));
            format!("{}?{}", request.url.path(), pairs.collect::<Vec<_>>().join("&"))
        };
        let mut sent: Vec<_> = mock::received(&server).await[before..].iter().map(url).collect();
        let mut shown: Vec<String> = preview
            .requests
            .iter()
            .map(|url| {
                let path = url.strip_prefix(&server.uri()).unwrap();
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
    assert_eq!(custom.requests, [format!("{}/rows?starting_after=none", server.uri())]);
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
    let server = mock::serving(25).await;
    let table = rows(api(server.uri()).filters(Filters::default().only(["n"])));
    assert!(within(table.get_value("17")).await.unwrap().is_some());
    assert!(queries(&server).await.iter().all(String::is_empty));
    let error: VantageError =
        within(table.with_condition(ApiCondition::eq("name", "x")).list_values())
            .await
            .unwrap_err();
    assert!(error.is_unsupported());
}
