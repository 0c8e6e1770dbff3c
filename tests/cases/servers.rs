//! What Django REST framework, json-server and Datasette do, which a read or a write met.

use futures::TryStreamExt;
use serde_json::{Value as Json, json};
use vantage_api_pool::{
    AwwPool, Envelope, ErrorKind, PaginatedStream, Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, Filtering, Filters, PoolTableExt, Writes},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::{EmptyEntity, Record};
use vantage_vista::{FilterOp, VistaFactory};
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, param},
    soon,
};

type Rows = Table<PoolApi, EmptyEntity>;

async fn serve(
    answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static,
) -> MockServer {
    mock::answering(answer).await
}

fn number(request: &Request, name: &str) -> Option<usize> {
    param(request, name)?.parse().ok()
}

fn pool(server: &MockServer) -> AwwPool {
    AwwPool::builder(server.uri()).build().unwrap()
}

fn rows(server: &MockServer, settings: ApiTable) -> Rows {
    let api = PoolApi::new(pool(server)).table("rows", settings);
    Rows::new("rows", api).with_id_column("id").with_column_of::<String>("name")
}

/// Takes `name=` for no condition, as django-filter does, and trims texts.
async fn lenient() -> MockServer {
    serve(|request| {
        let name = param(request, "name").map(|name| name.trim().to_owned());
        let name = name.filter(|name| !name.is_empty());
        let all = ["a", "", " a ", "b", "  "].into_iter().enumerate();
        let found: Vec<Json> = all
            .filter(|(_, own)| name.as_ref().is_none_or(|name| own.trim() == name))
            .map(|(id, name)| json!({ "id": id, "name": name }))
            .collect();
        ResponseTemplate::new(200).set_body_json(json!({ "data": found }))
    })
    .await
}

#[tokio::test]
async fn a_text_that_the_api_would_take_for_no_condition_is_evaluated_on_the_rows_or_refused() {
    let server = lenient().await;
    let table = |filters: Filters, filtering| {
        let table = ApiTable::new().filters(filters).filtering(filtering);
        rows(&server, table.paging(Paging::none()))
    };
    for filters in [Filters::equality(), Filters::suffixes()] {
        for filtering in [Filtering::Mixed, Filtering::Checked, Filtering::Local] {
            for (text, id) in [("", "1"), ("  ", "4")] {
                let narrowed = table(filters.clone(), filtering);
                let narrowed = narrowed.with_condition(ApiCondition::eq("name", text));
                let found = soon("the rows", narrowed.list_values()).await.unwrap();
                assert_eq!(found.keys().collect::<Vec<_>>(), [id], "{text:?} {filtering:?}");
                let count = soon("the count", narrowed.get_count()).await.unwrap();
                assert_eq!(count, 1, "{text:?} {filtering:?}");
            }
        }
        let refused = table(filters.clone(), Filtering::Server);
        let refused = refused.with_condition(ApiCondition::eq("name", ""));
        let error = soon("no rows", refused.list_values()).await.unwrap_err();
        assert!(error.is_unsupported() && error.to_string().contains("name"), "{error}");
        let exact = table(filters.blank_texts(true), Filtering::Server);
        let exact = exact.with_condition(ApiCondition::eq("name", ""));
        soon("what the API has", exact.list_values()).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.last().unwrap().url.query(), Some("name="));
    }
    let trimmed = table(Filters::suffixes(), Filtering::Mixed);
    let trimmed = trimmed.with_condition(ApiCondition::eq("name", " a "));
    let found = soon("the rows", trimmed.list_values()).await.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["2"]);
}

