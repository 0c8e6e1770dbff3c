//! A connection to the API as a stream of bytes, plain or inside TLS, that can say
//! whether it is still good for a request. Knows nothing of HTTP.

use std::{
    io::{self, Read},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use actix_rt::net::TcpStream;
use rustls::ClientConnection;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::gauge::Counted;

/// An open connection.
pub(super) struct Stream {
    io: Io,
    _counted: Counted,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(tcp: TcpStream, counted: Counted) -> Self {
        Self { io: Io::Plain(tcp), _counted: counted }
    }

    pub(super) fn tls(tls: TlsStream<TcpStream>, counted: Counted) -> Self {
        Self { io: Io::Tls(Box::new(tls)), _counted: counted }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        match &self.io {
            Io::Plain(tcp) => tcp,
            Io::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Whether the connection is open and nothing has come that was not read yet. Asks the
    /// system, since what the runtime knows of the socket dates from its last turn.
    pub(super) fn is_quiet(&mut self) -> bool {
        let (tcp, session) = self.parts();
        would_block(&look(tcp, session))
    }

    /// As [`is_quiet`](Self::is_quiet), by what the runtime knew at its last turn: of a
    /// connection on which nothing happened this costs no system call.
    pub(super) fn was_quiet(&mut self) -> bool {
        let (tcp, session) = self.parts();
        would_block(&tcp.try_io(Interest::READABLE, || look(tcp, session)))
    }

    fn parts(&mut self) -> (&TcpStream, Option<&mut ClientConnection>) {
        match &mut self.io {
            Io::Plain(tcp) => (tcp, None),
            Io::Tls(tls) => {
                let (tcp, session) = tls.get_mut();
                (tcp, Some(session))
            }
        }
    }
}

/// Looks for something to read. That there is nothing is the error `WouldBlock`; what belongs
/// to TLS alone, such as session tickets, is read and is nothing.
fn look(tcp: &TcpStream, session: Option<&mut ClientConnection>) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    let Some(session) = session else {
        return socket.peek(&mut [MaybeUninit::uninit()]).map(drop);
    };
    while session.wants_read() {
        if session.read_tls(&mut Unread(&socket))? == 0 {
            return Ok(());
        }
        session.process_new_packets().map_err(io::Error::other)?;
    }
    Ok(())
}

/// Reads what has come on a socket, past the runtime.
struct Unread<'a, 'b>(&'a SockRef<'b>);

impl Read for Unread<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&**self.0).read(buf)
    }
}

fn would_block(looked: &io::Result<()>) -> bool {
    looked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Io::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Io::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
