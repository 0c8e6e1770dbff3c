//! [pure] A table that is served, as data.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use super::GatewayDescription;
use crate::description::{Description, TableDescription, forms};

/// A table that is served: where its rows are, and who may do what with them.
///
/// | key | value |
/// |---|---|
/// | `source` | where its rows are: a [`SourceDescription`]; by default the table of the API with this name |
/// | `operations` | what may be done beside reading: a list of [`Operation`]s; by default nothing |
/// | `columns` | the columns that are shown, in this order; by default those that are declared and not hidden |
/// | `writable` | the columns that clients may set |
/// | `write_only` | the columns that clients may set and never see |
/// | `filterable` | the columns that may be filtered by; by default those that are shown |
/// | `require_filter` | the columns that every list must be filtered by |
/// | `page_size` | the rows of a page, unless a client says how many; by default 50 |
/// | `max_page_size` | the most rows of a page; by default 500 |
/// | `max_bulk_rows` | how many rows one `PATCH` or `DELETE` may change by a filter; by default none |
/// | `cache_ttl` | how long an answer may be given again; by default not at all. With 0, the default for tables of the API, requests that are equal and simultaneous are one |
/// | `readable_by` | the roles that may read it; by default every principal. For others it does not exist |
/// | `writable_by` | the roles that may write it, among those that may read it; by default all of these |
/// | `relations` | the relations that may be followed from a row: names in the `references` and `contained` of the table of the API |
///
/// A relation leads to a table that the gateway serves from the same source, by whose rules it is
/// read.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GatewayTable {
    /// Where its rows are.
    #[serde(default)]
    pub source: SourceDescription,
    /// What may be done beside reading.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// The columns that are shown.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// The columns that clients may set.
    #[serde(default)]
    pub writable: Option<Vec<String>>,
    /// The columns that clients may set and never see.
    #[serde(default)]
    pub write_only: Vec<String>,
    /// The columns that may be filtered by.
    #[serde(default)]
    pub filterable: Option<Vec<String>>,
    /// The columns that every list must be filtered by.
    #[serde(default)]
    pub require_filter: Vec<String>,
    /// The rows of a page, unless a client says how many.
    #[serde(default = "page_size")]
    pub page_size: usize,
    /// The most rows of a page.
    #[serde(default = "max_page_size")]
    pub max_page_size: usize,
    /// How many rows one write may change by a filter.
    #[serde(default)]
    pub max_bulk_rows: usize,
    /// How long an answer may be given again.
    #[serde(default, deserialize_with = "forms::optional_duration")]
    pub cache_ttl: Option<Duration>,
    /// The roles that may read it.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub readable_by: Vec<String>,
    /// The roles that may write it.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub writable_by: Vec<String>,
    /// The relations that may be followed from a row.
    #[serde(default)]
    pub relations: Vec<String>,
}

fn page_size() -> usize {
    50
}

fn max_page_size() -> usize {
    500
}

/// With its operations alone, since another value may be that of a variable.
impl fmt::Debug for GatewayTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("GatewayTable");
        debug.field("operations", &self.operations).finish_non_exhaustive()
    }
}

/// What may be done with a table beside reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// New rows.
    Insert,
    /// Whole rows in the place of others.
    Replace,
    /// Some columns of rows.
    Patch,
    /// Rows that go.
    Delete,
}

/// Where the rows of a table that is served are.
///
/// | form | the rows are |
/// |---|---|
/// | `api`, the default | those of the API's table with the same name, asked for when they are read |
/// | `{ api: TABLE }` | those of this table of the API |
/// | `{ job: JOB }` | those that the job has written into SQLite, as the stream with the same name |
/// | `{ job: JOB, table: STREAM }` | those of this stream of the job |
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceDescription {
    /// A table of the API.
    Api {
        /// Its name, or nothing if it is that under which it is served. A description that was
        /// read has the name.
        table: String,
    },
    /// A table that a job has written.
    Job {
        /// The job.
        job: String,
        /// The stream, whose name may be left out in the same way.
        table: String,
    },
}

impl SourceDescription {
    /// Fills in the name under which the table is served, if none is said.
    pub(in crate::description) fn complete(&mut self, name: &str) {
        let (Self::Api { table } | Self::Job { table, .. }) = self;
        if table.is_empty() {
            name.clone_into(table);
        }
    }
}

impl Default for SourceDescription {
    fn default() -> Self {
        Self::Api { table: String::new() }
    }
}

impl fmt::Debug for SourceDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api { .. } => "Api",
            Self::Job { .. } => "Job",
        })
    }
}

impl<'de> Deserialize<'de> for SourceDescription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SourceDescription;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("api, { api: TABLE }, or { job: JOB, table: STREAM }")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<SourceDescription, E> {
        match word {
            "api" => Ok(SourceDescription::default()),
            _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SourceDescription, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Data {
            #[serde(default)]
            api: Option<String>,
            #[serde(default)]
            job: Option<String>,
            #[serde(default)]
            table: Option<String>,
        }

        match Data::deserialize(MapAccessDeserializer::new(map))? {
            Data { api: Some(table), job: None, table: None } => {
                Ok(SourceDescription::Api { table })
            }
            Data { api: None, job: Some(job), table } => {
                Ok(SourceDescription::Job { job, table: table.unwrap_or_default() })
            }
            _ => Err(A::Error::custom("has either `api`, or `job` and perhaps `table`")),
        }
    }
}

impl Description {
    /// The table of the API whose rows a source has.
    pub(crate) fn table_behind(&self, source: &SourceDescription) -> Option<&TableDescription> {
        match source {
            SourceDescription::Api { table } => self.table_named(table),
            SourceDescription::Job { job, table } => {
                let streams = &self.jobs.get(job)?.streams;
                let stream = streams.iter().find(|stream| stream.name == *table)?;
                self.table_named(&stream.table)
            }
        }
    }

    /// The name under which the gateway serves a table of the API from the source that another
    /// one is served from: from the API, or as the same job has written it.
    pub(crate) fn served_beside<'a>(
        &'a self,
        gateway: &'a GatewayDescription,
        source: &SourceDescription,
        table: &str,
    ) -> Option<&'a str> {
        let is_beside = |other: &SourceDescription| match (source, other) {
            (SourceDescription::Api { .. }, SourceDescription::Api { .. }) => true,
            (SourceDescription::Job { job, .. }, SourceDescription::Job { job: other, .. }) => {
                job == other
            }
            _ => false,
        };
        let is_it = |other: &SourceDescription| {
            is_beside(other) && self.table_behind(other).is_some_and(|other| other.name == table)
        };
        let mut served = gateway.tables.iter().filter(|(_, other)| is_it(&other.source));
        served.next().map(|(name, _)| name.as_str())
    }
}