#[tokio::test]
async fn a_blank_text_is_said_to_be_taken_in_yaml() {
    let server = lenient().await;
    let factory = PoolApi::new(pool(&server)).vista_factory();
    for (filters, query) in [
        ("{}", None),
        ("{ blank_texts: true }", Some("name=")),
        ("{ style: suffixes, blank_texts: true }", Some("name=")),
        ("{ style: suffixes, blank_texts: true, trims_texts: false }", Some("name=")),
    ] {
        let yaml = format!(
            "name: rows\ncolumns: {{ id: {{ type: int }}, name: {{ type: string }} }}\n\
             api: {{ paging: {{ by: none }}, filters: {filters} }}"
        );
        let vista = factory.from_yaml(&yaml).unwrap();
        let of = match (vista.with_condition("name", FilterOp::Eq, ""), query) {
            (Ok(of), Some(_)) => of,
            (narrowed, _) => {
                assert!(query.is_none() && narrowed.unwrap_err().is_unsupported(), "{filters}");
                continue;
            }
        };
        soon("the list", of.list_values()).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.last().unwrap().url.query(), query, "{filters}");
    }
}

/// `count` rows in pages of the size that is asked for, at most `most`; 404 behind them.
async fn strict(count: usize, most: usize, tells_total: bool) -> MockServer {
    serve(move |request| {
        let size = number(request, "size").unwrap_or(most).min(most);
        let offset = number(request, "offset");
        let first = offset.unwrap_or_else(|| (number(request, "page").unwrap_or(1) - 1) * size);
        if first >= count {
            return ResponseTemplate::new(404);
        }
        let ids = first..count.min(first + size);
        let found: Vec<Json> = ids.map(|id| json!({ "id": id })).collect();
        let mut body = json!({ "data": found });
        if tells_total {
            body["total"] = count.into();
        }
        ResponseTemplate::new(200).set_body_json(body)
    })
    .await
}

#[tokio::test]
async fn a_window_behind_the_last_page_is_empty_and_asks_for_no_more_than_one_page_else() {
    for tells_total in [true, false] {
        for paging in [
            Paging::page_number().page_size("size", 10),
            Paging::page_number().page_size("size", 10).not_found_ends(true),
            Paging::offset_limit("offset", "size", 10),
        ] {
            let envelope = Envelope::items_at("data").total_at("total");
            let table = ApiTable::new().paging(paging.clone()).envelope(envelope);
            // The pages of a window of several may be under way together.
            for (offset, limit, most) in [(300, 5, 2), (300, 10, 2), (302, 25, 4)] {
                // Each has its own, as what was cancelled may still arrive.
                let server = strict(37, 100, tells_total).await;
                let table = rows(&server, table.clone());
                let window = soon("the window", table.list_window(offset, limit)).await.unwrap();
                assert!(window.is_empty(), "{paging:?} {offset}+{limit}");
                let asked = mock::count(&server).await;
                assert!((2..=most).contains(&asked), "{asked}: {paging:?} {offset}+{limit}");
            }
            let server = strict(37, 100, tells_total).await;
            let table = rows(&server, table);
            let window = soon("the window", table.list_window(35, 2)).await.unwrap();
            assert_eq!(window.keys().collect::<Vec<_>>(), ["35", "36"], "{paging:?}");
        }
    }
}

#[tokio::test]
async fn a_page_that_is_missing_since_the_api_has_larger_ones_makes_no_window_empty() {
    // It takes the size, but gives one of its own where it is smaller.
    let server = serve(|request| {
        let page = number(request, "page").unwrap_or(1);
        let ids = (page - 1) * 20..(page * 20).min(100);
        let found: Vec<Json> = ids.map(|id| json!({ "id": id })).collect();
        match found.is_empty() {
            true => ResponseTemplate::new(404),
            false => ResponseTemplate::new(200).set_body_json(json!({ "data": found })),
        }
    })
    .await;
    let paging = Paging::page_number().page_size("size", 10).not_found_ends(true);
    let table = rows(&server, ApiTable::new().paging(paging));
    let window = soon("the window", table.list_window(90, 5)).await.unwrap();
    assert_eq!(window.keys().collect::<Vec<_>>(), ["90", "91", "92", "93", "94"]);
}

#[tokio::test]
async fn a_window_of_a_set_that_is_not_there_is_not_found() {
    let server = strict(0, 10, true).await;
    for paging in
        [Paging::page_number().page_size("size", 10), Paging::offset_limit("offset", "size", 10)]
    {
        let table = rows(&server, ApiTable::new().paging(paging));
        for offset in [0, 300] {
            let error = soon("no window", table.list_window(offset, 5)).await.unwrap_err();
            assert!(error.is_not_found(), "{error}");
        }
    }
}

