//! Ways that are decided by the first page.

use serde_json::json;

use super::{
    super::server::Reply,
    Kind, Way,
    computed::{numbered, offset},
    pointed::after,
};

pub(super) fn ways() -> Vec<Way> {
    const DATA: &str = "paging: { by: auto }\nenvelope: { items: data }";
    let way =
        |name, kind, yaml, serve| Way { is_decided: true, ..Way::new(name, kind, yaml, serve) };
    vec![
        way(
            "decided: links",
            Kind::Pointed,
            "paging: { by: auto }\nenvelope: { items: . }",
            |asked, set| {
                let sheet = after(asked, set);
                let next = sheet.next.unwrap_or(sheet.start + sheet.rows.len());
                let results = sheet.next.is_some();
                let links = format!("</rows?after=c{next}>; rel=\"next\"; results=\"{results}\"");
                Reply::ok(&sheet.rows.into()).header("Link", links)
            },
        ),
        way("decided: a URL", Kind::Pointed, DATA, |asked, set| {
            let sheet = after(asked, set);
            let next = sheet.next.map(|next| format!("/rows?after=c{next}"));
            Reply::ok(&json!({ "next": next, "count": sheet.total, "data": sheet.rows }))
        }),
        way("decided: numbers", Kind::Computed, DATA, |asked, set| {
            let sheet = numbered(asked, set, "page", 1);
            let (page, pages) =
                (sheet.start / sheet.size + 1, sheet.total.map(|t| t.div_ceil(sheet.size)));
            let told = json!({ "page": page, "total": sheet.total, "total_pages": pages });
            Reply::ok(&json!({ "data": sheet.rows, "pagination": told }))
        })
        .with_total(),
        way(
            "decided: offsets",
            Kind::Computed,
            "paging: { by: auto }\nenvelope: { items: data, total: total }",
            |asked, set| {
                let sheet = offset(asked, set);
                Reply::ok(
                    &json!({ "data": sheet.rows, "offset": sheet.start, "total": sheet.total }),
                )
            },
        )
        .with_total(),
        way("decided: a cursor", Kind::Pointed, DATA, |asked, set| {
            let start = asked.number("pageToken").unwrap_or(0);
            let sheet = set.sheet(start, None);
            let next = sheet.next.map(|next| format!("t{next}"));
            Reply::ok(&json!({ "data": sheet.rows, "nextPageToken": next }))
        }),
    ]
}
