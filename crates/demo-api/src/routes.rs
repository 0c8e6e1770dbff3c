//! The lists and the rows, which require a token.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{DemoOptions, data::Data, notes};

pub(crate) type Query = web::Query<Vec<(String, String)>>;

/// Everything under `/v1`.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.route("/countries", web::get().to(countries))
        .route("/countries/{name}", web::get().to(country))
        .route("/countries/{country}/cities", web::get().to(cities_of))
        .route("/cities", web::get().to(cities))
        .route("/cities/{id}", web::get().to(city))
        .configure(notes::configure);
}

async fn countries(
    data: web::Data<Data>,
    options: web::Data<DemoOptions>,
    query: Query,
) -> HttpResponse {
    list(&data.countries, &options, query.into_inner())
}

async fn cities(
    data: web::Data<Data>,
    options: web::Data<DemoOptions>,
    query: Query,
) -> HttpResponse {
    list(&data.cities, &options, query.into_inner())
}

async fn cities_of(
    data: web::Data<Data>,
    options: web::Data<DemoOptions>,
    country: web::Path<String>,
    query: Query,
) -> HttpResponse {
    let country = country.into_inner();
    if !data.countries.iter().any(|row| row["name"] == country.as_str()) {
        return not_found();
    }
    let mut query = query.into_inner();
    query.push(("country".into(), country));
    list(&data.cities, &options, query)
}

async fn country(data: web::Data<Data>, name: web::Path<String>) -> HttpResponse {
    row(&data.countries, "name", &name)
}

async fn city(data: web::Data<Data>, id: web::Path<String>) -> HttpResponse {
    row(&data.cities, "id", &id)
}

fn row(rows: &[Value], key: &str, wanted: &str) -> HttpResponse {
    rows.iter()
        .find(|row| is(&row[key], wanted))
        .map_or_else(not_found, |row| HttpResponse::Ok().json(row))
}

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
fn is(value: &Value, wanted: &str) -> bool {
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
