//! The units of a run: windows of time and rows of a parent.

use chrono::{DateTime, TimeDelta, Utc};
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
    description::{Nested, StreamDescription},
    error::Error,
    row::{Cell, Cells, RowReader},
    run::{Since, TimeWindows, Unit},
    state::StreamState,
};

/// The table for each row of which a stream is read.
pub(super) struct Parents {
    pub(super) table: Table<PoolApi, EmptyEntity>,
    /// What is bound, and where it is in a row of the parent.
    pub(super) bind: Vec<(String, Vec<String>)>,
}

impl Stream {
    /// The units of a run from its state.
    ///
    /// # Errors
    /// If the rows of the parent cannot be read.
    pub(crate) async fn units(&self, state: &StreamState) -> Result<Vec<Unit>, Error> {
        let mut units = vec![Unit::default()];
        if let Some(parents) = &self.parents {
            units = self.units_of_parents(parents).await?;
        }
        if let Some(windows) = &self.windows {
            let until = state.until.as_deref().and_then(moment).unwrap_or_else(Utc::now);
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
        Ok(units)
    }

    async fn units_of_parents(&self, parents: &Parents) -> Result<Vec<Unit>, Error> {
        let rows = parents.table.stream_json().await?;
        let mut units: IndexMap<String, Unit> = IndexMap::new();
        let mut rows = rows.prefetch(self.plan.prefetch).map_err(Error::from);
        while let Some(row) = rows.next().await {
            let unit = unit_of(&parents.bind, &row?)?;
            units.insert(unit.key.clone(), unit);
        }
        Ok(units.into_values().collect())
    }
}

/// The unit of a parent's row.
fn unit_of(bind: &[(String, Vec<String>)], row: &RawValue) -> Result<Unit, Error> {
    let mut reader = RowReader::new(Nested::Json);
    for (_, path) in bind {
        reader.add(path.iter().map(String::as_str));
    }
    let mut cells = Cells::default();
    reader.read(row, &mut cells).map_err(Error::Units)?;
    let mut unit = Unit::default();
    for ((to, path), cell) in bind.iter().zip(&cells.values) {
        let text = cell.text().ok_or_else(|| {
            Error::Units(format!("a row of the parent has no `{}`", path.join(".")))
        })?;
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
        param: incremental.param.clone(),
        start: incremental.start.clone(),
        lookback: TimeDelta::from_std(incremental.lookback).unwrap_or(TimeDelta::MAX),
        format: incremental.format,
        asked: stream.windows.as_ref().map_or(incremental.format, |windows| windows.format),
    })
}

pub(super) fn windows_of(stream: &StreamDescription) -> Option<TimeWindows> {
    let windows = stream.windows.as_ref()?;
    let parse = |text: &String| windows.format.parse(text).or_else(|| moment(text));
    Some(TimeWindows {
        from: windows.from.clone(),
        to: windows.to.clone(),
        step: TimeDelta::from_std(windows.step).unwrap_or(TimeDelta::MAX),
        start: windows.start.as_ref().and_then(parse),
        end: windows.end.as_ref().and_then(parse),
        format: windows.format,
    })
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc())
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
        let refused = unit(r#"{"a": 7, "b": null}"#).unwrap_err();
        assert_eq!(refused.to_string(), "a row of the parent has no `b`");
    }

    #[test]
    fn parameters_go_behind_those_of_the_path() {
        let params = [("since".to_owned(), "a b".to_owned()), ("until".to_owned(), "&".to_owned())];
        assert_eq!(with_query("cities", &params), "cities?since=a+b&until=%26");
        assert_eq!(with_query("cities?x=1", &params[..1]), "cities?x=1&since=a+b");
    }
}
