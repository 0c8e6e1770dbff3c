//! Pages that begin after the last row of the page before.

use serde_json::json;

use super::{
    super::server::{Asked, Reply, Set, Sheet},
    Kind, Way,
};

fn by_id(asked: &Asked, set: &Set) -> Sheet {
    set.sheet(asked.number("after").map_or(0, |id| id + 1), asked.number("limit"))
}

pub(super) fn ways() -> Vec<Way> {
    let way = |name, yaml, serve| Way::new(name, Kind::Keyed, yaml, serve);
    vec![
        way(
            "a keyset",
            "paging: { by: keyset, param: after, field: id, size_param: limit, size: SIZE }\n\
             envelope: { items: . }",
            |asked, set| Reply::ok(&by_id(asked, set).rows.into()),
        ),
        way(
            "a keyset with a flag",
            "paging: { by: keyset, param: after, field: id, size_param: limit, size: SIZE }\n\
             envelope: { items: data, has_next: has_more }",
            |asked, set| {
                let sheet = by_id(asked, set);
                Reply::ok(&json!({ "data": sheet.rows, "has_more": sheet.more }))
            },
        )
        .with_flag(),
        way(
            "a keyset with a total",
            "paging: { by: keyset, param: after, field: id }\n\
             envelope: { items: data, total: total }",
            |asked, set| {
                let sheet = by_id(asked, set);
                Reply::ok(&json!({ "data": sheet.rows, "total": sheet.total }))
            },
        )
        .with_total(),
        Way {
            has_ties: true,
            ..way(
                "an inclusive keyset",
                "paging: { by: keyset, param: since, field: at, inclusive: true, size_param: limit,\n\
                 \x20 size: SIZE }\n\
                 envelope: { items: . }",
                |asked, set| {
                    let since = asked.param("since").unwrap_or_default();
                    let before = |row: &&serde_json::Value| row["at"].as_str().unwrap() < since;
                    let start = set.rows.iter().take_while(before).count();
                    Reply::ok(&set.sheet(start, asked.number("limit")).rows.into())
                },
            )
        },
        way(
            "a keyset in a body",
            "paging: { by: keyset, param: after, field: id, size_param: size, size: SIZE, post: {} }\n\
             envelope: { items: . }",
            |asked, set| {
                let body = asked.json();
                let number = |name: &str| body[name].as_u64().map(|number| number as usize);
                let start = number("after").map_or(0, |id| id + 1);
                Reply::ok(&set.sheet(start, number("size")).rows.into())
            },
        ),
    ]
}
