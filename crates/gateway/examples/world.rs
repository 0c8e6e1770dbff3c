//! A gateway over an API of somebody else, and a key-value store beside it.
//!
//! ```text
//! cargo run --release -p vantage-api-gateway --example world [port]
//! curl -H 'X-API-Key: world' 'localhost:8080/api/v1/tables/cities?country=eq.Japan&order=name'
//! ```
//!
//! The API is a demo in this process, whose pages have at most ten rows. Whatever clients ask, it
//! gets no more requests than its rate limit allows, and equal ones once.

#![allow(clippy::print_stdout)]

use std::{env, error::Error, time::Duration};

use demo_api::{DemoApi, DemoOptions};
use serde::Deserialize;
use vantage_api_gateway::{
    Gateway, Ops, TableConfig,
    auth::{Principal, Tokens},
    kv::{Kv, Settings},
};
use vantage_api_pool::{AwwPool, PoolApi, Request, Token, tokens::bearer, vantage::Filtering};
use vantage_vista::VistaResolver;

const TABLES: &str = "
name: countries
id_column: name
columns:
  name: { type: string, flags: [id, title] }
  capital: { type: string }
  continent: { type: string }
  population: { type: int }
references:
  cities: { table: cities, kind: has_many, foreign_key: country }
api: { item_endpoint: true }
---
name: cities
columns:
  id: { type: int, flags: [id] }
  name: { type: string, flags: [title] }
  country: { type: string }
  population: { type: int }
  is_capital: { type: bool }
api: { item_endpoint: true, paging: { by: page, size_param: per_page, size: 10 } }
---
name: notes
columns:
  id: { type: string, flags: [id] }
  text: { type: string, flags: [mandatory] }
  country: { type: string }
api: { item_endpoint: true, writes: { style: rest, etags: true } }
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::args().nth(1).map_or(Ok(8080), |port| port.parse())?;
    let demo = DemoApi::start(DemoOptions::default())?;
    let login = AwwPool::new(1, None, false, demo.origin());
    let pool = AwwPool::new(2, Some(500.into()), true, demo.base_url()).with_auth_callback(
        1,
        move || fetch_token(login.clone()),
        bearer,
    );
    let api = PoolApi::new(&pool).filtering(Filtering::Mixed);
    let tables = api.vista_factory().with_yaml(TABLES)?;
    let tokens = Tokens::digests([(Tokens::digest_of("world"), Principal::new("world"))])?;
    let folder = tempfile::tempdir()?;
    let gateway = Gateway::builder()
        .bind(([127, 0, 0, 1], port))
        .auth(tokens)
        .pool("demo", pool.clone())
        .table(
            "countries",
            TableConfig::new(tables.vista("countries")?)
                .cache_ttl(Duration::from_secs(60))
                .relations(["cities"]),
        )
        .table("cities", TableConfig::new(tables.vista("cities")?).page_size(10, 100))
        .table(
            "notes",
            TableConfig::new(tables.vista("notes")?)
                .operations(Ops::ALL)
                .writable(["id", "text", "country"])
                .max_bulk_rows(20),
        )
        .kv(Kv::open(folder.path().join("world.redb"), Settings::default())?)
        .build()?;
    let handle = gateway.handle();
    let told = tokio::spawn(async move {
        if let Some(address) = handle.address().await {
            println!("http://{address}/api/v1/tables with the X-API-Key \"world\"");
        }
    });
    gateway.run().await?;
    told.abort();
    pool.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

async fn fetch_token(login: AwwPool) -> Result<Token, vantage_api_pool::Error> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
        expires_in: f64,
    }
    let granted: Granted = login.request(Request::post("/token")).await?.json()?;
    Ok(Token::new(granted.access_token).expires_in(Duration::from_secs_f64(granted.expires_in)))
}
