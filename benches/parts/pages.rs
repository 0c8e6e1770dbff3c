//! What it costs to make items of a page, in each way that the crate has, beside one pass of
//! `serde_json` over the same bytes; and to put pages into their order.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use vantage_api_pool::bench_support::{Pages, record, reorder, rows};

use super::{PAGES, Row, page_of};

const ITEMS: u64 = 100;
const ROW: &str = r#"{"id":7,"name":"row number 7","score":7.5}"#;

/// The page as `serde_json` alone would take it.
#[derive(Deserialize)]
#[allow(dead_code, reason = "built, and not looked at")]
struct Whole<T> {
    data: Vec<T>,
    pagination: Value,
}

pub(super) fn decoding(c: &mut Criterion) {
    let body = Bytes::from(page_of(ITEMS, 1));
    each_way(c, "values", &Pages::<Value>::typed(), &body);
    each_way(c, "typed", &Pages::<Row>::typed(), &body);
    each_way(c, "Vantage rows", &rows(), &body);
    let mut group = c.benchmark_group("a page of 100 items by serde_json alone");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("one value", |b| b.iter(|| parse::<Value>(&body)));
    group.bench_function("values", |b| b.iter(|| parse::<Whole<Value>>(&body)));
    group.bench_function("typed", |b| b.iter(|| parse::<Whole<Row>>(&body)));
    group.finish();
}

fn each_way<T: Send + 'static>(c: &mut Criterion, kind: &str, pages: &Pages<T>, body: &Bytes) {
    let mut group = c.benchmark_group(format!("a page of 100 items, {kind}"));
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("page-wise", |b| b.iter(|| pages.whole(body).unwrap()));
    group.bench_function("item by item", |b| {
        b.iter(|| pages.one_by_one(body, |item| drop(black_box(item))).unwrap());
    });
    group.bench_function("surveyed", |b| b.iter(|| pages.survey(body).unwrap()));
    group.finish();
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> T {
    serde_json::from_slice(body).unwrap()
}

pub(super) fn one_row(c: &mut Criterion) {
    let mut group = c.benchmark_group("a row");
    group.bench_function("Vantage record", |b| b.iter(|| record(black_box(ROW)).unwrap()));
    group.bench_function("value by serde_json alone", |b| {
        b.iter(|| serde_json::from_str::<Value>(black_box(ROW)).unwrap());
    });
    group.finish();
}

pub(super) fn order(c: &mut Criterion) {
    let mut group = c.benchmark_group("order of 50 pages");
    group.throughput(Throughput::Elements(PAGES));
    for window in [1, 8] {
        // Each window comes backwards.
        let arrivals = (0..PAGES).map(|at| {
            let first = at / window * window;
            first + (first + window).min(PAGES) - 1 - at
        });
        let arrivals: Vec<u64> = arrivals.collect();
        group.bench_function(BenchmarkId::new("windows of", window), |b| {
            b.iter(|| reorder(arrivals.iter().copied(), |page| _ = black_box(page)));
        });
    }
    group.finish();
}
