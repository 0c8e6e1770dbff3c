//! What replicas have in common: what came in, rows, and a run of a job against one.

use std::{collections::BTreeSet, time::Duration};

use rusqlite::Connection;
use serde_json::{Value, json};
use vantage_api_ingest::{
    Job,
    description::Reader,
    report::{Outcome, Report},
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

pub const TOKEN: &str = "canary-4f1d";

/// A request, as a replica looks at it.
pub struct Call<'a>(&'a Request);

impl Call<'_> {
    pub fn path(&self) -> &str {
        self.0.url.path()
    }

    pub fn is_post(&self) -> bool {
        self.0.method.as_str() == "POST"
    }

    pub fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.0.url.query_pairs();
        pairs.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.0.url.query_pairs().map(|(name, _)| name.into_owned()).collect()
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.query(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name}: {value}")))
    }

    pub fn header(&self, name: &str) -> &str {
        self.0.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.0.body).unwrap()
    }

    pub fn is_bearer(&self) -> bool {
        self.header("authorization") == format!("Bearer {TOKEN}")
    }
}

/// A server that answers like this.
pub async fn replica(
    answer: impl Fn(&Call<'_>) -> ResponseTemplate + Send + Sync + 'static,
) -> MockServer {
    let server = MockServer::builder().start().await;
    let answer = move |request: &Request| answer(&Call(request));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// 200 and this body.
pub fn ok(body: impl Into<Value>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body.into())
}

/// This status and this body.
pub fn status(status: u16, body: impl Into<Value>) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body.into())
}

/// So many rows.
pub fn rows(count: usize, row: impl Fn(usize) -> Value) -> Vec<Value> {
    (0..count).map(row).collect()
}

/// Rows `{"id": n}`, whose ids begin at 1.
pub fn numbered(count: usize) -> Vec<Value> {
    rows(count, |n| json!({ "id": n + 1, "name": format!("row {n}") }))
}

/// Those from a place on, as many as there are up to a number.
pub fn part(rows: &[Value], from: usize, size: usize) -> Vec<Value> {
    rows.iter().skip(from).take(size).cloned().collect()
}

/// What a job has written.
pub struct Copied {
    report: Report,
    db: Connection,
    _folder: tempfile::TempDir,
}

/// Runs the job of a connector with these variables. Every stream must be complete.
pub async fn copied(connector: &str, variables: &[(&str, &str)]) -> Copied {
    let connector = vantage_api_connectors::find(connector).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    let db = connector.variables().into_iter().find(|name| name.ends_with("_DB")).unwrap();
    let reader = Reader::new().variable(db, path.to_str().unwrap());
    let reader =
        variables.iter().fold(reader, |reader, (name, value)| reader.variable(*name, *value));
    let description = reader.read_yaml(connector.yaml).unwrap();
    let job = Job::new(&description, connector.name).unwrap();
    let report = tokio::time::timeout(Duration::from_secs(300), job.run()).await.unwrap();
    for stream in &report.streams {
        assert_eq!(stream.outcome, Outcome::Complete, "{}: {:?}", stream.stream, stream.remarks);
        assert!(!format!("{stream:?}").contains(TOKEN));
    }
    Copied { report, db: Connection::open(path).unwrap(), _folder: folder }
}

impl Copied {
    /// Whether a stream has written exactly these rows, by the values of a column.
    pub fn has(&self, stream: &str, column: &str, expected: &[Value]) {
        let sql = format!(r#"SELECT CAST("{column}" AS TEXT) FROM "{stream}""#);
        let mut statement = self.db.prepare(&sql).unwrap();
        let found = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let mut found: Vec<String> = found.map(Result::unwrap).collect();
        let text = |row: &Value| match &row[column] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut expected: Vec<String> = expected.iter().map(text).collect();
        found.sort();
        expected.sort();
        assert_eq!(found.len(), expected.len(), "{stream}: the number of rows");
        assert_eq!(found, expected, "{stream}");
    }

    /// What the report remarks of a stream.
    pub fn remarks(&self, stream: &str) -> String {
        let stream = self.report.streams.iter().find(|own| own.stream == stream).unwrap();
        stream.remarks.join("\n")
    }
}
