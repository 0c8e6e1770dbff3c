//! What a stream comes down to, be it one of a description or of a program: the table it reads, the
//! units of a run, the rules of its rows and the sink it writes.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

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
        Check, ChecksDescription, ColumnChange, ColumnRule, Description, Hash, JobDescription,
        Mask, Nested, OnFail, Reconcile, SinkDescription, StreamDescription, TableDescription,
        WriteMode,
    },
    error::Error,
    report::{CUT_BOUNDARY, Outcome, StreamReport, remarks, unbalanced, unexpected},
    row::{Cell, Cells, ColumnCheck, ColumnPlan, Made, RowChecks, RowReader, RowRules},
    run::{CommitAt, Ended, Since, StreamPlan, TimeWindows, Unit, WriteRules},
    sink::{self, Sink, SinkError, Target},
    state::{Counts, StreamState},
};

/// How many units of a stream are read at a time.
const UNITS_AT_ONCE: usize = 4;

/// A stream of a job.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) plan: StreamPlan,
    since: Option<Since>,
    windows: Option<TimeWindows>,
    parents: Option<Parents>,
    target: Target,
    destination: Destination,
    reconcile: Reconcile,
}

/// What a stream reads.
pub(crate) struct Rows {
    /// The table, with the stream's conditions.
    pub(crate) table: Table<PoolApi, EmptyEntity>,
    /// The columns that are declared.
    pub(crate) columns: IndexMap<String, ColumnPlan>,
    /// The columns that name a row.
    pub(crate) key: Vec<String>,
}

/// Where a stream writes.
pub(crate) enum Destination {
    Described(SinkDescription),
    /// Sinks of the program's own.
    Own(Arc<dyn Fn(Target) -> Box<dyn Sink> + Send + Sync>),
}

/// The table for each row of which a stream is read.
struct Parents {
    table: Table<PoolApi, EmptyEntity>,
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
            description.table_named(name).ok_or_else(|| Error::NoTable(name.to_owned()))
        };
        let of = named(&stream.table)?;
        let mut table = of.table(source);
        stream.conditions.iter().for_each(|condition| table.add_condition(condition.to_api()));
        let columns = of.columns.iter().map(|(name, column)| {
            let path = path_of(of, name);
            (name.clone(), ColumnPlan { kind: Some(column.kind), path, made: None })
        });
        let rows = Rows { table, columns: columns.collect(), key: of.id.clone() };
        let mut made = Self::new(job, rows, stream, Destination::Described(sink.clone()));
        if let Some(each) = &stream.for_each {
            let parent = named(&each.table)?;
            let bind = each.bind.iter().map(|(to, from)| (to.clone(), path_of(parent, from)));
            made.parents = Some(Parents { table: parent.table(source), bind: bind.collect() });
        }
        Ok(made)
    }

    /// A stream of these rows, which does not read them for each row of another table.
    pub(crate) fn new(
        job: &str,
        rows: Rows,
        stream: &StreamDescription,
        destination: Destination,
    ) -> Self {
        let Rows { table, columns, key } = rows;
        let target = Target {
            job: job.to_owned(),
            stream: stream.name.clone(),
            key: key.clone(),
            mode: stream.write,
        };
        let commit = CommitAt {
            rows: usize::try_from(stream.commit.rows).unwrap_or(usize::MAX),
            bytes: usize::try_from(stream.commit.bytes).unwrap_or(usize::MAX),
            age: stream.commit.every,
        };
        Self {
            name: stream.name.clone(),
            plan: StreamPlan {
                table: Arc::new(move |unit: &Unit| table_of(&table, unit)),
                rules: rules_of(columns, key, stream, destination.refuses()),
                write: WriteRules {
                    commit,
                    again: since_of(stream).filter(|_| knows_rows(stream)),
                    rows: stream.checks.rows.clone(),
                },
                units_at_once: UNITS_AT_ONCE,
                prefetch: usize::try_from(stream.prefetch).unwrap_or(usize::MAX),
                may_miss_rows: stream.reconcile == Reconcile::Warn,
            },
            since: since_of(stream),
            windows: windows_of(stream),
            parents: None,
            target,
            destination,
            reconcile: stream.reconcile,
        }
    }

    /// A sink that was not opened yet.
    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        self.destination.sink(self.target.clone())
    }

    /// What its sink remembers.
    pub(crate) async fn state(&self) -> Result<StreamState, SinkError> {
        sink::on_thread(self.sink(), |sink| sink.state()).await
    }

    /// Makes its sink forget where it stands.
    pub(crate) async fn reset(&self, drop_rows: bool) -> Result<(), SinkError> {
        sink::on_thread(self.sink(), move |sink| sink.reset(drop_rows)).await
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
        let outcome = match failures.first().filter(|_| !state.is_finished) {
            Some((unit, error)) if unit.is_empty() => Outcome::Failed(error.to_string()),
            Some((unit, error)) => {
                let others = match failures.len() {
                    1 => String::new(),
                    all => format!(" (and {} others)", all - 1),
                };
                Outcome::Failed(format!("{unit}{others}: {error}"))
            }
            None if !state.is_finished => Outcome::Stopped,
            None => match self.shortcoming(&counts) {
                Some(what) => Outcome::Failed(what),
                None => Outcome::Complete,
            },
        };
        let mut remarks = match &outcome {
            Outcome::Failed(_) => Vec::new(),
            // How many rows there are is not to be compared yet.
            Outcome::Stopped => remarks(&Counts { declared: None, ..counts }, &discarded),
            Outcome::Complete => remarks(&counts, &discarded),
        };
        if state.is_finished && unbalanced(&counts).is_none() {
            remarks.extend(failures.iter().map(|(_, error)| error.to_string()));
        }
        if state.boundary.is_cut() {
            remarks.push(CUT_BOUNDARY.to_owned());
        }
        StreamReport { stream, run: state.run, outcome, counts, remarks, took }
    }

    /// What is wrong with the counts of a run that has ended.
    fn shortcoming(&self, counts: &Counts) -> Option<String> {
        let unbalanced = unbalanced(counts).filter(|_| self.reconcile == Reconcile::Fail);
        let rows = self.plan.write.rows.as_ref();
        unbalanced.or_else(|| unexpected(counts, rows?))
    }
}

