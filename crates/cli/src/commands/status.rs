//! `apipool status`.

use vantage_api_ingest::{Job, state::StreamState};

use super::{describe, pool};
use crate::{arguments::File, failure::Failure, output};

pub(crate) async fn run(file: &File) -> Result<(), Failure> {
    let description = describe(file)?;
    let pool = pool(&description)?;
    for name in description.jobs.keys() {
        let job = Job::over(&description, name, pool.clone())?;
        for (stream, state) in job.status().await? {
            output::line(format_args!("{name}.{stream}: {}", standing(&state)));
        }
    }
    Ok(())
}

/// Where a stream stands.
fn standing(state: &StreamState) -> String {
    let counts = state.counts();
    let counted = format!(
        "{} rows written from {} pages, {} rejected",
        counts.written, counts.pages, counts.rejected
    );
    let mark = match &state.mark {
        Some(mark) => format!("; what is new begins at {mark}"),
        None => String::new(),
    };
    match state.run {
        0 => "never run".into(),
        run if state.is_finished => format!("run {run} is complete: {counted}{mark}"),
        run => {
            let done = state.units.values().filter(|unit| unit.is_done).count();
            let units = match state.units.len() {
                0 | 1 => String::new(),
                all => format!(" ({done} of {all} parts begun are done)"),
            };
            format!("run {run} is under way or was interrupted{units}: {counted}{mark}")
        }
    }
}
