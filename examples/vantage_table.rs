//! Vantage tables over a REST API: relations, a nested column, a narrowed set that is
//! written, and what happens when somebody else writes at the same time.
//!
//! ```text
//! cargo run --release --example vantage_table
//! ```

#![allow(clippy::print_stdout)]

use std::error::Error;

use serde::{Deserialize, Serialize};
use vantage_api_pool::{
    AwwPool, PoolApi, Request, Token,
    tokens::bearer,
    vantage::{ApiCondition, ApiTable, PoolTableExt, Writes},
};
use vantage_cli_util::print_table;
use vantage_dataset::prelude::{
    InsertableDataSet, ReadableDataSet, WritableDataSet, WritableValueSet,
};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use demo_api::{DemoApi, DemoOptions};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    country: String,
    text: String,
    author: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = DemoApi::start(DemoOptions { fault_rate: 0.01, ..DemoOptions::default() })?;
    let login = AwwPool::new(1, None, false, demo.origin());
    let pool = AwwPool::new(3, None, false, demo.base_url()).with_auth_callback(
        1,
        move || fetch_token(login.clone()),
        bearer,
    );
    let notes = ApiTable::new()
        .alias("author", "meta.author")
        .writes(Writes::rest().etags(true).idempotency_keys("Idempotency-Key"));
    let api = PoolApi::new(pool).item_endpoints(true).table("notes", notes);

    let cities = |api: PoolApi| {
        Table::<PoolApi, EmptyEntity>::new("countries/{country}/cities", api)
            .with_id_column("id")
            .with_column_of::<String>("name")
            .with_column_of::<u64>("population")
    };
    let countries = Table::<PoolApi, EmptyEntity>::new("countries", api.clone())
        .with_id_column("name")
        .with_column_of::<String>("continent")
        .with_many("cities", "country", cities);
    let oceania = countries.with_condition(ApiCondition::eq("continent", "Oceania"));
    let cities = oceania.get_ref_as::<EmptyEntity>("cities")?;
    println!("{} cities in the countries of Oceania", cities.get_count().await?);

    let notes = Table::<PoolApi, Note>::new("notes", api)
        .with_id_column("id")
        .with_column_of::<String>("country")
        .with_column_of::<String>("text")
        .with_column_of::<Option<String>>("author");
    let of_japan = notes.clone().with_condition(ApiCondition::eq("country", "Japan"));
    let of_peru = notes.clone().with_condition(ApiCondition::eq("country", "Peru"));

    let note = |country: &str, text: &str| Note {
        country: country.into(),
        text: text.into(),
        author: Some("Ann".into()),
    };
    let fuji = of_japan.insert_return_id(&note("Japan", "Mount Fuji is high")).await?;
    of_peru.insert("andes", &note("Peru", "so are the Andes")).await?;
    of_japan.patch(&*fuji, &note("Japan", "Mount Fuji is 3,776 m high")).await?;
    print_table(&notes).await?;

    match of_japan.insert_return_id(&note("Peru", "not here")).await {
        Err(error) if error.is_conflict() => println!("Peru is not in the notes of Japan: {error}"),
        other => println!("this should not be: {other:?}"),
    }
    of_japan.delete("andes").await?;
    println!("the Andes are still there: {}", notes.get("andes").await?.is_some());
    of_japan.delete_all().await?;
    println!("{} note is left", notes.get_count().await?);
    Ok(())
}

/// Fetches a token over the network, through a pool that needs none.
async fn fetch_token(login: AwwPool) -> Result<Token, vantage_api_pool::Error> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
    }
    let granted: Granted = login.request(Request::post("/token")).await?.json()?;
    Ok(Token::new(granted.access_token))
}
