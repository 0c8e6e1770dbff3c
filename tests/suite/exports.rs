//! Exports: a job is submitted, polled until it is done, and its results are read as a set.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi,
    paging::{Export, ResumeToken},
    vantage::{ApiTable, PoolTableExt},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, numbered, param},
    soon,
};

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn lines(rows: &[Value]) -> ResponseTemplate {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    ResponseTemplate::new(200).set_body_raw(text, "application/x-ndjson")
}

/// A job at `/exports` that is done at the third poll, whose results are `answer`.
async fn job(
    pending: usize,
    answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static,
) -> (MockServer, Arc<AtomicUsize>) {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/exports" => ok(json!({ "id": "j 1" })),
        "/exports/j%201" => {
            let state =
                if counted.fetch_add(1, Ordering::SeqCst) < pending { "running" } else { "Done" };
            let files = json!([{ "url": "/files/0" }, { "url": "files/1" }, { "url": "/files/2" }]);
            ok(json!({ "state": state, "files": files }))
        }
        _ => answer(request),
    })
    .await;
    (server, polls)
}

fn export() -> Export {
    let export = Export::at("id").status_at("exports/{job}", "state").done("done");
    export.interval(Duration::from_millis(1))
}

fn stream(server: &MockServer, paging: Paging, envelope: Envelope) -> PaginatedStream {
    let pool = AwwPool::builder(server.uri()).signing_key([7; 32]).build().unwrap();
    PaginatedStream::get(pool, "/exports?of=rows").paging(paging).envelope(envelope)
}

async fn read(mut rows: PaginatedStream) -> (Vec<Value>, Option<Error>) {
    let mut read = Vec::new();
    while let Some(row) = soon("a row", rows.next()).await {
        match row {
            Ok(row) => read.push(row),
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

/// The file with this number: ten rows, the second one without any.
fn file(request: &Request) -> ResponseTemplate {
    match request.url.path() {
        "/files/0" => lines(&numbered(0..10)),
        "/exports/files/1" => lines(&[]),
        "/files/2" => lines(&numbered(10..17)),
        path => panic!("{path}"),
    }
}

fn several() -> Paging {
    Paging::export(export().results_at("files[].url"))
}

#[tokio::test]
async fn the_results_of_a_job_are_read_in_order_once_it_is_done() {
    for prefetch in [1, 4] {
        let (server, polls) = job(3, file).await;
        let rows = stream(&server, several(), Envelope::ndjson()).prefetch(prefetch);
        let (rows, error) = read(rows).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(rows, numbered(0..17));
        assert_eq!(polls.load(Ordering::SeqCst), 4);
        let submitted = mock::received(&server).await.remove(0);
        assert_eq!((submitted.method.as_str(), submitted.url.query()), ("GET", Some("of=rows")));
    }
}

#[tokio::test]
async fn a_job_is_submitted_by_a_post_with_the_parameters_in_its_body() {
    let (server, _) = job(0, file).await;
    let body = json!({ "operation": "query", "of": "{of}" });
    let (rows, error) = read(stream(&server, several().post(&body), Envelope::ndjson())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows.len(), 17);
    let all = mock::received(&server).await;
    assert_eq!(all[0].body_json::<Value>().unwrap(), json!({ "operation": "query", "of": "rows" }));
    let methods: Vec<_> = all.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["POST", "GET", "GET", "GET", "GET"]);
}

/// A submission whose answer is lost may have made a job: it is not made twice.
#[tokio::test]
async fn a_post_that_may_have_made_a_job_is_not_repeated() {
    let submitted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&submitted);
    let server = mock::answering(move |_: &Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        mock::refusal(503)
    })
    .await;
    let pool = AwwPool::builder(server.uri()).backoff_base(Duration::from_millis(1)).build();
    let rows = PaginatedStream::get(pool.unwrap(), "/exports");
    let (_, error) = read(rows.paging(several().post(&json!({})))).await;
    assert_eq!(error.unwrap().status().unwrap(), 503);
    assert_eq!(submitted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_result_of_several_pages_is_followed_by_its_header() {
    let pages = |request: &Request| {
        assert_eq!(request.url.path(), "/exports/j%201/results");
        let start: u64 = param(request, "locator").map_or(0, |text| text.parse().unwrap());
        let next = if start < 20 { (start + 10).to_string() } else { "null".into() };
        ok(numbered(start..start + 10).into()).insert_header("Sforce-Locator", next)
    };
    let paging = || {
        let export = export().results_from("exports/{job}/results");
        Paging::export(export.result_pages("locator", "Sforce-Locator"))
    };
    let (server, _) = job(1, pages).await;
    let (rows, error) = read(stream(&server, paging(), Envelope::bare_array())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, numbered(0..30));
}

/// By the standard of FHIR: 202 and `Retry-After` until the URL in a header answers with a 200.
#[tokio::test]
async fn a_job_at_the_url_of_a_header_is_done_when_its_status_is_no_202() {
    let polls = AtomicUsize::new(0);
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/exports" => ResponseTemplate::new(202).insert_header("content-location", "jobs/7"),
        "/jobs/7" if polls.fetch_add(1, Ordering::SeqCst) < 2 => {
            ResponseTemplate::new(202).insert_header("retry-after", "0")
        }
        "/jobs/7" => ok(json!({ "data": numbered(0..5) })),
        path => panic!("{path}"),
    })
    .await;
    let export = Export::in_header("Content-Location").interval(Duration::from_millis(1));
    let (rows, error) = read(stream(&server, Paging::export(export), Envelope::default())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, numbered(0..5));
}

