//! What a stream of a description comes down to: the table it reads, the units of a run, the rules
//! of its rows and the sink it writes.

use std::{fmt, sync::Arc, time::Duration};

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

use crate::{
    description::{
        ColumnChange, ColumnRule, Description, Hash, JobDescription, Mask, Nested, Reconcile,
        SinkDescription, StreamDescription, TableDescription,
    },
    error::Error,
    report::{Outcome, StreamReport, remarks, unbalanced},
    row::{Cell, ColumnPlan, Made, RowRules},
    run::{CommitAt, Ended, Since, StreamPlan, TimeWindows, Unit},
    sink::{self, Sink, Target},
    state::StreamState,
};

/// How many units of a stream are read at a time.
const UNITS_AT_ONCE: usize = 4;
/// How many pages of each are in flight.
const PREFETCH: usize = 8;

/// A stream of a job.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) plan: StreamPlan,
    source: PoolApi,
    since: Option<Since>,
    windows: Option<TimeWindows>,
    parents: Option<Parents>,
    target: Target,
    sink: SinkDescription,
    reconcile: Reconcile,
}

/// The table for each row of which a stream is read.
struct Parents {
    table: TableDescription,
    /// What is bound, and where it is in a row of the parent.
    bind: Vec<(String, Vec<String>)>,
}

impl Stream {
    /// # Errors
    /// If the description has no such table.
    pub(crate) fn of(
        description: &Description,
        job: &str,
        JobDescription { sink, .. }: &JobDescription,
        stream: &StreamDescription,
        source: &PoolApi,
    ) -> Result<Self, Error> {
        let named = |name: &str| {
            let table = description.table_named(name).cloned();
            table.ok_or_else(|| Error::NoTable(name.to_owned()))
        };
        let table = named(&stream.table)?;
        let parents = stream.for_each.as_ref().map(|each| {
            let table = named(&each.table)?;
            let bind = each.bind.iter().map(|(to, from)| (to.clone(), path_of(&table, from)));
            Ok::<_, Error>(Parents { bind: bind.collect(), table })
        });
        let target = Target {
            job: job.to_owned(),
            stream: stream.name.clone(),
            key: table.id.clone(),
            mode: stream.write,
        };
        let rules = rules_of(&table, stream, sink);
        let commit = CommitAt {
            rows: usize::try_from(stream.commit.rows).unwrap_or(usize::MAX),
            bytes: usize::try_from(stream.commit.bytes).unwrap_or(usize::MAX),
            age: stream.commit.every,
        };
        let (conditions, api) = (stream.conditions.clone(), source.clone());
        let open = move |unit: &Unit| {
            let mut opened = table.with_query(&api, &query_of(&unit.params));
            conditions.iter().for_each(|condition| opened.add_condition(condition.to_api()));
            for (column, value) in &unit.conditions {
                opened.add_condition(ApiCondition::eq(column, value.clone()));
            }
            opened
        };
        Ok(Self {
            name: stream.name.clone(),
            plan: StreamPlan {
                table: Arc::new(open),
                rules,
                commit,
                units_at_once: UNITS_AT_ONCE,
                prefetch: PREFETCH,
            },
            source: source.clone(),
            since: since_of(stream),
            windows: windows_of(stream),
            parents: parents.transpose()?,
            target,
            sink: sink.clone(),
            reconcile: stream.reconcile,
        })
    }

    /// A sink that was not opened yet.
    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        sink::of(&self.sink, self.target.clone())
    }

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
            let mark = state.mark.as_deref().and_then(|mark| {
                self.since.as_ref().and_then(|since| since.moment(mark))
            });
            let windows = windows.units(mark, until).map_err(Error::Units)?;
            units = units.iter().flat_map(|unit| windows.iter().map(|own| unit.and(own))).collect();
        } else if let Some(param) = self.since.as_ref().and_then(|since| since.param(state.mark.as_deref())) {
            units.iter_mut().for_each(|unit| unit.params.push(param.clone()));
        }
        Ok(units)
    }

    async fn units_of_parents(&self, parents: &Parents) -> Result<Vec<Unit>, Error> {
        let rows = parents.table.with_query(&self.source, "").stream_json().await?;
        let mut units: IndexMap<String, Unit> = IndexMap::new();
        let mut rows = rows.prefetch(PREFETCH).map_err(Error::from);
        while let Some(row) = rows.next().await {
            let unit = unit_of(&parents.bind, &row?)?;
            units.insert(unit.key.clone(), unit);
        }
        Ok(units.into_values().collect())
    }

    /// What came of a run that took so long.
    pub(crate) fn report(&self, ended: Result<Ended, Error>, took: Duration) -> StreamReport {
        let stream = self.name.clone();
        let Ended { state, failures, discarded } = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let state = self.sink().state().unwrap_or_default();
                let outcome = Outcome::Failed(error.to_string());
                let (run, counts) = (state.run, state.counts());
                return StreamReport { stream, run, outcome, counts, remarks: Vec::new(), took };
            }
        };
        let counts = state.counts();
        let outcome = match failures.first() {
            Some((unit, error)) if unit.is_empty() => Outcome::Failed(error.to_string()),
            Some((unit, error)) => {
                let others = match failures.len() {
                    1 => String::new(),
                    all => format!(" (and {} others)", all - 1),
                };
                Outcome::Failed(format!("{unit}{others}: {error}"))
            }
            None if !state.is_finished => Outcome::Stopped,
            None => match unbalanced(&counts).filter(|_| self.reconcile == Reconcile::Fail) {
                Some(what) => Outcome::Failed(what),
                None => Outcome::Complete,
            },
        };
        let remarks = match &outcome {
            Outcome::Failed(_) => Vec::new(),
            _ => remarks(&counts, &discarded),
        };
        StreamReport { stream, run: state.run, outcome, counts, remarks, took }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The unit of a parent's row.
