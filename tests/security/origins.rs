//! Pages at other origins than the API's, which go without credentials, and where they lead.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging,
    paging::{PageRequest, PageStrategy, PageView, ResumeToken},
};

use crate::support::{raw_server::RawServer, soon};

/// What is answered to a target: the items, and where the next page is.
type Pages = Arc<Mutex<Vec<(String, Vec<u64>, Option<String>)>>>;

/// A server of pages that name the next one in their body and in a `Link` header. What it has
/// no page for is a 404.
struct Site {
    server: RawServer,
    pages: Pages,
}

impl Site {
    fn start() -> Self {
        let pages = Pages::default();
        let served = Arc::clone(&pages);
        let server = RawServer::start(move |mut peer| {
            let served = Arc::clone(&served);
            async move {
                while let Some(head) = peer.head().await {
                    let target = head.split(' ').nth(1).unwrap().to_owned();
                    let page = served.lock().unwrap().iter().find(|page| page.0 == target).cloned();
                    let answer = page.map_or_else(
                        || "HTTP/1.1 404 None\r\ncontent-length: 0\r\n\r\n".to_owned(),
                        |(_, data, next)| answer(&data, next.as_deref()),
                    );
                    peer.write(answer.as_bytes()).await;
                }
            }
        });
        Self { server, pages }
    }

    fn page(&self, target: &str, data: impl Into<Vec<u64>>, next: Option<String>) {
        self.pages.lock().unwrap().push((target.into(), data.into(), next));
    }

    fn url(&self, target: &str) -> String {
        format!("{}{target}", self.server.url())
    }

    /// The targets that were asked for, and which of them with the token.
    fn asked(&self) -> Vec<(String, bool)> {
        let heads = self.server.seen().heads;
        let asked = heads.iter().map(|(_, head)| {
            let target = head.split(' ').nth(1).unwrap().to_owned();
            (target, head.contains("canary"))
        });
        asked.collect()
    }
}

fn answer(data: &[u64], next: Option<&str>) -> String {
    let body = json!({ "data": data, "next": next }).to_string();
    let link = next.map(|next| format!("link: <{next}>; rel=next\r\n")).unwrap_or_default();
    format!("HTTP/1.1 200 OK\r\n{link}content-length: {}\r\n\r\n{body}", body.len())
}

/// Follows `next`, as a user may.
struct Following;

impl PageStrategy for Following {
    fn next(
        &self,
        page: &PageView<'_>,
    ) -> Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(page.json::<Value>()?["next"].as_str().map(PageRequest::to))
    }
}

fn pool(api: &Site) -> AwwPool {
    let acquire = async || Ok::<_, std::io::Error>("canary");
    let apply =
        |request: vantage_api_pool::Request, token: &str| request.header("authorization", token);
    let pool = AwwPool::builder(api.server.url()).default_header("x-key", "canary");
    pool.with_auth_callback(1, acquire, apply).build().unwrap()
}

fn stream(pool: &AwwPool, endpoint: &str, paging: Paging) -> PaginatedStream<u64> {
    let stream = PaginatedStream::get(pool, endpoint).items_as::<u64>();
    stream.paging(paging).envelope(Envelope::items_at("data"))
}

/// What a stream yields before its error, if it ends with one, and where it stands then.
async fn read(mut stream: PaginatedStream<u64>) -> (Vec<u64>, Option<Error>, ResumeToken) {
    let mut items = Vec::new();
    while let Some(item) = soon("an item", stream.next()).await {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error), stream.resume_token()),
        }
    }
    (items, None, stream.resume_token())
}

fn ways(other: &Site) -> [Paging; 3] {
    [Paging::next_url("next"), Paging::link_header(), Paging::custom(Following)]
        .map(|paging| paging.allow_origin(other.server.url()))
}

