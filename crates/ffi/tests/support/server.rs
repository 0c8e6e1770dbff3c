//! The server that the programs in C call: a few paths, of which some never answer, and counts of
//! the requests for those that have begun and have gone away.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

const PAGES: usize = 10;
const PER_PAGE: usize = 100;

/// Runs until the process ends.
pub(crate) struct Server {
    pub(crate) url: String,
}

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    gone: AtomicU64,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = Arc::clone(&counts);
                thread::spawn(move || {
                    let _ = serve(stream, &counts);
                });
            }
        });
        Self { url: format!("http://{address}") }
    }
}

fn serve(stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
            if let Some(value) = header.strip_prefix("authorization: ") {
                value.clone_into(&mut authorization);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let page = query.split('&').find_map(|field| field.strip_prefix("page="));
        let page = page.and_then(|page| page.parse().ok()).unwrap_or(1);
        let (status, body) = match path {
            "/ok" => (200, b"{\"ok\":true}".to_vec()),
            "/echo" => (200, body),
            "/authorization" => (200, authorization.into_bytes()),
            "/empty" => (200, b"{\"data\":[]}".to_vec()),
            "/status/404" => (404, b"no such thing".to_vec()),
            "/items" | "/others" => (200, items(page)),
            "/broken" if page == 2 => (500, b"broken".to_vec()),
            "/broken" => (200, items(page)),
            "/slowitems" if page == 1 => (200, items(page)),
            "/begun" => (200, counts.begun.load(SeqCst).to_string().into_bytes()),
            "/gone" => (200, counts.gone.load(SeqCst).to_string().into_bytes()),
            // Never answers.
            _ => {
                counts.begun.fetch_add(1, SeqCst);
                let _ = reader.read(&mut [0]);
                counts.gone.fetch_add(1, SeqCst);
                return Ok(());
            }
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-test: yes\r\n\
             x-target: {target}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        writer.write_all(&[head.as_bytes(), &body].concat())?;
    }
}

fn items(page: usize) -> Vec<u8> {
    let ids = (page - 1) * PER_PAGE..(page * PER_PAGE).min(PAGES * PER_PAGE);
    let items: Vec<String> =
        ids.map(|id| format!("{{\"id\":{id},\"name\":\"item {id}\"}}")).collect();
    let (total, next) = (PAGES * PER_PAGE, page < PAGES);
    format!(
        "{{\"data\":[{}],\"pagination\":{{\"page\":{page},\"per_page\":{PER_PAGE},\
         \"total\":{total},\"total_pages\":{PAGES},\"has_next\":{next}}}}}",
        items.join(",")
    )
    .into_bytes()
}
