//! Which other origins a read may go to: those that the program names, and in the clear only
//! where it says so.

use std::sync::Arc;

use futures::TryStreamExt;
use serde_json::Value;
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi, PoolBuilder,
    vantage::PoolVistaFactory,
};
use vantage_dataset::prelude::*;
use vantage_vista::VistaFactory;

use crate::support::{authority::authority, raw_server::RawServer, soon};

/// A page with one row, which names the next one if there is one.
fn naming(next: Option<&str>) -> String {
    let rows = [serde_json::json!({ "id": if next.is_some() { 1 } else { 2 } })];
    let body = serde_json::json!({ "data": rows, "website": next }).to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn yaml(origins: &str) -> String {
    format!(
        "
name: users
columns: {{ id: {{ type: int, flags: [id] }} }}
api:
  endpoint: users/me
  envelope: {{ items: data }}
  paging: {{ by: next_url, next: website, allow_origins: [{origins}] }}
"
    )
}

fn factory(pool: &PoolBuilder) -> PoolVistaFactory {
    PoolApi::new(pool.clone().build().unwrap()).vista_factory()
}

#[tokio::test]
async fn security_09_yaml_names_no_origin_that_the_program_does_not_allow() {
    let internal = RawServer::answering(naming(None));
    let api = RawServer::answering(naming(Some(&format!("{}/secrets", internal.url()))));
    let (url, pool) = (internal.url(), AwwPool::builder(api.url()));
    let (allows_less, allows) = (format!("{url}/exports"), url.clone());
    let loads = |factory: PoolVistaFactory, origin: &str| factory.with_yaml(&yaml(origin));
    for factory in [
        factory(&pool),
        factory(&pool).allow_origin("https://cdn.example"),
        factory(&pool).allow_origin(allows_less.clone()),
        factory(&pool).allow_origin("http://127.0.0.1"),
    ] {
        for error in [
            loads(factory.clone(), &format!("'{url}'")).unwrap_err(),
            loads(factory.clone(), &format!("'https://cdn.example', '{url}'")).unwrap_err(),
            factory.from_yaml(&yaml(&format!("'{url}'"))).unwrap_err(),
        ] {
            assert!(error.is_incorrect_usage(), "{error}");
            let text = error.to_string();
            assert!(text.contains(&url) || text.contains("cdn.example"), "{error}");
        }
    }
    loads(factory(&pool).allow_origin(allows_less), &format!("'{url}/exports/a'")).unwrap();
    // Without it the origin is one like any other.
    let users = loads(factory(&pool), "").unwrap().build("users").unwrap();
    soon("an error", users.list_values()).await.unwrap_err();
    assert_eq!(internal.seen().connections, 0);
    let users = loads(factory(&pool).allow_origin(allows), &format!("'{url}'")).unwrap();
    soon("the rows", users.build("users").unwrap().list_values()).await.unwrap();
    assert_eq!(internal.seen().heads.len(), 1);
}

#[tokio::test]
async fn security_09_an_origin_of_the_program_that_is_none_is_told_of() {
    let pool = AwwPool::builder("https://api.example");
    let factory = factory(&pool).allow_origin("https://a:canary@cdn.example");
    let error = factory.with_yaml(&yaml("'https://cdn.example'")).unwrap_err();
    assert!(error.is_incorrect_usage() && error.to_string().contains("allow_origin"), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
}

/// A server with TLS that answers everything so, and a pool for it.
fn secured(answer: String) -> (RawServer, PoolBuilder) {
    let (pem, config) = authority("localhost");
    let answer: Arc<str> = answer.into();
    let server = RawServer::start_tls(config, move |mut peer| {
        let answer = Arc::clone(&answer);
        async move {
            while peer.request().await.is_some() {
                peer.write(answer.as_bytes()).await;
            }
        }
    });
    let url = format!("https://localhost:{}", server.address().port());
    (server, AwwPool::builder(url).root_certificate(pem))
}

async fn read(pool: &PoolBuilder, paging: Paging) -> std::result::Result<Vec<Value>, Error> {
    let pool = pool.clone().build().unwrap();
    let stream = PaginatedStream::get(&pool, "/users").paging(paging);
    soon("the rows", stream.envelope(Envelope::items_at("data")).try_collect()).await
}

#[tokio::test]
async fn security_09_an_api_with_tls_has_no_pages_without_it_unless_that_is_said() {
    let plain = RawServer::answering(naming(None));
    let (api, pool) = secured(naming(Some(&format!("{}/2", plain.url()))));
    let paging = Paging::next_url("website").allow_origin(plain.url());
    let error = read(&pool, paging.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains(&plain.url()) && text.contains("allow_http_origins"), "{error}");
    let error = factory(&pool).allow_origin(plain.url());
    let error = error.with_yaml(&yaml(&format!("'{}'", plain.url()))).unwrap_err();
    assert!(error.is_incorrect_usage(), "{error}");
    assert!(error.to_string().contains("allow_http_origins"), "{error}");
    assert_eq!((api.seen().heads.len(), plain.seen().connections), (0, 0));

    let pool = pool.allow_http_origins(true);
    assert_eq!(read(&pool, paging).await.unwrap().len(), 2);
    let factory = factory(&pool).allow_origin(plain.url());
    factory.with_yaml(&yaml(&format!("'{}'", plain.url()))).unwrap();
    assert_eq!(plain.seen().heads.len(), 1);
}

#[test]
fn security_09_https_only_takes_no_base_url_without_tls() {
    for base in ["http://api.example", "HTTP://127.0.0.1:8080/v1"] {
        let pool = AwwPool::builder(base);
        pool.clone().build().unwrap();
        for pool in [pool.clone(), pool.proxy("https://proxy.example")] {
            let error = pool.https_only(true).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("https_only"), "{error}");
        }
    }
    let pool = AwwPool::builder("https://api.example").https_only(true);
    pool.clone().proxy("http://proxy.example").build().unwrap();
    let error = pool.allow_http_origins(true).build().unwrap_err();
    assert!(error.to_string().contains("https_only"), "{error}");
}

#[tokio::test]
async fn security_09_https_only_follows_nothing_without_tls() {
    let plain = RawServer::answering(naming(None));
    let (api, pool) = secured(naming(Some(&format!("{}/2", plain.url()))));
    let pool = pool.https_only(true);
    let error = read(&pool, Paging::next_url("website").allow_origin(plain.url())).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("https_only"), "{error}");
    assert_eq!(api.seen().heads.len(), 0);
    let error = read(&pool, Paging::next_url("website")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignOrigin);

    for location in [format!("{}/users", plain.url()), "http://localhost/users".into()] {
        let moved =
            format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let (_moving, pool) = secured(moved);
        let pool = pool.https_only(true).build().unwrap();
        let error = soon("an error", pool.get("/users")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForeignOrigin, "{error}");
    }
    assert_eq!(plain.seen().connections, 0);
}
