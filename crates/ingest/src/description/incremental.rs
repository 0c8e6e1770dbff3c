//! [pure] How a stream reads only what is new, as data.

use std::{fmt, time::Duration};

use serde::Deserialize;
use vantage_api_pool::paging::MomentFormat;

use super::forms;

/// How only what is new is read.
///
/// | key | value |
/// |---|---|
/// | `field` | the field of a row by which the API tells what is new |
/// | `param` | the parameter that takes the greatest value so far; by default the name of the field |
/// | `order` | `newest_first` for an API that has no such parameter, but returns the newest rows first: see [`RowOrder::NewestFirst`] |
/// | `start` | its value in the first run; by default everything is read |
/// | `lookback` | how far each later run goes back behind the greatest value, for rows that become visible late and for an API whose clock is behind: a number of seconds, or text such as `1h`; by default not at all |
/// | `format` | how values are written: `rfc3339` (the default), `unix`, `unix_ms`, `date` or `text`, see [`MomentFormat`] |
///
/// A run asks for rows from the greatest value on, since others may have the same one, and so reads
/// some again. With `write: merge` they are merged by their key. With `write: append` they are left
/// out: of the rows from there on, where the next run asks, a hash of the columns is remembered, also
/// with a `lookback` and with a `format` that is less exact than the values, and of rows that have no
/// value. A row that has changed is another one and is appended. Up to 50,000 rows are remembered, those
/// with the greatest values; if there are more, the report says that the next run will append some of
/// them again.
///
/// A value that is later than the second before the run began, by this machine's clock, counts as that
/// second: a row that is changed after its page was read is found by the next run, however long this
/// one took, interruptions included. What was changed meanwhile is read again, and counts among the rows
/// that are remembered. If the clock of the API is behind, or rows become visible some time after the
/// moment that they carry, a `lookback` of that difference finds them.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Incremental {
    /// The field of a row by which the API tells what is new.
    pub field: String,
    /// The parameter that takes the greatest value so far. It is not sent if there is an `order`.
    #[serde(default)]
    pub param: String,
    /// The order of the rows, if no parameter asks for those that are new.
    #[serde(default)]
    pub order: Option<RowOrder>,
    /// Its value in the first run.
    #[serde(default)]
    pub start: Option<String>,
    /// How far later runs go back.
    #[serde(default, deserialize_with = "forms::duration")]
    pub lookback: Duration,
    /// How values are written.
    #[serde(default)]
    pub format: MomentFormat,
}

/// The order in which an API returns rows, by which a read knows where it may stop.
///
/// ```yaml
/// tables:
///   - { name: pulls, id: id, api: { endpoint: "pulls?state=all&sort=updated&direction=desc" } }
/// jobs:
///   copy:
///     sink: { sqlite: pulls.db }
///     streams:
///       - { table: pulls, incremental: { field: updated_at, order: newest_first } }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowOrder {
    /// The row with the greatest value comes first. Whether the endpoint has to be asked for that order
    /// is written there.
    ///
    /// A run reads from the newest row on, and ends with the page of which every row is older than the
    /// greatest value of the runs before, less the `lookback`; the first run reads everything, or as far
    /// as `start`. Rows with the greatest value itself are read again. Pages that are requested ahead
    /// (`prefetch`) are cancelled then. Older rows on the pages that are read are merged; with `write:
    /// append` they are left out. So is a row that comes again as it was on a later page of the run,
    /// since new rows push others back: of the last 10,000 rows hashes are remembered.
    ///
    /// The greatest value moves at the end of a run alone, when all down to the old one is committed. A
    /// run that was interrupted goes on where it was, downwards.
    ///
    /// If a row is newer than one before it, the rows do not have this order: the run goes on to the end of
    /// the set, the report says so, and so does the next run. A run that has read everything and found
    /// the order right ends that. A row that has no value, or none of the `format`, may be new: a page
    /// with one does not end a run, and the report says so. With `for_each` each read has a greatest
    /// value of its own, so that the rows of a new parent are all read; this needs `write: merge`.
    ///
    /// The total that the API tells is compared with what was read only by runs that read to the end.
    NewestFirst,
}

impl Incremental {
    /// Asks for what is new by a field, in a parameter of the same name.
    #[must_use]
    pub fn new(field: impl Into<String>) -> Self {
        let field = field.into();
        let format = MomentFormat::default();
        let (param, lookback) = (field.clone(), Duration::ZERO);
        Self { field, param, order: None, start: None, lookback, format }
    }
}

impl fmt::Debug for Incremental {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incremental")
            .field("order", &self.order)
            .field("lookback", &self.lookback)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
