//! Streams whose rows are those of a query.

#![cfg(test)]

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use futures::{FutureExt, future::BoxFuture, stream};
use rusqlite::Connection;
use tempfile::TempDir;
use vantage_api_ingest::{
    Job,
    description::{Description, QueryFile, Reader, StreamDescription, WriteMode},
    query::{QueryEngine, QueryError, QueryRows},
    report::{Outcome, StreamReport},
};

/// What a query gives: batches of rows, and maybe an error behind them.
#[derive(Clone, Default)]
struct Given {
    batches: Vec<Vec<(i64, &'static str)>>,
    error: Option<QueryError>,
}

fn given(rows: &[(i64, &'static str)]) -> Given {
    Given { batches: vec![rows.to_vec()], error: None }
}

/// Gives what the test says, query by query, and notes what it was asked.
#[derive(Clone, Default)]
struct Engine {
    answers: Arc<Mutex<VecDeque<Given>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Whether rows have a column more.
    has_more: bool,
}

impl Engine {
    fn of(answers: impl IntoIterator<Item = Given>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }
}

fn schema(has_more: bool) -> Arc<Schema> {
    let mut fields =
        vec![Field::new("id", DataType::Int64, true), Field::new("what", DataType::Utf8View, true)];
    fields.extend(has_more.then(|| Field::new("more", DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}

fn batch(rows: &[(i64, &str)], has_more: bool) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let whats: ArrayRef = Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.1)));
    let mut columns = vec![Arc::clone(&ids), whats];
    columns.extend(has_more.then_some(ids));
    RecordBatch::try_new(schema(has_more), columns).unwrap()
}

impl QueryEngine for Engine {
    fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<QueryRows, QueryError>> {
        self.asked.lock().unwrap().push(sql.to_owned());
        let given = self.answers.lock().unwrap().pop_front().expect("an answer");
        let has_more = self.has_more;
        let batches = given.batches.into_iter().map(|rows| Ok(batch(&rows, has_more)));
        let all: Vec<_> = batches.chain(given.error.map(Err)).collect();
        async move { Ok(QueryRows::new(schema(has_more), stream::iter(all))) }.boxed()
    }
}

/// A folder with a description and a query.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("queries")).unwrap();
        fs::write(folder.path().join("queries/rows.sql"), "SELECT id, what FROM x").unwrap();
        Self(folder)
    }

    fn db(&self) -> std::path::PathBuf {
        self.0.path().join("copy.db")
    }

