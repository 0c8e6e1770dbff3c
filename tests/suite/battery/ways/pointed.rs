//! Pages that name the next one: by a cursor, a URL or a `Link`.

use serde_json::{Value, json};
use vantage_api_pool::{
    Paging,
    paging::{PageRequest, PageStrategy, PageView},
};

use super::{
    super::server::{Asked, Reply, Set, Sheet, number_in},
    Kind, Way,
};

/// The page at the cursor in `after`.
pub(super) fn after(asked: &Asked, set: &Set) -> Sheet {
    set.sheet(asked.number("after").unwrap_or(0), asked.number("limit"))
}

fn cursor(sheet: &Sheet) -> Option<String> {
    sheet.next.map(|next| format!("c{next}"))
}

/// Where pages end is told by the length of a page and by a flag.
struct AfterTheRows;

impl PageStrategy for AfterTheRows {
    fn next(
        &self,
        page: &PageView<'_>,
    ) -> Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        let body: Value = page.json()?;
        let next = body["next"].as_str();
        Ok(next.map(|next| PageRequest::new().header("x-after", next)))
    }
}

pub(super) fn ways() -> Vec<Way> {
    let way = |name, yaml, serve| Way::new(name, Kind::Pointed, yaml, serve);
    vec![
        way(
            "a cursor",
            "paging: { by: cursor, param: after, next: paging.next, size_param: limit, size: SIZE }\n\
             envelope: { items: data }",
            |asked, set| {
                let sheet = after(asked, set);
                Reply::ok(&json!({ "paging": { "next": cursor(&sheet) }, "data": sheet.rows }))
            },
        ),
        way(
            "a cursor that is a number, with a total",
            "paging: { by: cursor, param: after, next: next }\nenvelope: { items: data, total: total }",
            |asked, set| {
                let sheet = after(asked, set);
                Reply::ok(&json!({ "data": sheet.rows, "next": sheet.next, "total": sheet.total }))
            },
        )
        .with_total(),
        way(
            "a cursor that is always there, with a flag",
            "paging: { by: cursor, param: after, next: next, size_param: limit, size: SIZE }\n\
             envelope: { items: data, has_next: has_more }",
            |asked, set| {
                let sheet = after(asked, set);
                let next = sheet.next.unwrap_or(sheet.start + sheet.rows.len());
                let next = format!("c{next}");
                Reply::ok(&json!({ "data": sheet.rows, "next": next, "has_more": sheet.more }))
            },
        )
        .with_flag(),
        way(
            "a cursor that leads to a page without rows, and from there to itself",
            "paging: { by: cursor, param: after, next: next }\nenvelope: { items: data }",
            |asked, set| {
                let sheet = after(asked, set);
                let next = sheet.next.unwrap_or(sheet.start + sheet.rows.len());
                Reply::ok(&json!({ "data": sheet.rows, "next": format!("c{next}") }))
            },
        ),
        way(
            "a cursor that is empty at the end",
            "paging: { by: cursor, param: after, next: next_page_token }\nenvelope: { items: data }",
            |asked, set| {
                let sheet = after(asked, set);
                let next = cursor(&sheet).unwrap_or_default();
                Reply::ok(&json!({ "next_page_token": next, "data": sheet.rows }))
            },
        ),
        way(
            "a cursor in a header",
            "paging: { by: header_cursor, param: after, header: X-Next, size_param: limit, size: SIZE }\n\
             envelope: { items: . }",
            |asked, set| {
                let sheet = after(asked, set);
                let next = cursor(&sheet).unwrap_or_else(|| "null".into());
                Reply::ok(&sheet.rows.into()).header("x-next", next)
            },
        ),
        way(
            "an absolute URL",
            "paging: { by: next_url, next: links.next, size_param: limit, size: SIZE }\n\
             envelope: { items: data }",
            |asked, set| {
                let sheet = after(asked, set);
                let host = asked.header("host").unwrap();
                let limit = asked.param("limit").unwrap();
                let next = sheet.next.map(|next| format!("http://{host}/rows?limit={limit}&after=c{next}"));
                Reply::ok(&json!({ "links": { "next": next }, "data": sheet.rows }))
            },
        ),
        way(
            "the query of a URL",
            "paging: { by: next_url, next: '[''@odata.nextLink'']' }\n\
             envelope: { items: value, total: \"['@odata.count']\" }",
            |asked, set| {
                let sheet = after(asked, set);
                let mut body = json!({ "@odata.count": sheet.total, "value": sheet.rows });
                if let Some(next) = sheet.next {
                    body["@odata.nextLink"] = format!("?after=c{next}").into();
                }
                Reply::ok(&body)
            },
        )
        .with_total(),
        way(
            "a URL with the cursor in its path",
            "paging: { by: next_url, next: next }\nenvelope: { items: data }",
            |asked, set| {
                let place = asked.path.rsplit_once('/').map(|(_, last)| last);
                let start = place.filter(|last| *last != "rows").map_or(0, number_in);
                let sheet = set.sheet(start, None);
                let next = sheet.next.map(|next| format!("/rows/c{next}"));
                Reply::ok(&json!({ "data": sheet.rows, "next": next }))
            },
        ),
        way("a link", "paging: { by: link, size_param: limit, size: SIZE }\nenvelope: { items: . }", |asked, set| {
            let sheet = after(asked, set);
            let limit = asked.param("limit").unwrap();
            let mut links = "</rows>; rel=\"first\"; title=\"a, <b>\"".to_owned();
            if let Some(next) = sheet.next {
                links += &format!(", <rows?limit={limit}&after=c{next}>; rel=\"next\"");
            }
            Reply::ok(&sheet.rows.into()).header("Link", links)
        }),
        way(
            "a link that says by an attribute whether it leads anywhere",
            "paging: { by: link, link_ends_with: [results, \"false\"] }\nenvelope: { items: . }",
            |asked, set| {
                let sheet = after(asked, set);
                let next = sheet.next.unwrap_or(sheet.start + sheet.rows.len());
                let results = sheet.next.is_some();
                let links = format!("</rows?after=c{next}>; rel=\"next\"; results=\"{results}\"");
                Reply::ok(&sheet.rows.into()).header("Link", links)
            },
        ),
        Way {
            begins_again: true,
            ..way(
                "a cursor that expires",
                "paging: { by: cursor, param: after, next: next, restart_when_expired: 100 }\n\
                 envelope: { items: data }",
                |asked, set| {
                    let sheet = after(asked, set);
                    if sheet.start % 3 == 1 && set.is_news(sheet.start.to_string()) {
                        return Reply::status(410);
                    }
                    Reply::ok(&json!({ "data": sheet.rows, "next": cursor(&sheet) }))
                },
            )
        },
        Way {
            begins_again: true,
            ..way(
                "a cursor that expires, and goes on after the last row",
                "paging: { by: cursor, param: after, next: next, restart_when_expired: 100,\n\
                 \x20 restart_after: { param: since, field: at } }\n\
                 envelope: { items: data }",
                |asked, set| {
                    let since = asked.param("since").unwrap_or_default();
                    let base = set.rows.iter().take_while(|row| row["at"].as_str().unwrap() < since);
                    let base = base.count();
                    let start = asked.number("after").unwrap_or(0);
                    let sheet = set.sheet_of(&set.rows[base..], base, start, None);
                    if start % 3 == 1 && set.is_news(format!("{base} {start}")) {
                        return Reply::status(410);
                    }
                    Reply::ok(&json!({ "data": sheet.rows, "next": cursor(&sheet) }))
                },
            )
        },
        Way {
            custom: Some(|| Paging::custom(AfterTheRows)),
            ..way(
                "a strategy of one's own",
                "paging: { by: none }\nenvelope: { items: data }",
                |asked, set| {
                    let start = asked.header("x-after").map_or(0, number_in);
                    let sheet = set.sheet(start, None);
                    Reply::ok(&json!({ "data": sheet.rows, "next": cursor(&sheet) }))
                },
            )
        },
    ]
}
