//! APIs that have no parameter for what is new, and return the newest rows first: a run stops at rows
//! that are older than those of the runs before.
//!
//! The inputs of some tests are those of public bug reports of other programs, by repository and number.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::{
    api::{Gate, Reply, Request},
    setup::{Setup, all, committed, page, until},
};

const NEWEST: &str = "
tables:
  - { name: rows, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: rows
        incremental: { field: updated_at, order: newest_first }
        prefetch: 2
        commit: { rows: 10 }
";

/// The rows of the API, the newest first.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Vec<Value>>>);

impl Rows {
    fn set(&self, rows: Vec<Value>) {
        *self.0.lock().unwrap() = rows;
    }

    /// Adds a newest row.
    fn push(&self, row: Value) {
        self.0.lock().unwrap().insert(0, row);
    }

    fn page(&self, request: &Request) -> Reply {
        page(&self.0.lock().unwrap(), request)
    }
}

/// The moment so many minutes after the start.
fn minute(minutes: usize) -> String {
    format!("2024-01-01T{:02}:{:02}:00Z", minutes / 60, minutes % 60)
}

/// Row `id` was changed so many minutes after the start.
fn row(id: usize) -> Value {
    json!({ "id": id, "updated_at": minute(id) })
}

/// Rows 1 to `last`, the newest first.
fn newest_first(last: usize) -> Vec<Value> {
    (1..=last).rev().map(row).collect()
}

fn setup(yaml: &str) -> (Setup, Rows) {
    let rows = Rows::default();
    let served = rows.clone();
    (Setup::new(yaml, move |request| served.page(request)), rows)
}

fn appending(yaml: &str) -> String {
    yaml.replace("table: rows\n", "table: rows\n        write: append\n")
}

/// The pages that requests after the first `skipped` ones asked for.
fn pages(setup: &Setup, skipped: usize) -> Vec<usize> {
    let mut pages: Vec<_> = setup.api.requests().iter().skip(skipped).map(Request::page).collect();
    pages.sort_unstable();
    pages
}

async fn mark(setup: &Setup) -> Option<String> {
    let states = setup.job().status().await.unwrap();
    states.into_iter().find_map(|(_, state)| state.mark)
}

/// airbytehq/airbyte#26343, airbytehq/airbyte-python-cdk#1106: a total of the whole set, and a page of
/// rows of which each is older.
#[tokio::test]
async fn a_later_run_stops_at_the_page_of_which_every_row_is_older() {
    for (yaml, repeated) in [(NEWEST.to_owned(), 0), (appending(NEWEST), 15)] {
        let (setup, rows) = setup(&yaml);
        rows.set(newest_first(100));
        setup.complete().await;
        assert_eq!(setup.ids("rows"), all(1..=100));
        assert_eq!(mark(&setup).await, Some(minute(100)));

        rows.set(newest_first(105));
        let asked = setup.api.requests().len();
        let report = setup.complete().await;
        assert_eq!(setup.ids("rows"), all(1..=105));
        assert_eq!(mark(&setup).await, Some(minute(105)));
        let counts = report.streams[0].counts;
        assert_eq!((counts.pages, counts.read, counts.repeated), (2, 20, repeated), "{report}");
        // Those that were requested ahead.
        assert!(pages(&setup, asked).len() <= 4, "{:?}", pages(&setup, asked));

        // Nothing is new: the first page has the row at the mark, the second one ends it.
        let report = setup.complete().await;
        assert_eq!(report.streams[0].counts.pages, 2, "{report}");
        assert_eq!(setup.ids("rows"), all(1..=105));
    }
}

/// dlt-hub/dlt#3707: rows with the value of the mark itself.
#[tokio::test]
async fn rows_that_are_as_new_as_the_mark_are_read_over_pages() {
    let (setup, rows) = setup(&appending(NEWEST));
    let at = |id: usize, minutes| json!({ "id": id, "updated_at": minute(minutes) });
    let mut all_rows: Vec<_> = (21..=45).rev().map(|id| at(id, 30)).collect();
    all_rows.extend((1..=20).rev().map(|id| at(id, id)));
    rows.set(all_rows.clone());
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=45));
    // More of the same moment, behind those that are known.
    all_rows.splice(25..25, (46..=48).map(|id| at(id, 30)));
    rows.set(all_rows);
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=48));
    assert_eq!(report.streams[0].counts.written, 3, "{report}");
    assert_eq!(report.streams[0].counts.pages, 4, "{report}");
}