/// elastic/integrations#21067, Ironship/WordHunter#98: a job that has failed, or answers that do not
/// say how it stands, are polled for ever.
#[tokio::test]
async fn a_job_that_fails_ends_the_read_without_what_the_api_says_beside_it() {
    for (answer, kind, says) in [
        (json!({ "state": "Failed", "message": "secret 7" }), ErrorKind::ApiError, "`Failed`"),
        (json!({ "state": "expired" }), ErrorKind::ApiError, "`expired`"),
        (json!({ "status": "secret 7" }), ErrorKind::Decode, "how the job stands"),
        (json!({ "state": "done" }), ErrorKind::Decode, "results"),
    ] {
        let body = answer.clone();
        let server = mock::answering(move |request: &Request| match request.url.path() {
            "/exports" => ok(json!({ "id": 7 })),
            _ => ok(body.clone()),
        })
        .await;
        let (rows, error) = read(stream(&server, several(), Envelope::ndjson())).await;
        let error = error.unwrap();
        assert_eq!((rows.len(), error.kind()), (0, kind), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        assert_eq!(error.response().unwrap().body(), answer.to_string().as_bytes());
        assert_eq!(mock::count(&server).await, 2);
    }
}

#[tokio::test]
async fn an_answer_without_a_job_is_an_error_that_names_its_place() {
    let server = mock::answering(|_: &Request| ok(json!({ "job": null }))).await;
    let (_, error) = read(stream(&server, several(), Envelope::ndjson())).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("`id`"), "{error}");
    assert_eq!(mock::count(&server).await, 1);
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_given_up_by_name() {
    let (server, _) = job(usize::MAX, file).await;
    let export = export().results_at("files[].url").within(Duration::from_millis(300));
    let (_, error) = read(stream(&server, Paging::export(export), Envelope::ndjson())).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(error.to_string().contains("Export::within"), "{error}");
    // A wait that the API asks for, and that ends too late, is not begun.
    let server = mock::answering(|_: &Request| {
        ok(json!({ "id": 7, "state": "running" })).insert_header("retry-after", "86400")
    })
    .await;
    let (_, error) = read(stream(&server, several(), Envelope::ndjson())).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(mock::count(&server).await, 1);
}

#[tokio::test]
async fn a_read_that_is_dropped_polls_no_more() {
    let (server, polls) = job(usize::MAX, file).await;
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let rows = PaginatedStream::get(&pool, "/exports").paging(several());
    let mut rows = rows.envelope(Envelope::ndjson());
    let polled = async {
        while polls.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
    };
    soon("three polls", async {
        tokio::select! {
            row = rows.next() => panic!("{row:?}"),
            () = polled => {}
        }
    })
    .await;
    drop(rows);
    let ended = soon("the end", pool.shutdown(Duration::from_secs(60))).await;
    let seen = polls.load(Ordering::SeqCst);
    assert!(seen < 1000, "{ended:?}");
    mock::received(&server).await;
    assert_eq!(polls.load(Ordering::SeqCst), seen);
}

/// The worker on whose thread a wait began may leave before the wait ends.
#[tokio::test]
async fn a_job_is_polled_on_if_the_pool_shrinks_during_a_wait() {
    let (polls, is_done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, told) = (Arc::clone(&polls), Arc::clone(&is_done));
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/exports" => ok(json!({ "id": 7 })),
        "/exports/7" => {
            counted.fetch_add(1, Ordering::SeqCst);
            let state = if told.load(Ordering::SeqCst) { "done" } else { "running" };
            ok(json!({ "state": state, "files": [{ "url": "/files/2" }] }))
        }
        _ => file(request),
    })
    .await;
    let pool = AwwPool::builder(server.uri()).workers(6).build().unwrap();
    let export = export().interval(Duration::from_millis(200)).results_at("files[].url");
    let reads: Vec<_> = (0..12)
        .map(|_| {
            let rows = PaginatedStream::get(&pool, "/exports");
            let rows = rows.paging(Paging::export(export.clone())).envelope(Envelope::ndjson());
            tokio::spawn(read(rows))
        })
        .collect();
    soon("polls", async {
        while polls.load(Ordering::SeqCst) < 24 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon("the resize", pool.resize(1)).await.unwrap();
    is_done.store(true, Ordering::SeqCst);
    for rows in reads {
        let (rows, error) = soon("the rows", rows).await.unwrap();
        assert!(error.is_none(), "{error:?}");
        assert_eq!(rows, numbered(10..17));
    }
}

#[tokio::test]
async fn a_read_resumes_after_any_row_without_another_job() {
    let (server, _) = job(1, file).await;
    let mut begun = stream(&server, several(), Envelope::ndjson());
    soon("a row", begun.next()).await.unwrap().unwrap();
    for taken in 1..=17 {
        let before = mock::received(&server).await;
        let jobs = |all: &[Request]| all.iter().filter(|one| one.url.path() == "/exports").count();
        let token = begun.resume_token();
        assert!(!format!("{token:?}").contains("files"));
        let token: ResumeToken = token.to_text().parse().unwrap();
        let again = stream(&server, several(), Envelope::ndjson()).resume_from(token);
        let (rest, error) = read(again).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(rest, numbered(taken..17), "after {taken}");
        assert_eq!(jobs(&mock::received(&server).await), jobs(&before));
        let next = soon("a row", begun.next()).await;
        assert_eq!(next.is_some(), taken < 17);
    }
}

#[tokio::test]
async fn a_result_elsewhere_is_refused_unless_it_is_allowed_and_goes_without_credentials() {
    let files = mock::answering(|request: &Request| {
        assert!(!request.headers.contains_key("authorization"));
        lines(&numbered(0..3))
    })
    .await;
    let url = format!("{}/signed?key=secret", files.uri());
    let told = url.clone();
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/exports" => ok(json!({ "id": 7 })),
        _ => ok(json!({ "state": "done", "files": [{ "url": told }] })),
    })
    .await;
    let (_, error) = read(stream(&server, several(), Envelope::ndjson())).await;
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::ForeignOrigin);
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    let allowed = several().allow_origin(files.uri());
    let (rows, error) = read(stream(&server, allowed, Envelope::ndjson())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, numbered(0..3));
}

