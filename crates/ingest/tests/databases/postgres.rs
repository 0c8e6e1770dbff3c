//! What is PostgreSQL's own.

use std::{
    env,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow_array::{ArrayRef, Date32Array};

use vantage_api_ingest::{
    description::WriteMode::{Append, Merge, Replace},
    schema::ColumnType::{Date, Int, Json, Text},
    sink::{Postgres, Sink},
};

use crate::{
    database::{Database, PostgresSchema, Session},
    server::Server,
    support::{
        assert_lasting, batch, batch_of, cities, commit, ended, id_and_name, ints, listed, named,
        names, opened, schema, state, tables, texts,
    },
};

#[test]
fn a_text_that_cannot_be_held_is_named_by_its_column() {
    let database = PostgresSchema::new();
    let columns = schema(&[("id", Int), ("a", Text), ("b", Json)]);
    for mode in [Append, Merge] {
        let mut sink = opened(&database, cities(mode));
        for (a, b, words) in [
            ("x\0", "1", "column `a` contains U+0000"),
            ("x", r#"{"k": "\u0000"}"#, "column `b` contains U+0000"),
            ("x", r#"["\ud800"]"#, "column `b` contains half a surrogate pair"),
            ("x", "[1e200000]", "column `b` contains a number"),
        ] {
            assert!(Postgres::refuses(a).or(Postgres::refuses(b)).is_some());
            let rows = batch_of(&columns, vec![ints([1, 2]), texts(["y", a]), texts(["2", b])]);
            assert_lasting(commit(&mut *sink, &state(1, &columns, 2), &[rows]), &[words]);
            sink.open().unwrap();
        }
        assert_eq!(tables(&database), "");
    }
}

#[test]
fn a_value_that_is_out_of_range_is_named_by_its_column() {
    let database = PostgresSchema::new();
    let mut sink = opened(&database, cities(Append));
    let columns = schema(&[("id", Int), ("day", Date)]);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, i32::MIN / 2]));
    let rows = batch(&[("id", ints([1, 2])), ("day", days)]);
    let refused = commit(&mut *sink, &state(1, &columns, 2), &[rows]);
    assert_lasting(refused, &["line 2, column day"]);
}

