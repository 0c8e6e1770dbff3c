//! Pages that are asked for by the body of a POST: searches, forms and GraphQL.

use serde_json::{Value, json};

use super::{
    super::server::{Reply, number_in},
    Kind, Way,
};

fn number(value: &Value) -> Option<usize> {
    value.as_u64().map(|number| number as usize)
}

pub(super) fn ways() -> Vec<Way> {
    vec![
        Way::new(
            "numbers in a body",
            Kind::Computed,
            "paging: { by: page, param: page.number, size_param: page.size, size: SIZE,\n\
             \x20 post: { filter: { state: open }, page: {} } }\n\
             envelope: { items: data, total: total }",
            |asked, set| {
                let body = asked.json();
                assert_eq!(body["filter"]["state"], "open");
                let (page, size) = (number(&body["page"]["number"]), number(&body["page"]["size"]));
                let each = size.unwrap().min(set.cap);
                let sheet = set.sheet((page.unwrap() - 1) * each, size);
                Reply::ok(&json!({ "data": sheet.rows, "total": sheet.total }))
            },
        )
        .with_total(),
        Way::new(
            "offsets in a body",
            Kind::Computed,
            "paging: { by: offset, param: from, size_param: size, size: SIZE, post: {} }\n\
             envelope: { items: \"hits.hits[]._source\" }",
            |asked, set| {
                let body = asked.json();
                let sheet = set.sheet(number(&body["from"]).unwrap(), number(&body["size"]));
                let hits: Vec<_> = sheet.rows.iter().map(|row| json!({ "_source": row })).collect();
                Reply::ok(&json!({ "hits": { "hits": hits } }))
            },
        ),
        Way::new(
            "offsets in a form",
            Kind::Computed,
            "paging: { by: offset, param: from, size_param: size, size: SIZE, as_form: true,\n\
             \x20 post: { q: \"a b\" } }\n\
             envelope: { items: rows, total: count }",
            |asked, set| {
                assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
                let sheet = set.sheet(asked.field("from").unwrap(), asked.field("size"));
                Reply::ok(&json!({ "rows": sheet.rows, "count": sheet.total }))
            },
        )
        .with_total(),
        Way::new(
            "a cursor in a body",
            Kind::Pointed,
            "paging: { by: cursor, param: start_cursor, next: next_cursor, size_param: page_size,\n\
             \x20 size: SIZE, post: {} }\n\
             envelope: { items: results, has_next: has_more }",
            |asked, set| {
                let body = asked.json();
                let start = body["start_cursor"].as_str().map_or(0, number_in);
                let sheet = set.sheet(start, number(&body["page_size"]));
                let next = sheet.next.map(|next| format!("c{next}"));
                Reply::ok(&json!({
                    "results": sheet.rows, "next_cursor": next, "has_more": sheet.more,
                }))
            },
        )
        .with_flag(),
        Way::new(
            "the sort values of the last hit",
            Kind::Keyed,
            "paging: { by: cursor, param: search_after, next: \"hits.hits[-1].sort\",\n\
             \x20 size_param: size, size: SIZE, post: { sort: [id, name] } }\n\
             envelope: { items: \"hits.hits[]._source\", total: hits.total.value }",
            |asked, set| {
                let body = asked.json();
                let after = number(&body["search_after"][0]);
                let sheet = set.sheet(after.map_or(0, |id| id + 1), number(&body["size"]));
                let hit = |row: &Value| json!({ "_source": row, "sort": [row["id"], "x"] });
                let hits: Vec<_> = sheet.rows.iter().map(hit).collect();
                Reply::ok(&json!({ "hits": { "total": { "value": sheet.total }, "hits": hits } }))
            },
        )
        .with_total(),
        Way::new(
            "a GraphQL connection",
            Kind::Pointed,
            "paging: { by: cursor, param: variables.after,\n\
             \x20 next: data.rows.pageInfo.endCursor, size_param: variables.first, size: SIZE,\n\
             \x20 post: { query: \"query ($after: String, $first: Int) { rows { nodes { id } } }\" } }\n\
             envelope: { items: data.rows.nodes, has_next: data.rows.pageInfo.hasNextPage }",
            |asked, set| {
                let variables = asked.json()["variables"].take();
                let start = variables["after"].as_str().map_or(0, number_in);
                let sheet = set.sheet(start, number(&variables["first"]));
                let end = sheet.next.unwrap_or(start + sheet.rows.len());
                let page = json!({ "endCursor": format!("c{end}"), "hasNextPage": sheet.more });
                Reply::ok(&json!({ "data": { "rows": { "nodes": sheet.rows, "pageInfo": page } } }))
            },
        )
        .with_flag(),
    ]
}
