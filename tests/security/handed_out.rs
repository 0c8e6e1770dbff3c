//! Cursors and resume tokens, which go to a user and come back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, ErrorKind, PaginatedStream, Paging, PoolApi,
    paging::{PageRequest, PageStrategy, PageView, ReadMode, ResumeToken},
    vantage::Filtering,
};
use vantage_vista::{FilterOp, Vista, VistaFactory};

use crate::support::{
    hostile::{Form, Hostile, HostileServer, Style},
    soon,
};

/// The content of a token, changed and written as a token again.
fn forged(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let mut content: Value = serde_json::from_slice(&bytes[1..]).unwrap();
    change(&mut content);
    let mut changed = vec![bytes[0]];
    changed.extend(serde_json::to_vec(&content).unwrap());
    URL_SAFE_NO_PAD.encode(changed)
}

/// Every way in which a token's reader may want to be elsewhere, or to leave rows out.
fn forgeries(url: &str) -> Vec<Value> {
    let at = |place: Value| json!({ "address": place });
    vec![
        at(json!({ "url": format!("{url}/users") })),
        at(json!({ "url": format!("{url}/rows?page=1") })),
        at(json!({ "url": format!("{url}/rows/../users") })),
        at(json!({ "page": 0 })),
        at(json!({ "offset": 0 })),
        at(json!({ "cursor": "20" })),
    ]
}

fn merge(into: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        into["at"][name] = value.clone();
    }
}

struct ByNext;

impl PageStrategy for ByNext {
    fn next(
        &self,
        page: &PageView<'_>,
    ) -> Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        let answer: Value = page.json()?;
        Ok(answer["next"].as_str().map(PageRequest::to))
    }
}

fn next_url() -> HostileServer {
    Hostile::new(35).style(Style::NextUrl("next", Form::Absolute)).start()
}

#[tokio::test]
async fn security_02_a_resume_token_that_this_pool_did_not_sign_is_refused() {
    for (api, paging) in [
        (next_url(), Paging::next_url("next")),
        (Hostile::new(35).style(Style::Link(Form::Absolute)).start(), Paging::link_header()),
        (Hostile::new(35).start(), Paging::page_number()),
        (next_url(), Paging::custom(ByNext)),
    ] {
        let pool = AwwPool::new(1, None, false, api.url());
        let read = || {
            let rows = PaginatedStream::get(&pool, "/rows").mode(ReadMode::Sequential);
            rows.paging(paging.clone())
        };
        let mut rows = read();
        for _ in 0..13 {
            soon("a row", rows.next()).await.unwrap().unwrap();
        }
        let kept = rows.resume_token().to_text();
        drop(rows);
        let asked = api.log(|log| log.seen.len());
        for change in forgeries(&api.url()) {
            let text = forged(&kept, |token| merge(token, &change));
            // What is no place at all is refused before.
            let Ok(token) = text.parse::<ResumeToken>() else { continue };
            let mut rows = read().resume_from(token);
            let passed_on = rows.resume_token();
            let error = soon("an error", rows.next()).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{change}: {error}");
            assert!(error.to_string().contains("not signed"), "{change}: {error}");
            // It is not signed by being handed on.
            for token in [passed_on, rows.resume_token()] {
                assert!(soon("an error", read().resume_from(token).next()).await.unwrap().is_err());
            }
        }
        let unsigned = forged(&kept, |token| token["by"] = json!(""));
        let mut rows = read().resume_from(unsigned.parse().unwrap());
        assert!(soon("an error", rows.next()).await.unwrap().is_err());
        assert_eq!(api.log(|log| log.seen.len()), asked, "nothing is sent");
        let rest = read().resume_from(kept.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(soon("the rest", rest).await.len(), 22);
    }
}

#[tokio::test]
async fn security_20_a_token_leaves_out_no_rows_by_numbers_that_this_pool_did_not_sign() {
    let api = Hostile::new(35).start();
    let pool = AwwPool::new(1, None, false, api.url());
    let read = || PaginatedStream::get(&pool, "/rows").mode(ReadMode::Sequential);
    let mut rows = read();
    soon("a row", rows.next()).await.unwrap().unwrap();
    let kept = rows.resume_token();
    drop(rows);
    for name in ["taken", "full", "index", "rows"] {
        for number in [0, 2, 9, 10_000, u64::MAX] {
            let forged = forged(&kept.to_text(), |token| token["at"][name] = number.into());
            let forged: ResumeToken = forged.parse().unwrap();
            if forged == kept {
                continue;
            }
            let mut rows = read().resume_from(forged);
            let error = soon("an error", rows.next()).await.unwrap().unwrap_err();
            assert!(error.to_string().contains("not signed"), "{name}: {number}: {error}");
        }
    }
    let rest = read().resume_from(kept).collect::<Vec<_>>();
    assert_eq!(soon("the rest", rest).await.len(), 34);
}

#[tokio::test]
async fn security_02_a_key_outlives_the_process_and_another_one_does_not_serve() {
    let api = next_url();
    let pool = |key: &[u8]| AwwPool::builder(api.url()).signing_key(key).build();
    let read =
        |pool: &AwwPool| PaginatedStream::get(pool, "/rows").paging(Paging::next_url("next"));
    let mut rows = read(&pool(&[1; 32]).unwrap());
    soon("a row", rows.next()).await.unwrap().unwrap();
    let token = rows.resume_token();
    let rest = read(&pool(&[1; 32]).unwrap()).resume_from(token.clone()).collect::<Vec<_>>();
    assert_eq!(soon("the rest", rest).await.len(), 34);
    for other in [pool(&[2; 32]).unwrap(), AwwPool::new(1, None, false, api.url())] {
        let mut rows = read(&other).resume_from(token.clone());
        let error = soon("an error", rows.next()).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("signing_key"), "{error}");
    }
    let error = pool(b"too short").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("signing_key: must have at least 32 bytes"), "{error}");
}