/// A job elsewhere is polled without credentials, and cannot have them sent where it likes.
#[tokio::test]
async fn a_job_elsewhere_leads_to_no_result_at_the_api_itself() {
    let target = Arc::new(Mutex::new(String::new()));
    let named = Arc::clone(&target);
    let jobs = mock::answering(move |request: &Request| match request.url.path() {
        "/job" => ok(json!({ "files": [{ "url": *named.lock().unwrap() }] })),
        _ => file(request),
    })
    .await;
    let job = format!("{}/job", jobs.uri());
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/exports" => ok(json!({ "id": job })),
        _ => lines(&numbered(0..3)),
    })
    .await;
    let export = Export::at("id").interval(Duration::from_millis(1)).results_at("files[].url");
    let paging = || Paging::export(export.clone()).allow_origin(jobs.uri());
    *target.lock().unwrap() = format!("{}/v1/private", server.uri());
    let (rows, error) = read(stream(&server, paging(), Envelope::ndjson())).await;
    assert_eq!((rows.len(), error.unwrap().kind()), (0, ErrorKind::ForeignOrigin));
    let asked = mock::received(&server).await;
    assert!(asked.iter().all(|request| request.url.path() == "/exports"), "{asked:?}");
    *target.lock().unwrap() = "/files/2".into();
    let (rows, error) = read(stream(&server, paging(), Envelope::ndjson())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, numbered(10..17));
}

