//! How much memory a hostile body costs.

use std::{fs, io::Write};

use crate::support::{held::alone, raw_server::RawServer, soon};
use vantage_api_pool::{AwwPool, ErrorKind};

const MIB: usize = 1024 * 1024;
/// The pool's default body limit.
const LIMIT: usize = 10 * MIB;

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap() * 1024
}

/// A gzip body of 1 GiB of zeros, in members of 16 MiB.
fn bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 16 * MIB]).unwrap();
    encoder.finish().unwrap().repeat(64)
}

#[test]
fn a_hostile_body_costs_the_limit_and_little_more() {
    alone(async {
        let zeros = vec![b'0'; 64 * 1024];
        let chunk = [b"10000\r\n", &zeros[..], b"\r\n"].concat();
        for (name, fields, piece) in [
            ("1 GiB that is declared", "content-length: 1073741824\r\n", zeros.clone()),
            ("endless chunks", "transfer-encoding: chunked\r\n", chunk),
            ("an endless body", "", zeros),
            ("a gzip bomb", "content-encoding: gzip\r\n", bomb()),
        ] {
            let server = RawServer::start(move |mut peer| {
                let piece = piece.clone();
                async move {
                    peer.request().await;
                    peer.write(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).await;
                    while peer.write(&piece).await {}
                }
            });
            let pool = AwwPool::builder(server.url()).workers(1).build().unwrap();
            // Makes the peak that is counted from here on start at what is in use.
            fs::write("/proc/self/clear_refs", "5").unwrap();
            let before = status("VmRSS:");
            let error = soon(name, pool.get("/")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BodyTooLarge, "{name}");
            let cost = status("VmHWM:").saturating_sub(before);
            assert!(cost < LIMIT + 16 * MIB, "{name} cost {} MiB", cost / MIB);
            println!("{name} cost {} MiB", cost / MIB);
        }
    });
}
