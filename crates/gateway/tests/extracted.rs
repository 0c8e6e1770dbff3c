//! Tables whose rows are extracted from pages that are not JSON are served like any other.

#![cfg(test)]

use std::{sync::mpsc, thread, time::Duration};

use demo_api::{DemoApi, DemoOptions};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use vantage_api_extract::{Css, Csv, Extracted, Extraction, Field};
use vantage_api_gateway::{Gateway, TableConfig};
use vantage_api_pool::{AwwPool, Paging, PoolApi, Request, tokens::bearer, vantage::ApiTable};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use vantage_vista::Vista;

const LONG: Duration = Duration::from_secs(120);

fn upstream(api: &DemoApi) -> AwwPool {
    let origin = api.origin();
    let acquire = move || {
        let origin = origin.clone();
        async move {
            let answer = AwwPool::builder(origin).build()?.request(Request::post("/token")).await?;
            let token: Value = answer.json()?;
            Ok::<_, vantage_api_pool::Error>(token["access_token"].as_str().unwrap().to_owned())
        }
    };
    AwwPool::builder(api.base_url()).with_auth_callback(1, acquire, bearer).build().unwrap()
}

fn table(pool: &AwwPool, file: &str, rows: &Extraction, paging: Option<Paging>) -> Vista {
    let table = ApiTable::new().path(format!("/{file}")).extract(rows);
    let table = match paging {
        Some(paging) => table.paging(paging),
        None => table,
    };
    let api = PoolApi::new(pool).table("countries", table);
    let countries = Table::<_, EmptyEntity>::new("countries", api.clone())
        .with_id_column("name")
        .with_column_of::<i64>("population");
    api.vista_factory().from_table(countries).unwrap()
}

#[tokio::test]
async fn rows_of_html_and_of_csv_are_pages_and_rows_of_a_gateway() {
    let options = DemoOptions { quota: 100_000, ..DemoOptions::default() };
    let api = DemoApi::start(options).unwrap();
    let pool = upstream(&api);
    let html = Css::new("tr.row")
        .field("name", "td.name")
        .field("population", Field::new("td.population").integer().required())
        .next("a[rel=next]")
        .build()
        .unwrap();
    let csv = Csv::new()
        .field("name", "name")
        .field("population", Field::new("population").integer())
        .build()
        .unwrap();
    let gateway = Gateway::builder()
        .without_auth()
        .table("html", TableConfig::new(table(&pool, "countries.html", &html, None)))
        .table(
            "csv",
            TableConfig::new(table(&pool, "countries.csv", &csv, Some(Paging::link_header()))),
        )
        .bind(([127, 0, 0, 1], 0))
        .workers(1)
        .build()
        .unwrap();
    let handle = gateway.handle();
    let (end, ended) = oneshot::channel::<()>();
    let (told, address) = mpsc::channel();
    let serving = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            actix_web::rt::spawn(async move {
                let _ = told.send(handle.address().await);
            });
            let end = async {
                let _ = ended.await;
            };
            gateway.run_until(end).await.unwrap();
        });
    });
    let address = address.recv_timeout(LONG).unwrap().unwrap();
    let client = AwwPool::builder(format!("http://{address}/api/v1/tables")).build().unwrap();
    let get = async |path: &str| -> Value {
        client.request(Request::get(path)).await.unwrap().json().unwrap()
    };
    let own = api.countries();
    for name in ["html", "csv"] {
        let page = get(&format!("/{name}?page=2&per_page=7")).await;
        let names: Vec<&Value> =
            page["data"].as_array().unwrap().iter().map(|r| &r["name"]).collect();
        let expected: Vec<&Value> = own[7..14].iter().map(|row| &row["name"]).collect();
        assert_eq!(names, expected, "{name}");
        let latvia = get(&format!("/{name}/Latvia")).await;
        let people = own.iter().find(|row| row["name"] == "Latvia").map(|row| &row["population"]);
        assert_eq!(Some(&latvia["population"]), people, "{name}: {latvia}");
        assert_eq!(latvia["name"], json!("Latvia"));
    }
    drop(end);
    serving.join().unwrap();
}
