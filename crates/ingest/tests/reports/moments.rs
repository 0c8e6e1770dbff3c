//! Days and moments at the edges of their types.

use crate::{
    setup::Setup,
    single::{self, rejects},
};

/// Rows with these values in the column `at` of this type.
async fn copied(kind: &str, values: &[&str]) -> Setup {
    let rows =
        values.iter().zip(1..).map(|(value, id)| format!("{{\"id\": {id}, \"at\": {value}}}"));
    let table = format!("id: id, columns: {{ id: int, at: {kind} }}, ");
    let setup = single::setup(&table, "", &rows.collect::<Vec<_>>());
    setup.complete().await;
    setup
}

/// The values that were written.
fn written(setup: &Setup) -> Vec<String> {
    setup.query("SELECT at FROM rows ORDER BY id")
}

// sooperset/mcp-atlassian#20
#[tokio::test]
async fn offsets_need_no_colon() {
    let values = [
        "\"2024-01-31T12:00:00.000+0000\"",
        "\"2024-01-31T12:00:00+0900\"",
        "\"2024-01-31T12:00:00 +0000\"",
    ];
    let setup = copied("timestamp", &values).await;
    let noon = "2024-01-31T12:00:00.000000Z";
    assert_eq!(written(&setup), [noon, "2024-01-31T03:00:00.000000Z", noon]);
}

// singer-io/target-stitch#59, transferwise/pipelinewise-tap-postgres#119
#[tokio::test]
async fn the_first_and_the_last_moment_of_the_calendar_and_a_leap_second_are_moments() {
    let values = [
        "\"0001-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59.9999999Z\"",
        "\"2016-12-31T23:59:60Z\"",
    ];
    let setup = copied("timestamp", &values).await;
    assert_eq!(
        written(&setup),
        [
            "0001-01-01T00:00:00.000000Z",
            // Rounded, it would be in the year 10000.
            "9999-12-31T23:59:59.999999Z",
            "2017-01-01T00:00:00.000000Z",
        ]
    );
}

// MeltanoLabs/tap-postgres#1, transferwise/pipelinewise-tap-postgres#62
#[tokio::test]
async fn a_moment_that_is_none_costs_its_own_row() {
    let values = [
        "\"-0001-11-30T00:00:00Z\"",
        "\"0000-00-00 00:00:00\"",
        "\"2024-02-30T00:00:00Z\"",
        "\"2024-02-29T24:00:00Z\"",
        "\"\"",
        "\"2024-02-29T00:00:00Z\"",
    ];
    let setup = copied("timestamp", &values).await;
    assert_eq!(written(&setup), ["2024-02-29T00:00:00.000000Z"]);
    assert_eq!(rejects(&setup), 5);
}

// joshstevens19/reth-indexer#34, msupply-foundation/open-msupply#923
#[tokio::test]
async fn a_number_that_is_no_moment_costs_its_own_row() {
    let values = ["0", "10000000000000000000000000000", "-79228162514264337593543950335", "1e400"];
    let setup = copied("timestamp", &values).await;
    assert_eq!(written(&setup), ["1970-01-01T00:00:00.000000Z"]);
    assert_eq!(rejects(&setup), 3);
}

// ocsf/ocsf-server#110, raycast/extensions#7207
#[tokio::test]
async fn microseconds_since_1970_are_not_taken_for_milliseconds() {
    let setup = copied("timestamp", &["1718905365", "1718905365392963"]).await;
    let written = written(&setup);
    assert!(written.iter().all(|moment| moment.starts_with("2024-06-20T17:42:45.")), "{written:?}");
    assert_eq!(written.len() + usize::try_from(rejects(&setup)).unwrap(), 2);
}

// brimdata/super#766
#[tokio::test]
async fn seconds_since_1970_may_have_an_exponent() {
    let setup = copied("timestamp", &["1.521835103E9"]).await;
    assert_eq!(written(&setup), ["2018-03-23T19:58:23.000000Z"]);
}

// submersion-app/submersion#1829
#[tokio::test]
async fn a_year_of_two_digits_is_not_one_of_the_first_century() {
    let setup = copied("date", &["\"91-04-15\"", "\"0091-04-15\""]).await;
    assert_eq!(written(&setup), ["0091-04-15"]);
    assert_eq!(rejects(&setup), 1);
}
