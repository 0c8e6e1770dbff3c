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
    let (tables, jobs) = (description.tables.len(), description.jobs.len());
    let name = file.file.display();
    output::line(format_args!(
        "{name}: fine: {} and {}",
        count(tables, "table"),
        count(jobs, "job")
    ));
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
