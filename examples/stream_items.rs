//! Streams over a paged endpoint from a plain tokio program: untyped, typed, and one that is
//! dropped midway.
//!
//! ```text
//! cargo run --release --example stream_items
//! ```

#![allow(clippy::print_stdout)]

use std::{error::Error, time::Duration};

use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use vantage_api_pool::{AwwPool, PaginatedStream, Request, tokens::bearer};

use demo_api::{DemoApi, DemoOptions};

#[derive(Debug, Deserialize)]
struct City {
    name: String,
    country: String,
    population: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = DemoApi::start(DemoOptions {
        latency: Duration::from_millis(5),
        ..DemoOptions::default()
    })?;
    let pool = AwwPool::new(3, None, false, demo.base_url()).with_auth_callback(
        1,
        {
            let login = AwwPool::new(1, None, false, demo.origin());
            move || fetch_token(login.clone())
        },
        bearer,
    );

    // Items as JSON values, in server order, with up to eight pages in flight.
    let mut values = PaginatedStream::get(&pool, "/countries/Japan/cities").prefetch(8);
    let mut people = 0;
    while let Some(city) = values.try_next().await? {
        if city["is_capital"] == true {
            println!("{} has {} people", city["name"], city["population"]);
        }
        people += city["population"].as_u64().ok_or("a population is a number")?;
    }
    println!("{people} people live in the cities of Japan");

    // Items as a custom type: decoded from the page without a tree in between.
    let largest = PaginatedStream::get(&pool, "/cities")
        .prefetch(8)
        .items_as::<City>()
        .try_fold(None, |largest: Option<City>, city| async move {
            Ok(largest.filter(|largest| largest.population >= city.population).or(Some(city)))
        })
        .await?;
    if let Some(City { name, country, population }) = largest {
        println!("the largest city is {name} in {country} with {population} people");
    }

    // Dropping a stream cancels its page requests: `take` ends after 25 items, so only the pages up
    // to the prefetch are ever requested.
    let before = demo.requests();
    let some: Vec<_> =
        PaginatedStream::get(&pool, "/cities").prefetch(2).take(25).try_collect().await?;
    println!("{} cities with {} requests", some.len(), demo.requests() - before);

    pool.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

async fn fetch_token(login: AwwPool) -> Result<String, Box<dyn Error + Send + Sync>> {
    let granted: serde_json::Value = login.request(Request::post("/token")).await?.json()?;
    Ok(granted["access_token"].as_str().ok_or("the answer holds no token")?.to_owned())
}