#[tokio::test]
async fn a_result_url_that_repeats_the_token_of_the_poll_is_followed_without_it() {
    let server = mock::answering(|request: &Request| match request.url.path() {
        "/exports" => ok(json!({ "id": 7 })),
        "/exports/7" => {
            let query = request.url.query().unwrap();
            let url = format!("/files/2?part=1&{query}#top");
            ok(json!({ "state": "done", "files": [{ "url": url }] }))
        }
        _ => file(request),
    })
    .await;
    let acquire = || std::future::ready(Ok::<_, std::io::Error>("s3cret-token"));
    let apply = |request: vantage_api_pool::Request, token: &str| {
        request.add_query(&[("key", token)]).unwrap()
    };
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let pool = pool.with_auth_callback(1, acquire, apply);
    let rows = PaginatedStream::get(pool, "/exports").paging(several());
    let (rows, error) = read(rows.envelope(Envelope::ndjson())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, numbered(10..17));
    let last = mock::received(&server).await.pop().unwrap();
    assert_eq!(last.url.query(), Some("part=1&key=s3cret-token"));
}

#[tokio::test]
async fn a_job_without_results_is_a_set_without_rows_where_that_is_allowed() {
    let server = mock::answering(|request: &Request| match request.url.path() {
        "/exports" => ok(json!({ "id": 7 })),
        _ => ok(json!({ "state": "done", "url": null })),
    })
    .await;
    let paging = || Paging::export(export().results_at("url"));
    let (_, error) = read(stream(&server, paging(), Envelope::ndjson())).await;
    let (rows, none) =
        read(stream(&server, paging(), Envelope::bare_array().no_content_is_empty(true))).await;
    assert!(none.is_none(), "{none:?} {error:?}");
    assert_eq!(rows, numbered(0..0));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn text_of(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// dimagi/open-chat-studio#3244, openaddresses/machine#56, apache/camel#4298,
/// theeye-io-team/theeye-supervisor#138: files that are compressed, and what their headers say.
#[tokio::test]
async fn a_result_that_is_a_compressed_file_is_known_by_its_bytes() {
    let content = text_of(&numbered(0..17));
    let (whole, parts) = (gzip(content.as_bytes()), content.split_at(40));
    let twice = gzip(&whole);
    let parts = [gzip(parts.0.as_bytes()), gzip(parts.1.as_bytes())].concat();
    for (body, kind, coding) in [
        (&whole, "application/gzip", None),
        (&whole, "application/octet-stream", None),
        (&whole, "binary/octet-stream", None),
        (&whole, "application/x-ndjson; charset=utf-8", None),
        (&whole, "application/gzip", Some("gzip")),
        (&twice, "text/csv", Some("gzip")),
        (&parts, "application/x-gzip", None),
    ] {
        let body = body.clone();
        let (server, _) = job(0, move |_: &Request| {
            let file = ResponseTemplate::new(200).set_body_raw(body.clone(), kind);
            coding.map_or(file.clone(), |coding| file.insert_header("content-encoding", coding))
        })
        .await;
        let export = Paging::export(export().results_from("exports/{job}/result"));
        let (rows, error) = read(stream(&server, export, Envelope::ndjson())).await;
        assert!(error.is_none(), "{kind} {coding:?}: {error:?}");
        assert_eq!(rows, numbered(0..17), "{kind} {coding:?}");
    }
}

#[tokio::test]
async fn a_compressed_result_is_read_whole_and_within_the_limit_or_not_at_all() {
    let file = gzip(text_of(&numbered(0..17)).as_bytes());
    let bomb = gzip(&vec![b' '; 2_000_000]);
    let mut junk = file.clone();
    junk.extend(b"junk");
    for (body, kind) in [
        (bomb, ErrorKind::BodyTooLarge),
        (file[..file.len() - 4].to_vec(), ErrorKind::Truncated),
        (junk, ErrorKind::Decode),
    ] {
        let (server, _) = job(0, move |_: &Request| {
            ResponseTemplate::new(200).set_body_raw(body.clone(), "application/gzip")
        })
        .await;
        let pool = AwwPool::builder(server.uri()).max_body_bytes(1_000_000).build().unwrap();
        let rows = PaginatedStream::get(pool, "/exports").envelope(Envelope::ndjson());
        let export = export().results_from("exports/{job}/result");
        let (rows, error) = read(rows.paging(Paging::export(export))).await;
        assert_eq!((rows.len(), error.unwrap().kind()), (0, kind));
    }
}

/// A page of any API may be such a file.
#[tokio::test]
async fn a_page_that_is_a_compressed_file_is_decompressed_as_well() {
    let server = mock::answering(|request: &Request| {
        let page: u64 = param(request, "page").map_or(1, |page| page.parse().unwrap());
        let rows = if page < 3 { numbered((page - 1) * 10..page * 10) } else { Vec::new() };
        let body = json!({ "data": rows }).to_string();
        ResponseTemplate::new(200).set_body_raw(gzip(body.as_bytes()), "application/json")
    })
    .await;
    let (rows, error) = read(stream(&server, Paging::page_number(), Envelope::default())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, numbered(0..20));
}

/// A job at the API whose three results are at a storage. Each poll signs their URLs anew; those that
/// were signed before poll number `valid` have expired, which the storage says by `refusal`.
async fn signed(
    valid: impl Fn(usize, &str) -> bool + Send + Sync + 'static,
    refusal: (u16, &'static str),
) -> (MockServer, MockServer) {
    let storage = mock::answering(move |request: &Request| {
        for name in ["authorization", "x-api-key", "cookie"] {
            assert!(!request.headers.contains_key(name), "{name}");
        }
        let signed_at = param(request, "signed").unwrap().parse().unwrap();
        let number: u64 = request.url.path().strip_prefix("/files/").unwrap().parse().unwrap();
        match valid(signed_at, request.url.path()) {
            true => lines(&numbered(number * 10..number * 10 + 10)),
            false => ResponseTemplate::new(refusal.0).set_body_string(refusal.1),
        }
    })
    .await;
    let (origin, polls) = (storage.uri(), AtomicUsize::new(0));
    let server = mock::answering(move |request: &Request| {
        assert_eq!(mock::header(request, "x-api-key"), Some("secret"));
        match request.url.path() {
            "/exports" => ok(json!({ "id": 7 })),
            _ => {
                let poll = polls.fetch_add(1, Ordering::SeqCst);
                let url = |n| json!({ "url": format!("{origin}/files/{n}?signed={poll}") });
                ok(json!({ "state": "done", "files": (0..3).map(url).collect::<Value>() }))
            }
        }
    })
    .await;
    (server, storage)
}

fn signed_rows(server: &MockServer, storage: &MockServer) -> PaginatedStream {
    let pool = AwwPool::builder(server.uri()).default_header("x-api-key", "secret");
    let pool = pool.signing_key([7; 32]).build().unwrap();
    let rows = PaginatedStream::get(pool, "/exports").header("cookie", "a=secret");
    rows.paging(several().allow_origin(storage.uri())).envelope(Envelope::ndjson())
}

/// HeliosSoftware/hfs#145, PeopleForBikes/pfb-network-connectivity#367, cloudflare/cloudflare-docs#32436,
/// penpot/penpot#10776: URLs that expire before they are used, and credentials sent to a storage.
#[tokio::test]
async fn a_result_whose_url_has_expired_is_asked_for_once_more() {
    for refusal in [
        (403, "<Code>AccessDenied</Code><Message>Request has expired</Message>"),
        (403, ""),
        (410, ""),
        (400, "<Code>ExpiredToken</Code>"),
        (401, "the signature is expired"),
    ] {
        let valid = |poll, path: &str| poll > 0 || path == "/files/0";
        let (server, storage) = signed(valid, refusal).await;
        let (rows, error) = read(signed_rows(&server, &storage)).await;
        assert!(error.is_none(), "{refusal:?}: {error:?}");
        assert_eq!(rows, numbered(0..30), "{refusal:?}");
        // The job was submitted, polled, and polled once more for both files that were left.
        assert_eq!(mock::count(&server).await, 3, "{refusal:?}");
        assert_eq!(mock::count(&storage).await, 4, "{refusal:?}");
    }
}

#[tokio::test]
async fn a_result_that_is_refused_for_another_reason_or_again_is_an_error() {
    for (refusal, kind, polls) in [
        ((403, "secret"), ErrorKind::CursorExpired, 2),
        ((410, "secret"), ErrorKind::CursorExpired, 2),
        ((400, "secret"), ErrorKind::Status, 1),
        ((404, "secret"), ErrorKind::Status, 1),
    ] {
        let (server, storage) = signed(|_, path| path == "/files/0", refusal).await;
        let (rows, error) = read(signed_rows(&server, &storage)).await;
        let error = error.unwrap();
        assert_eq!((rows.len(), error.kind()), (10, kind), "{refusal:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        assert_eq!(mock::count(&server).await, 1 + polls, "{refusal:?}");
    }
}

#[tokio::test]
async fn a_job_that_names_another_number_of_results_is_not_believed() {
    let polls = AtomicUsize::new(0);
    let server = mock::answering(move |request: &Request| match request.url.path() {
        "/exports" => ok(json!({ "id": 7 })),
        "/exports/7" => match polls.fetch_add(1, Ordering::SeqCst) {
            0 => ok(json!({ "state": "done", "files": [{ "url": "/a" }, { "url": "/b" }] })),
            _ => ok(json!({ "state": "done", "files": [{ "url": "/b2" }] })),
        },
        "/a" => lines(&numbered(0..10)),
        _ => mock::refusal(403),
    })
    .await;
    let (rows, error) = read(stream(&server, several(), Envelope::ndjson())).await;
    let error = error.unwrap();
    assert_eq!((rows.len(), error.kind()), (10, ErrorKind::CursorExpired));
    assert!(error.to_string().contains("names no others"), "{error}");
}

#[tokio::test]
async fn a_read_that_is_resumed_after_its_urls_have_expired_goes_on_with_others() {
    let is_late = Arc::new(AtomicBool::new(false));
    let late = Arc::clone(&is_late);
    let valid = move |poll, _: &str| poll > 0 || !late.load(Ordering::SeqCst);
    let (server, storage) = signed(valid, (403, "Request has expired")).await;
    let mut begun = signed_rows(&server, &storage);
    for _ in 0..14 {
        soon("a row", begun.next()).await.unwrap().unwrap();
    }
    let token: ResumeToken = begun.resume_token().to_text().parse().unwrap();
    drop(begun);
    is_late.store(true, Ordering::SeqCst);
    let (rest, error) = read(signed_rows(&server, &storage).resume_from(token)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rest, numbered(14..30));
    let submitted = mock::received(&server).await;
    assert_eq!(submitted.iter().filter(|asked| asked.url.path() == "/exports").count(), 1);
}

/// The result is at the API, which redirects to a storage.
#[tokio::test]
async fn a_result_is_followed_to_where_it_is_redirected_without_credentials() {
    let storage = mock::answering(|request: &Request| {
        assert!(!request.headers.contains_key("x-api-key"));
        assert_eq!(request.url.query(), Some("signed=secret"));
        lines(&numbered(0..10))
    })
    .await;
    let to = format!("{}/file?signed=secret", storage.uri());
    let (server, _) = job(0, move |_: &Request| {
        ResponseTemplate::new(302).insert_header("location", to.as_str())
    })
    .await;
    let rows = |paging: Paging| {
        let pool = AwwPool::builder(server.uri()).default_header("x-api-key", "secret");
        let rows = PaginatedStream::get(pool.build().unwrap(), "/exports");
        rows.paging(paging).envelope(Envelope::ndjson())
    };
    let paging = || Paging::export(export().results_from("exports/{job}/result"));
    let (read_rows, error) = read(rows(paging().allow_origin(storage.uri()))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read_rows, numbered(0..10));
    let (none, error) = read(rows(paging())).await;
    let error = error.unwrap();
    assert_eq!((none.len(), error.kind()), (0, ErrorKind::ForeignOrigin), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

/// Jobs, files and rows at random; each case is named by its seed.
#[tokio::test]
async fn any_export_is_read_once_and_in_order() {
    for seed in 0..25 {
        let mut random = fastrand::Rng::with_seed(seed);
        let sizes: Vec<u64> = (0..random.usize(1..6)).map(|_| random.u64(0..30)).collect();
        let (polls, pending) = (AtomicUsize::new(0), random.usize(0..4));
        let all = numbered(0..sizes.iter().sum());
        let (files, parts) = (all.clone(), sizes.clone());
        let server = mock::answering(move |request: &Request| match request.url.path() {
            "/exports" => ok(json!({ "id": 7 })),
            "/exports/7" if polls.fetch_add(1, Ordering::SeqCst) < pending => {
                ok(json!({ "state": "queued" }))
            }
            "/exports/7" => {
                let url = |n| json!({ "url": format!("/files/{n}") });
                ok(json!({ "state": "done", "files": (0..parts.len()).map(url).collect::<Value>() }))
            }
            path => {
                let number: usize = path.rsplit('/').next().unwrap().parse().unwrap();
                let start = parts[..number].iter().sum::<u64>() as usize;
                lines(&files[start..start + parts[number] as usize])
            }
        })
        .await;
        let rows = stream(&server, several(), Envelope::ndjson()).prefetch(random.usize(1..5));
        let (rows, error) = read(rows).await;
        assert!(error.is_none(), "seed {seed}: {error:?}");
        assert_eq!(rows, all, "seed {seed}: {sizes:?}");
    }
}

#[tokio::test]
async fn a_table_is_an_export_by_its_yaml_alone() {
    let (server, _) = job(1, file).await;
    let settings: ApiTable = serde_yaml_ng::from_str(
        "{ endpoint: exports, envelope: { ndjson: true }, paging: { by: export, job: id, poll: \
         'exports/{job}', status: state, done: [done], results: 'files[].url', interval: 1ms, \
         within: 5m, post: { of: all } } }",
    )
    .unwrap();
    let written = serde_json::to_string(&settings).unwrap();
    let settings: ApiTable = serde_json::from_str(&written).unwrap();
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let api = PoolApi::new(pool).table("rows", settings);
    let table = Table::<PoolApi, EmptyEntity>::new("rows", api).with_id_column("id");
    assert_eq!(soon("the rows", table.list_values()).await.unwrap().len(), 17);
}

/// A job may cost much, so none is made only to look at its first page.
#[tokio::test]
async fn a_count_or_some_row_of_an_export_makes_one_job() {
    let files = |request: &Request| match request.url.path() {
        "/files/0" => lines(&[]),
        "/exports/files/1" => lines(&numbered(0..10)),
        _ => file(request),
    };
    let (server, _) = job(0, files).await;
    let settings = ApiTable::new().paging(several());
    let settings = settings.envelope(Envelope::ndjson());
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let api = PoolApi::new(pool).table("exports", settings);
    let table = Table::<PoolApi, EmptyEntity>::new("exports", api).with_id_column("id");
    let jobs = async || {
        let all = mock::received(&server).await;
        all.iter().filter(|request| request.url.path() == "/exports").count()
    };
    assert_eq!(soon("the count", table.get_count()).await.unwrap(), 17);
    assert_eq!(jobs().await, 1);
    let some = soon("a row", table.get_some_value()).await.unwrap();
    assert_eq!(some.unwrap().0, "0");
    assert_eq!(jobs().await, 2);
}

#[test]
fn exports_that_contradict_themselves_are_refused_by_name() {
    for (yaml, name) in [
        ("{ by: export }", "job_header"),
        ("{ by: export, job: id, job_header: Location }", "job_header"),
        ("{ by: export, job: id, status: state }", "`done`"),
        ("{ by: export, job: id, done: ok }", "`status`"),
        ("{ by: export, job: id, poll: jobs }", "{job}"),
        ("{ by: export, job: id, results: a, results_from: 'x/{job}' }", "`results`"),
        ("{ by: export, job: id, param: locator }", "`header`"),
        ("{ by: export, job_header: 'no header' }", "header"),
        ("{ by: export, job: id, within: 0 }", "`within`"),
        ("{ by: export, job: id, interval: 0 }", "`interval`"),
        ("{ by: export, job: id, restart_when_expired: 1 }", "restart_when_expired"),
        ("{ by: export, job: id, size_param: n, size: 5 }", "page_size"),
    ] {
        let settings: ApiTable = serde_yaml_ng::from_str(&format!("paging: {yaml}")).unwrap();
        let error = settings.check_paging().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(name), "{yaml}: {error}");
    }
    let unknown = "paging: { by: export, job: id, state: x }";
    let error = serde_yaml_ng::from_str::<ApiTable>(unknown).unwrap_err();
    assert!(error.to_string().contains("`state`"), "{error}");
}