    fn describe(&self, stream: &str) -> Description {
        let yaml = format!(
            "api: {{ base_url: http://localhost:1 }}
jobs:
  copy:
    sink: {{ sqlite: \"${{DB}}\" }}
    streams: [{{ sql: queries/rows.sql, {stream} }}]
"
        );
        let file = self.0.path().join("copy.yaml");
        fs::write(&file, yaml).unwrap();
        Reader::new().variable("DB", self.db().to_string_lossy()).read_file(file).unwrap()
    }

    async fn run(&self, stream: &str, engine: &Engine) -> StreamReport {
        let description = self.describe(stream).with_queries(engine.clone());
        run(&description).await
    }

    fn rows(&self) -> Vec<(i64, String)> {
        rows(&self.db())
    }
}

async fn run(description: &Description) -> StreamReport {
    Job::new(description, "copy").unwrap().run().await.streams.remove(0)
}

fn rows(db: &Path) -> Vec<(i64, String)> {
    let db = Connection::open(db).unwrap();
    let mut rows = db.prepare("SELECT id, what FROM rows ORDER BY id, what").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn owned(rows: &[(i64, &str)]) -> Vec<(i64, String)> {
    rows.iter().map(|(id, what)| (*id, (*what).to_owned())).collect()
}

fn failure(report: &StreamReport) -> &str {
    let Outcome::Failed(error) = &report.outcome else { panic!("{report}") };
    error
}

#[tokio::test]
async fn the_rows_of_a_query_replace_those_of_the_last_run() {
    let place = Place::new();
    let engine = Engine::of([given(&[(1, "a"), (2, "b")]), given(&[(3, "c")]), Given::default()]);
    let report = place.run("", &engine).await;
    assert_eq!((&report.outcome, &*report.stream), (&Outcome::Complete, "rows"), "{report}");
    assert_eq!((report.counts.read, report.counts.written), (2, 2));
    assert!(report.to_string().contains("2 rows read, 2 written"), "{report}");
    assert_eq!(place.rows(), owned(&[(1, "a"), (2, "b")]));
    assert_eq!(place.run("", &engine).await.run, 2);
    assert_eq!(place.rows(), owned(&[(3, "c")]));
    assert_eq!(place.run("", &engine).await.outcome, Outcome::Complete);
    assert_eq!(place.rows(), []);
    assert_eq!(*engine.asked.lock().unwrap(), ["SELECT id, what FROM x"; 3]);
}

#[tokio::test]
async fn with_an_id_they_are_merged_and_those_that_are_gone_deleted_if_wanted() {
    let place = Place::new();
    let first = given(&[(1, "a"), (2, "b")]);
    let second = given(&[(2, "c"), (3, "d")]);
    let engine = Engine::of([first, second.clone(), second]);
    for stream in ["id: id", "id: [id]"] {
        assert_eq!(place.run(stream, &engine).await.outcome, Outcome::Complete);
    }
    assert_eq!(place.rows(), owned(&[(1, "a"), (2, "c"), (3, "d")]));
    let report = place.run("id: id, write: sync", &engine).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
    assert_eq!(place.rows(), owned(&[(2, "c"), (3, "d")]));
}

#[tokio::test]
async fn no_rows_make_a_table_as_well() {
    let place = Place::new();
    assert_eq!(place.run("", &Engine::of([Given::default()])).await.outcome, Outcome::Complete);
    assert_eq!(place.rows(), []);
}

// dbt-labs/docs.getdbt.com#7655
#[tokio::test]
async fn a_query_that_breaks_off_appends_nothing_and_begins_anew() {
    let place = Place::new();
    let broken = Given {
        batches: vec![vec![(1, "a")], vec![(2, "b")]],
        error: Some(QueryError::lasting("page 3 broke")),
    };
    let all = given(&[(1, "a"), (2, "b"), (3, "c")]);
    let engine = Engine::of([all.clone(), broken, all]);
    let stream = "write: append, commit: { rows: 1 }";
    assert_eq!(place.run(stream, &engine).await.outcome, Outcome::Complete);
    assert_eq!(failure(&place.run(stream, &engine).await), "page 3 broke");
    assert_eq!(place.rows().len(), 3);
    assert_eq!(place.run(stream, &engine).await.outcome, Outcome::Complete);
    assert_eq!(place.rows().len(), 6);
}

#[tokio::test]
async fn a_query_that_breaks_off_replaces_nothing_and_begins_anew() {
    let place = Place::new();
    let broken = Given {
        batches: vec![vec![(7, "x")], vec![(8, "y")]],
        error: Some(QueryError::lasting("page 3 broke")),
    };
    let engine = Engine::of([given(&[(1, "a")]), broken, given(&[(2, "b")])]);
    // Each batch is committed.
    let stream = "commit: { rows: 1 }";
    assert_eq!(place.run(stream, &engine).await.outcome, Outcome::Complete);
    let report = place.run(stream, &engine).await;
    assert_eq!((failure(&report), report.run), ("page 3 broke", 2), "{report}");
    assert_eq!(place.rows(), owned(&[(1, "a")]));
    let report = place.run(stream, &engine).await;
    assert_eq!((&report.outcome, report.run), (&Outcome::Complete, 3), "{report}");
    assert_eq!(place.rows(), owned(&[(2, "b")]));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_from_the_start() {
    let place = Place::new();
    let broken = Given { batches: vec![vec![(7, "x")]], error: Some(QueryError::passing("busy")) };
    let engine = Engine::of([broken, given(&[(1, "a")])]);
    let report = place.run("commit: { rows: 1 }", &engine).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
    assert_eq!((report.counts.written, place.rows()), (1, owned(&[(1, "a")])));
}

#[tokio::test]
async fn rows_that_are_appended_at_once_have_a_bound() {
    let place = Place::new();
    let engine = Engine::of([given(&[(1, "a text of some length"); 100])]);
    let report = place.run("write: append, commit: { bytes: 1000 }", &engine).await;
    assert!(failure(&report).contains("more than the 1000 bytes that `commit` has"), "{report}");
    let report = place.run("write: append", &engine_of_one()).await;
    assert_eq!(place.rows(), owned(&[(1, "a")]), "{report}");
}

fn engine_of_one() -> Engine {
    Engine::of([given(&[(1, "a")])])
}

#[tokio::test]
async fn a_table_that_is_not_to_change_gets_no_column() {
    let place = Place::new();
    let stream = "schema: freeze";
    for _ in 0..2 {
        let report = place.run(stream, &engine_of_one()).await;
        assert_eq!(report.outcome, Outcome::Complete, "{report}");
    }
    let wider = Engine { has_more: true, ..engine_of_one() };
    let report = place.run(stream, &wider).await;
    assert_eq!(failure(&report), "the table has no column for `more`");
    assert_eq!(place.rows(), owned(&[(1, "a")]));
    let wider = Engine { has_more: true, ..engine_of_one() };
    let report = place.run("schema: evolve", &wider).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
}

#[tokio::test]
async fn too_few_rows_replace_nothing() {
    let place = Place::new();
    let engine = Engine::of([given(&[(1, "a")]), Given::default()]);
    let stream = "checks: { rows: '>= 1' }";
    assert_eq!(place.run(stream, &engine).await.outcome, Outcome::Complete);
    let report = place.run(stream, &engine).await;
    assert_eq!(failure(&report), "0 rows written, and `checks` expects at least 1");
    assert_eq!(place.rows(), owned(&[(1, "a")]));
}

#[tokio::test]
async fn without_an_engine_the_stream_fails_and_says_so() {
    let place = Place::new();
    let report = run(&place.describe("")).await;
    let said = failure(&report);
    assert!(said.ends_with("rows.sql: this program runs no queries in SQL"), "{said}");
}

#[tokio::test]
async fn a_program_describes_a_query_as_well() {
    let place = Place::new();
    let stream = StreamDescription::of_query("rows", QueryFile::new("inline", "SELECT 1"));
    assert_eq!(stream.write, WriteMode::Replace);
    let mut description = place.describe("");
    description.jobs["copy"].streams = vec![stream];
    let engine = engine_of_one();
    let report = run(&description.with_queries(engine.clone())).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report}");
    assert_eq!(*engine.asked.lock().unwrap(), ["SELECT 1"]);
}

#[test]
fn what_is_wrong_with_a_query_is_named_with_its_place() {
    let place = Place::new();
    let refused = |lines: &str, sink: &str| {
        let yaml = format!(
            "api: {{ base_url: http://localhost:1 }}
tables: [{{ name: plain }}]
jobs:
  copy:
    sink: {{ {sink} }}
    streams:
    - {lines}
"
        );
        let file = place.0.path().join("copy.yaml");
        fs::write(&file, yaml).unwrap();
        Reader::new().read_file(file).map(drop).expect_err(lines).to_string()
    };
    let sql = "sql: queries/rows.sql";
    for (lines, place, words) in [
        ("{ name: a }", "", "the key `table` is missing, or `sql`"),
        (&*format!("{{ table: plain, {sql} }}"), ".sql", "`table` or `sql`, not both"),
        ("{ table: plain, id: a }", ".id", "is that of the table"),
        ("{ sql: queries/other.sql }", ".sql", "other.sql: No such file"),
        ("{ sql: '' }", ".sql", "names no file"),
        (&*format!("{{ {sql}, where: {{ a: 1 }} }}"), ".where", "for the rows of a `table`"),
        (&*format!("{{ {sql}, columns: {{ a: drop }} }}"), ".columns", "for the rows of a `table`"),
        (&*format!("{{ {sql}, prefetch: 3 }}"), ".prefetch", "for the rows of a `table`"),
        (&*format!("{{ {sql}, schema: discard }}"), ".schema", "`evolve` or `freeze`"),
        (
            &*format!("{{ {sql}, checks: {{ columns: {{ a: [unique] }} }} }}"),
            ".checks.columns",
            "only `rows` are checked",
        ),
        (&*format!("{{ {sql}, write: merge }}"), ".write", "needs the `id` of the stream"),
    ] {
        let said = refused(lines, "sqlite: copy.db");
        let place = format!("jobs.copy.streams[0]{place}: ");
        assert!(said.contains(&place) && said.contains(words), "{lines}: {said}");
    }
    let said = refused(&format!("{{ {sql}, id: a, write: merge }}"), "csv: out");
    assert!(said.contains("files can only be appended to or replaced"), "{said}");
}
