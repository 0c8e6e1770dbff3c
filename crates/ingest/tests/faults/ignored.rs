//! Responses that a rule takes for sets without rows: they are counted, and the report names them.

use serde_json::json;

use crate::{
    api::{Reply, Request},
    setup::{Setup, all, check_failure, numbered, page},
};

const MEMBERS: &str = "
tables:
  - { name: teams, id: name }
  - { name: members, id: id, api: { endpoint: 'teams/{team}/members' } }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: members, for_each: { table: teams, bind: { team: name } } }
";
const RULE: &str =
    ", response_rules: [{ action: ignore, status: [403, 404], path: 'teams/{team}/members' }]";

/// Members of four teams, of which the second and the third are none of the account's.
fn members(request: &Request) -> Reply {
    let teams = ["a", "b", "c", "d"];
    match request.path.rsplit('/').nth(1) {
        Some("a") => page(&numbered(1..=15), request),
        Some("b") => Reply::status(403),
        Some("c") => Reply::status(404),
        Some("d") => page(&numbered(16..=20), request),
        _ => page(&teams.map(|name| json!({ "name": name })), request),
    }
}

#[tokio::test]
async fn reads_of_parents_that_are_ignored_have_no_rows_and_the_report_counts_them() {
    let setup = Setup::new(MEMBERS, members).with_settings(RULE);
    let report = setup.complete().await;
    assert_eq!(setup.ids("members"), all(1..=20));
    let remarks = report.streams[0].remarks.join("\n");
    for status in ["403", "404"] {
        let told = format!("a rule ignores a response with status {status}");
        assert!(remarks.contains(&told), "{remarks}");
    }
    setup.api.answer(|request| match request.path.ends_with("/b/members") {
        true => Reply::status(404),
        false => members(request),
    });
    let report = setup.complete().await;
    assert!(report.to_string().contains("status 404: the set has no rows (2 times)"), "{report}");
}

#[tokio::test]
async fn without_a_rule_and_in_the_middle_of_a_read_they_are_failures() {
    let setup = Setup::new(MEMBERS, members);
    let report = setup.run().await;
    check_failure(&report.streams[0], &["team=", "1 others"]);

    let setup = Setup::new(MEMBERS, |request| match request.page() {
        2 => Reply::status(403),
        _ => members(request),
    })
    .with_settings(RULE);
    let report = setup.run().await;
    check_failure(&report.streams[0], &["team=\"a\"", "403"]);
    assert_eq!(setup.ids("members"), [all(1..=10), all(16..=20)].concat());
}
