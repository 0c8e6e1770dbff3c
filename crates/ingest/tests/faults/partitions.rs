//! Streams that are read once for each of some fixed values, alone and together with rows of another
//! table.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, Mutex},
};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::{
    api::{Reply, Request},
    setup::{Setup, committed, ended, page},
};

const TICKETS: &str = "
tables:
  - { name: regions, id: code }
  - name: tickets
    id: [status, region, id]
    columns: { status: text, region: text, id: int }
    api: { endpoint: 'regions/{region}/tickets' }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: tickets
        for_each: { values: { status: [open, closed], region: [eu, us] } }
        write: append
        commit: { rows: 10 }
";

/// The status and the region that a request asks for.
fn asked(request: &Request) -> (String, String) {
    let region = request.path.split('/').nth(2).unwrap_or_default();
    (request.param("status").unwrap_or_default().to_owned(), region.to_owned())
}

/// Each combination has 25 tickets with the same ids, which do not say whose they are.
fn tickets(request: &Request) -> Reply {
    match &*request.path {
        "/regions" => page(&[json!({ "code": "eu" }), json!({ "code": "us" })], request),
        _ => page(&(1..=25).map(|id| json!({ "id": id })).collect::<Vec<_>>(), request),
    }
}

/// The partitions of the rows that are there, with how many each has.
fn partitions(setup: &Setup) -> Vec<String> {
    setup.query(
        "SELECT status || '-' || region || ' ' || count(DISTINCT id) || ' of ' || count(*)
         FROM tickets GROUP BY status, region ORDER BY 1",
    )
}

const FOUR: [&str; 4] =
    ["closed-eu 25 of 25", "closed-us 25 of 25", "open-eu 25 of 25", "open-us 25 of 25"];

// airbytehq/airbyte#13740, #18529
#[tokio::test]
async fn a_product_of_values_reads_each_combination_once() {
    let setup = Setup::new(TICKETS, tickets);
    let report = setup.complete().await;
    assert_eq!(partitions(&setup), FOUR);
    let counts = report.streams[0].counts;
    assert_eq!((counts.read, counts.declared), (100, Some(100)), "{report}");
    let mut asked: Vec<_> =
        setup.api.requests().iter().map(|request| (asked(request), request.page())).collect();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!((asked.len(), all), (12, 12));
}

// airbytehq/airbyte#22873, #35865
#[tokio::test]
async fn rows_of_another_table_are_read_each_with_each_value() {
    let mut setup = Setup::new(TICKETS, tickets);
    setup.replace(
        "{ values: { status: [open, closed], region: [eu, us] } }",
        "{ table: regions, bind: { region: code }, values: { status: [open, closed] } }",
    );
    setup.complete().await;
    assert_eq!(partitions(&setup), FOUR);
}

// airbytehq/airbyte-python-cdk#331: more partitions than one run began with.
#[tokio::test]
async fn a_partition_that_fails_is_named_and_costs_no_other() {
    let setup = Setup::new(TICKETS, |request| match (asked(request), request.page()) {
        ((status, region), 2) if status == "closed" && region == "us" => Reply::status(404),
        _ => tickets(request),
    });
    setup.fail(&["status=\"closed\",region=\"us\"", "404", "page 2"]).await;
    assert_eq!(partitions(&setup)[1], "closed-us 10 of 10");
    let before = setup.api.requests().len();
    setup.api.answer(tickets);
    let report = setup.complete().await;
    assert_eq!((report.streams[0].run, report.streams[0].counts.read), (1, 100), "{report}");
    assert_eq!(partitions(&setup), FOUR);
    let again: BTreeSet<_> = setup.api.requests().iter().skip(before).map(asked).collect();
    assert_eq!(again, BTreeSet::from([("closed".to_owned(), "us".to_owned())]));
}

#[tokio::test]
async fn a_partition_of_a_variable_is_named_without_its_value() {
    let mut setup = Setup::new(TICKETS, |_| Reply::status(404));
    setup.replace("\ntables:", "\nvars: { STATUS: 's3cret,other' }\ntables:");
    setup.replace("[open, closed]", "'${STATUS}'");
    let stream = setup.fail(&["status=#", ",region=\"", "404"]).await;
    assert!(!stream.to_string().contains("s3cret"), "{stream}");
}

