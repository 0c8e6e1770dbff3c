//! A table `rows` of one page, and what became of it.

use crate::{api::Reply, setup::Setup};

/// The job `copy` of a page with these rows; `table` begins the settings of the table, as in
/// `id: id, `, and `stream` ends those of the stream, as in `, write: append`.
pub(crate) fn setup(table: &str, stream: &str, rows: &[impl AsRef<str>]) -> Setup {
    let yaml = format!(
        "
tables:
  - {{ name: rows, {table}api: {{ paging: {{ by: none }} }} }}
jobs:
  copy:
    sink: {{ sqlite: '${{DB}}' }}
    streams:
      - {{ table: rows{stream} }}
"
    );
    let page = page(rows);
    Setup::new(&yaml, move |_| Reply::text(page.clone()))
}

/// Serves these rows from here on.
pub(crate) fn serve(setup: &Setup, rows: &[impl AsRef<str>]) {
    let page = page(rows);
    setup.api.answer(move |_| Reply::text(page.clone()));
}

fn page(rows: &[impl AsRef<str>]) -> String {
    let rows: Vec<&str> = rows.iter().map(AsRef::as_ref).collect();
    format!("{{\"data\": [{}]}}", rows.join(", "))
}

/// The columns of the table.
pub(crate) fn columns(setup: &Setup) -> Vec<String> {
    setup.query("SELECT name FROM pragma_table_info('rows') ORDER BY cid")
}

/// How many rows were set aside.
pub(crate) fn rejects(setup: &Setup) -> i64 {
    setup.query("SELECT count(*) FROM _apipool_rejects").remove(0)
}

/// From where the next run goes on.
pub(crate) async fn mark(setup: &Setup) -> Option<String> {
    let states = setup.job().status().await.unwrap();
    states.into_iter().find_map(|(_, state)| state.mark)
}
