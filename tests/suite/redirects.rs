//! Which redirects are followed, and that no other server hears of one.

use std::sync::Arc;

use crate::support::{
    authority::authority,
    raw_server::{Peer, RawServer},
    soon,
};
use vantage_api_pool::{AwwPool, Error, ErrorKind, PoolBuilder, Request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn moved(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

/// Answers `/api/old` with this and all else well, inside TLS if there is a certificate.
fn serve(tls: Option<Arc<rustls::ServerConfig>>, answer: String) -> RawServer {
    let script = move |mut peer: Peer| {
        let answer = answer.clone();
        async move {
            while let Some(head) = peer.head().await {
                let is_old = head.split(['?', ' ']).nth(1) == Some("/api/old");
                peer.write(if is_old { &answer } else { OK }.as_bytes()).await;
            }
        }
    };
    match tls {
        Some(tls) => RawServer::start_tls(tls, script),
        None => RawServer::start(script),
    }
}

fn moving(answer: String) -> RawServer {
    serve(None, answer)
}

fn builder(api: &RawServer) -> PoolBuilder {
    AwwPool::builder(format!("{}/api", api.url()))
}

async fn get_old(builder: PoolBuilder) -> Result<String, Error> {
    let response = soon("the call", builder.build().unwrap().get("/old")).await?;
    Ok(response.text()?.to_owned())
}

/// The target of each request.
fn targets(api: &RawServer) -> Vec<String> {
    let heads = api.seen().heads;
    heads.iter().map(|(_, head)| head.split(' ').nth(1).unwrap().to_owned()).collect()
}

fn assert_not_followed(result: Result<String, Error>, status: u16) {
    let error = result.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::ForeignOrigin | ErrorKind::InvalidRequest),
        "{error}"
    );
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (status, 1));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_redirect_below_the_base_url_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        for (location, target) in [
            ("/api/new?a=1", "/api/new?a=1"),
            ("new", "/api/new"),
            ("./x/../new", "/api/new"),
            ("/api/new#part", "/api/new"),
            ("/api?a=%20", "/api?a=%20"),
        ] {
            let api = moving(moved(status, location));
            assert_eq!(get_old(builder(&api)).await.unwrap(), "ok", "{status} {location}");
            assert_eq!(targets(&api), ["/api/old", target], "{status} {location}");
        }
    }
}

#[tokio::test]
async fn a_redirect_that_is_followed_takes_its_token_along() {
    let api = moving(moved(302, "/api/new?page=2"));
    let acquire = || std::future::ready(Ok::<_, Error>("t"));
    let apply = |request: Request, token: &str| {
        request.header("x-key", token).unwrap().query(&[("key", token)]).unwrap()
    };
    let builder = builder(&api).with_auth_callback(1, acquire, apply);
    assert_eq!(get_old(builder).await.unwrap(), "ok");
    assert_eq!(targets(&api), ["/api/old?key=t", "/api/new?page=2&key=t"]);
    assert!(api.seen().heads.iter().all(|(_, head)| head.contains("x-key: t\r\n")));
}

#[tokio::test]
async fn faults_37_a_redirect_to_another_origin_is_not_followed_and_the_other_server_hears_nothing()
{
    let other = RawServer::answering(OK);
    let port = other.address().port();
    for location in [
        format!("http://127.0.0.1:{port}/api/new"),
        format!("//127.0.0.1:{port}/api/new"),
        format!("http://localhost:{port}/api/new"),
        format!("https://127.0.0.1:{port}/api/new"),
        format!("http://user:pw@127.0.0.1:{port}/api/new"),
        "file:///etc/passwd".into(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let api = moving(moved(status, &location));
            assert_not_followed(get_old(builder(&api)).await, status);
            assert_eq!(targets(&api), ["/api/old"], "{location}");
        }
    }
    assert_eq!(other.seen().connections, 0);
}

#[tokio::test]
async fn faults_37_a_redirect_to_another_name_of_the_same_server_is_not_followed() {
    // The location cannot name the server's own port before the server runs.
    let api = RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            let host = head.lines().find_map(|line| line.strip_prefix("host: 127.0.0.1")).unwrap();
            let location = format!("http://localhost{host}/api/new");
            peer.write(moved(302, &location).as_bytes()).await;
        }
    });
    assert_not_followed(get_old(builder(&api)).await, 302);
    assert_eq!(api.seen().heads.len(), 1);
}

#[tokio::test]
async fn a_redirect_out_of_the_base_path_is_not_followed() {
    for location in ["/new", "/apinew", "../new", "/api/../new", "/api/%2e%2e/new", "", "\\\\x\\"] {
        let api = moving(moved(302, location));
        let error = get_old(builder(&api).max_attempts(1)).await.unwrap_err();
        assert_eq!(error.status().unwrap(), 302, "{location}");
        assert!(targets(&api).iter().all(|target| target == "/api/old"), "{location}");
    }
}

#[tokio::test]
async fn faults_37_a_redirect_from_https_to_http_is_not_followed() {
    let (pem, config) = authority("localhost");
    let plain = RawServer::answering(OK);
    let location = format!("http://localhost:{}/api/new", plain.address().port());
    let api = serve(Some(config), moved(302, &location));
    let base = format!("https://localhost:{}/api", api.address().port());
    assert_not_followed(get_old(AwwPool::builder(base).root_certificate(pem)).await, 302);
    assert_eq!((api.seen().heads.len(), plain.seen().connections), (1, 0));
}

#[tokio::test]
async fn a_redirect_of_a_request_that_is_not_safe_is_its_answer() {
    for request in [Request::post("/old"), Request::put("/old"), Request::delete("/old")] {
        for status in [301, 302, 303, 307, 308] {
            let api = moving(moved(status, "/api/new"));
            let pool = builder(&api).build().unwrap();
            let error = soon("the call", pool.request(request.clone())).await.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 1));
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert_eq!(targets(&api), ["/api/old"]);
        }
    }
}

#[tokio::test]
async fn other_answers_of_the_300s_are_errors() {
    for (status, location) in [(300, "/api/new"), (304, "/api/new"), (305, "/api/new"), (302, "")] {
        let mut answer = moved(status, location);
        if location.is_empty() {
            answer = answer.replace("location: \r\n", "");
        }
        let api = moving(answer);
        let error = get_old(builder(&api)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 1), "{status}");
        assert_eq!(error.status().unwrap().as_u16(), status);
    }
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let api = moving(moved(302, "/api/old"));
    let error = get_old(builder(&api)).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 302));
    assert_eq!((error.attempts(), targets(&api).len()), (6, 6));
}
