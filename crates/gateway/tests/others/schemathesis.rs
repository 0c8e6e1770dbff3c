//! What the description allows and what it does not, sent by schemathesis for at most two minutes.

use std::{path::PathBuf, time::Duration};

use crate::process::{Process, Served, installed};

/// How long it sends, in seconds.
const TIME: &str = "120";
/// Long enough for its start and its end too.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn every_answer_is_declared_and_none_is_a_500() {
    let secret = "a-secret-of-the-test";
    let served = Served::start(Some(secret));
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/others/schemathesis.toml");
    let mut run = Process::start([
        installed("schemathesis").to_str().unwrap(),
        "--config-file",
        config.to_str().unwrap(),
        "--no-color",
        "run",
        &served.url("/openapi.json?version=3.2"),
        "--header",
        &format!("Authorization: Bearer {secret}"),
        "--max-time",
        TIME,
        "--request-timeout",
        "60",
        "--generation-database",
        ":memory:",
    ]);
    let is_good = run.ended(PATIENCE);
    assert!(is_good, "{}", run.written());
    served.check();
}