fn unit_of(bind: &[(String, Vec<String>)], row: &RawValue) -> Result<Unit, Error> {
    let mut unit = Unit::default();
    for (to, path) in bind {
        let value = value_at(row, path).ok_or_else(|| {
            Error::Units(format!("a row of the parent has no `{}`", path.join(".")))
        })?;
        let text = value.text().unwrap_or_default();
        if !unit.key.is_empty() {
            unit.key.push(',');
        }
        unit.key.push_str(&format!("{to}={text}"));
        let value = match &value {
            Cell::Number(number) => number.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            _ => Value::from(text),
        };
        unit.conditions.push((to.clone(), value));
    }
    Ok(unit)
}

/// The value at a path in a row, unless it is null.
fn value_at<'a>(row: &'a RawValue, path: &[String]) -> Option<Cell<'a>> {
    let mut value = row;
    for key in path {
        let fields: std::collections::HashMap<&str, &RawValue> =
            serde_json::from_str(value.get()).ok()?;
        value = fields.get(key.as_str()).copied()?;
    }
    Some(Cell::of(value)).filter(|cell| *cell != Cell::Null)
}

/// Where a column of a table is in its rows.
fn path_of(table: &TableDescription, column: &str) -> Vec<String> {
    let path = table.columns.get(column).and_then(|column| column.path.as_deref());
    keys_of(path.unwrap_or(column))
}

/// The keys of a path: `\.` is a dot in a key.
fn keys_of(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = path.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, keys.last_mut()) {
            ('\\', Some(key)) if chars.peek() == Some(&'.') => key.extend(chars.next()),
            ('.', _) => keys.push(String::new()),
            (char, Some(key)) => key.push(char),
            (_, None) => {}
        }
    }
    keys
}

fn query_of(params: &[(String, String)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    query.finish()
}

fn rules_of(
    table: &TableDescription,
    stream: &StreamDescription,
    sink: &SinkDescription,
) -> RowRules {
    let declared = table.columns.iter().map(|(name, column)| {
        let path = path_of(table, name);
        (name.clone(), ColumnPlan { kind: Some(column.kind), path, made: None })
    });
    let mut columns: IndexMap<String, ColumnPlan> = declared.collect();
    let mut dropped = Vec::new();
    for (name, change) in &stream.columns {
        match change {
            ColumnChange::Drop => {
                columns.shift_remove(name);
                dropped.push(name.clone());
            }
            ColumnChange::Make(rule) => {
                let before = columns.shift_remove(name);
                columns.insert(name.clone(), plan_of(name, rule, before));
            }
        }
    }
    RowRules {
        columns,
        dropped,
        key: table.id.clone(),
        cursor: stream.incremental.as_ref().map(|incremental| incremental.field.clone()),
        policy: stream.schema,
        flattens: stream.nested == Nested::Flatten,
        refuses: sink::refuses(sink),
    }
}

fn plan_of(name: &str, rule: &ColumnRule, before: Option<ColumnPlan>) -> ColumnPlan {
    let before = before.unwrap_or_else(|| ColumnPlan { path: keys_of(name), ..ColumnPlan::default() });
    let made = match (&rule.constant, rule.hash, rule.mask) {
        (Some(constant), ..) => Some(Made::Constant(cell_of(constant))),
        (None, Some(Hash::Sha256), _) => Some(Made::Sha256),
        (None, None, Some(Mask::Last4)) => Some(Made::Last4),
        (None, None, None) => None,
    };
    let path = match (&rule.from, &made) {
        (_, Some(Made::Constant(_))) => Vec::new(),
        (Some(from), _) => keys_of(from),
        (None, _) => before.path,
    };
    let kind = match &made {
        Some(Made::Constant(cell)) => rule.kind.or(cell.kind()),
        // A hash or a mask is a text, whatever the value was.
        Some(_) => rule.kind.or(Some(crate::schema::ColumnType::Text)),
        None => rule.kind.or(before.kind),
    };
    ColumnPlan { kind, path, made }
}

fn cell_of(value: &Value) -> Cell<'static> {
    match value {
        Value::Bool(flag) => Cell::Bool(*flag),
        Value::Integer(number) => Cell::Number(i128::from(*number).to_string().into()),
        Value::Float(number) => Cell::Number(number.to_string().into()),
        Value::Text(text) => Cell::Text(text.clone().into()),
        _ => Cell::Null,
    }
}

fn since_of(stream: &StreamDescription) -> Option<Since> {
    let incremental = stream.incremental.as_ref()?;
    Some(Since {
        param: incremental.param.clone(),
        start: incremental.start.clone(),
        lookback: TimeDelta::from_std(incremental.lookback).unwrap_or(TimeDelta::MAX),
        format: incremental.format,
    })
}

fn windows_of(stream: &StreamDescription) -> Option<TimeWindows> {
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

impl TableDescription {
    /// The table with a query that each of its requests has.
    fn with_query(&self, api: &PoolApi, query: &str) -> Table<PoolApi, EmptyEntity> {
        match query {
            "" => self.table(api),
            query => Self { name: format!("{}?{query}", self.name), ..self.clone() }.table(api),
        }
    }
}
