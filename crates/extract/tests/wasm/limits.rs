//! What a page may cost, and what becomes of one that costs more or fails.

use std::time::{Duration, Instant};

use futures::StreamExt;
use vantage_api_extract::{ExtractError, Extraction, ExtractorThreads, Limits, Wasm};
use vantage_api_pool::{AwwPool, PaginatedStream};

use crate::{
    guests::{ANY, TEXTS, lines, made, one_item, text},
    opened,
};

const LONG: Duration = Duration::from_secs(180);
const LOOP: &str = "(loop $for_ever (br $for_ever)) unreachable";

fn looping() -> Extraction {
    opened(made(&text(ANY, LOOP, "")))
}

fn refused(extraction: &Extraction, body: &[u8]) -> ExtractError {
    extraction.page(body, None, None).unwrap_err()
}

fn reason(component: Vec<u8>) -> String {
    match refused(&opened(component), b"") {
        ExtractError::Guest { extractor, page: 1, reason } if extractor == "test.wasm" => reason,
        error => panic!("{error:?}"),
    }
}

// carina-rs/carina#1540, astrid-runtime/astrid#633: limits that no clock looks at.
#[test]
fn a_loop_is_stopped_within_its_limit_and_50_ms() {
    let (limit, most) = (Duration::from_millis(100), Duration::from_millis(50));
    let looping = looping().limits(Limits::default().time(limit)).unwrap();
    // A busy machine may hold any of them up, and no machine all of them.
    let late = (0..50).map(|_| {
        let begun = Instant::now();
        assert_eq!(refused(&looping, b"").limit(), Some("time"));
        begun.elapsed() - limit
    });
    let late: Vec<Duration> = late.take_while(|late| *late > most).collect();
    assert!(late.len() < 50, "{late:?}");
}

// zeroclaw-labs/zeroclaw#9255: a call that goes on when whoever asked has left.
#[tokio::test]
async fn a_loop_that_nobody_waits_for_gives_its_thread_back() {
    let server = wiremock::MockServer::builder().start().await;
    let answer = wiremock::ResponseTemplate::new(200).set_body_string("a");
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
    let pool = AwwPool::builder(server.uri()).build().unwrap();
    let hours = Limits::default().time(Duration::from_secs(36_000));
    let threads = ExtractorThreads::new(1);
    let looping = looping().limits(hours).unwrap().threads(&threads);
    let mut rows = PaginatedStream::get(&pool, "/rows").envelope(looping.envelope());
    let until = Instant::now() + LONG;
    while !format!("{threads:?}").contains("running: 1") {
        let looked = tokio::time::timeout(Duration::from_millis(10), rows.next()).await;
        assert!(looked.is_err() && Instant::now() < until, "{looked:?}");
    }
    drop(rows);
    let lines = opened(lines()).threads(&threads);
    let mut rows = PaginatedStream::get(&pool, "/rows").envelope(lines.envelope());
    let row = tokio::time::timeout(LONG, rows.next()).await.unwrap();
    assert_eq!(row.unwrap().unwrap()["line"], "a");
}

// astrid-runtime/astrid#637: a component that grows for ever.
#[test]
fn memory_is_had_up_to_its_limit_in_all_memories_and_tables() {
    const LIMIT: usize = 1 << 20;
    let growing = |pages: u32| one_item(&format!("(drop (memory.grow (i32.const {pages})))"), "");
    let tables = |elements: u32| {
        let grow = format!("(drop (table.grow $more (ref.null func) (i32.const {elements})))");
        one_item(&grow, "(table $more 0 funcref)")
    };
    let page = |component: Vec<u8>| {
        let wasm = Wasm::from_bytes("test.wasm", component).memory(LIMIT).build().unwrap();
        wasm.page(b"", None, None)
    };
    let limit = Some("wasm_memory");
    assert!(page(growing(15)).is_ok());
    assert_eq!(page(growing(16)).unwrap_err().limit(), limit);
    assert_eq!(page(growing(65_000)).unwrap_err().limit(), limit);
    assert!(page(tables(60_000)).is_ok());
    assert_eq!(page(tables(62_000)).unwrap_err().limit(), limit);
    let hog = "(loop $more (drop (memory.grow (i32.const 1))) (br $more)) unreachable";
    let error = page(made(&text(ANY, hog, ""))).unwrap_err();
    assert_eq!(
        error,
        ExtractError::Limit { limit: "wasm_memory", allowed: "1048576 bytes".into() }
    );
    // The copy of the body counts.
    let body = vec![b'a'; LIMIT];
    let lines = Wasm::from_bytes("lines.wasm", lines()).memory(LIMIT).build().unwrap();
    assert_eq!(lines.page(&body, None, None).unwrap_err().limit(), limit);
}

