//! Inputs from public bug reports of other programs that PostgreSQL does not hold: each is named where
//! it is tested.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use arrow_array::{ArrayRef, Float64Array};
use tokio::{runtime::Builder, time::timeout};
use vantage_api_ingest::{
    Job,
    description::{Reader, WriteMode::Append},
    report::Report,
    schema::ColumnType::{Float, Int},
    sink::Target,
};

use crate::{
    database::{Database, PostgresSchema},
    support::{assert_lasting, batch, commit, ints, listed, opened, schema, state},
};

/// The base URL of an API that answers everything with this. Its threads end with the process.
fn serve(body: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A connection that was never used ends with an error, which nobody minds.
            thread::spawn(move || stream.and_then(|stream| answer(&stream, body)));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: &TcpStream, body: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

/// Copies the rows that an API answers with into the table `cities`, whose columns are these.
fn copy(database: &PostgresSchema, columns: &str, body: &'static str) -> Report {
    let yaml = format!(
        "
api: {{ base_url: '${{BASE}}' }}
tables:
  - {{ name: cities, id: id, columns: {{ {columns} }}, api: {{ paging: {{ by: none }} }} }}
jobs:
  copy:
    sink: {{ postgres: \"${{DB}}\" }}
    streams: [{{ table: cities }}]
"
    );
    let reader = Reader::new().variable("BASE", serve(body)).variable("DB", database.config());
    let job = Job::new(&reader.read_yaml(&yaml).unwrap(), "copy").unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        timeout(Duration::from_secs(180), job.run()).await.expect("the job ends")
    })
}

// transferwise/pipelinewise-tap-postgres#62, MeltanoLabs/tap-postgres#1
#[test]
fn a_moment_before_the_first_of_postgresql_costs_its_own_row() {
    let database = PostgresSchema::new();
    let report = copy(
        &database,
        "id: int, at: timestamp, day: date",
        r#"{"data": [
            {"id": 1, "at": 0, "day": "0001-01-01"},
            {"id": 2, "at": -999999999999999999999},
            {"id": 3, "day": "-9999-01-01"},
            {"id": 4, "at": "9999-12-31T23:59:59.9999999Z", "day": "9999-12-31"}
        ]}"#,
    );
    assert!(report.is_complete(), "{report}");
    let rows = database.query(
        "SELECT id, to_char(\"at\" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), day \
         FROM cities ORDER BY id",
    );
    assert_eq!(
        listed(&rows),
        "1 1970-01-01 00:00:00.000000 0001-01-01, 4 9999-12-31 23:59:59.999999 9999-12-31"
    );
    assert_eq!(report.streams[0].counts.rejected, 2, "{report}");
}

// dimitri/pgloader#536, lukasmartinelli/pgfutter#86
#[test]
fn a_column_that_is_called_like_one_of_the_system_is_named() {
    let database = PostgresSchema::new();
    for name in ["xmin", "ctid", "tableoid"] {
        let mut sink = opened(&database, Target::new("world", "cities", ["id"], Append));
        let schema = schema(&[("id", Int), (name, Float)]);
        let values: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
        let rows = batch(&[("id", ints([1])), (name, values)]);
        let written = commit(&mut *sink, &state(1, &schema, 1), &[rows]);
        assert_lasting(written, &["no column of PostgreSQL", name]);
    }
}
