//! An actix-web service that uses a pool by messages to its supervisor.
//!
//! ```text
//! cargo run --release --example actix_app             # asks itself and ends
//! cargo run --release --example actix_app -- --serve  # keeps serving
//! ```

#![allow(clippy::print_stdout)]

use std::{error::Error, time::Duration};

use actix::Addr;
use actix_web::{App, HttpResponse, HttpServer, web};
use futures::TryStreamExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::Value;
use vantage_api_pool::{
    AwwPool, Request, Supervisor,
    messages::{Fetch, GetStats, OpenStream},
    tokens::bearer,
};

use demo_api::{DemoApi, DemoOptions};

/// Forwards a page of countries.
async fn countries(pool: web::Data<Addr<Supervisor>>, page: web::Path<u32>) -> HttpResponse {
    let request = Request::get(format!("/countries?page={page}"));
    match pool.send(Fetch::new(request)).await {
        Ok(Ok(answer)) => {
            HttpResponse::Ok().content_type("application/json").body(answer.into_body())
        }
        Ok(Err(error)) => HttpResponse::BadGateway().body(error.to_string()),
        Err(gone) => HttpResponse::ServiceUnavailable().body(gone.to_string()),
    }
}

/// All cities, one JSON object per line, forwarded while they are read.
async fn cities(pool: web::Data<Addr<Supervisor>>) -> HttpResponse {
    match pool.send(OpenStream::new("/cities").prefetch(8)).await {
        Ok(stream) => HttpResponse::Ok()
            .content_type("application/x-ndjson")
            .streaming(stream.map_ok(|city| web::Bytes::from(format!("{city}\n")))),
        Err(gone) => HttpResponse::ServiceUnavailable().body(gone.to_string()),
    }
}

/// The pool's statistics on one line.
async fn stats(pool: web::Data<Addr<Supervisor>>) -> HttpResponse {
    match pool.send(GetStats).await {
        Ok(Ok(stats)) => HttpResponse::Ok().body(stats.to_string()),
        Ok(Err(error)) => HttpResponse::BadGateway().body(error.to_string()),
        Err(gone) => HttpResponse::ServiceUnavailable().body(gone.to_string()),
    }
}

/// The pool's statistics in the format of Prometheus.
async fn metrics(exporter: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(exporter.render())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = DemoApi::start(DemoOptions::default())?;
    let login = AwwPool::new(1, None, false, demo.origin());
    let pool = AwwPool::new(2, None, false, demo.base_url()).with_auth_callback(
        1,
        move || fetch_token(login.clone()),
        bearer,
    );

    let exporter = web::Data::new(PrometheusBuilder::new().install_recorder()?);
    let supervisor = web::Data::new(pool.supervisor().await?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(supervisor.clone())
            .app_data(exporter.clone())
            .route("/pages/{page}", web::get().to(countries))
            .route("/cities", web::get().to(cities))
            .route("/stats", web::get().to(stats))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().ok_or("no address is bound")?;
    println!("serving /pages/1, /cities, /stats and /metrics at http://{address}");
    let server = server.run();

    if std::env::args().any(|argument| argument == "--serve") {
        server.await?;
    } else {
        let handle = server.handle();
        let serving = actix_web::rt::spawn(server);
        ask(&format!("http://{address}")).await?;
        handle.stop(true).await;
        serving.await??;
    }
    pool.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// What a client of the service sees.
async fn ask(service: &str) -> Result<(), vantage_api_pool::Error> {
    let client = AwwPool::new(1, None, false, service);
    for page in 1..=3 {
        let body: Value = client.get(format!("/pages/{page}")).await?.json()?;
        let names = body["data"].as_array().into_iter().flatten().map(|row| &row["name"]);
        println!("page {page}: {}", names.map(Value::to_string).collect::<Vec<_>>().join(", "));
    }
    println!("{} cities", client.get("/cities").await?.text()?.lines().count());
    println!("{}", client.get("/stats").await?.text()?);
    // The statistics are published to the exporter once a second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let metrics = client.get("/metrics").await?;
    let calls = metrics.text()?.lines().filter(|line| line.contains("calls_total{"));
    calls.for_each(|line| println!("{line}"));
    client.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

async fn fetch_token(login: AwwPool) -> Result<String, Box<dyn Error + Send + Sync>> {
    let granted: Value = login.request(Request::post("/token")).await?.json()?;
    Ok(granted["access_token"].as_str().ok_or("the answer holds no token")?.to_owned())
}
