//! A gateway that works on jobs as well.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{LONG, Served, World, printed};

const URL: &str = "sqlite:jobs.db";

/// A world whose job runs every second.
fn world() -> World {
    let mut world = World::new("auth: none\ntables: { cities: {} }");
    world.yaml = world.yaml.replace("streams: [", "every: 1s, streams: [");
    world
}

fn serve(world: &World, more: &[&str]) -> Served {
    let arguments = ["serve", "world.yaml", "--json"];
    Served::start(world.program(&[&arguments[..], more].concat()))
}

fn status(world: &World) -> Value {
    let status = world.program(&["status", "--url", URL, "--json"]).output().unwrap();
    let (code, text, notes) = printed(&status);
    assert_eq!(code, Some(0), "{text}{notes}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn jobs_run_at_their_times_while_it_serves() {
    let world = world();
    let mut served = serve(&world, &["--work", "--url", URL]);
    served.wait_for(" works");
    let began = Instant::now();
    let complete = |said: &Value| {
        let run = &said["runs"][0];
        run["state"] == "complete" && run["id"].as_i64() >= Some(2)
    };
    let said = loop {
        let said = status(&world);
        if complete(&said) {
            break said;
        }
        assert!(began.elapsed() < LONG, "{said}");
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(said["workers"].as_array().unwrap().len(), 1);
    assert_eq!(said["runs"][0]["streams"][1]["stream"], "cities");
    assert!(said["runs"][0]["streams"][1]["rows"].as_i64() > Some(0));
    // It serves meanwhile, and shows itself.
    assert!(!served.ask("GET", "/tables/cities", &[], "").rows().is_empty());

    // Another one works beside it.
    let run = world.program(&["run", "world.yaml", "--url", URL]).output().unwrap();
    let (code, text, notes) = printed(&run);
    assert_eq!(code, Some(0), "{text}{notes}");

    served.terminate();
    let (code, notes) = served.end();
    assert_eq!(code, Some(0), "{notes}");
    assert_eq!(status(&world)["workers"].as_array().unwrap().len(), 0);
    let rows = rusqlite::Connection::open(world.folder.path().join("world.db")).unwrap();
    let count = |sql: &str| rows.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(count("SELECT count(*) FROM cities") > 0);
}

#[test]
fn jobs_do_not_run_unless_it_is_told_to_work() {
    let world = world();
    let mut served = serve(&world, &["--url", URL]);
    assert!(!served.ask("GET", "/tables/cities", &[], "").rows().is_empty());
    served.terminate();
    assert_eq!(served.end().0, Some(0));
    assert!(!world.folder.path().join("jobs.db").exists());
    let (code, _, notes) =
        printed(&world.program(&["serve", "world.yaml", "--work"]).output().unwrap());
    assert_eq!(code, Some(2));
    assert!(notes.contains("--url"), "{notes}");
    let wrong = ["serve", "world.yaml", "--work", "--url", "sqlite:none/jobs.db"];
    let (code, _, notes) = printed(&world.program(&wrong).output().unwrap());
    assert_eq!(code, Some(1), "{notes}");
    assert!(notes.contains("the file none/jobs.db of the cluster cannot be opened"), "{notes}");
}
