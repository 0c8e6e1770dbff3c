//! The units of a run: windows of time and rows of a parent.

use chrono::{TimeDelta, Utc};
use ciborium::Value;
use futures::{StreamExt, TryStreamExt};
use indexmap::IndexMap;
use serde_json::value::RawValue;
use vantage_api_pool::{
    PoolApi,
    vantage::{ApiCondition, PoolTableExt},
};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use super::Stream;
use crate::{
    description::{Delta, Nested, StreamDescription, WriteMode, moment_of},
    error::Error,
    row::{Cell, Cells, RowReader},
    run::{Since, SinceToken, TimeWindows, Unit},
    state::StreamState,
};

/// The table for each row of which a stream is read.
pub(super) struct Parents {
    pub(super) table: Table<PoolApi, EmptyEntity>,
    /// What is bound, and where it is in a row of the parent.
    pub(super) bind: Vec<(String, Vec<String>)>,
    /// How many of its pages are in flight.
    pub(super) prefetch: usize,
}

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
        if let Some(parents) = &self.parents {
            (units, keyless) = parents.units().await?;
        }
        let deletes = matches!(self.target.mode, WriteMode::Replace | WriteMode::Sync);
        if let Some(what) = keyless.take_if(|_| deletes || units.is_empty()) {
            return Err(Error::Units(what));
        }
        if let Some(windows) = &self.windows {
            let until = state.until.as_deref().and_then(moment_of).unwrap_or_else(Utc::now);
            let mark = state
                .mark
                .as_deref()
                .and_then(|mark| self.since.as_ref().and_then(|since| since.moment(mark)));
            let windows = windows.units(mark, until).map_err(Error::Units)?;
            units = units.iter().flat_map(|unit| windows.iter().map(|own| unit.and(own))).collect();
        } else if let Some(param) =
            self.since.as_ref().and_then(|since| since.param(state.mark.as_deref()))
        {
            units.iter_mut().for_each(|unit| unit.params.push(param.clone()));
        }
        if let Some(delta) = self.delta() {
            units.iter_mut().for_each(|unit| ask_since(unit, delta, state));
        }
        Ok((units, keyless))
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

impl Parents {
    /// A unit for each row, and what rows lack that have none.
    async fn units(&self) -> Result<(Vec<Unit>, Option<String>), Error> {
        let rows = self.table.stream_json().await?;
        let mut units: IndexMap<String, Unit> = IndexMap::new();
        let mut lacking: IndexMap<String, u64> = IndexMap::new();
        let mut rows = rows.prefetch(self.prefetch).map_err(Error::from);
        while let Some(row) = rows.next().await {
            match unit_of(&self.bind, &row?) {
                Ok(unit) => {
                    units.insert(unit.key.clone(), unit);
                }
                Err(what) => *lacking.entry(what).or_default() += 1,
            }
        }
        Ok((units.into_values().collect(), shortage(&lacking)))
    }
}

/// How many rows of the parent lack what, if there are any.
fn shortage(lacking: &IndexMap<String, u64>) -> Option<String> {
    let told = lacking.iter().map(|(what, rows)| match rows {
        1 => format!("a row of the parent has no {what}"),
        rows => format!("{rows} rows of the parent have no {what}"),
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// The unit of a parent's row, or what it lacks.
fn unit_of(bind: &[(String, Vec<String>)], row: &RawValue) -> Result<Unit, String> {
    let mut reader = RowReader::new(Nested::Json);
    for (_, path) in bind {
        reader.add(path.iter().map(String::as_str));
    }
    let mut cells = Cells::default();
    reader.read(row.get(), &mut cells).map_err(|_| "fields".to_owned())?;
    let mut unit = Unit::default();
    for ((to, path), cell) in bind.iter().zip(&cells.values) {
        let text = cell.text().ok_or_else(|| format!("`{}`", path.join(".")))?;
        if !unit.key.is_empty() {
            unit.key.push(',');
        }
        // In quotes, so that no value looks like the rest of a key.
        unit.key.push_str(&format!("{to}={text:?}"));
        let value = match cell {
            Cell::Number(number) => number.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            _ => Value::from(text),
        };
        unit.conditions.push((to.clone(), value));
    }
    Ok(unit)
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

pub(super) fn since_of(stream: &StreamDescription) -> Option<Since> {
    let incremental = stream.incremental.as_ref()?;
    Some(Since {
        field: incremental.field.clone(),
        order: incremental.order,
        param: incremental.param.clone(),
        start: incremental.start.clone(),
        lookback: TimeDelta::from_std(incremental.lookback).unwrap_or(TimeDelta::MAX),
        format: incremental.format,
        asked: stream.windows.as_ref().map_or(incremental.format, |windows| windows.format),
    })
}

pub(super) fn windows_of(stream: &StreamDescription) -> Option<TimeWindows> {
    let windows = stream.windows.as_ref()?;
    let parse = |text: &String| windows.format.parse(text).or_else(|| moment_of(text));
    Some(TimeWindows {
        from: windows.from.clone(),
        to: windows.to.clone(),
        step: TimeDelta::from_std(windows.step).unwrap_or(TimeDelta::MAX),
        granularity: TimeDelta::from_std(windows.granularity).unwrap_or(TimeDelta::MAX),
        start: windows.start.as_ref().and_then(parse),
        end: windows.end.as_ref().and_then(parse),
        format: windows.format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parent_is_a_unit_of_its_own_whatever_its_values_and_its_other_keys() {
        let bind = ["a", "b"].map(|name| (name.to_owned(), vec![name.to_owned()]));
        let unit = |row: &str| unit_of(&bind, serde_json::from_str(row).unwrap());
        let one = unit(r#"{"a": "x\",b=\"y", "b": "z", "stra\u00dfe": 1}"#).unwrap();
        let other = unit(r#"{"a": "x", "b": "y\",b=\"z"}"#).unwrap();
        assert_ne!(one.key, other.key);
        assert_eq!(unit(r#"{"a": 7, "b": true}"#).unwrap().key, r#"a="7",b="true""#);
    }

    #[test]
    fn what_rows_of_the_parent_lack_is_counted() {
        let bind = [("a".to_owned(), vec!["b".to_owned(), "c".to_owned()])];
        let lack = |row: &str| unit_of(&bind, serde_json::from_str(row).unwrap()).unwrap_err();
        let mut lacking = IndexMap::new();
        assert_eq!(shortage(&lacking), None);
        lacking.insert(lack("[7]"), 1);
        lacking.insert(lack(r#"{"b": {"c": null}}"#), 2);
        let said = "a row of the parent has no fields, 2 rows of the parent have no `b.c`";
        assert_eq!(shortage(&lacking).as_deref(), Some(said));
    }

    #[test]
    fn parameters_go_behind_those_of_the_path() {
        let params = [("since".to_owned(), "a b".to_owned()), ("until".to_owned(), "&".to_owned())];
        assert_eq!(with_query("cities", &params), "cities?since=a+b&until=%26");
        assert_eq!(with_query("cities?x=1", &params[..1]), "cities?x=1&since=a+b");
    }
}
