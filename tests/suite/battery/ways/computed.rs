//! Pages whose places are computed: by number, by offset, by range.

use serde_json::{Value, json};

use super::{
    super::server::{Asked, Reply, Set, Sheet},
    Kind, Way,
};

/// The page with the number in a parameter, if they are counted from `first`.
pub(super) fn numbered(asked: &Asked, set: &Set, param: &str, first: usize) -> Sheet {
    let size = asked.number("per_page");
    let each = size.unwrap_or(set.cap).min(set.cap);
    set.sheet((asked.number(param).unwrap_or(first) - first) * each, size)
}

/// The page from the row in `offset` on.
pub(super) fn offset(asked: &Asked, set: &Set) -> Sheet {
    set.sheet(asked.number("offset").unwrap_or(0), asked.number("limit"))
}

fn range(asked: &Asked, set: &Set, has_total: bool) -> Reply {
    let range = asked.header("range").unwrap().strip_prefix("items=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let sheet = set.sheet(first, Some(last + 1 - first));
    let total = sheet.total.filter(|_| has_total);
    let total = total.map_or("*".to_owned(), |total| total.to_string());
    match sheet.rows.len() {
        0 => Reply::status(416).header("content-range", format!("items */{total}")),
        rows => {
            let told = format!("items {first}-{}/{total}", first + rows - 1);
            Reply::ok(&sheet.rows.into()).with_status(206).header("content-range", told)
        }
    }
}

fn number_of(sheet: &Sheet) -> usize {
    sheet.start / sheet.size + 1
}

pub(super) fn ways() -> Vec<Way> {
    let way = |name, yaml, serve| Way::new(name, Kind::Computed, yaml, serve);
    vec![
        way(
            "numbers with a total",
            "paging: { by: page, size_param: per_page, size: SIZE }\n\
             envelope: { items: data, total: meta.total }",
            |asked, set| {
                let sheet = numbered(asked, set, "page", 1);
                Reply::ok(&json!({ "meta": { "total": sheet.total }, "data": sheet.rows }))
            },
        )
        .with_total(),
        way("numbers alone", "paging: { by: page }\nenvelope: { items: . }", |asked, set| {
            Reply::ok(&numbered(asked, set, "page", 1).rows.into())
        }),
        way(
            "numbers from zero with a flag",
            "paging: { by: page, param: p, first: 0 }\n\
             envelope: { items: rows, has_next: has_more }",
            |asked, set| {
                let sheet = numbered(asked, set, "p", 0);
                Reply::ok(&json!({ "rows": sheet.rows, "has_more": sheet.more }))
            },
        )
        .with_flag(),
        way(
            "numbers with the last one and a total",
            "paging: { by: page, first: 0, size_param: per_page, size: SIZE }\n\
             envelope: { items: content, is_last: last, total: totalElements }",
            |asked, set| {
                let sheet = numbered(asked, set, "page", 0);
                Reply::ok(&json!({
                    "content": sheet.rows, "last": !sheet.more, "totalElements": sheet.total,
                }))
            },
        )
        .with_total()
        .with_flag(),
        Way { counts_pages: true, ..way(
            "numbers with their count and the next one in headers",
            "paging: { by: page, size_param: per_page, size: SIZE }\n\
             envelope: { items: ., total_pages_header: x-total-pages, next_page_header: x-next-page }",
            |asked, set| {
                let sheet = numbered(asked, set, "page", 1);
                let pages = sheet.total.map(|total| total.div_ceil(sheet.size).to_string());
                let next = sheet.more.then(|| (number_of(&sheet) + 1).to_string());
                Reply::ok(&sheet.rows.into())
                    .header("X-Total-Pages", pages.unwrap_or_default())
                    .header("X-Next-Page", next.unwrap_or_default())
            },
        )
        .with_flag()},
        way(
            "numbers with a link to the last one",
            "paging: { by: page, size_param: per_page, size: SIZE }\nenvelope: { items: . }",
            |asked, set| {
                let sheet = numbered(asked, set, "page", 1);
                let link = |page: usize, rel| format!("</rows?per_page=3&page={page}>; rel=\"{rel}\"");
                let mut links = vec![link(1, "first")];
                if let Some(next) = sheet.next {
                    links.push(link(next / sheet.size + 1, "next"));
                }
                if let Some(total) = sheet.total.filter(|_| sheet.more) {
                    links.push(link(total.div_ceil(sheet.size), "last"));
                }
                Reply::ok(&sheet.rows.into()).header("Link", links.join(", "))
            },
        ),
        way(
            "numbers until a 404",
            "paging: { by: page, not_found_ends: true }\nenvelope: { items: . }",
            |asked, set| {
                let sheet = numbered(asked, set, "page", 1);
                match sheet.rows.is_empty() && sheet.start > 0 {
                    true => Reply::status(404),
                    false => Reply::ok(&sheet.rows.into()),
                }
            },
        ),
        way(
            "offsets with a total",
            "paging: { by: offset, param: offset, size_param: limit, size: SIZE }\n\
             envelope: { items: data, total: total }",
            |asked, set| {
                let sheet = offset(asked, set);
                Reply::ok(&json!({ "data": sheet.rows, "total": sheet.total }))
            },
        )
        .with_total(),
        way(
            "offsets with a total as text in a header",
            "paging: { by: offset, param: offset, size_param: limit, size: SIZE }\n\
             envelope: { items: ., total_header: X-Total-Count }",
            |asked, set| {
                let sheet = offset(asked, set);
                let total = sheet.total.map(|total| total.to_string());
                Reply::ok(&sheet.rows.into()).header("x-total-count", total.unwrap_or_default())
            },
        )
        .with_total(),
        way(
            "offsets with a flag",
            "paging: { by: offset, param: offset, size_param: limit, size: SIZE }\n\
             envelope: { items: results, has_next: hasMore }",
            |asked, set| {
                let sheet = offset(asked, set);
                Reply::ok(&json!({ "hasMore": sheet.more, "results": sheet.rows }))
            },
        )
        .with_flag(),
        way("offsets alone", "paging: { by: offset, param: offset }\nenvelope: { items: . }", |asked, set| {
            assert!(asked.param("limit").is_none());
            Reply::ok(&Value::from(offset(asked, set).rows))
        }),
        way(
            "ranges with a total",
            "paging: { by: range, size: SIZE }\nenvelope: { items: . }",
            |asked, set| range(asked, set, true),
        )
        .with_total(),
        way(
            "ranges alone",
            "paging: { by: range, unit: items, size: SIZE }\nenvelope: { items: . }",
            |asked, set| range(asked, set, false),
        ),
    ]
}
