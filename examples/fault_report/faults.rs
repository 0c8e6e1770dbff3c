//! The faults: what the server does on each connection, and the correct result. Knows nothing of
//! the clients.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// The job of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// One GET.
    Get,
    /// Three GETs, one after the other; each response contains its own path.
    OwnPaths,
    /// This many GETs, one after the other.
    Gets(usize),
    /// One POST of 16 MiB.
    Upload,
    /// A GET that is read as a page with rows.
    Rows,
    /// A GET of a URL whose port is 99999.
    BadPort,
}

/// The correct result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// This body.
    Body(&'static str),
    /// This status, as a response or as an error.
    Status(u16),
    /// An error: any body would be wrong.
    Error,
    /// An error or what was sent: only its memory matters.
    Any,
}

/// What the server does with a connection. The number counts earlier connections.
type Script = fn(&mut TcpStream, usize, &Stage) -> io::Result<()>;

/// One row of the report.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) job: Job,
    pub(crate) right: Right,
    script: Script,
}

pub(crate) const WHOLE: &str = "row 1\nrow 2\nrow 3\n";
const MIB: usize = 1024 * 1024;
/// The length of an endless response, so that the machine survives a client that reads it all.
const ENDLESS: usize = 256 * MIB;

pub(crate) const FAULTS: [Fault; 15] = [
    fault("15 body cut, by length", Job::Get, Right::Error, |stream, _, _| {
        ask(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\nrow 1\nrow 2\n")
    }),
    fault("15 body cut, in chunks", Job::Get, Right::Error, |stream, _, _| {
        ask(stream)?;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(&[&head[..], b"c\r\nrow 1\nrow 2\n\r\n"].concat())
    }),
    fault("16 body until the close", Job::Get, Right::Body(WHOLE), |stream, _, _| {
        ask(stream)?;
        write!(stream, "HTTP/1.1 200 OK\r\n\r\n{WHOLE}")
    }),
    fault("17 103 before the answer", Job::OwnPaths, Right::Body(""), |stream, _, _| {
        while let Some(path) = ask(stream)? {
            let length = path.len();
            write!(
                stream,
                "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
                 HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{path}"
            )?;
        }
        Ok(())
    }),
    fault("18 stale connections", Job::Gets(200), Right::Body(WHOLE), |stream, _, _| {
        ask(stream)?;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{WHOLE}", WHOLE.len())?;
        // The next request arrives and gets no response.
        ask(stream).map(drop)
    }),
    fault("25 HTML with status 200", Job::Rows, Right::Error, |stream, _, _| {
        ask(stream)?;
        let body = "<!doctype html><title>Down for maintenance</title>";
        let kind = "content-type: text/html";
        write!(stream, "HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }),
    fault("26 body without end", Job::Get, Right::Any, |stream, _, _| {
        ask(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = [b"10000\r\n", &vec![b'x'; 64 * 1024][..], b"\r\n"].concat();
        for _ in 0..ENDLESS / (64 * 1024) {
            stream.write_all(&chunk)?;
        }
        stream.write_all(b"0\r\n\r\n")
    }),
    fault("27 gzip bomb of 256 MiB", Job::Get, Right::Any, |stream, _, stage| {
        ask(stream)?;
        let length = stage.bomb.len();
        let head = format!("content-encoding: gzip\r\ncontent-length: {length}");
        write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n")?;
        stream.write_all(&stage.bomb)
    }),
    fault("28 head without end", Job::Get, Right::Error, |stream, _, _| {
        ask(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        let fields = b"x-field: some value\r\n".repeat(1024);
        for _ in 0..ENDLESS / fields.len() {
            stream.write_all(&fields)?;
        }
        Ok(())
    }),
    fault("29 slow head", Job::Get, Right::Error, |stream, _, _| {
        ask(stream)?;
        drip(stream, b"HTTP/1.1 200 OK\r\nx-field: ")
    }),
    fault("29 slow body", Job::Get, Right::Error, |stream, _, _| {
        ask(stream)?;
        drip(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    }),
    fault("29 stalled body", Job::Get, Right::Error, |stream, _, _| {
        ask(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\nrow 1\n")?;
        gone(stream)
    }),
    fault("33 early 413 to an upload", Job::Upload, Right::Status(413), |stream, _, _| {
        ask(stream)?;
        stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")?;
        thread::sleep(Duration::from_millis(100));
        Ok(())
    }),
    fault("37 redirect to another host", Job::Get, Right::Error, |stream, _, stage| {
        ask(stream)?;
        let location = format!("location: http://localhost:{}/", stage.other.port());
        write!(stream, "HTTP/1.1 302 Found\r\n{location}\r\ncontent-length: 0\r\n\r\n")
    }),
    fault("42 port 99999", Job::BadPort, Right::Error, |_, _, _| Ok(())),
];

const fn fault(name: &'static str, job: Job, right: Right, script: Script) -> Fault {
    Fault { name, job, right, script }
}

/// What the scripts share.
struct Stage {
    bomb: Vec<u8>,
    /// Another server, which the client must not contact.
    other: SocketAddr,
}

/// A running server for one fault. Its threads end with their connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    leaked: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(fault: &'static Fault) -> io::Result<Self> {
        let leaked = Arc::new(AtomicBool::new(false));
        let other = other_host(Arc::clone(&leaked))?;
        let stage = Arc::new(Stage { bomb: bomb()?, other });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let script = fault.script;
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { return };
                let stage = Arc::clone(&stage);
                // A client that hangs up ends its script.
                thread::spawn(move || script(&mut stream, number, &stage));
            }
        });
        Ok(Self { address, leaked })
    }

    /// Whether the client's credential reached the other host.
    pub(crate) fn has_leaked(&self) -> bool {
        self.leaked.load(Ordering::SeqCst)
    }
}

/// Another host's server, which checks for credentials.
fn other_host(leaked: Arc<AtomicBool>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = read_head(&mut stream).unwrap_or_default().unwrap_or_default();
            leaked.fetch_or(head.to_lowercase().contains("x-api-key"), Ordering::SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother");
        }
    });
    Ok(address)
}

/// 256 MiB of zeros.
fn bomb() -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; MIB];
    for _ in 0..ENDLESS / MIB {
        encoder.write_all(&zeros)?;
    }
    encoder.finish()
}

/// Reads the head of a request and returns its path; `None` when the client has closed.
fn ask(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let head = read_head(stream)?;
    Ok(head.and_then(|head| head.split(' ').nth(1).map(str::to_owned)))
}

fn read_head(stream: &mut TcpStream) -> io::Result<Option<String>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// Sends the start of a response and then a byte from time to time, for half a minute.
fn drip(stream: &mut TcpStream, start: &[u8]) -> io::Result<()> {
    stream.write_all(start)?;
    for _ in 0..60 {
        stream.write_all(b"x")?;
        thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Waits until the client has gone.
fn gone(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(drop)
}
