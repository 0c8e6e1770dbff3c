//! Which redirects are followed, and that no other server hears of one.

use std::time::Duration;

use crate::support::{authority::authority, mock, raw_server::RawServer, soon};
use url::Position;
use vantage_api_pool::{AwwPool, Error, ErrorKind, PoolBuilder, Request};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn moved(status: u16, location: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("location", location)
}

/// Answers `/api/old` with this and all else well.
async fn moving(answer: ResponseTemplate) -> MockServer {
    let server = mock::server().await;
    Mock::given(path("/api/old")).respond_with(answer).mount(&server).await;
    let well = ResponseTemplate::new(200).set_body_string("ok");
    Mock::given(any()).respond_with(well).mount(&server).await;
    server
}

fn builder(api: &MockServer) -> PoolBuilder {
    AwwPool::builder(format!("{}/api", api.uri()))
}

async fn get_old(builder: PoolBuilder) -> Result<String, Error> {
    let response = soon("the call", builder.build().unwrap().get("/old")).await?;
    Ok(response.text()?.to_owned())
}

/// The target of each request.
async fn targets(api: &MockServer) -> Vec<String> {
    let requests = mock::received(api).await;
    requests.iter().map(|request| request.url[Position::BeforePath..].to_owned()).collect()
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
            let api = moving(moved(status, location)).await;
            assert_eq!(get_old(builder(&api)).await.unwrap(), "ok", "{status} {location}");
            assert_eq!(targets(&api).await, ["/api/old", target], "{status} {location}");
        }
    }
}

#[tokio::test]
async fn a_redirect_that_is_followed_takes_its_token_along() {
    let api = moving(moved(302, "/api/new?page=2")).await;
    let acquire = || std::future::ready(Ok::<_, Error>("t"));
    let apply = |request: Request, token: &str| {
        request.header("x-key", token).unwrap().query(&[("key", token)]).unwrap()
    };
    let builder = builder(&api).with_auth_callback(1, acquire, apply);
    assert_eq!(get_old(builder).await.unwrap(), "ok");
    assert_eq!(targets(&api).await, ["/api/old?key=t", "/api/new?page=2&key=t"]);
    let requests = mock::received(&api).await;
    assert!(requests.iter().all(|request| mock::header(request, "x-key") == Some("t")));
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
            let api = moving(moved(status, &location)).await;
            assert_not_followed(get_old(builder(&api)).await, status);
            assert_eq!(targets(&api).await, ["/api/old"], "{location}");
        }
    }
    assert_eq!(other.seen().connections, 0);
}

#[tokio::test]
async fn faults_37_a_redirect_to_another_name_of_the_same_server_is_not_followed() {
    let api = mock::server().await;
    let location = format!("http://localhost:{}/api/new", api.address().port());
    Mock::given(any()).respond_with(moved(302, &location)).expect(1).mount(&api).await;
    assert_not_followed(get_old(builder(&api)).await, 302);
    assert_eq!(targets(&api).await, ["/api/old"]);
}

#[tokio::test]
async fn a_redirect_out_of_the_base_path_is_not_followed() {
    for location in ["/new", "/apinew", "../new", "/api/../new", "/api/%2e%2e/new", "", "\\\\x\\"] {
        let api = moving(moved(302, location)).await;
        let error = get_old(builder(&api).max_attempts(1)).await.unwrap_err();
        assert_eq!(error.status().unwrap(), 302, "{location}");
        assert!(targets(&api).await.iter().all(|target| target == "/api/old"), "{location}");
    }
}

#[tokio::test]
async fn faults_37_a_redirect_from_https_to_http_is_not_followed() {
    let (pem, config) = authority("localhost");
    let plain = RawServer::answering(OK);
    let location = format!("http://localhost:{}/api/new", plain.address().port());
    let api = RawServer::start_tls(config, move |mut peer| {
        let moved =
            format!("HTTP/1.1 302 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        async move {
            while peer.head().await.is_some() {
                peer.write(moved.as_bytes()).await;
            }
        }
    });
    let base = format!("https://localhost:{}/api", api.address().port());
    // A busy machine takes its time for the handshake.
    let builder = AwwPool::builder(base).connect_timeout(Duration::from_secs(60));
    assert_not_followed(get_old(builder.root_certificate(pem)).await, 302);
    assert_eq!((api.seen().heads.len(), plain.seen().connections), (1, 0));
}

#[tokio::test]
async fn a_redirect_of_a_request_that_is_not_safe_is_its_answer() {
    for request in [Request::post("/old"), Request::put("/old"), Request::delete("/old")] {
        for status in [301, 302, 303, 307, 308] {
            let api = moving(moved(status, "/api/new")).await;
            let pool = builder(&api).build().unwrap();
            let error = soon("the call", pool.request(request.clone())).await.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 1));
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert_eq!(targets(&api).await, ["/api/old"]);
        }
    }
}

#[tokio::test]
async fn other_answers_of_the_300s_are_errors() {
    for (status, location) in
        [(300, Some("/api/new")), (304, Some("/api/new")), (305, Some("/api/new")), (302, None)]
    {
        let bare = ResponseTemplate::new(status);
        let api = moving(location.map_or(bare, |location| moved(status, location))).await;
        let error = get_old(builder(&api)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 1), "{status}");
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(targets(&api).await, ["/api/old"], "{status}");
    }
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let api = moving(moved(302, "/api/old")).await;
    let error = get_old(builder(&api)).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 302));
    assert_eq!((error.attempts(), targets(&api).await.len()), (6, 6));
}