#[tokio::test]
async fn a_replace_has_its_id_in_the_body_where_an_insert_has_it() {
    let server = serve(|request| {
        let body: Json = request.body_json().unwrap_or_default();
        match body.get("id") {
            Some(_) => ResponseTemplate::new(200).set_body_json(body),
            None => ResponseTemplate::new(400),
        }
    })
    .await;
    let name: Record<ciborium::Value> = Record::from_iter([("name".to_owned(), "x".into())]);
    let replace = |writes: Writes| {
        let table = rows(&server, ApiTable::new().writes(writes));
        let name = name.clone();
        async move { soon("a replace", table.replace_value("7", &name)).await }
    };
    replace(Writes::rest()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let body: Json = requests[0].body_json().unwrap();
    assert_eq!((requests.len(), &body["name"]), (1, &json!("x")));
    assert!(body["id"] == 7 || body["id"] == "7", "{body}");
    for writes in [
        Writes::rest().server_ids(true),
        Writes::rest().insert_by_put(),
        Writes::none().replace_by_put(),
    ] {
        assert!(replace(writes).await.is_err());
        let requests = server.received_requests().await.unwrap();
        let body: Json = requests.last().unwrap().body_json().unwrap();
        assert_eq!(body, json!({ "name": "x" }));
    }
}

#[tokio::test]
async fn a_link_to_a_last_page_that_repeats_the_parameter_ends_no_read() {
    // It pages by `p`, and its links repeat what else is asked for.
    let server = serve(|request| {
        let p = number(request, "p").unwrap_or(1);
        let page = param(request, "page").unwrap_or_default();
        let found: Vec<Json> = ((p - 1) * 5..p * 5).map(|id| json!({ "id": id })).collect();
        let links = format!(
            "</rows?page={page}&p={}>; rel=\"next\", </rows?page={page}&p=4>; rel=\"last\"",
            p + 1
        );
        ResponseTemplate::new(200).insert_header("link", links.as_str()).set_body_json(found)
    })
    .await;
    for path in ["/rows", "/rows?page=1", "/rows?page=2"] {
        for paging in [Paging::page_number(), Paging::page_number().page_size("size", 5)] {
            let read = PaginatedStream::get(pool(&server), path).paging(paging);
            let read = read.envelope(Envelope::bare_array()).try_collect::<Vec<Json>>();
            let error = soon("no read", read).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PageLoop, "{error}");
            assert!(error.to_string().contains("page"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_cursor_that_makes_a_url_too_long_is_said_to_do_so() {
    let server = serve(|_| {
        let body = json!({ "data": [{ "id": 1 }], "next": "x".repeat(70_000) });
        ResponseTemplate::new(200).set_body_json(body)
    })
    .await;
    for paging in [Paging::cursor("after", "next"), Paging::next_url("next")] {
        let read = PaginatedStream::get(pool(&server), "/rows").paging(paging);
        let error = soon("no read", read.try_collect::<Vec<Json>>()).await.unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
        assert!(!error.to_string().contains("xxxx"), "{error}");
    }
}

#[tokio::test]
async fn a_single_row_may_be_the_page_of_a_list_of_one() {
    for (envelope, body) in [
        (Envelope::items_at("rows"), json!({ "ok": true, "rows": [{ "id": 7, "name": "x" }] })),
        (Envelope::bare_array(), json!([{ "id": 7, "name": "x" }])),
        (Envelope::default(), json!({ "data": [{ "id": 7, "name": "x" }] })),
    ] {
        let server = serve(move |_| ResponseTemplate::new(200).set_body_json(body.clone())).await;
        let settings = ApiTable::new().item_path("rows/{id}.json").envelope(envelope);
        let table = rows(&server, settings);
        let row = soon("the row", table.get_value("7")).await.unwrap().unwrap();
        assert_eq!((&row["id"], &row["name"]), (&7.into(), &"x".into()));
        assert_eq!(mock::count(&server).await, 1);
    }
}
