//! What `/stats` tells of workers.

use std::{io::ErrorKind, net::TcpListener, thread};

use serde_json::Value;

use crate::workers::{CLOSED, JOB, OPEN, PASSWORD, World, worker};

fn has_one(overview: &Value, name: &str) -> bool {
    let worker = worker(overview, name);
    worker["is_alive"] == true && worker["units"].as_array().is_some_and(|units| units.len() == 1)
}

// A worker that was killed is not shown as running for ever (temporalio/ui#3475, gearpump/gearpump#1672,
// seomoz/qless#38), and since when it is gone is told (concourse/concourse#2741).
#[test]
fn who_does_what_is_told_and_that_one_has_died() {
    let world = World::new(OPEN);
    let (first, first_name) = world.worker();
    let (_second, second_name) = world.worker();
    let gateway = world.serve();
    let jobs = gateway.until(|jobs| jobs["overview"]["workers"].as_array().is_some());
    assert_eq!(
        (&jobs["state"], jobs["overview"]["runs"].as_array()),
        (&"known".into(), Some(&vec![]))
    );

    let _run = world.run();
    gateway.until(|jobs| {
        let overview = &jobs["overview"];
        has_one(overview, &first_name) && has_one(overview, &second_name)
    });
    let jobs = gateway.until(|jobs| jobs["overview"]["runs"][0]["streams"][0]["rows"] != 0);
    let run = &jobs["overview"]["runs"][0];
    assert_eq!((run["job"].as_str(), run["state"].as_str()), (Some(JOB), Some("running")));
    assert_eq!(run["streams"].as_array().unwrap().len(), 3);
    // What the command tells, is the same.
    let told = world.status();
    assert_eq!(told["runs"][0]["job"], JOB);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&told), keys(&jobs["overview"]));
    assert_eq!(keys(&told["workers"][0]), keys(&jobs["overview"]["workers"][0]));

    // Killed.
    drop(first);
    gateway.until(|jobs| worker(&jobs["overview"], &first_name)["is_alive"] == false);
    // Another one goes on with what it had.
    let (_third, third_name) = world.worker();
    gateway.until(|jobs| has_one(&jobs["overview"], &third_name));
    let jobs = gateway.until(|jobs| {
        let gone = worker(&jobs["overview"], &first_name);
        gone["units"].as_array().is_none_or(Vec::is_empty)
    });
    assert!(has_one(&jobs["overview"], &second_name), "{jobs}");
    assert!(!gateway.process.written().contains(PASSWORD));
}

#[test]
fn it_is_for_those_who_run_the_gateway() {
    let world = World::new(CLOSED);
    let gateway = world.serve();
    for path in ["/stats", "/status/events"] {
        assert_eq!(gateway.get(path).status, 401);
        assert_eq!(gateway.get_as("a-token-of-a-reader", path).status, 403);
    }
    let told = gateway.get_as("a-token-of-the-keeper", "/stats").json();
    assert!(told["jobs"]["state"].is_string(), "{told}");
    let page = gateway.get("/status").body;
    assert!(!page.contains(PASSWORD) && !page.contains("postgres:"), "{page}");
}

// A dashboard that hangs with its database (micronaut-projects/micronaut-core#363,
// microservices-demo/orders#14), or shows its password (cloudfoundry/app-autoscaler-release#228,
// statping/statping#229).
#[test]
fn a_database_that_is_down_is_told_and_all_else_goes_on() {
    let mut world = World::new(OPEN);
    let gateway = world.serve();
    gateway.until(|jobs| jobs["state"] == "known");
    world.server.stop_at_once();
    let jobs = gateway.until(|jobs| jobs["state"] == "unavailable");
    assert!(jobs["overview"].is_object(), "what was known stays: {jobs}");
    for path in ["/ready", "/kv", "/metrics"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
    // One that begins meanwhile serves as well.
    let other = world.serve();
    let jobs = other.until(|jobs| jobs["state"] == "unavailable");
    assert_eq!(jobs["overview"], Value::Null);
    world.server.start_again();
    for gateway in [gateway, other] {
        gateway.until(|jobs| jobs["state"] == "known");
        let written = gateway.process.written();
        assert!(written.contains("the status of the workers is not known: "), "{written}");
        assert!(!written.contains(PASSWORD), "{written}");
    }
}

#[test]
fn a_database_that_never_answers_is_told_and_all_else_goes_on() {
    let world = World::new(OPEN);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:{PASSWORD}@{}/d?sslmode=disable", silent.local_addr().unwrap());
    let accepting = thread::spawn(move || {
        let mut held = Vec::new();
        loop {
            match silent.accept() {
                Ok((connection, _)) => held.push(connection),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return held,
            }
        }
    });
    let gateway = world.serve_over(&url);
    gateway.until(|jobs| jobs["state"] == "unavailable");
    assert_eq!(gateway.get("/ready").status, 200);
    assert!(!gateway.process.written().contains(PASSWORD));
    // It ends with the process.
    drop(accepting);
}

#[test]
fn what_is_no_database_is_refused_before_anything_is_served() {
    let world = World::new(OPEN);
    let mut refused = world.start_serving(&format!("no-url:{PASSWORD}"));
    assert!(!refused.ended(crate::process::LONG));
    let written = refused.written();
    assert!(written.contains("invalid URL of the cluster"), "{written}");
    assert!(!written.contains(PASSWORD), "{written}");
}
