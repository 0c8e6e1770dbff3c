//! Reads whose cursor expires: they begin again or go on where the settings say, leave out nothing
//! that is there, and say that what they read is not one state of the set.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, paging::ResumeToken,
    vantage::ApiTable,
};
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    mock::{self, param},
    soon,
};

/// Rows of which two each have the same `at`.
fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    ids.into_iter().map(|id| json!({ "id": id, "at": id / 2 })).collect()
}

/// What an API does with a cursor that has expired.
#[derive(Clone, Copy)]
enum Expiry {
    Gone,
    /// 422 with a text.
    Stale,
    /// 410 with another cursor to the same place.
    Replaced,
}

/// A set in pages of `size`, by a cursor that expires `times` times on page `page`; `from` asks for
/// rows at or after a value of `at`, `after` for those behind an `id`.
async fn expiring(
    ids: Vec<u64>,
    size: usize,
    (page, times): (usize, usize),
    how: Expiry,
) -> (MockServer, Arc<AtomicUsize>) {
    let expired = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&expired);
    let server = mock::answering(move |request: &Request| {
        let number = |name: &str| param(request, name).map(|text| text.parse::<u64>().unwrap());
        let mut all = rows(ids.iter().copied());
        if let Some(from) = number("from") {
            all.retain(|row| row["at"].as_u64().unwrap() >= from);
        }
        if let Some(after) = number("after") {
            all.retain(|row| row["id"].as_u64().unwrap() > after);
        }
        let cursor = param(request, "cursor");
        let is_new = cursor.as_ref().is_some_and(|cursor| cursor.starts_with('n'));
        let start = cursor.map_or(0, |cursor| cursor[1..].parse::<usize>().unwrap());
        if start == page * size && start > 0 && !is_new && counted.load(Ordering::SeqCst) < times {
            counted.fetch_add(1, Ordering::SeqCst);
            return match how {
                Expiry::Gone => mock::refusal(410),
                Expiry::Stale => ResponseTemplate::new(422).set_body_string("iterator is stale"),
                Expiry::Replaced => ResponseTemplate::new(410)
                    .set_body_json(json!({ "metadata": { "continue": format!("n{start}") } })),
            };
        }
        let end = start + size;
        let next = (end < all.len()).then(|| format!("c{end}"));
        let total = all.len();
        let page: Vec<_> = all.into_iter().skip(start).take(size).collect();
        ResponseTemplate::new(200)
            .set_body_json(json!({ "data": page, "next": next, "total": total }))
    })
    .await;
    (server, expired)
}

fn paging() -> Paging {
    Paging::cursor("cursor", "next").restart_when_expired(3)
}

type Warnings = Arc<Mutex<Vec<String>>>;

