//! Relations lead from rows to rows, be they of the API or written by a job.

use demo_api::{DemoApi, DemoOptions};
use vantage_api_ingest::{Job, description::Reader, schema::ColumnType, vistas};
use vantage_dataset::traits::ReadableValueSet as _;
use vantage_vista::contract::check_advertised;

use crate::support::{Written, ids, ints, text, texts};

const WORLD: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: countries
    id: name
    columns: { name: text, code: text, population: int }
    references: { cities: { table: cities, kind: has_many, foreign_key: country } }
    api: { item_endpoint: true }
  - name: cities
    id: id
    columns: { id: int, name: text, country: text, is_capital: bool }
    references: { country: { table: countries, foreign_key: country } }
    api: { item_endpoint: true, filters: { style: equality } }
jobs:
  world: { sink: { sqlite: "${DB}" }, streams: [{ table: countries }, { table: cities }] }
gateway:
  auth: none
  tables:
    countries: { relations: [cities] }
    cities: { relations: [country] }
    countries_here: { source: { job: world, table: countries }, relations: [cities] }
    cities_here: { source: { job: world, table: cities }, relations: [country] }
"#;

#[tokio::test]
async fn a_relation_leads_to_the_table_from_the_same_source() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let written = Written::new();
    let description = Reader::new()
        .variable("BASE", api.base_url())
        .variable("ORIGIN", api.origin())
        .variable("DB", written.path().to_str().unwrap())
        .read_yaml(WORLD)
        .unwrap();
    assert!(Job::new(&description, "world").unwrap().run().await.is_complete());
    let pool = description.api.clone().builder().unwrap().build().unwrap();
    let vistas = vistas::of_gateway(&description, &description.source(&pool)).await.unwrap();
    for (countries, cities) in [("countries", "cities"), ("countries_here", "cities_here")] {
        let (countries, cities) = (&vistas[countries], &vistas[cities]);
        let latvia = countries.get_value("Latvia").await.unwrap();
        let Some(latvia) = latvia else { panic!("the demo has no Latvia") };
        let related = countries.get_ref("cities", Some(&latvia)).unwrap();
        assert_eq!(related.name(), cities.name());
        assert_eq!(ids(&related).await.len(), 64, "{}", countries.name());
        let (_, city) = related.fetch_window(0, 1).await.unwrap().rows.remove(0);
        assert_eq!(city.get("country"), Some(&text("Latvia")));
        let back = cities.get_ref("country", Some(&city)).unwrap();
        assert_eq!(ids(&back).await, ["Latvia"]);
        assert_eq!(countries.reference("cities").unwrap().target, cities.name());
    }
    check_advertised(&vistas["countries_here"]).await;
}

#[tokio::test]
async fn records_in_a_column_are_a_table() {
    let written = Written::new();
    let borders = [Some(r#"[{"code":"EE","km":343.5},{"code":"LT"}]"#), None];
    written.write(
        "countries",
        vec![("id", ColumnType::Int, ints([1, 2])), ("borders", ColumnType::Json, texts(borders))],
    );
    let yaml = r#"
tables:
- name: countries
  id: id
  contained:
    borders: { host_column: borders, kind: contains_many, id_column: code, columns: { code: text, km: float } }
jobs: { copy: { sink: { sqlite: "${DB}" }, streams: [{ table: countries }] } }
gateway:
  auth: none
  tables: { countries: { source: { job: copy }, relations: [borders] } }
"#;
    let vistas = written.vistas(yaml).await.unwrap();
    let countries = &vistas["countries"];
    let row = countries.get_value("1").await.unwrap().unwrap();
    let borders = countries.get_ref("borders", Some(&row)).unwrap();
    assert_eq!(ids(&borders).await, ["EE", "LT"]);
    assert_eq!(borders.id_column(), Some("code"));
    let none = countries.get_value("2").await.unwrap().unwrap();
    assert!(ids(&countries.get_ref("borders", Some(&none)).unwrap()).await.is_empty());
    assert!(countries.get_ref("nothing", Some(&row)).unwrap_err().is_not_found());
}
