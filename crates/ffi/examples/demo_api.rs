//! The demo API for the examples in C and Go: prints its base URL and a token, each on a line, and
//! serves until its input ends.
//!
//! `cargo run -p vantage-api-pool-ffi --example demo_api`

use std::{
    error::Error,
    io::{Read, Write, stdin, stdout},
};

use demo_api::{DemoApi, DemoOptions};
use vantage_api_pool::{AwwPool, Request};

fn main() -> Result<(), Box<dyn Error>> {
    let api = DemoApi::start(DemoOptions { quota: 100_000, ..DemoOptions::default() })?;
    let pool = AwwPool::new(1, None, false, api.origin());
    let answer = futures::executor::block_on(pool.request(Request::post("/token")))?;
    let answer: serde_json::Value = answer.json()?;
    let token = answer["access_token"].as_str().ok_or("the demo API gives no token")?;
    let mut out = stdout().lock();
    writeln!(out, "{}\n{token}", api.base_url())?;
    out.flush()?;
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
