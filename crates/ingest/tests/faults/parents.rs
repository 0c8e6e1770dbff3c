//! Streams that are read once for each row of another table.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vantage_api_ingest::report::Outcome;

use crate::{
    api::{Gate, Reply, Request},
    setup::{Setup, all, check_failure, ended, numbered, page},
};

const CITIES: &str = "
tables:
  - { name: countries, id: name }
  - { name: cities, id: id, api: { endpoint: 'countries/{country}/cities' } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: cities, for_each: { table: countries, bind: { country: name } }, write: append }
";

/// Countries, and which cities each of them has.
type World = BTreeMap<String, Vec<Value>>;

/// Each of these countries has 25 cities, of which the first one has the first ids.
fn world(countries: &[&str]) -> World {
    let cities = |number: usize| numbered(number * 25 + 1..=number * 25 + 25);
    let countries = countries.iter().enumerate();
    countries.map(|(number, name)| ((*name).to_owned(), cities(number))).collect()
}

fn answer(world: &World, request: &Request) -> Reply {
    let mut steps = request.path.split('/').skip(2);
    let Some(country) = steps.next() else {
        let countries: Vec<_> = world.keys().map(|name| json!({ "name": name })).collect();
        return page(&countries, request);
    };
    match world.get(country) {
        Some(cities) => page(cities, request),
        None => Reply::status(404),
    }
}

fn serve(setup: &Setup, world: World) {
    setup.api.answer(move |request| answer(&world, request));
}

fn setup(countries: &[&str]) -> Setup {
    let world = world(countries);
    Setup::new(CITIES, move |request| answer(&world, request))
}

const SEVEN: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

#[tokio::test]
async fn a_scan_by_parents_that_doubles_rows() {
    let setup = setup(&SEVEN);
    let report = setup.complete().await;
    assert_eq!(setup.ids("cities"), all(1..=175));
    assert_eq!(report.streams[0].counts.declared, Some(175), "{report}");
}

