//! Inputs of public bug reports of other stores, by their repositories and numbers.

use std::{thread, time::Duration};

use vantage_api_gateway::{
    Limits,
    kv::{Batch, Kv, Precondition, Put},
};

use crate::{
    clock::Clock,
    raw::{Connection, request, with_body},
    served::Served,
    store::{bytes, key, new_store, read, settings, store_with},
};

fn put(client: &mut Connection, path: &str, value: &str) -> u16 {
    client.ask(with_body("PUT", &format!("/kv/{path}"), &[], value)).status
}

/// hashicorp/consul 1409 and 13236, basho/riak_cs 977, tiddlyweb/tiddlyweb 86: a key that has a
/// percent sign was decoded twice, so two keys became one, or none.
#[test]
fn keys_with_percent_signs_are_not_decoded_twice() {
    let served = Served::start();
    let mut client = served.connect();
    let keys = [
        ("%2Fv9%2F", "/v9/"),
        ("%252Fv9%252F", "%2Fv9%2F"),
        ("foo%25foo", "foo%foo"),
        ("%2541", "%41"),
        ("A", "A"),
        ("test%252520foo", "test%2520foo"),
        ("test%20foo", "test foo"),
    ];
    for (path, key) in keys {
        assert_eq!(put(&mut client, path, key), 201, "{path}");
    }
    // What a list tells leads back to the value, encoded once.
    let page = client.ask(request("GET", "/kv", &[])).json();
    let listed = page["keys"].as_array().unwrap();
    assert_eq!(listed.len(), keys.len());
    for entry in listed {
        let name = entry["key"].as_str().unwrap();
        let path: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let got = client.ask(request("GET", &format!("/kv/{path}"), &[]));
        assert_eq!(got.body, name.as_bytes());
    }
}

/// scality/cloudserver 870: a plus sign in a path is not a space, and one in a query is.
#[test]
fn a_plus_sign_in_a_path_is_itself() {
    let served = Served::start();
    let mut client = served.connect();
    assert_eq!(put(&mut client, "50%25+full+or+50%25+empty", "x"), 201);
    assert_eq!(put(&mut client, "50%25%20full", "x"), 201);
    let listed = |client: &mut Connection, query: &str| {
        let page = client.ask(request("GET", &format!("/kv?{query}"), &[])).json();
        page["keys"].as_array().unwrap().len()
    };
    assert_eq!(listed(&mut client, "prefix=50%25%2Bfull"), 1);
    assert_eq!(listed(&mut client, "prefix=50%25+full"), 1);
}

/// pithings/mountx 19, minio/minio 19681: conditions of writes were passed over, so a lock that two
/// clients asked for was given to both.
#[test]
fn conditions_of_writes_are_never_passed_over() {
    let served = Served::start();
    let mut client = served.connect();
    let mut put =
        |name: &str, given: &str| client.ask(with_body("PUT", "/kv/k", &[(name, given)], "x"));
    assert_eq!(put("If-None-Match", "*").status, 201);
    let refused = put("If-None-Match", "*");
    assert_eq!(refused.status, 412);
    assert_eq!(put("If-Match", "\"stale\"").status, 412);
    assert_eq!(put("If-None-Match", "\"stale\"").status, 204);
    assert_eq!(put("If-Match", "*").status, 204);
}

/// etcd-io/etcd 12381, data-accelerator/dart 5: long times overflowed and became none, or ages.
#[test]
fn times_to_live_do_not_overflow() {
    let served = Served::start();
    let mut client = served.connect();
    for ttl in [
        "9007199254740992ms",
        "4611686018427387904ms",
        "9223372036854775807ms",
        "18446744073709551616ms",
        "9223372036s",
        "1125899906842624s",
        "584942417355years",
        "-1ms",
        "0s",
    ] {
        let refused = client.ask(with_body("PUT", &format!("/kv/a?ttl={ttl}"), &[], "x"));
        assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid_ttl"), "{ttl}");
    }
    assert_eq!(put(&mut client, "a?ttl=100years", "x"), 201);
    assert_eq!(client.ask(request("GET", "/kv/a", &[])).status, 200);
}

/// cloudflare/pingora 975, elizaOS/eliza 12585, chimera-nas/chimera 1196, ceph/ceph 10207: ranges
/// of nothing underflowed. fsouza/fake-gcs-server 2253: 416 without the size, its body cut off.
#[test]
fn ranges_of_nothing_are_not_satisfiable() {
    let served = Served::start();
    let mut client = served.connect();
    assert_eq!(put(&mut client, "empty", ""), 201);
    assert_eq!(put(&mut client, "ten", "0123456789"), 201);
    for (path, range, size) in [
        ("empty", "bytes=-5", 0),
        ("empty", "bytes=-0", 0),
        ("empty", "bytes=0-", 0),
        ("empty", "bytes=0-0", 0),
        ("ten", "bytes=-0", 10),
        ("ten", "bytes=10-", 10),
    ] {
        let got = client.ask(request("GET", &format!("/kv/{path}"), &[("Range", range)]));
        assert_eq!((got.status, got.problem().as_str()), (416, "range_not_satisfiable"));
        assert_eq!(got.field("content-range"), Some(format!("bytes */{size}").as_str()));
    }
    let got = client.ask(request("GET", "/kv/empty", &[("Range", "bytes=-2,-5")]));
    assert_eq!((got.status, got.field("content-length")), (200, Some("0")));
}

