//! The countries of the demo API, read from its pages of HTML, XML, CSV and text, which are all
//! the same rows.
//!
//! `cargo run -p vantage-api-extract --example pages`

#![allow(clippy::print_stdout)]

use demo_api::{DemoApi, DemoOptions};
use futures::TryStreamExt;
use serde::Deserialize;
use vantage_api_extract::{Css, Csv, Extracted, Extraction, Field, Lines, Xml};
use vantage_api_pool::{AwwPool, Error, Paging, Request, tokens::bearer};

#[derive(Deserialize)]
struct Country {
    name: String,
    population: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let api = DemoApi::start(DemoOptions::default())?;
    let origin = api.origin();
    let acquire = move || {
        let origin = origin.clone();
        async move {
            let pool = AwwPool::builder(origin).build()?;
            let granted: Granted = pool.request(Request::post("/token")).await?.json()?;
            Ok::<_, Error>(granted.access_token)
        }
    };
    let pool = AwwPool::builder(api.base_url()).with_auth_callback(1, acquire, bearer).build()?;

    let population = |at: &str| Field::new(at).integer().required();
    let css = Css::new("tr.row")
        .field("name", "td.name")
        .field("population", population("td.population"))
        .next("a[rel=next]")
        .build()?;
    let xml = Xml::new("/rows/row")
        .field("name", "name")
        .field("population", population("population"))
        .next("/rows/@next")
        .build()?;
    let csv =
        Csv::new().field("name", "name").field("population", population("population")).build()?;
    let lines = Lines::new()
        .matching(r"name=(?<name>[^|]*) \| population=(?<population>\d+)")
        .field("population", population("population"))
        .build()?;

    let kinds: [(&str, Extraction, Option<Paging>); 4] = [
        ("countries.html", css, None),
        ("countries.xml", xml, None),
        ("countries.csv", csv, Some(Paging::link_header())),
        ("countries.txt", lines, Some(Paging::link_header())),
    ];
    for (file, extraction, paging) in kinds {
        let rows = pool.stream(format!("/{file}")).prefetch(4).extract(&extraction);
        let rows = match paging {
            Some(paging) => rows.paging(paging),
            None => rows,
        };
        let countries: Vec<Country> = rows.items_as().try_collect().await?;
        let people: u64 = countries.iter().map(|country| country.population).sum();
        let first = countries.first().map_or("", |country| country.name.as_str());
        println!("{file}: {} countries from {first} on, {people} people", countries.len());
    }
    Ok(())
}
