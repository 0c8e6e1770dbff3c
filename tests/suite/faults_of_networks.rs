//! A network that loses names, connections or every packet, and comes back: errors on
//! time, nothing twice, and no restart needed.

use std::time::{Duration, Instant};

use crate::support::{
    hostile::Hostile,
    raw_server::{LIMIT, RawServer},
    relay::Relay,
    soon,
};
use futures::{StreamExt, future::join_all};
use tokio::net::{TcpSocket, TcpStream};
use vantage_api_pool::{AwwPool, Delivery, ErrorKind, PaginatedStream, PoolBuilder, Request};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn once(url: String) -> PoolBuilder {
    AwwPool::builder(url).workers(1).max_attempts(1)
}

#[tokio::test]
async fn faults_32_a_name_that_does_not_resolve_is_an_error_on_time() {
    // A label of 64 characters is illegal in DNS, so no server is asked.
    let pool = once(format!("http://{}/", "x".repeat(64))).connect_timeout(LIMIT).build().unwrap();
    for request in [Request::get("/rows"), Request::post("/rows").body("x")] {
        let error = soon("the call", pool.request(request)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Resolve, Delivery::NotSent));
        assert!(error.is_retryable() && error.elapsed() < LIMIT, "{error}");
    }
}

#[tokio::test]
async fn faults_32_a_black_hole_ends_at_the_connect_timeout_and_its_end_is_noticed() {
    // A listener whose queue is full takes no more connections.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(millis(200), TcpStream::connect(address)).await
    {
        queued.push(stream);
    }
    let pool = once(format!("http://{address}")).connect_timeout(millis(200)).build().unwrap();
    let started = Instant::now();
    let error = soon("the call", pool.get("/rows")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
    assert!(started.elapsed() < LIMIT);

    drop(queued);
    let _server = RawServer::on(listener.into_std().unwrap(), |mut peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    });
    // The system repeats what it sent into the hole only after a second.
    let back = async { while pool.get("/rows").await.is_err() {} };
    soon("the same pool serves again", back).await;
}

#[tokio::test]
async fn faults_32_a_partition_ends_reads_on_time_and_sends_a_write_once() {
    let server = RawServer::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    });
    let relay = Relay::to(server.address());
    // Longer than a busy machine takes to answer before the partition and after it.
    let pool = once(relay.url()).attempt_timeout(millis(5_000)).build().unwrap();
    soon("a call", pool.get("/before")).await.unwrap();
    relay.partition();
    let requests = [Request::get("/rows"), Request::post("/orders").body("x")];
    let calls = join_all(requests.map(|request| pool.request(request)));
    for error in soon("the calls", calls).await.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::Unknown));
        assert!(error.elapsed() >= millis(5_000), "{error}");
    }
    relay.heal();
    relay.reset();
    soon("a call", pool.get("/after")).await.unwrap();
    let posts = server.seen().heads.iter().filter(|(_, head)| head.starts_with("POST")).count();
    assert!(posts <= 1, "a write was sent {posts} times");
}

#[tokio::test]
async fn faults_32_a_read_of_pages_across_partitions_misses_no_row_and_doubles_none() {
    let api = Hostile::new(295).start();
    let relay = Relay::to(api.address());
    let pool = AwwPool::builder(relay.url())
        .workers(2)
        .max_attempts(20)
        .backoff_base(millis(1))
        .backoff_cap(millis(50))
        .attempt_timeout(millis(1_000))
        .build()
        .unwrap();
    let mut stream = PaginatedStream::get(&pool, "/rows").prefetch(4);
    let mut items = Vec::new();
    while let Some(item) = soon("an item", stream.next()).await {
        items.push(item.unwrap());
        if matches!(items.len(), 15 | 115 | 215) {
            relay.partition();
            let failures = pool.stats().await.unwrap().transport_errors;
            // With what has come the consumer goes on, until the window is empty.
            let noticed = async {
                while pool.stats().await.unwrap().transport_errors == failures {
                    tokio::select! {
                        item = stream.next() => items.push(item.unwrap().unwrap()),
                        () = tokio::time::sleep(millis(20)) => {}
                    }
                }
            };
            soon("the partition is noticed", noticed).await;
            relay.heal();
            if items.len() > 200 {
                relay.reset();
            }
        }
    }
    assert_eq!(items, api.rows());
}
