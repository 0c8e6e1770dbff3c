//! Sets that are read in windows of time, whole or cut where the API returns no more rows.

use serde_json::{Value, json};

use super::{
    super::server::{Asked, Reply, Set, Sheet},
    Kind, Way,
};

/// The rows of the window, and which of the set is the first of them.
fn window<'a>(asked: &Asked, set: &'a Set, takes_end: bool) -> (&'a [Value], usize) {
    let (since, until) = (asked.param("since").unwrap(), asked.param("until").unwrap());
    let at = |row: &Value| row["at"].as_str().unwrap().to_owned();
    let from = set.rows.iter().take_while(|row| at(row).as_str() < since).count();
    let is_in = |row: &&Value| at(row).as_str() < until || takes_end && at(row) == until;
    let to = set.rows.iter().take_while(is_in).count();
    (&set.rows[from..to.max(from)], from)
}

fn page(asked: &Asked, set: &Set, takes_end: bool) -> Sheet {
    let (rows, base) = window(asked, set, takes_end);
    let start = asked.number("offset").or_else(|| asked.number("after")).unwrap_or(0);
    set.sheet_of(rows, base, start, asked.number("limit"))
}

/// How many rows of a window the API returns, where it returns no more.
const MOST: usize = 7;

fn capped(asked: &Asked, set: &Set, tells: bool) -> Reply {
    let (start, size) = (asked.number("offset").unwrap(), asked.number("limit").unwrap());
    if start + size.min(set.cap) > MOST {
        return Reply::status(400);
    }
    let sheet = page(asked, set, false);
    let total = sheet.total.filter(|_| tells);
    Reply::ok(&json!({ "data": sheet.rows, "total": total }))
}

pub(super) fn ways() -> Vec<Way> {
    let way = |name, yaml, serve| Way::new(name, Kind::Windowed, yaml, serve);
    vec![
        way(
            "windows of offsets with a total",
            "paging: { by: offset, param: offset, size_param: limit, size: SIZE,\n\
             \x20 windows: { from: since, to: until, field: at, step: 7s,\n\
             \x20   start: \"2024-01-01T00:00:00Z\", end: \"2024-01-01T00:00:40Z\" } }\n\
             envelope: { items: data, total: total }",
            |asked, set| {
                let sheet = page(asked, set, false);
                Reply::ok(&json!({ "data": sheet.rows, "total": sheet.total }))
            },
        ),
        way(
            "windows of cursors that include both bounds",
            "paging: { by: cursor, param: after, next: next,\n\
             \x20 windows: { from: since, to: until, field: at, step: 7s, bounds: \"[]\",\n\
             \x20   start: \"2024-01-01T00:00:00Z\", end: \"2024-01-01T00:00:40Z\" } }\n\
             envelope: { items: data }",
            |asked, set| {
                let sheet = page(asked, set, true);
                let next = sheet.next.map(|next| format!("c{next}"));
                Reply::ok(&json!({ "data": sheet.rows, "next": next }))
            },
        ),
        way(
            "windows that are cut by their total",
            "paging: { by: offset, param: offset, size_param: limit, size: SIZE, row_cap: 7,\n\
             \x20 windows: { from: since, to: until, field: at, step: 40s,\n\
             \x20   start: \"2024-01-01T00:00:00Z\", end: \"2024-01-01T00:00:40Z\" } }\n\
             envelope: { items: data, total: total }",
            |asked, set| capped(asked, set, true),
        ),
        way(
            "windows that are cut after their last row",
            "paging: { by: offset, param: offset, size_param: limit, size: SIZE, row_cap: 7,\n\
             \x20 windows: { from: since, to: until, field: at, step: 40s,\n\
             \x20   start: \"2024-01-01T00:00:00Z\", end: \"2024-01-01T00:00:40Z\" } }\n\
             envelope: { items: data }",
            |asked, set| capped(asked, set, false),
        ),
    ]
}
