//! Handles with credentials of their own.

use std::future::ready;

use futures::TryStreamExt;
use serde_json::Value;
use vantage_api_pool::{
    AwwPool, ErrorKind, PaginatedStream, Paging, PoolApi, Request,
    messages::{Fetch, OpenStream},
    tokens::{Credentials, bearer},
};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use crate::support::{
    hostile::{Form, Hostile, Style},
    raw_server::RawServer,
    soon,
};

fn credentials(token: &'static str) -> Credentials {
    Credentials::from_callback(1, move || ready(Ok::<_, std::io::Error>(token)), bearer)
}

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

#[tokio::test]
async fn security_01_whatever_asks_for_a_tenant_goes_out_with_its_token() {
    let api = Hostile::new(35).style(Style::NextUrl("next", Form::Absolute)).start();
    let pool = AwwPool::builder(api.url()).with_auth_callback(
        1,
        || ready(Ok::<_, std::io::Error>("POOL")),
        bearer,
    );
    let pool = pool.build().unwrap();
    let tenant = pool.with_credentials(credentials("TENANT")).unwrap();
    let mut told = 0;
    let mut all_were = |token: &str| {
        let wanted = format!("Bearer {token}");
        api.log(|log| {
            assert!(log.seen.len() > told);
            for seen in &log.seen[told..] {
                assert_eq!(seen.header("authorization"), Some(wanted.as_str()), "{}", seen.path);
            }
            told = log.seen.len();
        });
    };
    let supervisor = soon("the address", pool.supervisor()).await.unwrap();
    let rows = || Request::get("/rows");
    soon("a call", supervisor.send(Fetch::new(rows()))).await.unwrap().unwrap();
    all_were("POOL");
    soon("a call", supervisor.send(Fetch::new(rows()).by(&tenant))).await.unwrap().unwrap();
    all_were("TENANT");

    let paging = Paging::next_url("next");
    let open = OpenStream::new("/rows").paging(paging.clone());
    for (open, token) in [(open.clone(), "POOL"), (open.by(&tenant), "TENANT")] {
        let stream = soon("a stream", supervisor.send(open)).await.unwrap();
        let read = soon("the rows", stream.try_collect::<Vec<Value>>()).await.unwrap();
        assert_eq!(read.len(), 35);
        all_were(token);
    }
    let stream = PaginatedStream::get(&tenant, "/rows").paging(paging.clone());
    soon("the rows", stream.try_collect::<Vec<Value>>()).await.unwrap();
    all_were("TENANT");

    let source = PoolApi::new(tenant.clone()).paging(paging);
    let table = Table::<PoolApi, EmptyEntity>::new("rows", source.clone()).with_id_column("id");
    soon("the rows", table.list_values()).await.unwrap();
    all_were("TENANT");
    let vista = source.vista_factory().from_table(table).unwrap();
    let (_, next) = soon("a piece", vista.fetch_cursor(None, 4)).await.unwrap();
    soon("a piece", vista.fetch_cursor(next, 4)).await.unwrap();
    soon("a window", vista.fetch_window(3, 12)).await.unwrap();
    all_were("TENANT");
}
