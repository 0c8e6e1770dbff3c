//! A list as pages, narrowed by the fields of its rows.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::DemoOptions;

pub(crate) type Query = web::Query<Vec<(String, String)>>;

/// The page of rows that `query` selects.
pub(crate) fn list(
    rows: &[Value],
    options: &DemoOptions,
    query: Vec<(String, String)>,
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