impl Destination {
    fn sink(&self, target: Target) -> Box<dyn Sink> {
        match self {
            Self::Described(sink) => sink::of(sink, target),
            Self::Own(make) => make(target),
        }
    }

    /// Which texts it cannot hold, and why.
    fn refuses(&self) -> fn(&str) -> Option<&'static str> {
        match self {
            Self::Described(sink) => sink::refuses(sink),
            Self::Own(_) => |_| None,
        }
    }

    /// Whether rows that are there can be found by their key. A sink of the program's own says so
    /// itself when it is opened.
    pub(crate) fn can_merge(&self) -> bool {
        match self {
            Self::Described(sink) => sink.can_merge(),
            Self::Own(_) => true,
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).finish_non_exhaustive()
    }
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

/// The unit of a parent's row.
fn unit_of(bind: &[(String, Vec<String>)], row: &RawValue) -> Result<Unit, Error> {
    let mut reader = RowReader::new(false);
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

/// The table with the rows of a unit. Its settings are found by its name without the query.
fn table_of(table: &Table<PoolApi, EmptyEntity>, unit: &Unit) -> Table<PoolApi, EmptyEntity> {
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

/// The rules of the rows, of which `columns` are declared.
fn rules_of(
    mut columns: IndexMap<String, ColumnPlan>,
    key: Vec<String>,
    stream: &StreamDescription,
    refuses: fn(&str) -> Option<&'static str>,
) -> RowRules {
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
        key,
        cursor: stream.incremental.as_ref().map(|incremental| incremental.field.clone()),
        policy: stream.schema,
        flattens: stream.nested == Nested::Flatten,
        refuses,
        checks: checks_of(&stream.checks),
        knows_rows: knows_rows(stream),
    }
}

/// Whether rows are left out that the last run has written: there is no key by which they would be
/// found.
fn knows_rows(stream: &StreamDescription) -> bool {
    stream.incremental.is_some() && stream.write == WriteMode::Append
}

fn checks_of(checks: &ChecksDescription) -> RowChecks {
    let columns = checks.columns.iter().flat_map(|(name, checks)| {
        checks.iter().map(move |check| (name.clone(), column_check(check)))
    });
    RowChecks { columns: columns.collect(), fails: checks.on_fail == OnFail::Fail }
}

fn column_check(check: &Check) -> ColumnCheck {
    let end = |end: &Option<Value>| end.as_ref().map_or(Cell::Null, cell_of);
    match check {
        Check::NotNull => ColumnCheck::NotNull,
        Check::Unique => ColumnCheck::Unique,
        Check::Range(range) => ColumnCheck::Range(end(&range.least), end(&range.greatest)),
    }
}

fn plan_of(name: &str, rule: &ColumnRule, before: Option<ColumnPlan>) -> ColumnPlan {
    let before =
        before.unwrap_or_else(|| ColumnPlan { path: keys_of(name), ..ColumnPlan::default() });
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
        asked: stream.windows.as_ref().map_or(incremental.format, |windows| windows.format),
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
