//! Copies a table of a program into SQLite, and asks there what the API cannot tell.
//!
//! ```text
//! cargo run --release -p vantage-api-ingest --example from_rust
//! ```
//!
//! The API is a demo in this process, with ten rows a page and a 503 for one request in twenty.

#![allow(clippy::print_stdout)]

use std::error::Error;

use demo_api::{DemoApi, DemoOptions};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use vantage_api_ingest::{Job, description::SinkDescription};
use vantage_api_pool::{
    AwwPool, PoolApi,
    tokens::{ClientCredentials, bearer},
};
use vantage_table::table::Table;

#[derive(Clone, Serialize, Deserialize)]
struct City {
    name: String,
    country: String,
    population: i64,
    is_capital: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = DemoApi::start(DemoOptions { fault_rate: 0.05, ..DemoOptions::default() })?;
    let tokens = ClientCredentials::new(format!("{}/token", demo.origin()), "demo", "demo");
    let pool = AwwPool::builder(demo.base_url()).token_source(1, tokens, bearer).build()?;
    let cities = Table::<PoolApi, City>::new("cities", PoolApi::new(pool))
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<String>("country")
        .with_column_of::<i64>("population")
        .with_column_of::<bool>("is_capital");

    let folder = tempfile::tempdir()?;
    let db = folder.path().join("world.db");
    let job = Job::of(cities).into_sink(SinkDescription::Sqlite(db.clone())).build()?;
    println!("{}", job.run().await);
    // What is there is merged by its id.
    println!("{}", job.run().await);

    let db = Connection::open(db)?;
    let mut query = db.prepare(
        "SELECT country, sum(population) FROM cities WHERE NOT is_capital \
         GROUP BY country ORDER BY 2 DESC LIMIT 5",
    )?;
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    println!("Where most people live in other cities than the capital:");
    for row in rows {
        let (country, people) = row?;
        println!("  {country:20} {people:>12}");
    }
    Ok(())
}