/// airbytehq/airbyte#25727, airbytehq/airbyte#38099: nothing enforces the order.
#[tokio::test]
async fn rows_in_another_order_are_all_read_and_the_report_says_so() {
    for yaml in [NEWEST.to_owned(), appending(NEWEST)] {
        let (setup, rows) = setup(&yaml);
        rows.set(newest_first(60));
        setup.complete().await;
        // A row is new where it was, and another one is pinned on top.
        let mut later = newest_first(60);
        later.insert(0, json!({ "id": 61, "updated_at": minute(2) }));
        later.insert(5, json!({ "id": 62, "updated_at": minute(70) }));
        later.insert(55, json!({ "id": 63, "updated_at": minute(71) }));
        rows.set(later.clone());
        let report = setup.complete().await;
        let told = report.to_string();
        assert!(told.contains("rows do not come newest first by `updated_at`"), "{told}");
        assert_eq!(report.streams[0].counts.read, 63, "{told}");
        let ids = setup.ids("rows");
        assert!(ids.contains(&62) && ids.contains(&63), "{ids:?}");
        // A late row that is older than what an appending run reads is left out, and counted.
        let old = usize::from(yaml.contains("append"));
        assert_eq!(ids.len(), 63 - old, "{told}");

        // The next run does not trust the order, whatever its first pages are.
        later.sort_by_key(|row| std::cmp::Reverse(row["updated_at"].to_string()));
        rows.set(later.clone());
        let report = setup.complete().await;
        assert_eq!(report.streams[0].counts.read, 63, "{report}");
        assert!(report.to_string().contains("the rows of the last run did not come"), "{report}");
        // It has found the order right.
        let report = setup.complete().await;
        assert_eq!(report.streams[0].counts.pages, 2, "{report}");
        assert_eq!(setup.ids("rows").len(), 63 - old);
    }
}

/// airbytehq/airbyte#27475, dlt-hub/dlt#4284: rows without a value, also a page of nothing else.
#[tokio::test]
async fn a_row_without_a_value_ends_no_run_and_is_appended_once() {
    for yaml in [NEWEST.to_owned(), appending(NEWEST)] {
        let (setup, rows) = setup(&yaml);
        let mut first = newest_first(40);
        first.splice(0..0, (101..=112).map(|id| json!({ "id": id, "updated_at": null })));
        rows.set(first.clone());
        let report = setup.complete().await;
        assert!(report.to_string().contains("rows without a `updated_at`"), "{report}");
        assert_eq!(mark(&setup).await, Some(minute(40)));
        first.splice(12..12, [row(42), row(41)]);
        first.push(json!({ "id": 113 }));
        first.insert(0, json!({ "id": 114, "updated_at": "never" }));
        rows.set(first);
        setup.complete().await;
        let ids = setup.ids("rows");
        assert_eq!(ids, [all(1..=42), all(101..=112), vec![114]].concat());
        setup.complete().await;
        assert_eq!(setup.ids("rows"), ids);
    }
}

/// mvanhorn/printing-press-library#1787, singer-io/tap-shopify#166: an interrupted run, and rows that
/// are new before it goes on.
#[tokio::test]
async fn a_run_that_was_interrupted_goes_on_downwards_and_leaves_no_gap() {
    for yaml in [NEWEST.to_owned(), appending(NEWEST)] {
        let (setup, rows) = setup(&yaml);
        rows.set(newest_first(20));
        setup.complete().await;
        rows.set(newest_first(70));
        let broken = rows.clone();
        setup.api.answer(move |request| match request.page() {
            4 => Reply::status(404),
            _ => broken.page(request),
        });
        setup.fail(&["404", "page 4"]).await;
        assert_eq!(mark(&setup).await, Some(minute(20)), "the mark moves at the end alone");
        assert_eq!(setup.ids("rows"), [all(1..=20), all(41..=70)].concat());

        // Row 45, which the run has read, is newer now, and so are others.
        let mut later = newest_first(70);
        later.retain(|row| row["id"] != 45);
        later.splice(
            0..0,
            [json!({ "id": 45, "updated_at": minute(80) }), row(73), row(72), row(71)],
        );
        rows.set(later);
        let served = rows.clone();
        setup.api.answer(move |request| served.page(request));
        let asked = setup.api.requests().len();
        let report = setup.complete().await;
        assert_eq!(pages(&setup, asked).first(), Some(&4), "{report}");
        assert!(!report.to_string().contains("newest first"), "{report}");
        assert_eq!(mark(&setup).await, Some(minute(70)));
        assert_eq!(setup.ids("rows"), all(1..=70));

        setup.complete().await;
        assert_eq!(mark(&setup).await, Some(minute(80)));
        let mut ids = all(1..=73);
        // Appended, the row as it was and as it is.
        ids.splice(44..45, if yaml.contains("append") { vec![45, 45] } else { vec![45] });
        assert_eq!(setup.ids("rows"), ids);
    }
}

