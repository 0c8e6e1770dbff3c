//! Servers that are killed in the middle of a read. The read ends whole, or with an error
//! after the first rows of the set; it never ends short, out of order or with a row twice.

use std::{thread, time::Duration};

use futures::StreamExt;
use serde_json::Value;
use tokio::{task::spawn_blocking, time::timeout};
use vantage_api_pool::{Envelope, Error, ErrorKind, PaginatedStream, Paging};

use crate::{
    django, fastapi,
    rows::assert_same,
    servers::{Program, Server},
    source::{Source, within},
};

fn json_server(server: &Server) -> Source {
    let paging = Paging::page_number().page_param("_page").page_size("_limit", 40);
    let envelope = Envelope::bare_array().total_in_header("x-total-count");
    Source::new(server.url(), "rows", paging, envelope)
}

fn fast_api(server: &Server) -> Source {
    fastapi::by_page(server.url())
}

type Sources = fn(&Server) -> Source;

/// Reads on until there are so many rows, or to the end.
async fn read(
    stream: &mut PaginatedStream,
    rows: &mut Vec<Value>,
    until: usize,
) -> Result<(), Error> {
    while rows.len() < until {
        match within("a row", stream.next()).await {
            Some(row) => rows.push(row?),
            None => break,
        }
    }
    Ok(())
}

/// What json-server makes of whole numbers does not matter here.
fn assert_begins(rows: &[Value], source: &Source) {
    let id = |row: &Value| row["id"].as_i64().unwrap();
    let ids: Vec<_> = rows.iter().map(id).collect();
    let expected: Vec<_> = source.expected().iter().take(ids.len()).map(id).collect();
    assert_eq!(ids, expected);
}

/// Reads on while the server is away, and if that does not end the read, after it is back.
async fn read_on(
    stream: &mut PaginatedStream,
    rows: &mut Vec<Value>,
    server: &mut Server,
) -> Result<(), Error> {
    let away = timeout(Duration::from_secs(2), read(stream, rows, usize::MAX)).await;
    server.restart();
    match away {
        Ok(outcome) => outcome,
        Err(_) => read(stream, rows, usize::MAX).await,
    }
}

fn is_of_a_lost_server(error: &Error) -> bool {
    let kinds = [ErrorKind::Connect, ErrorKind::Disconnected, ErrorKind::Truncated];
    kinds.contains(&error.kind()) || error.status().is_some_and(|it| it.is_server_error())
}

async fn killed_in_mid_read(program: Program, source: Sources, at: usize) {
    let mut server = Server::start(program);
    let source = source(&server);
    let (mut stream, mut rows) = (source.stream().prefetch(4), Vec::new());
    read(&mut stream, &mut rows, at).await.unwrap();
    server.kill();
    let outcome = read_on(&mut stream, &mut rows, &mut server).await;
    assert_begins(&rows, &source);
    match outcome {
        Ok(()) => assert_eq!(rows.len(), source.expected().len()),
        Err(error) => assert!(is_of_a_lost_server(&error), "{error}"),
    }
    // What is left is read where the read stands.
    let token = stream.resume_token();
    let mut stream = source.stream().resume_from(token);
    read(&mut stream, &mut rows, usize::MAX).await.unwrap();
    assert_begins(&rows, &source);
    assert_eq!(rows.len(), source.expected().len());
}

#[tokio::test]
async fn a_read_of_pages_by_number_is_never_short() {
    for at in [1, 130, 600] {
        killed_in_mid_read(Program::JsonServer, json_server, at).await;
    }
    killed_in_mid_read(Program::FastApi, fast_api, 250).await;
}

#[tokio::test]
async fn a_read_led_by_cursors_is_never_short() {
    killed_in_mid_read(Program::Django, django::by_cursor, 250).await;
}

#[tokio::test]
async fn a_body_that_is_cut_is_never_short() {
    let mut server = Server::start(Program::JsonServer);
    for after in [2, 5, 10, 20, 40] {
        let source = Source { paging: Paging::none(), ..json_server(&server) };
        let (mut stream, mut rows) = (source.stream(), Vec::new());
        let reading = read(&mut stream, &mut rows, usize::MAX);
        let killing = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            server.kill();
            tokio::time::sleep(Duration::from_millis(500)).await;
            server.restart();
        };
        let (outcome, ()) = tokio::join!(reading, killing);
        assert_begins(&rows, &source);
        match outcome {
            Ok(()) => assert_eq!(rows.len(), source.expected().len()),
            Err(error) => assert!(is_of_a_lost_server(&error), "{error}"),
        }
    }
}

/// The server is away for some seconds in the middle of a read.
async fn is_whole_over_a_restart(program: Program, source: Sources) {
    let mut server = Server::start(program);
    let source = source(&server);
    let (mut stream, mut rows) = (source.stream(), Vec::new());
    read(&mut stream, &mut rows, 200).await.unwrap();
    server.kill();
    let restart = spawn_blocking(move || {
        thread::sleep(Duration::from_secs(4));
        server.restart();
        server
    });
    read(&mut stream, &mut rows, usize::MAX).await.unwrap_or_else(|error| panic!("{error}"));
    assert_begins(&rows, &source);
    assert_eq!(rows.len(), source.expected().len());
    drop(restart.await.unwrap());
}

#[tokio::test]
async fn a_read_of_pages_by_number_is_whole_when_the_server_comes_back() {
    is_whole_over_a_restart(Program::JsonServer, json_server).await;
}

#[tokio::test]
async fn a_read_led_by_cursors_is_whole_when_the_server_comes_back() {
    is_whole_over_a_restart(Program::Django, django::by_cursor).await;
}

#[tokio::test]
async fn a_server_behind_a_proxy_that_dies_makes_no_read_short() {
    let mut behind = Server::start(Program::FastApi);
    let nginx = Server::start(Program::Nginx(behind.port()));
    let source = fastapi::by_page(nginx.url());
    let (mut stream, mut rows) = (source.stream(), Vec::new());
    read(&mut stream, &mut rows, 150).await.unwrap();
    behind.kill();
    if let Err(error) = read_on(&mut stream, &mut rows, &mut behind).await {
        assert_eq!(error.status().map(|status| status.as_u16()), Some(502), "{error}");
    }
    assert_begins(&rows, &source);
    let mut stream = source.stream().resume_from(stream.resume_token());
    read(&mut stream, &mut rows, usize::MAX).await.unwrap();
    assert_same("the rows", &rows, &source.expected());
}