#[tokio::test]
async fn security_08_a_page_without_credentials_leads_to_none_that_is_asked_for_with_them() {
    for (way, private) in [(0, "/private?all=1"), (1, "/rows/7"), (2, "/rows2"), (0, "/v1/../x")] {
        let (api, other) = (Site::start(), Site::start());
        api.page("/rows", [1, 2], Some(other.url("/2")));
        other.page("/2", [3, 4], Some(api.url(private)));
        api.page(private, [666], None);
        let (pool, paging) = (pool(&api), ways(&other)[way].clone());
        let (items, error, token) = read(stream(&pool, "/rows", paging.clone())).await;
        let error = error.expect("an error");
        assert_eq!(items, [1, 2, 3, 4], "{private}");
        assert_eq!(error.kind(), ErrorKind::ForeignOrigin, "{error}");
        // Nor does a read that goes on there.
        let (items, error, _) = read(stream(&pool, "/rows", paging).resume_from(token)).await;
        assert_eq!((items.len(), error.unwrap().kind()), (0, ErrorKind::ForeignOrigin));
        assert_eq!(api.asked(), [("/rows".into(), true)], "{private}");
        assert!(other.asked().iter().all(|(_, with_token)| !with_token));
    }
}

#[tokio::test]
async fn security_08_a_page_without_credentials_leads_back_to_the_endpoint_itself() {
    for way in 0..3 {
        let (api, other) = (Site::start(), Site::start());
        api.page("/rows?owner=me", [1], Some(other.url("/2")));
        other.page("/2", [2], Some(other.url("/3")));
        other.page("/3", [3], Some(api.url("/rows?page=4&owner=me")));
        api.page("/rows?page=4&owner=me", [4], Some(api.url("/rows/5")));
        api.page("/rows/5", [5], None);
        let paging = ways(&other)[way].clone();
        let (items, error, _) = read(stream(&pool(&api), "/rows?owner=me", paging)).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(items, [1, 2, 3, 4, 5]);
        assert_eq!(api.asked().iter().filter(|(_, with_token)| *with_token).count(), 3);
    }
}

#[tokio::test]
async fn security_08_a_page_without_credentials_changes_nothing_of_what_is_asked_for() {
    for changed in [
        "/rows?owner=you&page=3",
        "/rows?owner=me&owner=you",
        "/rows?page=3",
        "/rows",
        "/rows?owner=me&Owner=you&%6fwner=you",
    ] {
        let (api, other) = (Site::start(), Site::start());
        api.page("/rows?owner=me", [1], Some(other.url("/2")));
        other.page("/2", [2], Some(api.url(changed)));
        api.page(changed, [666], None);
        let paging = ways(&other)[0].clone();
        let (items, error, _) = read(stream(&pool(&api), "/rows?owner=me", paging)).await;
        assert_eq!(
            (items, error.expect("an error").kind()),
            (vec![1, 2], ErrorKind::ForeignOrigin)
        );
        assert_eq!(api.asked().len(), 1, "{changed}");
    }
}

#[tokio::test]
async fn security_08_a_place_that_is_allowed_below_the_same_origin_is_no_way_around_it() {
    let api = Site::start();
    api.page("/v1/rows", [1], Some(api.url("/exports/2")));
    api.page("/exports/2", [2], Some(api.url("/v1/private")));
    api.page("/v1/private", [666], None);
    let acquire = async || Ok::<_, std::io::Error>("canary");
    let apply =
        |request: vantage_api_pool::Request, token: &str| request.header("authorization", token);
    let pool = AwwPool::builder(api.url("/v1")).with_auth_callback(1, acquire, apply);
    let pool = pool.build().unwrap();
    let paging = Paging::link_header().allow_origin(api.url("/exports"));
    let (items, error, _) = read(stream(&pool, "/rows", paging)).await;
    assert_eq!((items, error.expect("an error").kind()), (vec![1, 2], ErrorKind::ForeignOrigin));
    assert_eq!(api.asked(), [("/v1/rows".into(), true), ("/exports/2".into(), false)]);
}
