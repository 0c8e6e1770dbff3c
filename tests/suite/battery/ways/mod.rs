//! Every way to page: its settings in YAML, and a server that pages in this way. A way that is listed here
//! goes through the whole battery.

mod bodies;
mod computed;
mod decided;
mod jobs;
mod keyed;
mod pointed;
mod windowed;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, Envelope, PaginatedStream, Paging};

use super::server::{Plan, Serve};

/// How a read gets from a page to the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The place of each page can be computed.
    Computed,
    /// Each page names the next one.
    Pointed,
    /// By the last row of a page.
    Keyed,
    /// In windows of time, each of which is a set.
    Windowed,
    /// A job is submitted and polled, and its results are read.
    Job,
    /// There is one page.
    Once,
}

/// A way to page.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    yaml: &'static str,
    custom: Option<fn() -> Paging>,
    pub(crate) serve: Serve,
    /// Whether pages say how many rows the set has.
    pub(crate) has_total: bool,
    /// Whether pages say how many pages there are.
    pub(crate) counts_pages: bool,
    /// Whether pages say if more rows follow, beside where they are.
    pub(crate) has_flag: bool,
    /// Whether it is decided by the first page, which is requested once more.
    pub(crate) is_decided: bool,
    /// Whether a read begins again in between.
    pub(crate) begins_again: bool,
    /// Whether rows of the same key have to fit into a page.
    pub(crate) has_ties: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    paging: Paging,
    envelope: Envelope,
}

impl Way {
    fn new(name: &'static str, kind: Kind, yaml: &'static str, serve: Serve) -> Self {
        Self {
            name,
            kind,
            yaml,
            custom: None,
            serve,
            has_total: false,
            counts_pages: false,
            has_flag: false,
            is_decided: false,
            begins_again: false,
            has_ties: false,
        }
    }

    fn with_total(self) -> Self {
        Self { has_total: true, ..self }
    }

    fn with_flag(self) -> Self {
        Self { has_flag: true, ..self }
    }

    /// The settings, where the size of a page is `size`.
    pub(crate) fn settings(&self, size: usize) -> (Paging, Envelope) {
        let yaml = self.yaml.replace("SIZE", &size.to_string());
        let read = serde_yaml_ng::from_str::<Settings>(&yaml);
        let Settings { paging, envelope } =
            read.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        (self.custom.map_or(paging, |custom| custom()), envelope)
    }

    /// Whether pages may have fewer rows than they may have at most, without being the last one.
    pub(crate) fn may_be_uneven(&self) -> bool {
        let is_by_row = self.name.contains("offsets") || self.name.contains("ranges");
        match self.kind {
            Kind::Pointed => true,
            Kind::Keyed => !self.has_ties,
            Kind::Computed => is_by_row && (self.has_total || self.has_flag),
            Kind::Windowed | Kind::Job | Kind::Once => false,
        }
    }

    /// How many rows a page has that is asked for `asked` of them.
    pub(crate) fn granted(&self, asked: usize, cap: usize) -> usize {
        if self.yaml.contains("SIZE") { asked.min(cap) } else { cap }
    }

    /// A server of the first `count` rows, which are at most `cap` on a page.
    pub(crate) fn plan(&self, count: usize, cap: usize) -> Plan {
        self.plan_of(rows(count), cap)
    }

    /// A server of these rows.
    pub(crate) fn plan_of(&self, rows: Vec<Value>, cap: usize) -> Plan {
        Plan::of(self.serve, rows, cap)
    }

    /// A read in a pool of its own.
    pub(crate) fn read(&self, url: &str, size: usize) -> PaginatedStream {
        self.read_in(&pool(url), size)
    }

    pub(crate) fn read_in(&self, pool: &AwwPool, size: usize) -> PaginatedStream {
        let (paging, envelope) = self.settings(size);
        PaginatedStream::get(pool, "/rows").paging(paging).envelope(envelope)
    }
}

/// A pool whose retries wait for nothing, and whose tokens are those of every other one. A busy machine
/// makes it repeat no request.
pub(crate) fn pool(url: &str) -> AwwPool {
    let pool = AwwPool::builder(url).signing_key([7; 32]).workers(1).max_attempts(12);
    let long = Duration::from_secs(150);
    let pool = pool.replace_blocked_after(long).call_timeout(long).attempt_timeout(long);
    let pool = pool.retry_budget(1.0, 1000).backoff_base(Duration::from_millis(1));
    pool.backoff_cap(Duration::from_millis(2)).build().unwrap()
}

/// Rows in order of their `id` and of their `at`, two of which are alike.
pub(crate) fn rows(count: usize) -> Vec<Value> {
    (0..count).map(row).collect()
}

fn row(id: usize) -> Value {
    json!({ "id": id, "name": format!("row {id}"), "n": id % 5, "at": moment(id / 2) })
}

/// So many seconds after the beginning of 2024.
pub(crate) fn moment(second: usize) -> String {
    format!("2024-01-01T00:00:{second:02}Z")
}

/// All of them.
pub(crate) fn ways() -> Vec<Way> {
    let rooms = [
        computed::ways(),
        bodies::ways(),
        pointed::ways(),
        keyed::ways(),
        windowed::ways(),
        jobs::ways(),
        decided::ways(),
    ];
    rooms.into_iter().flatten().collect()
}