#[test]
fn texts_that_are_not_refused_are_held() {
    let database = PostgresSchema::new();
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let digits = format!("[{}, 1e16000, 1e-16000]", "1".repeat(16_000));
    let json = [deep.as_str(), digits.as_str(), r#"{"a": "\\u0000", "b": "\ud83d\ude00"}"#];
    let plain = ["\\u0000", "{\\u", "\u{1}\u{10ffff}"];
    assert!(json.iter().chain(&plain).all(|text| Postgres::refuses(text).is_none()));
    let mut sink = opened(&database, cities(Append));
    let columns = schema(&[("a", Text), ("b", Json)]);
    commit(
        &mut *sink,
        &ended(1, &columns, 3),
        &[batch_of(&columns, vec![texts(plain), texts(json)])],
    )
    .unwrap();
    assert_eq!(database.query("SELECT a FROM cities").len(), 3);
}

#[test]
fn no_error_shows_the_password() {
    for url in [
        "postgres://nobody:s3cret@127.0.0.1:1/d",
        "postgres://nobody:s3cret@h:s3cret/d",
        "postgres://nobody:s3cret@/d?sslmode=s3cret",
    ] {
        let mut sink = Postgres::new(url.into(), cities(Merge));
        for error in [sink.open().unwrap_err(), sink.state().unwrap_err()] {
            let text = format!("{error} {error:?} {sink:?}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_may_come() {
    let mut sink = Postgres::new("postgres://u:p@127.0.0.1:1/d".into(), cities(Merge));
    let error = sink.open().unwrap_err();
    assert!(!error.is_lasting(), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1/d"), "{error}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    // It takes connections, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:p@{}/d", listener.local_addr().unwrap());
    let sink = Postgres::new(url.into(), cities(Merge));
    let mut sink = sink.with_connect_timeout(Duration::from_millis(200));
    let start = Instant::now();
    let error = sink.open().unwrap_err();
    assert!(!error.is_lasting(), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_does_not_come_by_waiting_is_lasting() {
    let database = PostgresSchema::new();
    let config = |more: &str| Server::shared().config("postgres") + " " + more;
    for (config, words) in [
        (config("dbname=missing"), "missing"),
        (config("options='-c search_path=missing'"), "search_path"),
        (Server::shared().config("missing"), "connection to PostgreSQL"),
    ] {
        assert_lasting(Postgres::new(config.into(), cities(Merge)).open(), &[words]);
    }
    let role = format!("\"role of {}\"", database.schema());
    database.query(&format!("CREATE ROLE {role} LOGIN"));
    let own = database
        .config()
        .replace("user=postgres", &format!("user='role of {}'", database.schema()));
    let mut sink = Postgres::new(own.into(), cities(Merge));
    assert!(sink.open().unwrap_err().is_lasting());
    // It may write what is there, and need not be allowed to make more.
    let mut first = opened(&database, cities(Append));
    commit(&mut *first, &ended(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
    for what in ["USAGE ON SCHEMA", "ALL ON ALL TABLES IN SCHEMA"] {
        database.query(&format!("GRANT {what} \"{}\" TO {role}", database.schema()));
    }
    sink = {
        let own = database
            .config()
            .replace("user=postgres", &format!("user='role of {}'", database.schema()));
        Postgres::new(own.into(), cities(Append))
    };
    sink.open().unwrap();
    commit(&mut sink, &ended(2, &id_and_name(), 1), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(names(&database), "1 a, 2 b");
    let wide = schema(&[("id", Int), ("name", Text), ("more", Int)]);
    assert_lasting(commit(&mut sink, &state(3, &wide, 0), &[]), &["table `cities`"]);
    database.query(&format!("DROP OWNED BY {role}"));
    database.query(&format!("DROP ROLE {role}"));
}

#[test]
fn grants_and_views_of_a_replaced_table_stay_or_stop_it() {
    let database = PostgresSchema::new();
    let (mut sink, schema) = (opened(&database, cities(Replace)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    database.query("GRANT SELECT ON cities TO PUBLIC");
    database.query("GRANT SELECT ON cities TO pg_monitor WITH GRANT OPTION");
    let grants = || {
        listed(&database.query(
            "SELECT grantee, privilege_type, is_grantable FROM information_schema.table_privileges \
             WHERE table_schema = current_schema() AND table_name = 'cities' \
             AND grantee <> 'postgres' ORDER BY grantee",
        ))
    };
    let before = grants();
    assert_eq!(before, "PUBLIC SELECT NO, pg_monitor SELECT YES");
    commit(&mut *sink, &ended(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    assert_eq!((names(&database), grants()), ("2 b".into(), before));
    database.query("CREATE VIEW v AS SELECT * FROM cities");
    let refused = commit(&mut *sink, &ended(3, &schema, 1), &[named(&[(3, "c")])]);
    assert_lasting(refused, &["the end of a run of stream `cities`"]);
    assert_eq!(listed(&database.query("SELECT * FROM v")), "2 b");
}

#[test]
fn readers_do_not_see_a_table_that_is_replaced_until_its_end() {
    let database = PostgresSchema::new();
    let (mut sink, schema) = (opened(&database, cities(Replace)), id_and_name());
    commit(&mut *sink, &ended(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    let reader = database.connect();
    commit(&mut *sink, &state(2, &schema, 1), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(listed(&reader.query("SELECT * FROM cities")), "1 a");
    commit(&mut *sink, &ended(2, &schema, 1), &[named(&[(3, "c")])]).unwrap();
    assert_eq!(listed(&reader.query("SELECT * FROM cities ORDER BY id")), "2 b, 3 c");
}

#[test]
fn a_lock_of_someone_else_is_not_waited_for_without_end() {
    let database = PostgresSchema::new();
    let sink = Postgres::new(database.config().into(), cities(Append));
    let mut sink = sink.with_commit_timeout(Duration::from_millis(300));
    let schema = id_and_name();
    // A machine that is busy may take longer to open than is allowed here.
    let mut open = || sink.open().is_ok() && commit(&mut sink, &state(1, &schema, 0), &[]).is_ok();
    let start = Instant::now();
    while !open() {
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    let locker = database.connect();
    locker.query("BEGIN");
    locker.query("LOCK TABLE cities IN ACCESS EXCLUSIVE MODE");
    let error = commit(&mut sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap_err();
    assert!(!error.is_lasting(), "{error:?}");
    locker.query("COMMIT");
    assert_eq!(names(&database), "");
    let mut sink = database.sink(cities(Append));
    assert_eq!(sink.open().unwrap(), state(1, &schema, 0));
    commit(&mut *sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    assert_eq!(names(&database), "1 a");
}

#[test]
fn a_session_that_is_ended_is_begun_again() {
    let database = PostgresSchema::new();
    let application = database.schema();
    let config = format!("{} application_name='{application}'", database.config());
    let (mut sink, schema) = (Postgres::new(config.into(), cities(Merge)), id_and_name());
    sink.open().unwrap();
    commit(&mut sink, &state(1, &schema, 1), &[named(&[(1, "a")])]).unwrap();
    let ended = database.query(&format!(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
         WHERE application_name = '{application}'"
    ));
    assert_eq!(listed(&ended), "t");
    let result = commit(&mut sink, &state(1, &schema, 2), &[named(&[(2, "b")])]);
    assert!(!result.unwrap_err().is_lasting());
    assert_eq!(sink.open().unwrap(), state(1, &schema, 1));
    commit(&mut sink, &state(1, &schema, 2), &[named(&[(2, "b")])]).unwrap();
    assert_eq!(names(&database), "1 a, 2 b");
}

const TLS_TEST: &str = "postgres::a_connection_is_encrypted_and_its_server_known";
/// Makes that test the process that connects: where to.
const URL: &str = "INGEST_POSTGRES_URL";

#[test]
fn a_connection_is_encrypted_and_its_server_known() {
    if let Ok(url) = env::var(URL) {
        let mut sink = Postgres::new(url.into(), cities(Merge));
        sink.open().unwrap();
        return commit(&mut sink, &ended(1, &id_and_name(), 1), &[named(&[(1, "a")])]).unwrap();
    }
    let (server, certificate) = Server::start_with_tls();
    let error = Postgres::new(server.url().into(), cities(Merge)).open().unwrap_err();
    assert!(error.is_lasting() && format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    // What a system trusts is read from the environment, so it is another process that trusts it.
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", TLS_TEST])
        .envs([(URL, server.url().as_str()), ("SSL_CERT_FILE", certificate.file.to_str().unwrap())])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let session = Session::new(&server.config("postgres"));
    assert_eq!(listed(&session.query("SELECT * FROM cities")), "1 a");
}

#[test]
fn a_server_without_tls_is_refused_if_it_must_have_it() {
    let config = Server::shared().config("postgres") + " sslmode=require";
    let error = Postgres::new(config.into(), cities(Merge)).open().unwrap_err();
    assert!(error.is_lasting(), "{error:?}");
}

#[test]
fn the_runtime_is_dropped_anywhere() {
    let database = PostgresSchema::new();
    let sink = opened(&database, cities(Merge));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { drop(sink) });
}

#[test]
fn a_url_of_every_kind_is_taken() {
    let server = Server::shared().config("postgres");
    let folder = server.split(' ').next().unwrap().trim_start_matches("host=");
    let url = format!("postgres://postgres:p%40ss@{}/postgres", folder.replace('/', "%2F"));
    let mut sink = Postgres::new(url.into(), cities(Merge));
    sink.state().unwrap();
    let _ = Session::new(&server);
}
