//! [pure] Which rows a page holds and how its body looks.

use serde_json::{Map, Value, json};

use super::knobs::{Hostile, Shape, Total};

/// One page, ready to be sent.
pub struct Page {
    pub body: Value,
    pub total_header: Option<(&'static str, u64)>,
}

/// Page `number` of `rows` with `size` rows, or `None` past the end when that is a 404.
pub fn page(
    knobs: &Hostile,
    table: &str,
    rows: &[Value],
    number: u64,
    size: u64,
    no_rows: bool,
) -> Option<Page> {
    let number = if knobs.ignores_page { knobs.first_page } else { number };
    let index = number - knobs.first_page;
    let inserted = if knobs.shifts { index } else { 0 };
    let length = rows.len() as u64;
    let start = (index * size).saturating_sub(inserted).min(length);
    let end = (index * size + size).saturating_sub(inserted).min(length);
    if knobs.not_found_past_end && start == end && index > 0 {
        return None;
    }
    let rows = if no_rows { &[] } else { &rows[start as usize..end as usize] };

    let total = length + inserted;
    let total = knobs.claims.as_ref().map_or(total, |claim| claim(number, total));
    let mut body = wrapped(knobs.shape, table, rows);
    if knobs.pagination && knobs.shape != Shape::Bare {
        let total_pages = total.div_ceil(size);
        let mut pagination = json!({
            "page": number,
            "per_page": size,
            "has_next": knobs.has_next_always || index + 1 < total_pages,
            "has_prev": index > 0,
        });
        if knobs.total == Total::InPagination {
            pagination["total"] = total.into();
            pagination["total_pages"] = total_pages.into();
        }
        body["pagination"] = pagination;
    }
    if let Total::At(path) = knobs.total {
        put(&mut body, path, total.into());
    }
    let total_header = match knobs.total {
        Total::InHeader(name) => Some((name, total)),
        _ => None,
    };
    Some(Page { body, total_header })
}

fn wrapped(shape: Shape, table: &str, rows: &[Value]) -> Value {
    let rows = Value::from(rows);
    match shape {
        Shape::Data => json!({ "data": rows }),
        Shape::Bare => rows,
        Shape::Table => json!({ table: rows }),
        Shape::At(path) => {
            let mut body = json!({});
            put(&mut body, path, rows);
            body
        }
    }
}

/// Puts `value` at a dotted path, making the objects on the way.
fn put(body: &mut Value, path: &str, value: Value) {
    let place = path.split('.').fold(body, |place, key| {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        &mut place[key]
    });
    *place = value;
}

/// Keeps the rows in which every filtered field has one of its wanted values, as text.
pub fn filter(rows: &mut Vec<Value>, filters: &[(String, String)]) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    rows.retain(|row| {
        filters.iter().all(|(field, _)| {
            let found = text(&row[field]);
            filters.iter().any(|(other, wanted)| other == field && *wanted == found)
        })
    });
}
