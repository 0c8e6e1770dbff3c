//! What a stream comes down to, be it one of a description or of a program: the table or the query it
//! reads, the units of a run, the rules of its rows and the sink it writes.

mod outcome;
mod partitions;
mod parts;
mod rules;
mod units;

use std::{fmt, sync::Arc, time::Duration};

use indexmap::IndexMap;
use vantage_api_pool::PoolApi;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use crate::{
    description::{
        CommitEvery, Delta, Description, JobDescription, Nested, QueryFile, Reconcile,
        SchemaPolicy, SinkDescription, StreamDescription, Windows, WriteMode,
    },
    error::Error,
    row::ColumnPlan,
    run::{CommitAt, QueryPlan, Since, StreamPlan, Unit, WriteRules},
    sink::{self, Sink, SinkError, Target},
    state::StreamState,
};
use partitions::Partitions;
use rules::{knows_rows, path_of, rules_of};
use units::{prefetch_of, since_of, table_of};

/// How many units of a stream are read at a time.
const UNITS_AT_ONCE: usize = 4;

/// A stream of a job.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) reads: Reads,
    since: Option<Since>,
    windows: Option<Windows>,
    partitions: Option<Partitions>,
    target: Target,
    destination: Destination,
    reconcile: Reconcile,
    /// Whether it may be cut short, by bounds of a whole read.
    is_sample: bool,
}

/// What a stream reads, and how.
pub(crate) enum Reads {
    Table(StreamPlan),
    Query(QueryPlan),
}

/// The rows of a table that a stream reads.
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

impl Destination {
    fn is_files(&self) -> bool {
        matches!(self, Self::Described(sink) if !sink.can_merge())
    }
}

/// When to commit. Each commit into files writes one, so they are fewer, and none is made before its
/// time.
fn commit_at(every: &CommitEvery, is_files: bool) -> CommitAt {
    let (rows, age) = if is_files { (20_000, 5) } else { (10_000, 1) };
    CommitAt {
        rows: usize::try_from(every.rows.unwrap_or(rows)).unwrap_or(usize::MAX),
        bytes: usize::try_from(every.bytes).unwrap_or(usize::MAX),
        age: every.every.unwrap_or(Duration::from_secs(age)),
        when_idle: !is_files && every.every.is_none(),
    }
}

impl Stream {
    /// # Errors
    /// If the description has no such table.
    pub(crate) fn of(
        description: &Description,
        job: &str,
        described: &JobDescription,
        stream: &StreamDescription,
        source: &PoolApi,
    ) -> Result<Self, Error> {
        if let Some(query) = &stream.sql {
            return Ok(Self::of_query(description, job, &described.sink, stream, query));
        }
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
        let mut made = Self::new(job, rows, stream, Destination::Described(described.sink.clone()));
        if let Some(each) = &stream.for_each {
            let partitions = Partitions::of(description, described, stream, each, source)?;
            made.partitions = Some(partitions);
        }
        Ok(made)
    }

    /// A stream of the rows of a query.
    fn of_query(
        description: &Description,
        job: &str,
        sink: &SinkDescription,
        stream: &StreamDescription,
        query: &QueryFile,
    ) -> Self {
        let destination = Destination::Described(sink.clone());
        let target = target_of(job, stream, stream.id.clone());
        let mut write = write_rules_of(stream, &target, destination.is_files());
        write.begins_anew = true;
        let is_at_once = stream.write == WriteMode::Append;
        let at_once = is_at_once.then_some(write.commit.bytes);
        if is_at_once {
            let (rows, bytes) = (usize::MAX, usize::MAX);
            write.commit = CommitAt { rows, bytes, age: Duration::MAX, when_idle: false };
        }
        let plan = QueryPlan {
            sql: query.text.clone(),
            file: query.path.clone(),
            engine: description.queries.clone(),
            key: stream.id.clone(),
            may_grow: stream.schema == SchemaPolicy::Evolve,
            at_once,
            refuses: destination.refuses(),
            write,
        };
        Self::made(stream, Reads::Query(plan), target, destination)
    }

    /// A stream of these rows, all of which it reads.
    pub(crate) fn new(
        job: &str,
        rows: Rows,
        stream: &StreamDescription,
        destination: Destination,
    ) -> Self {
        let Rows { table, columns, key } = rows;
        let target = target_of(job, stream, key.clone());
        let plan = StreamPlan {
            table: Arc::new(move |unit: &Unit| table_of(&table, unit)),
            rules: rules_of(columns, key, stream, destination.refuses()),
            write: write_rules_of(stream, &target, destination.is_files()),
            units_at_once: UNITS_AT_ONCE,
            prefetch: prefetch_of(stream),
            may_miss_rows: stream.reconcile == Reconcile::Warn,
            delta: stream.delta.clone().map(Arc::new),
        };
        Self::made(stream, Reads::Table(plan), target, destination)
    }

    fn made(
        stream: &StreamDescription,
        reads: Reads,
        target: Target,
        destination: Destination,
    ) -> Self {
        Self {
            name: stream.name.clone(),
            reads,
            since: since_of(stream),
            windows: stream.windows.clone(),
            partitions: None,
            target,
            destination,
            reconcile: stream.reconcile,
            is_sample: stream.sample,
        }
    }

    /// How it is written.
    pub(crate) fn write(&self) -> &WriteRules {
        match &self.reads {
            Reads::Table(plan) => &plan.write,
            Reads::Query(plan) => &plan.write,
        }
    }

    /// By which token what has changed is asked for.
    fn delta(&self) -> Option<&Delta> {
        match &self.reads {
            Reads::Table(plan) => plan.delta.as_deref(),
            Reads::Query(_) => None,
        }
    }

    /// The field that says what is new.
    fn cursor(&self) -> Option<&str> {
        match &self.reads {
            Reads::Table(plan) => plan.rules.cursor.as_deref(),
            Reads::Query(_) => None,
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
}

fn target_of(job: &str, stream: &StreamDescription, key: Vec<String>) -> Target {
    Target { job: job.to_owned(), stream: stream.name.clone(), key, mode: stream.write }
}

fn write_rules_of(stream: &StreamDescription, target: &Target, is_files: bool) -> WriteRules {
    WriteRules {
        commit: commit_at(&stream.commit, is_files),
        merge_key: match stream.write {
            WriteMode::Merge | WriteMode::Sync => target.key.clone(),
            WriteMode::Append | WriteMode::Replace => Vec::new(),
        },
        since: since_of(stream),
        knows_rows: knows_rows(stream),
        has_children: stream.nested == Nested::Children,
        begins_anew: false,
        keeps_failure: true,
        relies_on_totals: stream.reconcile == Reconcile::Fail,
        mode: stream.write,
        rows: stream.checks.rows.clone(),
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

    /// Where the rows that are set aside are.
    fn rejects(&self) -> &'static str {
        match self {
            Self::Described(sink) if sink.can_merge() => "`_apipool_rejects`",
            Self::Described(_) => "the folder `_rejects`",
            Self::Own(_) => "the rejects of the sink",
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
