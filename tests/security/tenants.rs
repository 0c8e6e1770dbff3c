//! Handles with credentials of their own.

use std::future::ready;

use vantage_api_pool::{AwwPool, Credentials, ErrorKind, Request};

use crate::support::{raw_server::RawServer, soon};

#[tokio::test]
async fn security_01_a_handle_sends_by_no_tokens_but_its_own() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
    let acquire = || ready(Ok::<_, std::io::Error>("POOL"));
    let pool =
        AwwPool::builder(server.url()).with_auth_callback(1, acquire, |request, _: &str| request);
    let pool = pool.build().unwrap();
    let acquire = || ready(Ok::<_, std::io::Error>("TENANT"));
    let tenant = Credentials::from_callback(1, acquire, |request: Request, _: &str| request);
    let tenant = pool.with_credentials(tenant).unwrap();
    let error = soon("an address", tenant.supervisor()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("credentials of this handle"), "{error}");
    soon("the pool's own address", pool.supervisor()).await.unwrap();
    soon("a call", tenant.get("/rows")).await.unwrap();
}
