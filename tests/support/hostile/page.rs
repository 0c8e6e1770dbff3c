//! [pure] Which rows a page holds, how its body looks, and how it names the next one.

use serde_json::{Map, Value, json};

use super::knobs::{Form, Hostile, Shape, Style, Total};

/// One page, ready to be sent.
pub struct Page {
    pub body: Value,
    pub headers: Vec<(&'static str, String)>,
}

/// What was asked for.
pub struct Asked<'a> {
    /// The last segment of the collection's path.
    pub table: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub query: &'a [(String, String)],
    /// The first row.
    pub start: u64,
    pub size: u64,
    pub no_rows: bool,
}

/// The page of `rows` that was asked for, or `None` past the end when that is a 404.
pub fn page(knobs: &Hostile, rows: &[Value], asked: &Asked<'_>) -> Option<Page> {
    let index = if knobs.ignores_page { 0 } else { asked.start / asked.size };
    let number = index + knobs.first_page;
    let inserted = if knobs.shifts { index } else { 0 };
    let length = rows.len() as u64;
    let first = if knobs.ignores_page { 0 } else { asked.start };
    let size = knobs.uneven.as_ref().map_or(asked.size, |cap| cap(first).clamp(1, asked.size));
    let start = first.saturating_sub(inserted).min(length);
    let end = first.saturating_add(size).saturating_sub(inserted).min(length);
    if knobs.not_found_past_end && start == end && first > 0 {
        return None;
    }
    let rows = if asked.no_rows { &[] } else { &rows[start as usize..end as usize] };

    let total = length + inserted;
    let total = knobs.claims.as_ref().map_or(total, |claim| claim(number, total));
    let mut body = wrapped(knobs.shape, asked.table, rows);
    let is_by_place = matches!(knobs.style, Style::Numbered | Style::Offset);
    if knobs.pagination && knobs.shape != Shape::Bare {
        let total_pages = total.div_ceil(asked.size);
        let mut pagination = json!({ "per_page": knobs.claimed_size.unwrap_or(asked.size) });
        if is_by_place {
            pagination["page"] = number.into();
            let goes_on = match knobs.style {
                Style::Numbered => index + 1 < total_pages,
                _ => end < total,
            };
            pagination["has_next"] = (knobs.has_next_always || goes_on).into();
            pagination["has_prev"] = (index > 0).into();
        }
        if knobs.total == Total::InPagination {
            pagination["total"] = total.into();
            if knobs.claimed_size.is_none() && knobs.style == Style::Numbered {
                pagination["total_pages"] = total_pages.into();
            }
        }
        body["pagination"] = pagination;
    }
    let mut headers = Vec::new();
    match knobs.total {
        Total::At(path) => put(&mut body, path, total.into()),
        Total::InHeader(name) => headers.push((name, total.to_string())),
        Total::InContentRange(unit) => {
            let last = end.max(1) - 1;
            headers.push(("content-range", format!("{unit} {start}-{last}/{total}")));
        }
        Total::InPagination | Total::Absent => {}
    }
    let next = match knobs.leads_back {
        Some((from, to)) if from == number => Some((to - knobs.first_page) * asked.size),
        _ => (end < length).then_some(end),
    };
    name_next(knobs, asked, next, &mut body, &mut headers);
    Some(Page { body, headers })
}

/// Names the page that begins with row `next`.
fn name_next(
    knobs: &Hostile,
    asked: &Asked<'_>,
    next: Option<u64>,
    body: &mut Value,
    headers: &mut Vec<(&'static str, String)>,
) {
    let url = |form: &Form, row: u64| {
        let others = asked.query.iter().filter(|(name, _)| *name != knobs.page_param);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair(&knobs.page_param, &format!("c{row}"));
        let (path, query) = (asked.path, query.finish());
        match form {
            Form::Absolute => format!("http://{}{path}?{query}", asked.host),
            Form::Query => format!("?{query}"),
            Form::Relative => format!("{}?{query}", path.rsplit('/').next().unwrap_or_default()),
            Form::At(base) => format!("{base}{path}?{query}"),
        }
    };
    match &knobs.style {
        Style::Numbered | Style::Offset => {}
        Style::Cursor(path) => put(body, path, json!(next.map(|row| format!("c{row}")))),
        Style::Header(name) => {
            let next = next.map_or_else(|| "null".to_owned(), |row| format!("c{row}"));
            headers.push((name, next));
        }
        Style::NextUrl(path, form) => put(body, path, json!(next.map(|row| url(form, row)))),
        Style::Link(form) => {
            let mut links = format!("<{}>; rel=\"first\"; title=\"a, <b>\"", asked.path);
            if let Some(row) = next {
                links += &format!(", <{}>; rel=\"later next\"", url(form, row));
            }
            headers.push(("link", links));
        }
    }
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