/// singer-io/tap-hubspot#227: rows that come while a run reads push others onto the next page.
#[tokio::test]
async fn rows_that_are_pushed_onto_the_next_page_are_neither_doubled_nor_out_of_order() {
    for yaml in [NEWEST.to_owned(), appending(NEWEST)] {
        let (setup, rows) = setup(&yaml);
        rows.set(newest_first(50));
        let (served, gate) = (rows.clone(), Gate::default());
        let held = gate.clone();
        setup.api.answer(move |request| match request.page() {
            1 => served.page(request),
            // It is made once it is asked for, and comes once the gate is open.
            _ => {
                if !served.0.lock().unwrap().iter().any(|row| row["id"] == 53) {
                    (51..=53).for_each(|id| served.push(row(id)));
                }
                served.page(request).behind(&held)
            }
        });
        let job = setup.job();
        let mut progress = job.progress();
        let running = tokio::spawn(async move { job.run().await });
        committed(&mut progress, 1).await;
        until(|| setup.api.requests().len() > 1).await;
        gate.open();
        let report = running.await.unwrap();
        assert!(report.is_complete(), "{report}");
        assert!(!report.to_string().contains("newest first"), "{report}");
        assert_eq!(setup.ids("rows"), all(1..=50));
        setup.complete().await;
        assert_eq!(setup.ids("rows"), all(1..=53));
    }
}

#[tokio::test]
async fn the_first_run_stops_at_its_start_and_later_ones_go_back_by_the_lookback() {
    let start = format!("order: newest_first, start: '{}', lookback: 15m", minute(55));
    let (setup, rows) = setup(&NEWEST.replace("order: newest_first", &start));
    rows.set(newest_first(100));
    let report = setup.complete().await;
    assert_eq!(setup.ids("rows"), all(41..=100));
    assert_eq!(report.streams[0].counts.pages, 6, "{report}");
    // A row that comes late, ten minutes behind the mark.
    let mut later = newest_first(100);
    later.insert(10, json!({ "id": 101, "updated_at": minute(90) }));
    rows.set(later);
    let report = setup.complete().await;
    assert!(setup.ids("rows").contains(&101));
    assert_eq!(report.streams[0].counts.pages, 3, "{report}");
}

#[tokio::test]
async fn values_of_all_formats_have_an_order() {
    type Write = fn(usize) -> Value;
    let formats: [(&str, Write); 6] = [
        ("unix", |n| json!(1_700_000_000 + n)),
        ("unix_ms", |n| json!(1_700_000_000_000_usize + n)),
        ("unix", |n| json!((999_999_990 + n).to_string())),
        ("date", |n| json!(format!("2024-{:02}-{:02}", 1 + n / 28, 1 + n % 28))),
        ("text", |n| json!(n)),
        // Half of them with another offset.
        ("rfc3339", |n| match n % 2 {
            0 => json!(format!("2024-01-01T{:02}:{:02}:00Z", n / 60, n % 60)),
            _ => json!(format!("2024-01-01T{:02}:{:02}:00.000+02:00", 2 + n / 60, n % 60)),
        }),
    ];
    for (format, write) in formats {
        let format = format!("order: newest_first, format: {format}");
        let (setup, rows) = setup(&appending(NEWEST).replace("order: newest_first", &format));
        let of = |last: usize| {
            let row = |id| json!({ "id": id, "updated_at": write(id) });
            (1..=last).rev().map(row).collect::<Vec<_>>()
        };
        rows.set(of(60));
        setup.complete().await;
        rows.set(of(65));
        let report = setup.complete().await;
        assert_eq!(setup.ids("rows"), all(1..=65), "{format}");
        assert_eq!(report.streams[0].counts.pages, 2, "{format}: {report}");
        assert!(!report.to_string().contains("newest first"), "{format}: {report}");
    }
}

const CHILDREN: &str = "
tables:
  - { name: repos, id: name }
  - name: pulls
    id: [repo, id]
    columns: { repo: text, id: int, updated_at: text }
    api: { endpoint: 'repos/{repo}/pulls' }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: pulls
        for_each: { table: repos, bind: { repo: name } }
        incremental: { field: updated_at, order: newest_first }
        prefetch: 2
";

#[tokio::test]
async fn the_rows_of_a_new_parent_are_all_read_however_old_they_are() {
    let (setup, rows) = setup(CHILDREN);
    let answer = |repos: &'static [&'static str]| {
        let rows = rows.clone();
        move |request: &Request| match request.path.as_str() {
            path if path.ends_with("/repos") => {
                let repos: Vec<_> = repos.iter().map(|name| json!({ "name": name })).collect();
                page(&repos, request)
            }
            // Older than all of the other one.
            path if path.contains("old") => page(&newest_first(30), request),
            _ => rows.page(request),
        }
    };
    rows.set((31..=90).rev().map(row).collect());
    setup.api.answer(answer(&["new"]));
    setup.complete().await;
    setup.api.answer(answer(&["new", "old"]));
    let report = setup.complete().await;
    assert_eq!(setup.ids("pulls"), all(1..=90));
    // Two pages of the one, three of the other.
    assert_eq!(report.streams[0].counts.pages, 5, "{report}");
    let report = setup.complete().await;
    assert_eq!(report.streams[0].counts.pages, 4, "{report}");
}
