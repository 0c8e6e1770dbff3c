//! Guards the byte stream under awc for one exchange: lets awc see only complete responses, turns
//! an early end into an error, fails a response that stops arriving, and says whether the
//! connection may serve another exchange. `exchange` decides what the bytes mean.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_rt::time::{Instant, Sleep, sleep_until};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::Exchange;

/// A stream that yields one well-framed response or an error (an `Error` inside the
/// `io::Error`), and nothing after that.
pub(super) struct StrictIo<S> {
    /// The connection, until it is taken for another exchange.
    stream: Option<S>,
    pub(super) exchange: Exchange,
    /// awc has all of the response.
    is_over: bool,
    /// After how much silence a response has stalled.
    read_idle_timeout: Duration,
    /// When a part of the response last arrived.
    progress: Instant,
    stall: Option<Pin<Box<Sleep>>>,
    /// The rest of the request is no longer written; the reason, if the stream refused it.
    abandoned: Option<Option<io::Error>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> StrictIo<S> {
    /// Guards one exchange over `stream`; a response of which nothing arrives for
    /// `read_idle_timeout` has stalled.
    pub(super) fn new(
        stream: S,
        is_reused: bool,
        read_idle_timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            stream: Some(stream),
            exchange: Exchange::new(is_reused),
            is_over: false,
            read_idle_timeout,
            progress: now,
            stall: None,
            abandoned: None,
        }
    }

    /// The connection, if the exchange was complete and clean and another one may follow.
    pub(super) fn take_reusable(&mut self) -> Option<S> {
        let is_reusable = self.is_over && self.exchange.is_reusable();
        self.stream.take_if(|_| is_reusable)
    }

    /// Polls the stream; once the exchange is over that is an error.
    fn poll_stream<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.stream {
            Some(stream) if !self.is_over => poll(Pin::new(stream)),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Ends the exchange when awc has all of the response.
    fn end_if_over(&mut self, cx: &mut Context<'_>) {
        if self.is_over || !self.exchange.is_over() {
            return;
        }
        // Bytes that the server has sent beyond the end may be in another segment. If nothing has
        // arrived, as after any valid response, this asks the runtime, not the system.
        let mut space = [0; 64];
        let mut beyond = ReadBuf::new(&mut space);
        if self.poll_stream(|stream| stream.poll_read(cx, &mut beyond)).is_ready() {
            self.exchange.stray(beyond.filled());
        }
        self.is_over = true;
    }

    /// Ready if nothing of a response arrived for too long. Progress costs one look at the clock;
    /// the timer is set when a read first has to wait, and again only when it fires too early.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.progress.checked_add(self.read_idle_timeout);
        let Some(due) = due else { return Poll::Pending };
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            ready!(stall.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            stall.as_mut().reset(due);
        }
    }

    /// Reads once from the stream into `buf` and leaves there what awc may see. Ready when
    /// something arrived, even if awc may see none of it; at the end of the stream the
    /// result is `false`.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        let broken = match self.poll_stream(|stream| stream.poll_read(cx, buf)) {
            Poll::Pending if self.exchange.is_midway() => {
                ready!(self.poll_stalled(cx));
                return Poll::Ready(Err(io::Error::other(self.exchange.stall())));
            }
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                let visible = self.exchange.receive(&mut buf.filled_mut()[before..]);
                buf.set_filled(before + visible.map_err(io::Error::other)?);
                if self.exchange.is_midway() {
                    self.progress = Instant::now();
                } else {
                    self.stall = None;
                }
                return Poll::Ready(Ok(true));
            }
            Poll::Ready(Ok(())) => None,
            Poll::Ready(Err(error)) => Some(error),
        };
        let broken = broken.or_else(|| self.abandoned.take().flatten());
        self.exchange.end(broken).map_err(io::Error::other)?;
        Poll::Ready(Ok(false))
    }

    /// Stops writing the request. The reads that follow find the response, or say why there is
    /// none.
    fn abandon(&mut self, error: Option<io::Error>) {
        self.exchange.answered_early();
        self.abandoned = Some(error);
    }

    /// Checks for a response while the request cannot be written. Ready when the server has
    /// refused.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 2048];
        while self.exchange.awaits_head() {
            let mut buf = ReadBuf::new(&mut space);
            if !ready!(self.poll_receive(cx, &mut buf))? {
                break;
            }
            // The visible bytes are for awc, which does not read yet.
            self.exchange.ready().extend_from_slice(buf.filled());
        }
        self.exchange.answered_early();
        if self.exchange.is_refused() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for StrictIo<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            let ready = this.exchange.ready();
            if !ready.is_empty() {
                let bytes = ready.split_to(ready.len().min(buf.remaining()));
                buf.put_slice(&bytes);
                break;
            }
            let ended = this.exchange.is_ended() || !ready!(this.poll_receive(cx, buf))?;
            if ended || buf.filled().len() > before {
                break;
            }
        }
        this.end_if_over(cx);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for StrictIo<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.exchange.begin_write(buf).map_err(io::Error::other)?;
        if this.abandoned.is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        match this.poll_stream(|stream| stream.poll_write(cx, buf)) {
            Poll::Ready(Ok(count)) => {
                this.exchange.wrote(count);
                Poll::Ready(Ok(count))
            }
            // The server may have responded before it stopped reading (RFC 9112 section 9.5).
            Poll::Ready(Err(error)) if this.exchange.has_written() => {
                this.abandon(Some(error));
                Poll::Ready(Ok(buf.len()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(match this.exchange.end(Some(error)) {
                Err(failure) => io::Error::other(failure),
                Ok(()) => io::ErrorKind::BrokenPipe.into(),
            })),
            Poll::Pending => {
                ready!(this.poll_refusal(cx))?;
                this.abandon(None);
                Poll::Ready(Ok(buf.len()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.abandoned.is_some() {
            return Poll::Ready(Ok(()));
        }
        match ready!(this.poll_stream(|stream| stream.poll_flush(cx))) {
            Err(error) if this.exchange.has_written() => this.abandon(Some(error)),
            result => result?,
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_stream(|stream| stream.poll_shutdown(cx))
    }
}

impl<S> fmt::Debug for StrictIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrictIo").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
