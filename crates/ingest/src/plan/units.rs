//! The units of a run: partitions and windows of time.

use chrono::{TimeDelta, Utc};
use vantage_api_pool::{PoolApi, vantage::ApiCondition};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use super::Stream;
use crate::{
    description::{Delta, StreamDescription, Windows, WriteMode, moment_of},
    error::Error,
    run::{Since, SinceToken, Unit},
    state::StreamState,
};

impl Stream {
    /// The units of a run from its state, and which rows of the parent have none, if there are any.
    ///
    /// # Errors
    /// If the rows of the parent cannot be read, or none has a unit, or one has none and the rows that
    /// are not read would be deleted.
    pub(crate) async fn units(
        &self,
        state: &StreamState,
    ) -> Result<(Vec<Unit>, Option<String>), Error> {
        let (mut units, mut keyless) = (vec![Unit::default()], None);
        if let Some(partitions) = &self.partitions {
            (units, keyless) = partitions.units().await?;
        }
        let deletes = matches!(self.target.mode, WriteMode::Replace | WriteMode::Sync);
        if let Some(what) = keyless.take_if(|_| deletes || units.is_empty()) {
            return Err(Error::Units(what));
        }
        let until = state.until.as_deref().and_then(moment_of).unwrap_or_else(Utc::now);
        let mut all = Vec::with_capacity(units.len());
        for mut unit in units {
            let mark = state.mark_of(&unit.partition);
            if let Some(windows) = &self.windows {
                let mark = mark.and_then(|mark| self.since.as_ref()?.moment(mark));
                let windows = windows.split(mark, until).map_err(Error::Units)?;
                all.extend(windows.into_iter().map(|params| unit.within(&Unit::window(params))));
            } else {
                unit.params.extend(self.since.as_ref().and_then(|since| since.param(mark)));
                all.push(unit);
            }
        }
        if let Some(delta) = self.delta() {
            all.iter_mut().for_each(|unit| ask_since(unit, delta, state));
        }
        Ok((all, keyless))
    }
}

/// Asks for what has changed since the token that the last run has kept for a unit.
fn ask_since(unit: &mut Unit, delta: &Delta, state: &StreamState) {
    let first = delta.first.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    // A run that has found it expired does not go on with it.
    let reads_all = state.units.get(&unit.key).is_some_and(|unit| unit.reads_all);
    match state.tokens.get(&unit.key).filter(|_| !reads_all) {
        None => unit.params.extend(first),
        Some(token) => {
            unit.params.push((delta.param.clone(), token.clone()));
            unit.since_token = Some(SinceToken { param: delta.param.clone(), first });
        }
    }
}

/// The table with the rows of a unit. Its settings are found by its name without the query.
pub(super) fn table_of(
    table: &Table<PoolApi, EmptyEntity>,
    unit: &Unit,
) -> Table<PoolApi, EmptyEntity> {
    let mut table = table.clone();
    if !unit.params.is_empty() {
        let name = with_query(table.table_name(), &unit.params);
        table.set_table_name(name);
    }
    for (column, value) in &unit.conditions {
        table.add_condition(ApiCondition::eq(column, value.clone()));
    }
    table
}

/// A path with these parameters behind those that it has.
fn with_query(path: &str, params: &[(String, String)]) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    format!("{path}{joint}{}", query.finish())
}

pub(super) fn prefetch_of(stream: &StreamDescription) -> usize {
    usize::try_from(stream.prefetch).unwrap_or(usize::MAX)
}

pub(super) fn since_of(stream: &StreamDescription) -> Option<Since> {
    let incremental = stream.incremental.as_ref()?;
    Some(Since {
        field: incremental.field.clone(),
        order: incremental.order,
        param: incremental.param.clone(),
        start: incremental.start.clone(),
        lookback: TimeDelta::from_std(incremental.lookback).unwrap_or(TimeDelta::MAX),
        format: incremental.format,
        asked: stream.windows.as_ref().map_or(incremental.format, Windows::own_format),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_behind_those_of_the_path() {
        let params = [("since".to_owned(), "a b".to_owned()), ("until".to_owned(), "&".to_owned())];
        assert_eq!(with_query("cities", &params), "cities?since=a+b&until=%26");
        assert_eq!(with_query("cities?x=1", &params[..1]), "cities?x=1&since=a+b");
    }
}
