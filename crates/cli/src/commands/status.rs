//! `apipool status`.

use vantage_api_ingest::{Job, report::Outcome, state::StreamState};

use super::{describe, pool};
use crate::{
    arguments::{File, Status},
    failure::Failure,
    output,
};

pub(crate) async fn run(status: &Status) -> Result<(), Failure> {
    #[cfg(feature = "cluster")]
    if let Some(url) = &status.url {
        return super::cluster::status(url, status.json).await;
    }
    let file = status.file.clone().unwrap_or_default();
    let description = describe(&File { file, variables: status.variables.clone() })?;
    let pool = pool(&description)?;
    for name in description.jobs.keys() {
        let job = Job::over(&description, name, pool.clone())?;
        let last = job.last_run().await?.map(|report| report.streams).unwrap_or_default();
        for (stream, state) in job.status().await? {
            // Another process may have begun a run in between.
            let last = last.iter().find(|last| last.stream == stream && last.run == state.run);
            let standing = standing(&state, last.map(|last| &last.outcome));
            output::line(format_args!("{name}.{stream}: {standing}"));
        }
    }
    Ok(())
}

/// Where a stream stands, whose last run has ended in this way, if it has ended.
fn standing(state: &StreamState, outcome: Option<&Outcome>) -> String {
    if state.run == 0 {
        return "never run".into();
    }
    let how = match outcome {
        Some(Outcome::Failed(why)) => format!("FAILED: {why}"),
        _ if state.is_finished => "is complete".into(),
        _ => "is under way or was interrupted".into(),
    };
    // There are none of a run that is finished.
    let parts = match state.units.len() {
        0 | 1 => String::new(),
        all => {
            let done = state.units.values().filter(|unit| unit.is_done).count();
            format!(" ({done} of {all} parts begun are done)")
        }
    };
    let counts = state.counts();
    let mark = match (&state.mark, state.partitions.len()) {
        (Some(mark), 0) => format!("; what is new begins at {mark}"),
        (Some(mark), all) => {
            format!(
                "; what is new begins at {mark} at the latest, in each of {all} partitions by itself"
            )
        }
        (None, _) => String::new(),
    };
    format!(
        "run {} {how}{parts}: {} rows written from {} pages, {} rejected{mark}",
        state.run, counts.written, counts.pages, counts.rejected
    )
}

#[cfg(test)]
mod tests {
    use vantage_api_ingest::state::{Counts, UnitState};

    use super::*;

    #[test]
    fn a_run_that_failed_is_not_complete() {
        let last = Counts { pages: 2, written: 15, rejected: 1, ..Counts::default() };
        let mut state = StreamState { run: 3, is_finished: true, last, ..StreamState::default() };
        let said = "run 3 is complete: 15 rows written from 2 pages, 1 rejected";
        assert_eq!(standing(&state, Some(&Outcome::Complete)), said);
        let failed = Outcome::Failed("it broke".into());
        let said = "run 3 FAILED: it broke: 15 rows written from 2 pages, 1 rejected";
        assert_eq!(standing(&state, Some(&failed)), said);
        assert_eq!(standing(&StreamState::default(), Some(&failed)), "never run");
        state.is_finished = false;
        state.mark = Some("2024".into());
        for (key, is_done) in [("a", true), ("b", false)] {
            state.units.insert(key.into(), UnitState { is_done, ..UnitState::default() });
        }
        let counts = "(1 of 2 parts begun are done): 0 rows written from 0 pages, 0 rejected; \
                      what is new begins at 2024";
        let said = standing(&state, Some(&Outcome::Stopped));
        assert_eq!(said, format!("run 3 is under way or was interrupted {counts}"));
        let said = standing(&state, Some(&failed));
        assert_eq!(said, format!("run 3 FAILED: it broke {counts}"));
    }
}
