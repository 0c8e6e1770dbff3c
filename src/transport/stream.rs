//! A connection to the API as a stream of bytes, plain or inside TLS, once or twice, that can check
//! whether it is still good for a request. Knows nothing of HTTP.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// An open connection in layers; the outermost is read and written.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Stream>>),
}

/// How bytes are read from the socket.
type Take = fn(&TcpStream, &mut [u8]) -> io::Result<usize>;

impl Stream {
    #[cfg(test)]
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0.tcp(),
        }
    }

    /// Whether the connection is open and no unread bytes have arrived. Asks the system, since the
    /// runtime's knowledge of the socket dates from its last turn. Any bytes that have arrived are
    /// lost, so a connection that is not quiet must not be used again.
    pub(super) fn is_quiet(&mut self) -> bool {
        would_block(&self.look(read, &mut [0]))
    }

    /// As [`is_quiet`](Self::is_quiet), by what the runtime knew at its last turn: for a
    /// connection on which nothing happened this costs no system call.
    pub(super) fn was_quiet(&mut self) -> bool {
        let known =
            |tcp: &TcpStream, buf: &mut [u8]| tcp.try_io(Interest::READABLE, || read(tcp, buf));
        would_block(&self.look(known, &mut [0]))
    }

    /// Reads what has arrived. If there is nothing the error is `WouldBlock`; what belongs to
    /// TLS alone, such as session tickets, is read and counts as nothing.
    fn look(&mut self, take: Take, buf: &mut [u8]) -> io::Result<usize> {
        let tls = match self {
            Self::Plain(tcp) => return take(tcp, buf),
            Self::Tls(tls) => tls,
        };
        let (io, session) = tls.get_mut();
        loop {
            match session.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if session.read_tls(&mut TryReader { io: &mut *io, take })? == 0 {
                return Ok(0);
            }
            session.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

/// Reads from the socket, bypassing the runtime.
fn read(tcp: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(tcp)).read(buf)
}

fn would_block(looked: &io::Result<usize>) -> bool {
    looked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Reads what is below a TLS session, without waiting.
struct TryReader<'a> {
    io: &'a mut Stream,
    take: Take,
}

impl Read for TryReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.look(self.take, buf)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
