//! `apipool check`.

use vantage_api_ingest::Job;

use super::{describe, pool, with_queries};
use crate::{arguments::File, failure::Failure, output};

pub(crate) fn run(file: &File) -> Result<(), Failure> {
    let description = describe(file)?;
    let pool = pool(&description)?;
    let description = with_queries(description, &pool)?;
    for name in description.jobs.keys() {
        Job::over(&description, name, pool.clone())?;
    }
    let mut has =
        vec![count(description.tables.len(), "table"), count(description.jobs.len(), "job")];
    if let Some(gateway) = &description.gateway {
        has.push(format!("a gateway of {}", count(gateway.tables.len(), "table")));
    }
    let last = has.pop().unwrap_or_default();
    output::line(format_args!("{}: fine: {} and {last}", file.file.display(), has.join(", ")));
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
