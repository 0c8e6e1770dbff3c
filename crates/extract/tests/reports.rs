//! Inputs of public bug reports of other programs.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures::FutureExt;
use serde_json::{Value, json};
use vantage_api_extract::{
    Css, Csv, Extraction, Field, Xml,
    resource::{BoxError, BreakerSettings, Factory, PoolEvent, Poolable, ResetOn, ResourcePool},
};

const LONG: Duration = Duration::from_secs(120);

fn rows(extraction: &Extraction, body: &[u8], content_type: Option<&str>) -> Value {
    let page = extraction.page(body, content_type, Some("https://h/a/b"));
    let page: Value = serde_json::from_str(&page.unwrap_or_else(|e| panic!("{e}"))).unwrap();
    page["data"].clone()
}

/// BurntSushi/rust-csv 252 and 289, apple/turicreate 1692: a quote that is never closed takes the
/// rest of the records into one field, and nothing says so.
#[test]
fn a_quote_that_is_never_closed_is_no_end_of_a_table() {
    let csv = Csv::new().build().unwrap();
    for body in [
        "city,state,people\nConcord,NH,\"42605\n",
        "First,Last,SSN,City\nJane,Doe,111,\"Boston\nJohn,Smith,333,Los Angeles\n",
        "a,b\n\"a\",\"b\"\n\"c\",\"d\n",
    ] {
        let error = csv.page(body.as_bytes(), None, None).unwrap_err();
        assert!(error.to_string().contains("CSV"), "{body:?}: {error}");
    }
}

/// tafia/quick-xml 968, yfedoseev/office_oxide 156, mpiton/zed-depsy 395, siphon-sip 276: a text
/// with entities comes in pieces, of which one was kept, or the entities and spaces were lost.
#[test]
fn a_text_with_entities_is_one_text() {
    let xml = Xml::new("f").field("t", ".").build().unwrap();
    for (body, text) in [
        ("<f>_xlfn.DISPIMG(&quot;ID_72CA&quot;,1)</f>", "_xlfn.DISPIMG(\"ID_72CA\",1)"),
        ("<f>AT&amp;T</f>", "AT&T"),
        ("<f>caf&#233; na&#xEF;ve</f>", "café naïve"),
        ("<f>GPL &amp; Classpath</f>", "GPL & Classpath"),
        ("<f>sip:a@b?X=1&amp;Y=2&lt;3&gt;</f>", "sip:a@b?X=1&Y=2<3>"),
        ("<f>a<![CDATA[ & ]]>b</f>", "a & b"),
    ] {
        assert_eq!(rows(&xml, body.as_bytes(), None), json!([{ "t": text }]), "{body}");
    }
    // NaturalIntelligence/fast-xml-parser 40: what is in CDATA is text as it is.
    let body = b"<f><![CDATA[&lt;sender&gt;]]></f>";
    assert_eq!(rows(&xml, body, None), json!([{ "t": "&lt;sender&gt;" }]));
}

/// scrapy/scrapy 123 and 4933, scrapy/w3lib 4, 6 and 155: how the encoding of HTML is found.
#[test]
fn the_encoding_of_a_page_is_found_where_pages_say_it() {
    let html = Css::new("p").field("t", ".").build().unwrap();
    let charset = |label: &str| format!("text/html; charset={label}");
    for (body, content_type, text) in [
        (&b"\xef\xbb\xbf<p>\xc3\xa9</p>"[..], None, "é"),
        (
            b"<meta content='text/html;charset=windows-1251' http-equiv='Content-Type'><p>\xe0</p>",
            None,
            "а",
        ),
        (
            b"<meta httpequiv=\"ContentType\" content=\"text/html; charset=gbk\" /><p>\xcd\xf8</p>",
            None,
            "网",
        ),
        (
            b"<meta http-equiv=content-type content='text/html;charset=ISO-8859-1'><p>a\x96b</p>",
            None,
            "a–b",
        ),
        (b"<meta charset=windows-1252><p>\xc3\xa9</p>", Some(charset("utf-8")), "é"),
    ] {
        assert_eq!(rows(&html, body, content_type.as_deref()), json!([{ "t": text }]), "{text}");
    }
}

/// scrapy/scrapy 548 and 1564, binux/pyspider 978: links are relative to the `<base>` of a page, if it has one.
#[test]
fn the_next_page_is_relative_to_the_base_of_the_page() {
    let css = Css::new("p").field("t", ".").next("a.next").build().unwrap();
    for (base, href, next) in [
        ("", "c?p=2", "https://h/a/c?p=2"),
        ("<base href='/x/'>", "c?p=2", "https://h/x/c?p=2"),
        ("<base href='https://other/y/z'>", "c?p=2", "https://other/y/c?p=2"),
        ("<base target=_blank>", " c ", "https://h/a/c"),
        ("<base href='/x/'><base href='/y/'>", "?p=2&amp;q=1", "https://h/x/?p=2&q=1"),
    ] {
        let body = format!("<head>{base}</head><p>1</p><a class=next href='{href}'>next</a>");
        let page = css.page(body.as_bytes(), None, Some("https://h/a/b")).unwrap();
        let page: Value = serde_json::from_str(&page).unwrap();
        assert_eq!(page["next"], json!(next), "{base}");
    }
}

