//! The least that reading these pages can cost: sockets by hand, bodies thrown away, nothing
//! parsed but the length.

use std::cell::Cell;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};

use kit::{
    job::{Job, Outcome, measured},
    on_tokio,
};

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub fn run(job: &Job) -> anyhow::Result<Outcome> {
    on_tokio(job, async {
        let host = job.base.strip_prefix("http://").context("not a plain URL")?;
        let open = |_| async {
            let stream = TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            anyhow::Ok(Mutex::new(Connection { stream, buffer: vec![0; 64 << 10] }))
        };
        let connections: Vec<_> = stream::iter(0..job.in_flight).then(open).try_collect().await?;
        measured(job, async |set, consumer| {
            let next = Cell::new(1);
            let drain = async |connection: &Mutex<Connection>| {
                let mut connection = connection.lock().await;
                let mut pages = 0;
                while next.get() <= set.pages {
                    let page = next.replace(next.get() + 1);
                    connection.fetch(host, &set.path, page).await?;
                    pages += 1;
                }
                anyhow::Ok(pages)
            };
            let drained: Vec<u64> =
                stream::iter(&connections).map(drain).buffered(job.in_flight).try_collect().await?;
            consumer.tally.items += drained.iter().sum::<u64>() * job.items_per_page;
            Ok(())
        })
        .await
    })?
}

impl Connection {
    async fn fetch(&mut self, host: &str, path: &str, page: u64) -> anyhow::Result<()> {
        let request = format!("GET /{path}?page={page} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let (mut filled, mut whole) = (0, None);
        while whole.is_none_or(|whole| filled < whole) {
            let at = if whole.is_some() { 0 } else { filled };
            let read = self.stream.read(&mut self.buffer[at..]).await?;
            anyhow::ensure!(read > 0, "the connection was closed");
            filled += read;
            if whole.is_none() {
                whole = length(&self.buffer[..filled])?;
            }
        }
        Ok(())
    }
}

/// The length of the answer, head and body, once its head is complete.
fn length(start: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = start.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&start[..end])?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "the answer is not a page");
    let body = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(Some(end + 4 + body.context("no length")?.parse::<usize>()?))
}
