//! Reads an API that a YAML file describes: no types, no code for any table.
//!
//! ```text
//! cargo run --release --example yaml_api
//! ```
//!
//! The API is a demo in this process, ten rows a page; `yaml_api.yaml` describes it.

#![allow(clippy::print_stdout)]

use std::{error::Error, time::Duration};

use serde::Deserialize;
use vantage_api_pool::{AwwPool, PoolApi, Request, Token, tokens::bearer};
use vantage_cli_util::render_records_columns;
use vantage_dataset::prelude::ReadableValueSet;
use vantage_vista::{Column, ColumnFamily, FilterOp, Vista};

use demo_api::{DemoApi, DemoOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = DemoApi::start(DemoOptions::default())?;
    let login = AwwPool::new(1, None, false, demo.origin());
    let pool = AwwPool::new(3, None, false, demo.base_url()).with_auth_callback(
        1,
        move || fetch_token(login.clone()),
        bearer,
    );
    let factory = PoolApi::new(&pool).vista_factory().with_yaml(include_str!("yaml_api.yaml"))?;
    for model in factory.models() {
        let vista = factory.build(model)?;
        let can: Vec<_> = vista.capabilities().iter().map(|what| what.to_string()).collect();
        println!(
            "{model}: {} rows, can {}",
            vista.count().await.map_or("?".into(), |n| n.to_string()),
            can.join(", ")
        );
    }

    let countries = factory.build("countries")?;
    let oceania = countries.clone().with_condition("continent", FilterOp::Eq, "Oceania")?;
    print(&oceania, 0, 10).await?;

    let cities = factory.build("cities")?;
    print(&cities, 3195, 5).await?;

    let germany = countries.get_value("Germany").await?.ok_or("there is no such country")?;
    let german = countries.get_ref("cities", Some(&germany))?;
    println!("Germany has {} cities, the first three are:", german.count().await?);
    print(&german, 0, 3).await?;

    println!("{}", pool.stats().await?);
    pool.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// Prints what a read would request, and the rows of a window.
async fn print(vista: &Vista, offset: usize, limit: usize) -> Result<(), Box<dyn Error>> {
    println!("{}", vista.preview().query.unwrap_or_default());
    let page = vista.fetch_window(offset, limit).await?;
    let columns: Vec<String> = vista.columns().keys().cloned().collect();
    let types = columns.iter().map(|name| (name.clone(), type_of(vista, name))).collect();
    render_records_columns(&page.rows.into_iter().collect(), &columns, &types);
    Ok(())
}

/// The name of a column's type, as the printer knows it.
fn type_of(vista: &Vista, column: &str) -> &'static str {
    match vista.column(column).and_then(Column::family) {
        Some(ColumnFamily::Integer) => "i64",
        Some(ColumnFamily::Float) => "f64",
        _ => "text",
    }
}

/// Fetches a token over the network, through a pool that needs none.
async fn fetch_token(login: AwwPool) -> Result<Token, vantage_api_pool::Error> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
        expires_in: f64,
    }
    let granted: Granted = login.request(Request::post("/token")).await?.json()?;
    Ok(Token::new(granted.access_token).expires_in(Duration::from_secs_f64(granted.expires_in)))
}