/// The memory of this process.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib << 10)
}

// fluent/fluent-bit#11072, traefik/traefik#13235: whatever a page leaves behind goes with it.
#[test]
fn the_memory_of_a_page_ends_with_it() {
    let touch = "
        (memory.fill
          (i32.mul (memory.grow (i32.const 128)) (i32.const 65536))
          (i32.const 7) (i32.const 8388608))";
    let eight_megabytes = opened(one_item(touch, ""));
    let page = || eight_megabytes.page(b"", None, None).unwrap();
    page();
    let before = resident();
    for _ in 0..200 {
        page();
    }
    let grown = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
    assert!(grown.is_none_or(|grown| grown < 400 << 20), "{grown:?}");
}

#[test]
fn what_it_gives_back_is_bounded() {
    let lines = |limits| opened(lines()).limits(limits).unwrap();
    let limits = Limits::default();
    for (limits, name) in [
        (limits.items(2), "items"),
        (limits.item_bytes(11), "item_bytes"),
        (limits.memory(100), "memory"),
        (limits.memory(80), "memory"),
    ] {
        assert_eq!(refused(&lines(limits), b"1\n2\n3\n").limit(), Some(name));
    }
    assert!(lines(limits.items(3).item_bytes(12)).page(b"1\n2\n3\n", None, None).is_ok());
    // bytecodealliance/wasmtime#12652: a thousand items, each of which is the same 64 KiB.
    let again = r#"
        (local $count i32)
        (drop (memory.grow (i32.const 1)))
        (loop $more
          (i32.store (i32.add (i32.const 8192) (i32.mul (local.get $count) (i32.const 8)))
            (i32.const 65536))
          (i32.store (i32.add (i32.const 8196) (i32.mul (local.get $count) (i32.const 8)))
            (i32.const 65536))
          (br_if $more (i32.lt_u
            (local.tee $count (i32.add (local.get $count) (i32.const 1))) (i32.const 1000))))
        (call $extracted (i32.const 8192) (i32.const 1000))"#;
    assert_eq!(refused(&opened(made(&text(ANY, again, ""))), b"").limit(), Some("memory"));
}

#[test]
fn garbage_is_an_error_of_the_page_that_does_not_show_it() {
    let lines = opened(lines());
    let error = refused(&lines, b"good\nhidden \"quote\n");
    assert!(matches!(error, ExtractError::Malformed { format: "JSON", .. }), "{error:?}");
    assert!(error.to_string().contains("item 2") && !error.to_string().contains("hidden"));
    // An item in the encoding of no text.
    let error = refused(&lines, b"\xff\xfe").to_string();
    assert!(error.contains("test.wasm") && error.contains("page 1"), "{error}");
    let given = |result: &str| reason(made(&text(ANY, result, TEXTS)));
    for (result, words) in [
        ("(call $extracted (i32.const 65532) (i32.const 1))", "out of bounds"),
        ("(call $extracted (i32.const 0) (i32.const -1))", "out of bounds"),
        ("(call $extracted (i32.const 2) (i32.const 1))", "aligned"),
        ("(i32.store8 (i32.const 2048) (i32.const 7)) (i32.const 2048)", "discriminant"),
        ("(i32.const 65532)", "aligned"),
    ] {
        assert!(given(result).contains(words), "{result}: {}", given(result));
    }
    let next =
        "(i32.store8 (i32.const 2064) (i32.const 1)) (call $extracted (i32.const 0) (i32.const 0))";
    assert!(given(next).contains("next URL"), "{}", given(next));
}

#[test]
fn a_trap_and_an_error_name_the_extractor_and_the_page() {
    let recursion = "(func $deeper (param i32) (result i32)
        (i32.add (call $deeper (local.get 0)) (i32.const 1)))";
    assert!(reason(made(&text(ANY, "unreachable", ""))).contains("`unreachable`"));
    let divided = "(i32.div_u (i32.const 1) (local.get $has_type))";
    assert!(reason(made(&text(ANY, divided, ""))).contains("divide by zero"));
    let deep = reason(made(&text(ANY, "(call $deeper (i32.const 0))", recursion)));
    assert!(deep.contains("stack"), "{deep}");

    let failing = |said: &str| {
        let data = format!("(data (i32.const 1400) \"{said}\")");
        let fail = format!("(call $failed (i32.const 1400) (i32.const {}))", said.len());
        reason(made(&text(ANY, &fail, &data)))
    };
    assert_eq!(failing("no-table"), "it says `no-table`");
    assert!(!failing("the page says: secret").contains("secret"));
    let error = refused(&opened(made(&text(ANY, "unreachable", ""))), b"");
    let words = "the extractor `test.wasm` failed on page 1: ";
    assert!(error.to_string().starts_with(words), "{error}");
}
