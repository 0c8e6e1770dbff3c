//! Reads two pages by a draft, as a job would.

use std::collections::HashSet;

use futures::StreamExt;
use serde_json::Value;
use vantage_api_ingest::description::Description;
use vantage_api_pool::vantage::PoolTableExt;

use super::printable;
use crate::{commands::pool, failure::Failure, output};

/// How many rows are shown, and how much of each.
const SHOWN: usize = 3;
const WIDEST: usize = 120;

/// Reads two pages of the first table, and shows what came.
///
/// # Errors
/// If they cannot be read, or are not pages of one set.
pub(super) async fn read(description: &Description) -> Result<(), Failure> {
    let pool = pool(description)?;
    let source = description.source(pool.clone());
    let table = description.tables.first();
    let Some(named) = table else { return Ok(()) };
    let table = description.table(&named.name, &source);
    let Some(table) = table else { return Ok(()) };
    output::note(printable(&table.preview().to_string()));
    let rows = table.stream_json().await.map_err(Failure::usage)?;
    // Nothing is asked for but these.
    let pages = rows.prefetch(1).max_pages(2).pages();
    let mut pages = std::pin::pin!(pages.take(2));
    let (mut counts, mut rows, mut total) = (Vec::new(), Vec::new(), None);
    while let Some(page) = pages.next().await {
        let page = page?;
        total = total.or(page.total());
        let before = rows.len();
        for text in page.texts() {
            rows.push(text?.to_owned());
        }
        counts.push((rows.len() - before).to_string());
    }
    let attempts = pool.stats().await?.attempts;
    let keys = named.key();
    let different: HashSet<String> = rows.iter().map(|row| key_of(row, &keys)).collect();
    if rows.is_empty() {
        return Err(Failure::run("the draft reads no rows"));
    }
    if different.len() < rows.len() {
        return Err(Failure::run(format_args!(
            "{} rows came on {} pages, and only {} of them differ",
            rows.len(),
            counts.len(),
            different.len()
        )));
    }
    let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
    output::note(format_args!(
        "read by the draft with {attempts} requests: {} rows{total}, which all differ",
        counts.join(" and ")
    ));
    for row in rows.iter().take(SHOWN) {
        // An answer may be indented.
        let row: Vec<_> = row.split_whitespace().collect();
        let row = printable(&row.join(" "));
        let shown: String = row.chars().take(WIDEST).collect();
        output::note(format_args!("  {shown}{}", if shown.len() < row.len() { "…" } else { "" }));
    }
    Ok(())
}

/// What tells a row from the others: its key, or all of it.
fn key_of(row: &str, keys: &[String]) -> String {
    let value: Value = serde_json::from_str(row).unwrap_or_default();
    let fields: Vec<_> = keys.iter().filter_map(|key| value.get(key)).collect();
    match fields.is_empty() || fields.len() < keys.len() {
        true => row.to_owned(),
        false => fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}
