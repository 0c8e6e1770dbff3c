//! `apipool worker`, and what is asked of it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Stdio},
};

use serde_json::Value;

use crate::support::{World, printed};

/// Relative, as people write it: to the folder in which each of them is started.
const URL: &str = "sqlite:jobs.db";

const GATEWAY: &str = "auth: none\ntables: { cities: {} }";

/// A worker, which ends with the test.
struct Works(Child, BufReader<ChildStderr>);

impl Works {
    fn start(world: &World) -> Self {
        let mut program = world.program(&["worker", "world.yaml", "--url", URL]);
        program.args(["--heartbeat", "0.4"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        let mut notes = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        notes.read_line(&mut line).unwrap();
        assert!(line.contains(" works"), "{line}");
        Self(child, notes)
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn told(world: &World, arguments: &[&str]) -> (Option<i32>, String, String) {
    printed(&world.program(arguments).output().unwrap())
}

fn status(world: &World) -> Value {
    let (code, text, notes) = told(world, &["status", "--url", URL, "--json"]);
    assert_eq!(code, Some(0), "{text}{notes}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn workers_of_one_machine_run_what_they_are_told_to() {
    let world = World::new(GATEWAY);
    let (mut one, other) = (Works::start(&world), Works::start(&world));
    let (code, text, notes) = told(&world, &["run", "world.yaml", "--url", URL]);
    assert_eq!(code, Some(0), "{text}{notes}");
    assert!(text.contains("world"), "{text}");

    let said = status(&world);
    assert_eq!(said["workers"].as_array().unwrap().len(), 2);
    assert_eq!(said["runs"][0]["state"], "complete");
    assert_eq!(said["runs"][0]["streams"][0]["units"], 1);
    // From the environment, as a text.
    let (code, text, _) =
        printed(&world.program(&["status", "--url"]).env("APIPOOL_URL", URL).output().unwrap());
    assert_eq!(code, Some(0));
    assert!(text.contains("world: complete") && text.contains("2 of 2 units done"), "{text}");

    assert_eq!(told(&world, &["cap", "world", "1", "--url", URL]).0, Some(0));
    assert_eq!(status(&world)["runs"][0]["cap"], 1);
    for command in ["pause", "resume", "cancel"] {
        let (code, _, notes) = told(&world, &[command, "world", "--url", URL]);
        assert_eq!(code, Some(1), "{command}");
        assert!(notes.contains("no run of job `world` is under way"), "{notes}");
    }

    drop(other);
    let kill = format!("kill -TERM {}", one.0.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(one.0.wait().unwrap().code(), Some(0));
    let mut rest = Vec::new();
    one.1.by_ref().lines().map_while(Result::ok).for_each(|line| rest.push(line));
    assert!(rest.iter().any(|line| line.contains("stopping")), "{rest:?}");
}

#[test]
fn a_run_that_is_paused_is_resumed_and_one_that_was_cancelled_goes_on() {
    let world = World::new(GATEWAY);
    // Nobody works yet, so that it stands still.
    let mut run = world.program(&["run", "world.yaml", "--url", URL]);
    let mut run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let notes = BufReader::new(run.stderr.take().unwrap());
    let waits =
        notes.lines().map_while(Result::ok).find(|line| line.contains("no worker is there"));
    assert!(waits.is_some());
    assert_eq!(told(&world, &["pause", "world", "--url", URL]).0, Some(0));
    assert_eq!(status(&world)["runs"][0]["state"], "paused");
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert_eq!(told(&world, &["resume", "world", "--url", URL]).0, Some(0));
    assert_eq!(told(&world, &["cancel", "world", "--url", URL]).0, Some(0));
    assert_eq!(status(&world)["runs"][0]["state"], "cancelled");
    let _works = Works::start(&world);
    let (code, text, notes) = told(&world, &["run", "world.yaml", "--url", URL]);
    assert_eq!(code, Some(0), "{text}{notes}");
    let said = status(&world);
    assert_eq!(
        (&said["runs"][0]["id"], &said["runs"][0]["state"]),
        (&1.into(), &"complete".into())
    );
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let world = World::new(GATEWAY);
    for (arguments, code, words) in [
        (&["worker", "world.yaml", "--url", "sqlite:none/jobs.db"][..], 1, "none/jobs.db"),
        (&["run", "world.yaml", "--url", "sqlite:world.yaml"], 1, "is no SQLite database"),
        (&["status", "--url", "sqlite:jobs.db"], 1, "no such file"),
        (&["pause", "world", "--url", "sqlite::memory:"], 2, "sqlite:FILE"),
        (&["worker", "world.yaml", "--url", "sqlite:jobs.db?mode=rwc"], 2, "sqlite:FILE"),
    ] {
        let (ended, text, notes) = told(&world, arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {text}{notes}");
        assert!(notes.contains(words), "{arguments:?}: {notes}");
    }
    assert!(!world.folder.path().join("jobs.db").exists());
}