#[tokio::test]
async fn parents_are_read_side_by_side() {
    let (world, gate) = (world(&SEVEN), Gate::default());
    let behind = gate.clone();
    let setup = Setup::new(CITIES, move |request| {
        let page = answer(&world, request);
        if request.path == "/countries" { page } else { page.behind(&behind) }
    });
    let job = setup.job();
    let meanwhile = async {
        setup.api.wait_for(|seen| seen.most_waiting >= 4).await;
        gate.open();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    assert!(report.is_complete(), "{report}");
    assert_eq!(setup.ids("cities"), all(1..=175));
}

#[tokio::test]
async fn parents_come_and_go_between_runs() {
    for (write, ids) in [
        ("merge", all(1..=100)),
        // Those of `b` are gone with it.
        ("sync", [all(1..=25), all(51..=100)].concat()),
    ] {
        let mut setup = setup(&["a", "b", "c"]);
        setup.replace("write: append", &format!("write: {write}"));
        setup.complete().await;
        assert_eq!(setup.ids("cities"), all(1..=75), "{write}");
        let mut world = world(&["a", "b", "c", "d"]);
        world.remove("b");
        serve(&setup, world);
        let report = setup.complete().await;
        assert_eq!(report.streams[0].counts.read, 75, "{report}");
        assert_eq!(setup.ids("cities"), ids, "{write}");
    }
}

#[tokio::test]
async fn a_parent_whose_children_fail_does_not_cost_the_others() {
    let countries = world(&["a", "b", "c"]);
    let of_api = countries.clone();
    let setup = Setup::new(CITIES, move |request| match (&*request.path, request.page()) {
        ("/countries/b/cities", 2) => Reply::status(404),
        _ => answer(&of_api, request),
    });
    setup.fail(&["country=\"b\"", "404", "page 2"]).await;
    let there = [all(1..=35), all(51..=75)].concat();
    assert_eq!(setup.ids("cities"), there);

    let before = setup.api.requests().len();
    serve(&setup, countries);
    let report = setup.complete().await;
    assert_eq!((report.streams[0].run, report.streams[0].counts.read), (1, 75), "{report}");
    assert_eq!(setup.ids("cities"), all(1..=75));
    let again: Vec<_> = setup.api.requests().into_iter().skip(before).collect();
    let of_others = again
        .iter()
        .filter(|request| !["/countries", "/countries/b/cities"].contains(&&*request.path));
    assert_eq!(of_others.count(), 0, "{again:?}");
}

#[tokio::test]
async fn a_parent_that_failed_and_is_gone_does_not_fail_the_next_run() {
    let setup = setup(&["a", "b", "c"]);
    let world_without_cities = |request: &Request| match &*request.path {
        "/countries/b/cities" => Reply::status(404),
        _ => answer(&world(&["a", "b", "c"]), request),
    };
    setup.api.answer(world_without_cities);
    setup.fail(&["country=\"b\"", "404"]).await;
    let mut world = world(&["a", "b", "c"]);
    world.remove("b");
    serve(&setup, world);
    setup.complete().await;
    assert_eq!(setup.ids("cities"), [all(1..=25), all(51..=75)].concat());
}

const CHANGES: &str = "
tables:
  - { name: countries, id: name }
  - { name: cities, id: id, api: { endpoint: 'countries/{country}/cities' } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: cities
        for_each: { table: countries, bind: { country: name } }
        incremental: { field: updated_at, param: since }
        write: append
";

/// Two countries, of which the second has this name and a city that was changed before that of the
/// first.
fn changed(second: &Value, request: &Request) -> Reply {
    let city = |id: usize, updated_at: &str| json!([{ "id": id, "updated_at": updated_at }]);
    let rows = match &*request.path {
        "/countries" => json!([{ "name": "a" }, { "name": second }]),
        "/countries/a/cities" => city(1, "2024-01-02T00:00:00Z"),
        _ => city(2, "2024-01-01T00:00:00Z"),
    };
    let since = request.param("since").unwrap_or_default();
    let is_new = |row: &&Value| row["updated_at"].as_str().is_none_or(|at| at >= since);
    let rows: Vec<_> = rows.as_array().unwrap().iter().filter(is_new).cloned().collect();
    page(&rows, request)
}

#[tokio::test]
async fn what_is_new_of_a_parent_that_gets_its_name_later_is_read() {
    for write in ["append", "merge"] {
        let mut setup = Setup::new(CHANGES, |request| changed(&Value::Null, request));
        setup.replace("write: append", &format!("write: {write}"));
        let lack = "a row of the parent has no `name`";
        let stream = setup.fail(&[lack]).await;
        assert_eq!(stream.remarks, Vec::<String>::new(), "{stream}");
        assert_eq!(setup.ids("cities"), [1]);
        // It is remembered.
        let remembered = setup.job().last_run().await.unwrap().unwrap();
        check_failure(&remembered.streams[0], &[lack]);

        setup.api.answer(|request| changed(&json!("b"), request));
        let report = setup.complete().await;
        assert_eq!(setup.ids("cities"), [1, 2], "{write}");
        let counts = report.streams[0].counts;
        let repeated = u64::from(write == "append");
        assert_eq!((counts.read, counts.repeated), (2, repeated), "{report}");
        setup.complete().await;
        assert_eq!(setup.ids("cities"), [1, 2], "{write}");
    }
}

#[tokio::test]
async fn a_job_is_stopped_while_the_parents_are_read() {
    let (world, gate) = (world(&SEVEN), Gate::default());
    let behind = gate.clone();
    let setup = Setup::new(CITIES, move |request| {
        let page = answer(&world, request);
        if request.path == "/countries" { page.behind(&behind) } else { page }
    });
    let job = setup.job();
    let meanwhile = async {
        setup.api.wait_for(|seen| seen.most_waiting >= 1).await;
        job.stop();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    let stream = &report.streams[0];
    assert_eq!((&stream.outcome, stream.counts.read), (&Outcome::Stopped, 0), "{report}");
    gate.open();
    setup.complete().await;
    assert_eq!(setup.ids("cities"), all(1..=175));
}
