//! A gateway to look at and to try: a table of a remote API, read through a pool; a table in memory,
//! which can be written; and a key-value store.
//!
//! ```text
//! cargo run --release -p vantage-api-gateway --example served
//! cargo run --release -p vantage-api-gateway --example served 127.0.0.1:0 SECRET
//! ```
//!
//! It prints where its pages are. It serves everybody on this machine, on 127.0.0.1:8080, or as the
//! arguments say: on another address, and only those who have the secret as their token.

#![allow(clippy::print_stdout)]

use std::{env, error::Error, net::SocketAddr, time::Duration};

use ciborium::Value;
use demo_api::{DemoApi, DemoOptions};
use serde::Deserialize;
use vantage_api_gateway::{
    Gateway, Limits, Ops, TableConfig,
    auth::{Principal, Tokens},
    kv::{Kv, Settings},
};
use vantage_api_pool::{
    AwwPool, PoolApi, Request, Token,
    limits::{RateLimitPolicy, RateLimitPolicyEnforcer},
    tokens::bearer,
};
use vantage_table::table::Table;
use vantage_types::{EmptyEntity, Record};
use vantage_vista::{Column, ColumnFlag, Vista, VistaMetadata, mocks::MockShell};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address: SocketAddr =
        arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned()).parse()?;
    let secret = arguments.next();

    let demo = DemoApi::start(DemoOptions {
        latency: Duration::from_millis(5),
        per_page: 50,
        max_per_page: 500,
        ..DemoOptions::default()
    })?;
    let login = AwwPool::new(1, None, false, demo.origin());
    let pool = AwwPool::new(2, None, false, demo.base_url()).with_auth_callback(
        1,
        move || fetch_token(login.clone()),
        bearer,
    );
    let folder = tempfile::tempdir()?;
    let kv = Kv::open(folder.path().join("values.redb"), Settings::default())?;

    let cities = TableConfig::new(cities())
        .operations(Ops::ALL)
        .writable(["id", "name", "country", "population"])
        .max_bulk_rows(100);
    let countries = TableConfig::new(countries(&pool)?).cache_ttl(Duration::from_secs(5));
    let builder = Gateway::builder()
        .bind(address)
        .table("cities", cities)
        .table("countries", countries)
        .kv(kv)
        .pool("countries", pool)
        // For programs that try everything, and tokens too.
        .limits(Limits { max_failed_logins: 1_000_000, ..Limits::default() })
        .limit_principals(generous()?)
        .drain(Duration::from_secs(1), Duration::from_secs(10));
    let gateway = match secret {
        Some(secret) => {
            let known = [(Tokens::digest_of(&secret), Principal::new("you"))];
            builder.auth(Tokens::digests(known)?).build()?
        }
        None => builder.without_auth().build()?,
    };

    let handle = gateway.handle();
    actix_web::rt::System::new().block_on(async move {
        actix_web::rt::spawn(async move {
            if let Some(address) = handle.address().await {
                println!("http://{address}/api/v1/docs");
                println!("http://{address}/api/v1/status");
            }
        });
        gateway.run().await
    })?;
    Ok(())
}

/// The countries of the API behind the pool.
fn countries(pool: &AwwPool) -> Result<Vista, Box<dyn Error>> {
    let api = PoolApi::new(pool).item_endpoints(true);
    let table = Table::<PoolApi, EmptyEntity>::new("countries", api.clone())
        .with_id_column("name")
        .with_column_of::<String>("code")
        .with_column_of::<String>("capital")
        .with_column_of::<String>("continent")
        .with_column_of::<i64>("population");
    Ok(api.vista_factory().from_table(table)?)
}

/// A table in memory.
fn cities() -> Vista {
    let metadata = VistaMetadata::new()
        .with_column(Column::new("id", "string").with_flag(ColumnFlag::Id))
        .with_column(
            Column::new("name", "string")
                .with_flag(ColumnFlag::Orderable)
                .with_flag(ColumnFlag::Searchable)
                .with_flag(ColumnFlag::Mandatory),
        )
        .with_column(Column::new("country", "string"))
        .with_column(Column::new("population", "i64").with_flag(ColumnFlag::Orderable))
        .with_id_column("id");
    let rows = MockShell::new().with_metadata(metadata);
    for (id, name, country, population) in [
        ("1", "Berlin", "Germany", 3_700_000_i64),
        ("2", "Bonn", "Germany", 330_000),
        ("3", "Lyon", "France", 520_000),
        ("4", "Riga", "Latvia", 605_000),
        ("5", "Ventspils", "Latvia", 33_000),
    ] {
        let text = |text: &str| Value::Text(text.to_owned());
        let row = [
            ("id".to_owned(), text(id)),
            ("name".to_owned(), text(name)),
            ("country".to_owned(), text(country)),
            ("population".to_owned(), Value::from(population)),
        ];
        rows.set_record(id, Record::from_iter(row));
    }
    Vista::new("cities", rows)
}

/// More requests than anybody makes by hand.
fn generous() -> Result<RateLimitPolicyEnforcer, Box<dyn Error>> {
    let policy = RateLimitPolicy::token_bucket("principal", 1_000_000, Duration::from_secs(1));
    Ok(RateLimitPolicyEnforcer::new([policy])?)
}

/// Fetches a token of the API, through a pool that needs none.
async fn fetch_token(login: AwwPool) -> Result<Token, vantage_api_pool::Error> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
    }
    let granted: Granted = login.request(Request::post("/token")).await?.json()?;
    Ok(Token::new(granted.access_token))
}
