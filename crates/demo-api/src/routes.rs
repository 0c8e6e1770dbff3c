//! The lists and the rows, which require a token.

use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::{
    DemoOptions,
    data::Data,
    formats::Format,
    notes,
    pages::{Query, is, list, not_found},
};

/// Everything under `/v1`.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.route("/countries", web::get().to(countries))
        .route("/countries.{format}", web::get().to(countries_as))
        .route("/cities.{format}", web::get().to(cities_as))
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
    list(&data.countries, &options, query.into_inner(), None)
}

async fn cities(
    data: web::Data<Data>,
    options: web::Data<DemoOptions>,
    query: Query,
) -> HttpResponse {
    list(&data.cities, &options, query.into_inner(), None)
}

async fn countries_as(
    data: web::Data<Data>,
    options: web::Data<DemoOptions>,
    format: web::Path<String>,
    query: Query,
) -> HttpResponse {
    match Format::of(&format) {
        Some(format) => list(&data.countries, &options, query.into_inner(), Some(format)),
        None => not_found(),
    }
}

async fn cities_as(
    data: web::Data<Data>,
    options: web::Data<DemoOptions>,
    format: web::Path<String>,
    query: Query,
) -> HttpResponse {
    match Format::of(&format) {
        Some(format) => list(&data.cities, &options, query.into_inner(), Some(format)),
        None => not_found(),
    }
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
    list(&data.cities, &options, query, None)
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
