//! What people do with tables: print them, from programs of any kind.

use std::process::Command;

use crate::support::{hostile::Hostile, soon};
use vantage_api_pool::{AwwPool, PoolApi, vantage::PoolTableExt};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

type Rows = Table<PoolApi, EmptyEntity>;

/// Set for the process that prints, to the URL of the API.
const PRINTER: &str = "TABLE_PRINTER_URL";

fn api(url: &str) -> PoolApi {
    PoolApi::new(AwwPool::builder(url).build().unwrap())
}

fn rows(api: PoolApi) -> Rows {
    Table::new("rows", api)
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("n")
        .with_many("namesakes", "name", |api| Rows::new("rows", api).with_id_column("id"))
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[tokio::test]
async fn accept_77_a_table_is_printed_with_its_numbers_to_the_right() {
    if let Ok(url) = std::env::var(PRINTER) {
        return vantage_cli_util::print_table(&rows(api(&url))).await.unwrap();
    }
    let server = Hostile::new(25).start();
    // Only a process of its own has an output that can be read.
    let mut printer = Command::new(std::env::current_exe().unwrap());
    printer
        .args(["--exact", "--nocapture"])
        .arg("vantage_tools::accept_77_a_table_is_printed_with_its_numbers_to_the_right")
        .env(PRINTER, server.url());
    let output = soon("the print", tokio::task::spawn_blocking(move || printer.output())).await;
    let output = output.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = without_colours(&String::from_utf8(output.stdout).unwrap());
    let place = |row: u64, cell: &str| {
        let line = printed.lines().find(|line| line.contains(&format!("row {row} ")));
        let line = line.unwrap_or_else(|| panic!("row {row} is not in\n{printed}"));
        line.rfind(cell).unwrap()
    };
    for column in ["ID", "NAME", "N"] {
        assert!(printed.contains(column), "{printed}");
    }
    assert_eq!((0..25).filter(|row| printed.contains(&format!("row {row} "))).count(), 25);
    // The last digits of the numbers are below each other, and so are the first letters of the
    // names.
    assert_eq!(place(9, "9"), place(10, "10") + 1);
    assert_eq!(place(9, "row"), place(10, "row"));
}

/// Everything there is, on handles that were made elsewhere.
async fn use_all(table: Rows) {
    assert_eq!(soon("the list", table.list_values()).await.unwrap().len(), 25);
    assert!(soon("the row", table.get_value("17")).await.unwrap().is_some());
    assert_eq!(soon("the count", table.get_count()).await.unwrap(), 25);
    let vista = table.data_source().vista_factory().from_table(table.clone()).unwrap();
    let page = soon("the window", vista.fetch_window(20, 10)).await.unwrap();
    assert_eq!(page.rows.len(), 5);
    let row = soon("a row", vista.get_some_value()).await.unwrap().unwrap().1;
    let related = vista.get_ref("namesakes", Some(&row)).unwrap();
    assert_eq!(soon("no namesakes", related.list_values()).await.unwrap().len(), 0);
}

#[test]
fn accept_78_tables_and_vistas_work_on_plain_tokio_without_any_set_up() {
    let server = Hostile::new(25).start();
    let table = rows(api(&server.url()));
    for mut runtime in
        [tokio::runtime::Builder::new_multi_thread(), tokio::runtime::Builder::new_current_thread()]
    {
        runtime.enable_all().build().unwrap().block_on(use_all(table.clone()));
    }
}

#[test]
fn accept_78_tables_and_vistas_work_inside_an_actix_system_without_any_set_up() {
    let server = Hostile::new(25).start();
    let table = rows(api(&server.url()));
    actix_web::rt::System::new().block_on(use_all(table));
    let inside = Hostile::new(25).start();
    actix_web::rt::System::new().block_on(async { use_all(rows(api(&inside.url()))).await });
}
