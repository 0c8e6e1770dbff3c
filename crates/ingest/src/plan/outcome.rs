//! What came of a run: complete, stopped or failed, and what there is to say about it.

use std::{error::Error as _, time::Duration};

use super::Stream;
use crate::{
    description::{Reconcile, WriteMode},
    error::Error,
    report::{CUT_BOUNDARY, Outcome, StreamReport, rejected, remarks, unbalanced, unexpected},
    run::Ended,
    state::{Counts, StreamState},
};

impl Stream {
    /// What came of a run that took so long.
    pub(crate) async fn report(&self, ended: Result<Ended, Error>, took: Duration) -> StreamReport {
        match ended {
            Ok(ended) => self.report_of(ended, took),
            Err(error) => {
                let state = self.state().await.unwrap_or_default();
                let (stream, outcome) = (self.name.clone(), Outcome::Failed(told(&error)));
                let (run, counts) = (state.run, state.counts());
                StreamReport { stream, run, outcome, counts, remarks: Vec::new(), took }
            }
        }
    }

    /// What came of a run that its sink knows the end of.
    pub(crate) fn report_of(&self, ended: Ended, took: Duration) -> StreamReport {
        let stream = self.name.clone();
        let Ended { state, failures, discarded } = ended;
        let counts = state.counts();
        let has_ended = state.is_finished && !state.has_failed_early();
        let outcome = match failures.first().filter(|_| !has_ended) {
            Some((unit, error)) if unit.is_empty() => Outcome::Failed(error.to_string()),
            Some((unit, error)) => {
                let others = match failures.len() {
                    1 => String::new(),
                    all => format!(" (and {} others)", all - 1),
                };
                Outcome::Failed(format!("{unit}{others}: {error}"))
            }
            None if !state.is_finished => Outcome::Stopped,
            None => match state.error.clone().or_else(|| self.shortcoming(&state)) {
                Some(what) => Outcome::Failed(what),
                None => Outcome::Complete,
            },
        };
        let rejected = self.rejected(&state).filter(|_| !counts.are_all_rejected());
        let mut remarks = match &outcome {
            Outcome::Failed(_) => Vec::new(),
            // How many rows there are is not to be compared yet.
            Outcome::Stopped => remarks(&Counts { declared: None, ..counts }, &discarded),
            Outcome::Complete => remarks(&counts, &discarded),
        };
        let has_failed = matches!(outcome, Outcome::Failed(_));
        remarks.extend(rejected);
        remarks.extend(state.findings.remarks(counts.written));
        remarks.extend(self.kept(&state).filter(|_| !has_failed));
        if has_ended && unbalanced(&counts).is_none() {
            remarks.extend(failures.iter().map(|(_, error)| error.to_string()));
        }
        remarks.extend(unmarked(&state, self.cursor()));
        if state.is_boundary_cut() {
            remarks.push(CUT_BOUNDARY.to_owned());
        }
        StreamReport { stream, run: state.run, outcome, counts, remarks, took }
    }

    /// Which rows were set aside, and why, if any were.
    fn rejected(&self, state: &StreamState) -> Option<String> {
        rejected(&state.counts(), self.destination.rejects(), state.findings.reject.as_deref())
    }

    /// That rows which are gone were not deleted.
    fn kept(&self, state: &StreamState) -> Option<String> {
        let mode = self.write().mode;
        let forbids = state.findings.forbid_deletes(mode, &state.counts());
        (state.is_finished && mode == WriteMode::Sync && forbids)
            .then(|| "no row was deleted, as those that this run lacks may not be gone".to_owned())
    }

    /// What is wrong with the counts of a run that has ended.
    fn shortcoming(&self, state: &StreamState) -> Option<String> {
        let counts = &state.counts();
        let mode = self.write().mode;
        if counts.are_all_rejected() {
            return self.rejected(state);
        }
        if mode == WriteMode::Replace && state.findings.forbid_deletes(mode, counts) {
            let why = match state.findings.lacks_key {
                true => format!(
                    "{}; a row without its key may be one that is there",
                    self.rejected(state).unwrap_or_default()
                ),
                false => state.findings.remarks(0).join("; "),
            };
            return Some(format!("{why}, so the table stays as it was"));
        }
        let unbalanced = unbalanced(counts).filter(|_| self.reconcile == Reconcile::Fail);
        let rows = self.write().rows.as_ref();
        unbalanced.or_else(|| unexpected(counts, rows?))
    }
}

/// That no row of a finished run, and of those before it, has the field that tells what is new.
fn unmarked(state: &StreamState, field: Option<&str>) -> Option<String> {
    let is_whole = state.is_finished && state.error.is_none();
    let field = field.filter(|_| is_whole && state.mark.is_none())?;
    let has_rows = state.last.written > 0;
    has_rows.then(|| format!("no row has `{field}`, so the next run does not know what is new"))
}

/// An error of a sink with its causes, which its own text does not have.
fn told(error: &Error) -> String {
    let mut told = error.to_string();
    let mut cause = match error {
        Error::Sink(error) => error.source(),
        _ => None,
    };
    while let Some(why) = cause {
        let why_text = why.to_string();
        // Some errors repeat their source.
        if !told.contains(&why_text) {
            told = format!("{told}: {why_text}");
        }
        cause = why.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_no_row_has_is_named() {
        let last = Counts { read: 2, written: 2, ..Counts::default() };
        let state = StreamState { is_finished: true, last, ..StreamState::default() };
        let said = "no row has `updated_at`, so the next run does not know what is new";
        assert_eq!(unmarked(&state, Some("updated_at")).as_deref(), Some(said));
        assert_eq!(unmarked(&state, None), None);
        for state in [
            StreamState { mark: Some("2024-01-01".into()), ..state.clone() },
            StreamState { is_finished: false, ..state.clone() },
            StreamState { error: Some("a row of the parent has no `id`".into()), ..state.clone() },
            StreamState { last: Counts::default(), ..state },
        ] {
            assert_eq!(unmarked(&state, Some("updated_at")), None);
        }
    }
}
