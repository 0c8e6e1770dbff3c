//! Numbers with more digits than their readers expect.

use crate::single::{self, rejects};

/// Rows with these values in `n`.
fn rows(values: &[&str]) -> Vec<String> {
    let rows = values.iter().zip(1..);
    rows.map(|(value, id)| format!("{{\"id\": {id}, \"n\": {value}}}")).collect()
}

// scylladb/scylladb#10100, brimdata/super#766
#[tokio::test]
async fn a_whole_number_may_have_an_exponent() {
    let rows = rows(&["1e3", "1.55E10", "120e-1", "1.5", "1e30"]);
    let setup = single::setup("id: id, columns: { id: int, n: int }, ", "", &rows);
    setup.complete().await;
    let numbers: Vec<i64> = setup.query("SELECT n FROM rows ORDER BY id");
    assert_eq!(numbers, [1000, 15_500_000_000, 12]);
    assert_eq!(rejects(&setup), 2);
}

/// What some servers write for 123.32 and 20.51.
const LONG: [&str; 2] =
    ["123.31999999999999", "20.510000000000001563194018672220408916473388671875"];

// laravel/framework#17744, laravel/framework#23442
#[tokio::test]
async fn a_declared_float_with_all_its_digits_is_the_float() {
    let setup = single::setup("id: id, columns: { id: int, n: float }, ", "", &rows(&LONG));
    setup.complete().await;
    let numbers: Vec<f64> = setup.query("SELECT n FROM rows ORDER BY id");
    assert_eq!(numbers, [123.32, 20.51]);
}

// laravel/framework#17744, laravel/framework#23442
#[tokio::test]
async fn a_float_with_all_its_digits_does_not_make_its_column_text() {
    let setup = single::setup("id: id, ", "", &rows(&["0.5", LONG[0], LONG[1]]));
    setup.complete().await;
    let types: Vec<String> = setup.query("SELECT DISTINCT typeof(n) FROM rows");
    assert_eq!(types, ["real"]);
}

// paupino/rust-decimal#562
#[tokio::test]
async fn a_decimal_has_up_to_38_digits() {
    let rows = rows(&[
        "999995881114.744959800000000134",
        "\"-99999999999999999999.999999999999999999\"",
        "100000000000000000000",
    ]);
    let table = "id: id, columns: { id: int, n: 'decimal(38,18)' }, ";
    let setup = single::setup(table, "", &rows);
    setup.complete().await;
    let numbers: Vec<String> = setup.query("SELECT n FROM rows ORDER BY id");
    assert_eq!(
        numbers,
        ["999995881114.744959800000000134", "-99999999999999999999.999999999999999999"]
    );
    assert_eq!(rejects(&setup), 1);
}

// airbytehq/airbyte#12057
#[tokio::test]
async fn an_id_beyond_64_bits_that_comes_late_keeps_its_digits_and_stays_one_row() {
    let setup = single::setup("id: id, ", "", &[r#"{"id": 1}"#]);
    setup.complete().await;
    single::serve(&setup, &[r#"{"id": 1}"#, r#"{"id": 18446744073709551615}"#]);
    for _ in 0..2 {
        setup.complete().await;
        let ids: Vec<String> = setup.query("SELECT id FROM rows ORDER BY id");
        assert_eq!(ids, ["1", "18446744073709551615"]);
    }
}

// airbytehq/airbyte#29594
#[tokio::test]
async fn numbers_in_nested_json_keep_their_digits() {
    const TOTALS: &str = r#"{"total": 67.174118, "wei": 12345678901234567890.10}"#;
    let setup = single::setup("id: id, ", "", &rows(&[TOTALS]));
    setup.complete().await;
    let totals: Vec<String> = setup.query("SELECT n FROM rows");
    assert_eq!(totals, [TOTALS]);
}