#[tokio::test]
async fn rows_of_a_value_that_is_taken_away_stay_unless_they_are_to_be_deleted() {
    for (write, there) in
        [("merge", FOUR.to_vec()), ("sync", FOUR[2..].to_vec()), ("replace", FOUR[2..].to_vec())]
    {
        let mut setup = Setup::new(TICKETS, tickets);
        setup.replace("write: append", &format!("write: {write}"));
        setup.complete().await;
        assert_eq!(partitions(&setup), FOUR, "{write}");
        setup.replace("[open, closed]", "[open]");
        let report = setup.complete().await;
        assert_eq!(report.streams[0].counts.read, 50, "{report}");
        assert_eq!(partitions(&setup), there, "{write}");
    }
}

const CHANGES: &str = "
tables:
  - { name: changes, id: id, columns: { id: int, kind: text } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: changes
        for_each: { values: { kind: [a, b] } }
        incremental: { field: at, param: since, format: date }
        write: append
";

type Changes = BTreeMap<&'static str, Vec<Value>>;

/// Rows of kinds, each with its id and the day on which it was changed.
fn changes(kinds: &[(&'static str, &[(usize, usize)])]) -> Changes {
    let row = |(id, day): &(usize, usize)| json!({ "id": id, "at": format!("2024-01-{day:02}") });
    kinds.iter().map(|(kind, rows)| (*kind, rows.iter().map(row).collect())).collect()
}

fn serve(setup: &Setup, changes: Changes) {
    setup.api.answer(move |request| {
        let since = request.param("since").unwrap_or_default();
        let rows = changes.get(request.param("kind").unwrap()).cloned().unwrap_or_default();
        let is_new = |row: &Value| row["at"].as_str().unwrap() >= since;
        page(&rows.into_iter().filter(is_new).collect::<Vec<_>>(), request)
    });
}

/// From where the requests after the first `skipped` ones asked for which kind, each once.
fn asked_from(setup: &Setup, skipped: usize) -> Vec<String> {
    let requests = setup.api.requests().into_iter().skip(skipped);
    let told = requests.map(|request| {
        format!("{} {}", request.param("kind").unwrap(), request.param("since").unwrap_or("-"))
    });
    told.collect::<BTreeSet<_>>().into_iter().collect()
}

fn ids(setup: &Setup) -> Vec<String> {
    setup.query("SELECT kind || id FROM changes ORDER BY kind, id")
}

// airbytehq/airbyte#26581, meltano/sdk#22, dlt-hub/dlt#2429
#[tokio::test]
async fn each_partition_goes_on_from_its_own_greatest_value() {
    for write in ["append", "merge"] {
        let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
        setup.replace("write: append", &format!("write: {write}"));
        setup.replace("id: id", "id: [kind, id]");
        let mut all = changes(&[("a", &[(1, 2), (2, 9)]), ("b", &[(1, 1), (2, 3)])]);
        serve(&setup, all.clone());
        setup.complete().await;
        assert_eq!(asked_from(&setup, 0), ["a -", "b -"]);

        // Behind the greatest value of all, before the run that will read it.
        all.get_mut("b").unwrap().push(json!({ "id": 3, "at": "2024-01-05" }));
        serve(&setup, all.clone());
        let before = setup.api.requests().len();
        setup.complete().await;
        assert_eq!(asked_from(&setup, before), ["a 2024-01-09", "b 2024-01-03"], "{write}");
        assert_eq!(ids(&setup), ["a1", "a2", "b1", "b2", "b3"], "{write}");
    }
}

// airbytehq/airbyte#42406, airbytehq/airbyte-python-cdk#889
#[tokio::test]
async fn a_value_that_comes_later_brings_its_history_and_no_other() {
    let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
    let all = changes(&[("a", &[(1, 2), (2, 9)]), ("b", &[]), ("c", &[(1, 1), (2, 4)])]);
    serve(&setup, all.clone());
    setup.complete().await;
    setup.replace("[a, b]", "[c, b, a]");
    let before = setup.api.requests().len();
    let report = setup.complete().await;
    // Of `b` there was no row yet from which to go on.
    assert_eq!(asked_from(&setup, before), ["a 2024-01-09", "b -", "c -"]);
    assert_eq!(report.streams[0].counts.repeated, 1, "{report}");
    assert_eq!(ids(&setup), ["a1", "a2", "c1", "c2"]);

    // It is taken away, and comes back.
    for (values, asked) in
        [("[a]", ["a 2024-01-09"].as_slice()), ("[a, c]", &["a 2024-01-09", "c 2024-01-04"])]
    {
        let from = if values == "[a]" { "[c, b, a]" } else { "[a]" };
        setup.replace(from, values);
        let before = setup.api.requests().len();
        setup.complete().await;
        assert_eq!(asked_from(&setup, before), asked);
        assert_eq!(ids(&setup), ["a1", "a2", "c1", "c2"]);
    }
}

#[tokio::test]
async fn a_partition_of_which_a_part_was_read_goes_on_from_where_it_was_before_it() {
    let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
    setup.replace("write: append", "write: merge");
    setup.replace("id: id", "id: [kind, id]");
    // The last row comes first.
    let days: Vec<_> = (1..=25).map(|id| (id, 26 - id)).collect();
    let all = changes(&[("a", &[(1, 2)]), ("b", &days)]);
    let of_api = all.clone();
    setup.api.answer(move |request| match (request.param("kind"), request.page()) {
        (Some("b"), 2) => Reply::status(404),
        (kind, _) => page(&of_api[kind.unwrap()], request),
    });
    setup.fail(&["kind=\"b\"", "404"]).await;
    serve(&setup, all);
    setup.replace("[a, b]", "[a]");
    setup.complete().await;
    assert_eq!(ids(&setup).len(), 11);
    setup.replace("[a]", "[a, b]");
    let before = setup.api.requests().len();
    setup.complete().await;
    assert_eq!(asked_from(&setup, before), ["a 2024-01-02", "b -"]);
    assert_eq!(ids(&setup).len(), 26);
}

// singer-io/tap-harvest#34: rows at the mark are read again.
#[tokio::test]
async fn a_row_that_is_known_in_one_partition_is_new_in_another() {
    let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
    // Rows of two partitions that do not differ.
    setup.replace("id: id, columns: { id: int, kind: text }", "columns: { id: int }");
    setup.replace("{ name: changes,", "{ name: changes, api: { endpoint: 'changes?kind={kind}' },");
    serve(&setup, changes(&[("a", &[(1, 2)]), ("b", &[])]));
    setup.complete().await;
    setup.replace("[a, b]", "[b]");
    serve(&setup, changes(&[("b", &[(1, 2)])]));
    let report = setup.complete().await;
    assert_eq!((report.streams[0].counts.written, report.streams[0].counts.repeated), (1, 0));
    setup.replace("[b]", "[a, b]");
    serve(&setup, changes(&[("a", &[(1, 2)]), ("b", &[(1, 2)])]));
    let report = setup.complete().await;
    assert_eq!((report.streams[0].counts.written, report.streams[0].counts.repeated), (0, 2));
    assert_eq!(setup.query::<i64>("SELECT id FROM changes"), [1, 1]);
}

#[tokio::test]
async fn a_stream_goes_on_from_where_it_was_when_it_is_divided() {
    let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
    setup.replace("for_each: { values: { kind: [a, b] } }", "where: { kind: a }");
    let all = changes(&[("a", &[(1, 2), (2, 9)]), ("b", &[(3, 10)])]);
    serve(&setup, all.clone());
    setup.complete().await;
    setup.replace("where: { kind: a }", "for_each: { values: { kind: [a, b] } }");
    for since in [["a 2024-01-09", "b 2024-01-09"], ["a 2024-01-09", "b 2024-01-10"]] {
        let before = setup.api.requests().len();
        setup.complete().await;
        assert_eq!(asked_from(&setup, before), since);
    }
}

#[tokio::test]
async fn windows_of_a_partition_begin_where_it_was() {
    let mut setup = Setup::new(CHANGES, |_| Reply::status(404));
    setup.replace(
        "incremental: { field: at, param: since, format: date }",
        "incremental: { field: at, format: date, start: 2024-01-01 }
        windows: { from: since, to: until, step: 4d, end: 2024-01-11 }",
    );
    let all = changes(&[("a", &[(1, 2), (2, 9)]), ("b", &[(1, 3)])]);
    setup.api.answer(move |request| {
        let within = request.param("since").unwrap()..request.param("until").unwrap();
        let rows = all[request.param("kind").unwrap()].iter();
        let rows = rows.filter(|row| within.contains(&row["at"].as_str().unwrap()));
        page(&rows.cloned().collect::<Vec<_>>(), request)
    });
    setup.complete().await;
    assert_eq!(ids(&setup), ["a1", "a2", "b1"]);
    let before = setup.api.requests().len();
    setup.complete().await;
    let again = ["a 2024-01-09", "b 2024-01-03", "b 2024-01-07"];
    assert_eq!(asked_from(&setup, before), again);
    assert_eq!(ids(&setup), ["a1", "a2", "b1"]);
}

const ISSUES: &str = "
tables:
  - name: repositories
    id: [owner, name]
    columns: { owner: text, name: text }
    api: { endpoint: 'owners/{owner}/repositories' }
  - name: issues
    id: [owner, repository, state, id]
    columns: { owner: text, repository: text, id: int, state: text }
    api: { endpoint: 'repositories/{owner}/{repository}/issues' }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: repositories
        for_each: { values: { owner: [ada, bob] } }
      - table: issues
        for_each:
          table: repositories
          bind: { owner: owner, repository: name }
          values: { state: [open, closed] }
";

// airbytehq/airbyte#15631, #33854, dlt-hub/dlt#1922, #1978
#[tokio::test]
async fn grandchildren_are_read_by_what_their_parents_were_read_by() {
    let setup = Setup::new(ISSUES, |request| {
        let steps: Vec<_> = request.path.split('/').skip(1).collect();
        let rows = match steps.as_slice() {
            // Rows that do not say whose they are, and names that both have.
            ["owners", "ada", _] => json!([{ "name": "x" }, { "name": "y" }]),
            ["owners", "bob", _] => json!([{ "name": "x" }]),
            ["repositories", ..] => json!([{ "id": 1 }]),
            _ => return Reply::status(404),
        };
        page(rows.as_array().unwrap(), request)
    });
    setup.complete().await;
    let issues: Vec<String> = setup.query(
        "SELECT owner || '/' || repository || ' ' || state || ' ' || id FROM issues ORDER BY 1",
    );
    let all =
        ["ada/x", "ada/y", "bob/x"].map(|of| [format!("{of} closed 1"), format!("{of} open 1")]);
    assert_eq!(issues, all.concat());
}

/// The requests, each combination with the pages that were answered of it.
type Answered = Arc<Mutex<Vec<(String, usize)>>>;

// meltano/sdk#298, #3631: what a run that broke off has written of its partitions.
#[tokio::test]
async fn each_combination_is_read_once_however_often_the_job_ends_in_between() {
    for seed in 0..6 {
        let mut dice = Rng::with_seed(seed);
        let (statuses, regions) = (dice.usize(1..=4), dice.usize(1..=4));
        let answered = Answered::default();
        let of_api = Arc::clone(&answered);
        let mut setup = Setup::new(TICKETS, move |request| {
            let (status, region) = asked(request);
            of_api.lock().unwrap().push((format!("{status}-{region}"), request.page()));
            tickets(request)
        });
        let list = |name: &str, of: usize| {
            (0..of).map(|number| format!("{name}{number}")).collect::<Vec<_>>().join(", ")
        };
        setup.replace("[open, closed]", &format!("[{}]", list("s", statuses)));
        setup.replace("[eu, us]", &format!("[{}]", list("r", regions)));
        for number in 1.. {
            assert!(number < 50, "seed {seed}: it never ends");
            let job = setup.job();
            let mut progress = job.progress();
            let enough = dice.u64(0..12);
            // Or dropped where it is.
            let is_stopped = dice.bool();
            let mut run = pin!(ended(&job));
            let report = tokio::select! {
                report = &mut run => Some(report),
                () = committed(&mut progress, enough) => match is_stopped {
                    true => {
                        job.stop();
                        Some(run.await)
                    }
                    false => None,
                },
            };
            let has_ended = match report {
                Some(report) => report.is_complete(),
                // Another run would append all of them once more.
                None => {
                    setup.job().status().await.unwrap().iter().all(|(_, state)| state.is_finished)
                }
            };
            if has_ended {
                break;
            }
        }
        // One that was dropped when it had read everything may have ended unseen.
        let runs = setup.job().status().await.unwrap()[0].1.run;
        let rows = 25 * runs;
        let all: Vec<String> = (0..statuses)
            .flat_map(|s| (0..regions).map(move |r| format!("s{s}-r{r} 25 of {rows}")))
            .collect();
        assert_eq!(partitions(&setup), all, "seed {seed}");
        // Each page was asked for.
        let pages: BTreeSet<_> = answered.lock().unwrap().iter().cloned().collect();
        assert_eq!(pages.len(), statuses * regions * 3, "seed {seed}");
    }
}
