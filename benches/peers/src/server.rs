//! The mock API: `/{items per page}/{pages}/{latency in ms}/items?page={n}`, the pages rendered
//! beforehand. One thread, cheap enough that it is not what a run measures.

use std::{collections::HashMap, rc::Rc, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use kit::data::{Book, Shape};

/// Serves until the process ends. Prints its port as soon as it listens.
pub fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let shelf = Rc::new(Shelf::new());
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            let shelf = Rc::clone(&shelf);
            // A client that goes away is not an event.
            tokio::task::spawn_local(async move { answer_all(stream, &shelf).await.ok() });
        }
    })
}

/// The books by their items per page.
struct Shelf(HashMap<u64, Book>);

impl Shelf {
    fn new() -> Self {
        let sizes = [1, Shape::A.items_per_page(), Shape::B.items_per_page()];
        Self(sizes.into_iter().map(|size| (size, Book::new(size))).collect())
    }
}

/// What a request asks for.
struct Wanted {
    items_per_page: u64,
    pages: u64,
    latency: Duration,
    page: u64,
}

async fn answer_all(mut stream: TcpStream, shelf: &Shelf) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = (Vec::with_capacity(1024), Vec::new());
    loop {
        let end = loop {
            if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        let wanted = parse(&input[..end]);
        input.drain(..end);
        output.clear();
        match wanted {
            Ok(wanted) => {
                if !wanted.latency.is_zero() {
                    tokio::time::sleep(wanted.latency).await;
                }
                match shelf.0.get(&wanted.items_per_page) {
                    Some(book) if (1..=wanted.pages).contains(&wanted.page) => {
                        book.page(wanted.page, wanted.pages, &mut output);
                    }
                    _ => output.extend_from_slice(NOT_FOUND),
                }
            }
            Err(_) => output.extend_from_slice(NOT_FOUND),
        }
        stream.write_all(&output).await?;
    }
}

const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

fn parse(head: &[u8]) -> anyhow::Result<Wanted> {
    let head = std::str::from_utf8(head)?;
    let target = head.split(' ').nth(1).context("no target")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut parts = path.trim_start_matches('/').split('/');
    let mut part = || anyhow::Ok(parts.next().context("the path is too short")?.parse::<u64>()?);
    let (items_per_page, pages, latency) = (part()?, part()?, part()?);
    let page = query.split('&').find_map(|pair| pair.strip_prefix("page="));
    let page = page.map_or(Ok(1), str::parse)?;
    Ok(Wanted { items_per_page, pages, latency: Duration::from_millis(latency), page })
}
