//! How much memory and time hostile heads and bodies cost.

use std::{
    fs,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::support::{
    held::{Peak, alone},
    hostile::Hostile,
    raw_server::RawServer,
    soon,
};
use futures::{StreamExt, future::join_all};
use vantage_api_pool::{AwwPool, ErrorKind, PaginatedStream};

const MIB: usize = 1024 * 1024;
/// The pool's default body limit.
const LIMIT: usize = 10 * MIB;
/// What an answer may cost beyond the body limit.
const SLACK: usize = 16 * MIB;

/// A gzip body of 1 GiB of zeros, in members of 16 MiB.
fn gzip_bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 16 * MIB]).unwrap();
    encoder.finish().unwrap().repeat(64)
}

/// A zstd frame of 1 GiB of zeros: 8,192 blocks that each say 128 KiB times one byte
/// (RFC 8878 section 3.1.1).
fn zstd_bomb() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    for block in 0..8192_u32 {
        let is_last = u32::from(block == 8191);
        let header = (128 * 1024) << 3 | 1 << 1 | is_last;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// Brotli data of 256 MiB of zeros.
fn brotli_bomb() -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, 5, 22);
    let zeros = vec![0; MIB];
    (0..256).for_each(|_| encoder.write_all(&zeros).unwrap());
    encoder.into_inner()
}

/// Sends `head`, and then `piece` again and again until the client has enough.
fn endless(head: String, piece: Vec<u8>) -> RawServer {
    let answer = Arc::new((head, piece));
    RawServer::start(move |mut peer| {
        let answer = Arc::clone(&answer);
        async move {
            peer.request().await;
            peer.write(answer.0.as_bytes()).await;
            while peer.write(&answer.1).await {}
        }
    })
}

/// The error of a GET answered like this costs no more than `ceiling`.
async fn costs(name: &str, head: &str, piece: Vec<u8>, kind: ErrorKind, ceiling: usize) {
    let server = endless(format!("HTTP/1.1 200 OK\r\n{head}"), piece);
    let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
    let peak = Peak::from_here();
    let error = soon(name, pool.get("/")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (kind, 1), "{name}");
    let cost = peak.bytes();
    println!("{name} cost {} KiB", cost / 1024);
    assert!(cost < ceiling, "{name} cost {} KiB", cost / 1024);
}

#[test]
fn faults_26_a_body_without_end_costs_the_limit_and_little_more() {
    alone(async {
        let zeros = vec![b'0'; 64 * 1024];
        let chunk = [b"10000\r\n", &zeros[..], b"\r\n"].concat();
        for (name, head, piece) in [
            ("1 GiB that is declared", "content-length: 1073741824\r\n\r\n", zeros.clone()),
            ("endless chunks", "transfer-encoding: chunked\r\n\r\n", chunk),
            ("an endless body", "\r\n", zeros),
        ] {
            costs(name, head, piece, ErrorKind::BodyTooLarge, LIMIT + SLACK).await;
        }
    });
}

#[test]
fn faults_26_json_nested_a_hundred_thousand_deep_costs_little() {
    alone(async {
        let body = format!("{{\"data\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let server = RawServer::answering(head + &body);
        let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
        let peak = Peak::from_here();
        let mut stream = PaginatedStream::get(&pool, "/rows");
        let error = soon("the page", stream.next()).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(1)));
        let cost = peak.bytes();
        assert!(cost < SLACK, "{} KiB", cost / 1024);
        soon("the pool lives on", pool.get("/rows")).await.unwrap();
    });
}

#[test]
fn faults_27_a_compressed_bomb_costs_the_limit_and_little_more() {
    alone(async {
        let gzip = "content-encoding: gzip\r\n\r\n";
        costs("a gzip bomb", gzip, gzip_bomb(), ErrorKind::BodyTooLarge, LIMIT + SLACK).await;
        // Its window is the memory that it asks for: 1 MiB.
        let zstd = "content-encoding: zstd\r\n\r\n";
        costs("a zstd bomb", zstd, zstd_bomb(), ErrorKind::BodyTooLarge, LIMIT + SLACK).await;
        let brotli = "content-encoding: br\r\n\r\n";
        costs("a brotli bomb", brotli, brotli_bomb(), ErrorKind::BodyTooLarge, LIMIT + SLACK).await;
        // What is not asked for is not decoded and not read either.
        let deflate = "content-encoding: deflate\r\n\r\n";
        costs("deflate", deflate, vec![0x5b; 64 * 1024], ErrorKind::Framing, SLACK).await;
    });
}

/// The time for which this thread has run, without what it waited for the processor.
fn thread_time() -> Duration {
    let line = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(line.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn faults_27_a_bomb_blocks_its_worker_for_no_more_than_fifty_milliseconds() {
    alone(async {
        let longest = Arc::new(AtomicU64::new(0));
        let (seen, ticks) = (Arc::clone(&longest), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&ticks);
        // The callback runs on the worker's thread, and so does what it spawns.
        let watch = move |request, _: &str| {
            let (seen, counted) = (Arc::clone(&seen), Arc::clone(&counted));
            actix::spawn(async move {
                loop {
                    let before = thread_time();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    let busy = thread_time().saturating_sub(before).as_micros() as u64;
                    seen.fetch_max(busy, Ordering::SeqCst);
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
            request
        };
        let server =
            endless("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".into(), gzip_bomb());
        let acquire = || std::future::ready(Ok::<_, std::io::Error>("token"));
        let pool = AwwPool::builder(server.url())
            .workers(1)
            .max_body_bytes(64 * MIB)
            .with_auth_callback(1, acquire, watch)
            .build()
            .unwrap();
        let error = soon("the call", pool.get("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
        let (longest, ticks) = (longest.load(Ordering::SeqCst), ticks.load(Ordering::SeqCst));
        println!("{ticks} turns, {longest} µs without one");
        assert!(ticks > 10, "{ticks} turns");
        assert!(longest < 50_000, "{longest} µs without a turn for others");
    });
}

#[test]
fn faults_28_a_head_without_end_costs_little() {
    alone(async {
        let flood = b"a: b\r\n".repeat(1000);
        costs("a flood of headers", "", flood, ErrorKind::HeadTooLarge, 2 * MIB).await;
        let name = "an endless header";
        costs(name, "a: ", vec![b'b'; 4096], ErrorKind::HeadTooLarge, 2 * MIB).await;
    });
}

#[test]
fn faults_43_ten_thousand_waiting_callers_cost_a_few_kilobytes_each() {
    alone(async {
        const CALLERS: usize = 10_000;
        let api = Hostile::new(10).closed().start();
        let pool = AwwPool::builder(api.url()).workers(2).connections_per_worker(8);
        let pool = pool.call_timeout(Duration::from_secs(180)).build().unwrap();
        api.open(2);
        soon("a first call", pool.get("/rows?page=2")).await.unwrap();
        let peak = Peak::from_here();
        let call = |_| Box::pin(pool.get("/rows?page=1"));
        let mut calls: Vec<_> = (0..CALLERS).map(call).collect();
        for call in &mut calls {
            assert!(futures::poll!(call).is_pending());
        }
        api.wait_for("calls on the wire", |log| log.in_flight == 16).await;
        let cost = peak.bytes() / CALLERS;
        println!("{cost} bytes for each call that waits");
        assert!(cost < 4 * 1024, "{cost} bytes for each call that waits");
        api.open_all();
        for answer in soon("all answers", join_all(calls)).await {
            answer.unwrap();
        }
        assert!(api.log(|log| log.max_in_flight) <= 16);
    });
}