/// denoland/deno 20173: the cursor of a page that ended with the last key led to an empty one.
/// FoundationDB/fdb-record-layer 1106: the second page of a prefix began again. neo-project/neo
/// 3688: the last prefix of all found nothing.
#[tokio::test]
async fn pages_neither_begin_again_nor_end_with_an_empty_one() {
    let (kv, _folder) = new_store();
    let names =
        ["cat", "cata", "catb", "catc", "catd", "cau", "\u{10ffff}", "\u{10ffff}\u{10ffff}"];
    for name in names {
        kv.put(key(name), Put::new("")).await.unwrap();
    }
    for (prefix, expected) in [
        ("cat", &names[..5]),
        ("\u{10ffff}", &names[6..]),
        ("", &names[..]),
        ("cata", &names[1..2]),
    ] {
        for limit in 1..=expected.len() {
            let (mut after, mut found, mut pages) = (None, Vec::new(), 0);
            loop {
                let page = kv.list(prefix, after.as_deref(), limit).await.unwrap();
                assert!(!page.keys.is_empty());
                found.extend(page.keys.into_iter().map(|(key, _)| key.as_str().to_owned()));
                pages += 1;
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(found, expected);
            assert_eq!(pages, expected.len().div_ceil(limit));
        }
    }
}

/// apache/kvrocks 1278, tonivade/claudb 13, denoland/denokv 79, pmwkaa/sophia 66: values that had
/// expired were seen by some commands until they were removed.
#[test]
fn no_request_sees_what_has_expired() {
    let clock = Clock::new();
    let served = Served::with(clock.settings(), Limits::default());
    let mut client = served.connect();
    let tag = client.ask(with_body("PUT", "/kv/k?ttl=10s", &[], "x"));
    let tag = tag.field("etag").unwrap().to_owned();
    let held_writer = clock.hold();
    clock.advance(Duration::from_secs(10));
    for (method, fields) in [
        ("GET", &[][..]),
        ("HEAD", &[]),
        ("GET", &[("If-None-Match", tag.as_str())]),
        ("GET", &[("Range", "bytes=0-0")]),
    ] {
        assert_eq!(client.ask(request(method, "/kv/k", fields)).status, 404, "{fields:?}");
    }
    let page = client.ask(request("GET", "/kv", &[])).json();
    assert_eq!(page["keys"].as_array().unwrap().len(), 0);
    drop(held_writer);
    assert_eq!(client.ask(request("DELETE", "/kv/k", &[])).status, 404);
    let put = with_body("PUT", "/kv/k", &[("If-None-Match", "*")], "y");
    assert_eq!(client.ask(put).status, 201);
}

/// distributedio/titan 33: a key that was deleted and written again at once kept the old expiry.
#[tokio::test]
async fn a_new_value_has_nothing_of_the_one_before_it() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let minute = Duration::from_secs(60);
    kv.put(key("a"), Put::new(bytes(100_000, 1)).with_ttl(minute)).await.unwrap();
    kv.delete(key("a"), Precondition::default()).await.unwrap();
    kv.put(key("a"), Put::new("x").with_ttl(minute * 3)).await.unwrap();
    clock.advance(minute * 2);
    kv.put(key("other"), Put::new("")).await.unwrap();
    assert_eq!(read(&kv, "a").await.unwrap(), "x");
    assert_eq!((kv.stats().values, kv.stats().expiring, kv.stats().value_bytes), (2, 1, 1));
}

/// cberner/redb 934: with quick repair, a file grew far beyond what was in it. 907: compaction did
/// nothing. 943: an almost empty file was large.
#[tokio::test]
async fn a_file_stays_in_proportion_to_what_is_in_it() {
    let (kv, _folder) = new_store();
    for round in 0..300 {
        let batch = (0..10).fold(Batch::new(), |batch, n| {
            batch.put(key(&format!("{n}")), Put::new(bytes(50_000, round * 10 + n)))
        });
        kv.batch(batch).await.unwrap();
    }
    // 150 MB were written, of which 0.5 MB are left.
    assert!(kv.stats().file_bytes < 16 << 20, "{:?}", kv.stats());
    for n in 0..10 {
        kv.delete(key(&format!("{n}")), Precondition::default()).await.unwrap();
    }
    kv.put(key("a"), Put::new("x")).await.unwrap();
    kv.compact().await.unwrap();
    assert!(kv.stats().file_bytes < 1 << 20, "{:?}", kv.stats());
    assert_eq!(read(&kv, "a").await.unwrap(), "x");
}

/// rwf2/Rocket 2783: a client that was still sending a body that is too large saw a reset and no 413.
#[test]
fn a_client_that_sends_too_much_is_told_so() {
    let served = Served::start();
    let mut client = served.connect();
    let length = 20_963_441;
    client.send(request("PUT", "/kv/a", &[("Content-Length", &length.to_string())]));
    let refused = thread::scope(|scope| {
        let mut sender = client.clone();
        scope.spawn(move || {
            let piece = vec![7; 64 << 10];
            let mut left: usize = length;
            while left > 0 && sender.send_anyway(&piece[..left.min(piece.len())]) {
                left -= left.min(piece.len());
            }
        });
        let refused = client.receive(true);
        client.close();
        refused
    });
    assert_eq!((refused.status, refused.problem().as_str()), (413, "body_too_large"));
}

/// cberner/redb 405: a file could not be opened again with another setting.
#[tokio::test]
async fn a_file_does_not_depend_on_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.redb");
    let kv = Kv::open(&path, settings()).unwrap();
    kv.put(key("a"), Put::new(bytes(5_000_000, 1))).await.unwrap();
    drop(kv);
    // A value that is larger than the memory takes all of it.
    let small =
        settings().with_max_value_bytes(10).with_max_in_flight_bytes(4_096).with_cache_bytes(0);
    let kv = Kv::open(&path, small).unwrap();
    assert!(read(&kv, "a").await.unwrap() == bytes(5_000_000, 1));
}
