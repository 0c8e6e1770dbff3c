//! A list as pages, narrowed by the fields of its rows.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{DemoOptions, formats::Format};

pub(crate) type Query = web::Query<Vec<(String, String)>>;

/// A page of a list.
pub(crate) struct Page<'r> {
    pub(crate) number: usize,
    pub(crate) total: usize,
    pub(crate) rows: Vec<&'r Value>,
    /// The whole list, whatever the page.
    pub(crate) of: &'r [Value],
}

/// The page of rows that `query` selects, as JSON unless there is a format.
pub(crate) fn list(
    rows: &[Value],
    options: &DemoOptions,
    query: Vec<(String, String)>,
    format: Option<Format>,
) -> HttpResponse {
    let (mut page, mut per_page) = (1, options.per_page);
    let mut filters = Vec::new();
    for (name, value) in query {
        match (name.as_str(), value.parse::<usize>()) {
            ("page", Ok(number)) if number > 0 => page = number,
            ("per_page", Ok(number)) if number > 0 => per_page = number.min(options.max_per_page),
            ("page" | "per_page", _) => return bad_request(&name),
            _ if rows.iter().any(|row| row.get(&name).is_some()) => filters.push((name, value)),
            _ => return bad_request(&name),
        }
    }
    let chosen: Vec<&Value> = rows
        .iter()
        .filter(|row| filters.iter().all(|(field, wanted)| is(&row[field], wanted)))
        .collect();
    let (total, total_pages) = (chosen.len(), chosen.len().div_ceil(per_page));
    let start = (page - 1).saturating_mul(per_page);
    let data: Vec<&Value> = chosen.into_iter().skip(start).take(per_page).collect();
    if let Some(format) = format {
        let next = (page < total_pages).then(|| {
            let filters = filters.iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
            format!("page={}&per_page={per_page}{}", page + 1, filters.collect::<String>())
        });
        return format
            .respond(&Page { number: page, total, rows: data, of: rows }, next.as_deref());
    }
    HttpResponse::Ok().json(json!({
        "data": data,
        "pagination": {
            "page": page,
            "per_page": per_page,
            "total": total,
            "total_pages": total_pages,
            "has_next": page < total_pages,
            "has_prev": page > 1,
        },
    }))
}

/// A value of a query.
fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let code = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(code).collect()
}

/// Whether a field equals a parameter, which is always text.
pub(crate) fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        other => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == *other),
    }
}

pub(crate) fn not_found() -> HttpResponse {
    HttpResponse::NotFound().json(json!({ "error": "not found" }))
}

fn bad_request(parameter: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({ "error": format!("bad parameter `{parameter}`") }))
}
