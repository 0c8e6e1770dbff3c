//! Exports: a job is submitted and polled, and its results are read. And a set on a page alone.

use serde_json::{Value, json};

use super::{
    super::server::{Asked, Reply, Set, number_in},
    Kind, Way,
};

fn lines(rows: &[Value]) -> Reply {
    Reply::text(rows.iter().map(|row| format!("{row}\n")).collect())
}

/// The job, which is done when it was polled twice.
fn submitted(set: &Set) -> usize {
    (0..).find(|job| set.is_news(format!("job {job}"))).unwrap()
}

fn is_done(asked: &Asked, set: &Set) -> bool {
    !set.is_news(asked.path.clone())
}

pub(super) fn ways() -> Vec<Way> {
    let way = |name, yaml, serve| Way::new(name, Kind::Job, yaml, serve);
    vec![
        way(
            "an export with several results",
            "paging: { by: export, job: id, poll: \"jobs/{job}\", status: state, done: Done,\n\
             \x20 results: \"files[].url\", interval: 1ms }\n\
             envelope: { ndjson: true, no_content_is_empty: true }",
            |asked, set| match asked.path.as_str() {
                "/rows" => Reply::ok(&json!({ "id": format!("j{}", submitted(set)) })),
                path if path.starts_with("/jobs/") => match is_done(asked, set) {
                    true => {
                        let starts = (0..set.rows.len()).step_by(set.cap);
                        let files: Vec<_> = starts
                            .map(|start| json!({ "url": format!("/files/f{start}") }))
                            .collect();
                        Reply::ok(&json!({ "state": "done", "files": files }))
                    }
                    false => Reply::ok(&json!({ "state": "running" })),
                },
                path => lines(&set.sheet(number_in(&path["/files/".len()..]), None).rows),
            },
        ),
        way(
            "an export whose result has several pages",
            "paging: { by: export, job: id, poll: \"jobs/{job}\", status: state, done: [Done],\n\
             \x20 results_from: \"results/{job}\", param: locator, header: X-Locator, interval: 1ms,\n\
             \x20 post: { query: SELECT } }\n\
             envelope: { items: . }",
            |asked, set| match asked.path.as_str() {
                "/rows" => {
                    assert_eq!(asked.json()["query"], "SELECT");
                    Reply::ok(&json!({ "id": submitted(set) }))
                }
                path if path.starts_with("/jobs/") => {
                    let state = if is_done(asked, set) { "Done" } else { "Queued" };
                    Reply::ok(&json!({ "state": state }))
                }
                _ => {
                    let sheet = set.sheet(asked.number("locator").unwrap_or(0), None);
                    let next = sheet.next.map_or("null".to_owned(), |next| format!("L{next}"));
                    Reply::ok(&sheet.rows.into()).header("x-locator", next)
                }
            },
        ),
        way(
            "an export that is its last answer",
            "paging: { by: export, job_header: Content-Location, interval: 1ms }\n\
             envelope: { items: data }",
            |asked, set| match asked.path.as_str() {
                "/rows" => {
                    let job = format!("/jobs/{}", submitted(set));
                    Reply::status(202).header("content-location", job)
                }
                _ if !is_done(asked, set) => Reply::status(202).header("retry-after", "0"),
                _ => {
                    set.sheet(0, None);
                    Reply::ok(&json!({ "data": set.rows }))
                }
            },
        ),
        Way::new(
            "a page alone",
            Kind::Once,
            "paging: { by: none }\nenvelope: { items: data }",
            |_, set| {
                set.sheet(0, None);
                Reply::ok(&json!({ "data": set.rows }))
            },
        ),
    ]
}