fn stream(server: &MockServer, paging: Paging, warnings: &Warnings) -> PaginatedStream {
    let pool = AwwPool::builder(server.uri()).signing_key([7; 32]).build().unwrap();
    let told = Arc::clone(warnings);
    PaginatedStream::get(pool, "/rows?of=all")
        .paging(paging)
        .envelope(Envelope::default().total_at("total"))
        .on_warning(move |what| told.lock().unwrap().push(what.to_owned()))
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

fn ways() -> [(&'static str, Paging, Expiry); 5] {
    [
        ("again", paging(), Expiry::Gone),
        ("again, by a text", paging().expired_with(422, "stale"), Expiry::Stale),
        ("after an id", paging().restart_after("after", "id"), Expiry::Gone),
        ("from a shared value", paging().restart_after("from", "at"), Expiry::Gone),
        ("at another cursor", paging().expired_next("metadata.continue"), Expiry::Replaced),
    ]
}

/// folio-pro/kdashboard#70, kubernetes/kubernetes#67284.
#[tokio::test]
async fn a_read_whose_cursor_expires_goes_on_and_says_that_it_is_no_snapshot() {
    for (name, paging, how) in ways() {
        for (page, times, size) in [(1, 1, 5), (3, 1, 4), (2, 2, 7), (1, 3, 3)] {
            let (server, expired) = expiring((0..30).collect(), size, (page, times), how).await;
            let warnings = Warnings::default();
            let (read, error) = read(stream(&server, paging.clone(), &warnings)).await;
            assert!(error.is_none(), "{name}, {page}: {error:?}");
            assert_eq!(read, rows(0..30), "{name}, {page}, {times}, {size}");
            assert!(expired.load(Ordering::SeqCst) >= 1);
            let warnings = warnings.lock().unwrap();
            let told = warnings.iter().filter(|told| told.contains("not one state")).count();
            assert_eq!(told, expired.load(Ordering::SeqCst), "{name}: {warnings:?}");
        }
    }
}

#[tokio::test]
async fn a_read_restarts_no_more_often_than_it_may() {
    for (name, paging, how) in ways().into_iter().filter(|way| way.0 != "at another cursor") {
        let (server, _) = expiring((0..30).collect(), 5, (1, 100), how).await;
        let warnings = Warnings::default();
        let (read, error) = read(stream(&server, paging, &warnings)).await;
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::CursorExpired, "{name}: {error}");
        assert_eq!(read[..5], rows(0..5));
        assert_eq!(warnings.lock().unwrap().len(), 3, "{name}");
    }
}

#[tokio::test]
async fn a_read_that_went_on_is_resumed_after_any_row() {
    for (name, paging, how) in ways() {
        for (taken, times) in (0..=20).flat_map(|taken| [(taken, 0), (taken, 1)]) {
            let (server, _) = expiring((0..20).collect(), 4, (2, times), how).await;
            let warnings = Warnings::default();
            let mut begun = stream(&server, paging.clone(), &warnings);
            for _ in 0..taken {
                soon("a row", begun.next()).await.unwrap().unwrap();
            }
            let token: ResumeToken = begun.resume_token().to_text().parse().unwrap();
            // The cursor of the page in whose middle the read stands, or that of another one.
            for page in [1, 3] {
                let (server, _) = expiring((0..20).collect(), 4, (page, 1), how).await;
                let rest = stream(&server, paging.clone(), &warnings).resume_from(token.clone());
                let (rest, error) = read(rest).await;
                assert!(error.is_none(), "{name}, after {taken}: {error:?}");
                assert_eq!(rest, rows(taken..20), "{name}, after {taken}, {times}, {page}");
            }
        }
    }
}

#[tokio::test]
async fn a_read_whose_cursor_expires_is_resumed_after_any_page() {
    for (name, paging, how) in ways() {
        let (server, _) = expiring((0..20).collect(), 4, (0, 0), how).await;
        let warnings = Warnings::default();
        let mut pages = stream(&server, paging.clone(), &warnings).pages();
        let mut taken = 0;
        while let Some(page) = soon("a page", pages.next()).await {
            let page = page.unwrap();
            let token: ResumeToken = page.resume_token().to_text().parse().unwrap();
            taken += page.count() as u64;
            let expired = (taken as usize / 4, 1);
            let (server, _) = expiring((0..20).collect(), 4, expired, how).await;
            let rest = stream(&server, paging.clone(), &warnings).resume_from(token);
            let (rest, error) = read(rest).await;
            assert!(error.is_none(), "{name}, after {taken}: {error:?}");
            assert_eq!(rest, rows(taken..20), "{name}, after {taken}");
        }
        assert_eq!(taken, 20);
    }
}

/// A second cursor that expires while the rows from before the first one are still skipped.
#[tokio::test]
async fn a_read_that_begins_again_twice_skips_all_that_was_read() {
    let times = AtomicUsize::new(0);
    let server = mock::answering(move |request: &Request| {
        let start = param(request, "cursor").map_or(0, |text| text.parse::<usize>().unwrap());
        let due = [15, 5, 10].get(times.load(Ordering::SeqCst)).copied();
        if due == Some(start) {
            times.fetch_add(1, Ordering::SeqCst);
            return mock::refusal(410);
        }
        let next = (start + 5 < 30).then_some(start + 5);
        let page: Vec<_> = rows(0..30).into_iter().skip(start).take(5).collect();
        ResponseTemplate::new(200).set_body_json(json!({ "data": page, "next": next }))
    })
    .await;
    let (read, error) = read(stream(&server, paging(), &Warnings::default())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, rows(0..30));
}

/// Rows that are deleted before the place move it if a read counts them, and not if it goes on by a
/// field.
#[tokio::test]
async fn a_read_that_goes_on_by_a_field_misses_nothing_if_rows_are_deleted_meanwhile() {
    let deleted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&deleted);
    let server = mock::answering(move |request: &Request| {
        let after = param(request, "after").map(|text| text.parse::<u64>().unwrap());
        let start = param(request, "cursor").map_or(0, |text| text.parse::<usize>().unwrap());
        if start == 10 && after.is_none() {
            counted.store(4, Ordering::SeqCst);
            return mock::refusal(410);
        }
        let mut all = rows(counted.load(Ordering::SeqCst) as u64..30);
        all.retain(|row| after.is_none_or(|after| row["id"].as_u64().unwrap() > after));
        let next = (start + 5 < all.len()).then_some(start + 5);
        let page: Vec<_> = all.into_iter().skip(start).take(5).collect();
        ResponseTemplate::new(200).set_body_json(json!({ "data": page, "next": next }))
    })
    .await;
    let warnings = Warnings::default();
    let by_field = paging().restart_after("after", "id");
    let (read, error) = read(stream(&server, by_field, &warnings)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, rows(0..30));
}