/// A field of text is not the entities of its markup: `&` in an attribute, `&nbsp;`, `&copy` without
/// a semicolon before a word.
#[test]
fn entities_without_a_semicolon_are_those_of_html() {
    let css = Css::new("a").field("t", ".").field("u", Field::new(".").attr("href"));
    let body = b"<a href='?a=1&copy=2&amp;lt=3'>a&nbsp;b &copy 2 &notit;</a>";
    let row = json!([{ "t": "a b \u{a9} 2 \u{ac}it;", "u": "?a=1&copy=2&lt=3" }]);
    assert_eq!(rows(&css.build().unwrap(), body, None), row);
}

#[derive(Default)]
struct World {
    made: AtomicUsize,
    alive: AtomicUsize,
    most: AtomicUsize,
    resets_fail: AtomicBool,
    creations_fail: AtomicBool,
    hangs: AtomicBool,
}

#[derive(Clone, Default)]
struct Maker(Arc<World>);

struct Thing(Arc<World>);

impl Factory for Maker {
    type Item = Thing;

    async fn create(&self) -> Result<Thing, BoxError> {
        if self.0.creations_fail.load(SeqCst) {
            return Err("too many connections".into());
        }
        self.0.made.fetch_add(1, SeqCst);
        let alive = self.0.alive.fetch_add(1, SeqCst) + 1;
        self.0.most.fetch_max(alive, SeqCst);
        Ok(Thing(Arc::clone(&self.0)))
    }
}

impl Poolable for Thing {
    async fn reset(&mut self) -> Result<(), BoxError> {
        if self.0.hangs.load(SeqCst) {
            pending::<()>().await;
        }
        if self.0.resets_fail.load(SeqCst) { Err("ping failed".into()) } else { Ok(()) }
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

/// djc/bb8 67, jOOQ/jOOQ 17094, hibernate-reactive 4133: calls that go away while they wait leave
/// places that nobody gets any more.
#[tokio::test]
async fn calls_that_go_away_leave_no_place_taken() {
    let maker = Maker::default();
    let pool = ResourcePool::builder(maker.clone()).max(2).checkout_timeout(LONG).build().unwrap();
    for _ in 0..100 {
        let held = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(pool.checkout())).collect();
        assert!(waiting.iter_mut().all(|call| call.as_mut().now_or_never().is_none()));
        drop(held.0);
        drop(waiting);
        drop(held.1);
    }
    let both = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
    assert_eq!(maker.0.most.load(SeqCst), 2);
    drop(both);
}

/// deadpool-rs/deadpool 283 and 205: a resource that cannot be recycled is gone, and there are never
/// more than the maximum.
#[tokio::test]
async fn resources_that_cannot_be_reset_are_dropped_and_replaced() {
    for reset_on in [ResetOn::Return, ResetOn::Checkout] {
        let maker = Maker::default();
        let pool = ResourcePool::builder(maker.clone()).max(3).reset_on(reset_on);
        let pool = pool.checkout_timeout(LONG).build().unwrap();
        maker.0.resets_fail.store(true, SeqCst);
        for _ in 0..10 {
            drop(pool.checkout().await.unwrap());
        }
        assert_eq!(maker.0.made.load(SeqCst), 10);
        assert!(maker.0.most.load(SeqCst) <= 3);
        assert_eq!(pool.metrics().size, maker.0.alive.load(SeqCst));
    }
}

/// plabayo/rama 868, redis-rs 325: what was cut off in the middle of an exchange is not handed to
/// the next user.
#[tokio::test]
async fn a_resource_whose_reset_was_cut_off_is_not_used_again() {
    let maker = Maker::default();
    let pool = ResourcePool::builder(maker.clone()).max(1).reset_on(ResetOn::Checkout);
    let pool = pool.checkout_timeout(LONG).build().unwrap();
    drop(pool.checkout().await.unwrap());
    maker.0.hangs.store(true, SeqCst);
    assert!(pool.checkout().now_or_never().is_none());
    maker.0.hangs.store(false, SeqCst);
    assert_eq!(pool.checkout().await.unwrap().uses(), 1);
    assert_eq!(maker.0.made.load(SeqCst), 2);
}

/// transact-rs/sqlx 2848: whoever has begun to open a connection, which fails again and again, does
/// not see one that is returned meanwhile.
#[tokio::test]
async fn a_call_for_which_none_can_be_made_takes_one_that_is_returned() {
    let maker = Maker::default();
    let pool = ResourcePool::builder(maker.clone()).max(2).checkout_timeout(LONG);
    let pool = pool.breaker(BreakerSettings::default().failures(1_000_000)).build().unwrap();
    let held = pool.checkout().await.unwrap();
    maker.0.creations_fail.store(true, SeqCst);
    let mut events = pool.events();
    let mut waiting = Box::pin(pool.checkout());
    assert!(waiting.as_mut().now_or_never().is_none());
    while events.recv().await.unwrap() != PoolEvent::CreateFailed {}
    drop(held);
    assert_eq!(waiting.await.unwrap().uses(), 2);
}

/// jackc/pgx 2560: a connection that is always in use outlives its lifetime, since only idle ones
/// are looked at.
#[tokio::test]
async fn a_resource_that_is_always_in_use_has_a_lifetime_too() {
    let maker = Maker::default();
    let pool = ResourcePool::builder(maker.clone()).max(1).checkout_timeout(LONG);
    let pool = pool.max_lifetime(Duration::from_millis(20)).build().unwrap();
    let end = Instant::now() + LONG;
    while maker.0.made.load(SeqCst) < 3 {
        drop(pool.checkout().await.unwrap());
        assert!(Instant::now() < end, "it is used for ever");
    }
}
