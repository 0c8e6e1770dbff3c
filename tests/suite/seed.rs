//! The program that a newcomer would write, against an API whose default page is
//! smaller than its set and that wants a token.

use std::sync::Arc;

use crate::support::{hostile::Hostile, soon};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, PaginatedStream, PoolApi};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Country {
    name: String,
    population: i64,
}

async fn seed(
    base_url: String,
    token: String,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let fetch_token = move || {
        let token = token.clone();
        async move { token }
    };
    let pool = Arc::new(AwwPool::new(3, None, false, base_url).with_auth_callback(
        1,
        move || {
            let token = fetch_token();
            async { Ok::<_, std::io::Error>(token.await) }
        },
        |mut req, token| {
            req.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
            req
        },
    ));
    let api = PoolApi::new(pool.clone());
    let countries = Table::<PoolApi, Country>::new("countries", api.clone())
        .with_id_column("name")
        .with_column_of::<i64>("population");
    let all = countries.list_values().await?;
    assert_eq!(all.len(), 95);
    let germany: Option<Country> = countries.get("Germany").await?;
    assert_eq!(germany, Some(Country { name: "Germany".into(), population: 84_000_000 }));
    let mut items = PaginatedStream::get(pool.clone(), "/countries".to_string()).prefetch(3);
    let mut count = 0;
    while let Some(item) = items.next().await {
        let value: serde_json::Value = item?;
        count += usize::from(value["name"].is_string());
    }
    assert_eq!(count, 95);
    let response = pool.get("/countries?page=1").await?;
    assert_eq!(response.json::<Value>()?["data"].as_array().map(Vec::len), Some(10));
    Ok(())
}

#[tokio::test]
async fn the_seed_program_reads_every_row() {
    let mut rows: Vec<Value> =
        (0..94).map(|n| json!({ "name": format!("Country {n}"), "population": n })).collect();
    rows.insert(70, json!({ "name": "Germany", "population": 84_000_000 }));
    let api = Hostile::with_rows(rows).at("/countries").wants_token().start();
    let token = api.issue_token();
    soon("the program ends", seed(api.url(), token)).await.unwrap();
}
