//! Workers, each with an API of its own, and sessions over them.

use std::time::Duration;

use datafusion::{
    arrow::{
        array::RecordBatch,
        util::display::{ArrayFormatter, FormatOptions},
    },
    prelude::SessionConfig,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use vantage_api_ingest::description::Description;
use vantage_api_sql::{ApiSession, datafusion, distributed::Workers};

use crate::{
    process::WorkerProcess,
    support::{Api, Pages},
};

pub(crate) const PAGE: usize = 5;
/// No test waits longer for anything.
const BOUND: Duration = Duration::from_secs(120);

/// A session's own API, and workers with theirs.
pub(crate) struct World {
    pub(crate) pages: Pages,
    pub(crate) own: Api,
    pub(crate) apis: Vec<Api>,
    pub(crate) workers: Vec<WorkerProcess>,
}

impl World {
    /// So many workers over so many rows.
    pub(crate) fn new(pages: Pages, workers: usize, rows: usize) -> Self {
        Self::with_token(pages, workers, rows, None)
    }

    pub(crate) fn with_token(
        pages: Pages,
        workers: usize,
        rows: usize,
        token: Option<&str>,
    ) -> Self {
        let apis: Vec<Api> = (0..workers).map(|_| api(pages, rows)).collect();
        let each = apis.iter().map(|api| WorkerProcess::start(&description(api, pages), token));
        Self { pages, own: api(pages, rows), workers: each.collect(), apis }
    }

    /// A session over all workers.
    pub(crate) fn session(&self) -> ApiSession {
        self.session_over(self.known())
    }

    pub(crate) fn known(&self) -> Workers {
        Workers::new(self.workers.iter().map(WorkerProcess::url)).unwrap()
    }

    pub(crate) fn session_over(&self, workers: Workers) -> ApiSession {
        let session = ApiSession::over_workers(config(), workers).unwrap();
        session.add("public", &self.described()).unwrap();
        session
    }

    /// A session that reads everything itself.
    pub(crate) fn alone(&self) -> ApiSession {
        let session = ApiSession::with_config(config()).unwrap();
        session.add("public", &self.described()).unwrap();
        session
    }

    fn described(&self) -> Description {
        Description::from_yaml(&description(&self.own, self.pages)).unwrap()
    }

    /// What each API was asked since this was last called: the session's own first.
    pub(crate) fn asked(&self) -> Vec<Vec<String>> {
        [&self.own].into_iter().chain(&self.apis).map(Api::asked).collect()
    }
}

fn api(pages: Pages, rows: usize) -> Api {
    let api = Api::start(pages, PAGE);
    api.put("items", items(rows));
    api.put("groups", (0..7).map(|id| json!({ "id": id, "name": format!("g{id}") })).collect());
    api
}

fn items(rows: usize) -> Vec<Value> {
    let rows = (1..=rows).map(|id| {
        json!({ "id": id, "n": id * 7 % 11, "x": id as f64 / 4.0, "t": format!("t{}", id % 3), "grp": id % 9 })
    });
    rows.collect()
}

/// Two tables, which can be asked by equalities of `t` alone.
pub(crate) fn description(api: &Api, pages: Pages) -> String {
    let total = if pages.tell_totals() { ", total: total" } else { "" };
    let paging = pages.yaml(PAGE);
    format!(
        "api: {{ base_url: \"{}\", auth: {{ bearer: own-secret-of-the-session }} }}
tables:
  - name: items
    id: id
    columns: {{ id: int, n: int, x: float, t: text, grp: int }}
    api: {{ paging: {paging}, envelope: {{ items: data{total} }}, filters: {{ style: equality, only: [t] }} }}
  - name: groups
    id: id
    columns: {{ id: int, name: text }}
    api: {{ paging: {paging}, envelope: {{ items: data{total} }}, filtering: local }}
  - name: undeclared
    api: {{ endpoint: items, paging: {paging}, envelope: {{ items: data{total} }} }}
",
        api.url()
    )
}

fn config() -> SessionConfig {
    SessionConfig::new().with_target_partitions(2)
}

/// The rows of a query as texts, sorted unless it says an order.
pub(crate) async fn try_rows(
    session: &ApiSession,
    sql: &str,
) -> datafusion::error::Result<Vec<String>> {
    let reading = async { session.sql(sql).await?.collect().await };
    let batches = timeout(BOUND, reading).await.expect("the query hangs")?;
    let mut rows: Vec<String> = batches.iter().flat_map(shown).collect();
    if !sql.contains("ORDER BY") || sql.contains("OVER") {
        rows.sort();
    }
    Ok(rows)
}

pub(crate) async fn rows(session: &ApiSession, sql: &str) -> Vec<String> {
    match try_rows(session, sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}: {error}"),
    }
}

fn shown(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let columns = batch.columns().iter();
    let columns: Vec<_> =
        columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    let row = |row: usize| {
        let cells = columns.iter().map(|column| column.value(row).to_string());
        cells.collect::<Vec<_>>().join(" | ")
    };
    (0..batch.num_rows()).map(row).collect()
}

/// A wait that no test is longer in.
pub(crate) async fn bounded<T>(waiting: impl Future<Output = T>) -> T {
    timeout(BOUND, waiting).await.expect("nothing happens")
}