#[tokio::test]
async fn a_row_without_the_field_is_named_and_no_other_answer_restarts() {
    let (server, _) = expiring((0..30).collect(), 5, (1, 1), Expiry::Gone).await;
    let warnings = Warnings::default();
    let nameless = paging().restart_after("after", "key");
    let (read_rows, error) = read(stream(&server, nameless, &warnings)).await;
    let error = error.unwrap();
    assert_eq!((read_rows.len(), error.kind()), (0, ErrorKind::Decode));
    assert!(error.to_string().contains("`key`"), "{error}");
    let (server, _) = expiring((0..30).collect(), 5, (1, 1), Expiry::Stale).await;
    let other = paging().expired_with(422, "cursor").restart_after("after", "id");
    let (_, error) = read(stream(&server, other, &warnings)).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Status);
}

#[test]
fn restarts_that_contradict_themselves_are_refused_by_name() {
    for (yaml, name) in [
        (
            "{ by: cursor, param: c, next: n, restart_after: { param: a, field: id } }",
            "restart_when_expired",
        ),
        (
            "{ by: cursor, param: c, next: n, restart_when_expired: 1, restart_after: { param: c, field: id } }",
            "`param`",
        ),
        (
            "{ by: cursor, param: c, next: n, restart_when_expired: 1, restart_after: { param: a, field: 'x[]' } }",
            "`field`",
        ),
        ("{ by: cursor, param: c, next: n, expired_next: x }", "expired_next"),
        ("{ by: link, restart_when_expired: 1, expired_next: x }", "expired_next"),
        ("{ by: page, restart_when_expired: 1 }", "restart_when_expired"),
    ] {
        let settings: ApiTable = serde_yaml_ng::from_str(&format!("paging: {yaml}")).unwrap();
        let error = settings.check_paging().unwrap_err();
        assert!(error.to_string().contains(name), "{yaml}: {error}");
    }
    let good = "paging: { by: cursor, param: c, next: n, restart_when_expired: 1, expired_next: \
                metadata.continue, restart_after: { param: since, field: updated_at } }";
    let settings: ApiTable = serde_yaml_ng::from_str(good).unwrap();
    settings.check_paging().unwrap();
}