fn vista(api: &HostileServer) -> Vista {
    let source = PoolApi::new(AwwPool::new(1, None, false, api.url())).filtering(Filtering::Mixed);
    let yaml = "name: rows\napi: { endpoint: rows, paging: { by: next_url, next: next } }\n\
                columns: { id: { type: int, flags: [id] }, name: { type: string } }";
    source.vista_factory().from_yaml(yaml).unwrap()
}

#[tokio::test]
async fn security_02_a_cursor_of_a_vista_that_it_did_not_sign_is_refused() {
    let api = next_url();
    let rows = vista(&api).with_condition("name", FilterOp::Ne, "x").unwrap();
    let (_, next) = soon("a piece", rows.fetch_cursor(None, 4)).await.unwrap();
    let next = next.unwrap();
    let parts = next.as_array().unwrap();
    assert_eq!(parts.len(), 5, "version, read, place, row, signature");
    let place = parts[2].as_text().unwrap();
    let with = |at: usize, part: Cbor| {
        let mut parts = parts.clone();
        parts[at] = part;
        Cbor::Array(parts)
    };
    let mut forgeries: Vec<_> = forgeries(&api.url())
        .iter()
        .map(|change| with(2, forged(place, |token| merge(token, change)).into()))
        .collect();
    forgeries.extend([
        with(2, Cbor::Null),
        with(3, 0.into()),
        with(3, u64::MAX.into()),
        with(4, "".into()),
        with(4, Cbor::Null),
        Cbor::Array(parts[..4].to_vec()),
        Cbor::Array(vec![place.into(), 4.into()]),
    ]);
    for forged in forgeries {
        let refused = soon("a refusal", rows.fetch_cursor(Some(forged.clone()), 4)).await;
        assert!(refused.unwrap_err().is_incorrect_usage(), "{forged:?}");
    }
    // Of the first piece, the page after its own may have been under way and come late.
    let (asked, pages) = api.log(|log| (log.seen.len(), log.pages()));
    assert!([1, 2].starts_with(&pages) && asked == pages.len(), "nothing is sent: {pages:?}");
    let (page, _) = soon("a piece", rows.fetch_cursor(Some(next), 4)).await.unwrap();
    assert_eq!(page.rows.len(), 4);
}
