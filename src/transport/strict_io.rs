//! Guards the byte stream under the codec for one exchange: lets it see whole answers only,
//! turns an early end into an error, fails an answer that stops arriving, and gives the
//! connection back when the exchange was whole and clean. What the bytes mean is
//! decided in `exchange`.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_rt::time::{Instant, Sleep, sleep_until};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{exchange::Exchange, reserve::Lease};

/// A connection on loan. Dropped, it closes.
pub(super) trait Loan: Unpin {
    type Stream: AsyncRead + AsyncWrite + Unpin;

    fn stream(&mut self) -> &mut Self::Stream;

    /// Ends the loan after a whole and clean exchange.
    fn give_back(self);
}

/// A stream that yields one well-framed answer or an error (each a `Fault` inside the
/// `io::Error`). What the codec keeps after that is an empty shell.
pub(super) struct StrictIo<L = Lease> {
    /// The connection, until the exchange is over.
    lease: Option<L>,
    exchange: Exchange,
    watch: StallWatch,
    /// The rest of the request is not written any more; why, when the stream refused it.
    abandoned: Option<Option<io::Error>>,
}

impl<L: Loan> StrictIo<L> {
    /// Guards one exchange over `lease`; an answer of which nothing comes for `read_idle` has
    /// stalled.
    pub(super) fn new(lease: L, is_reused: bool, read_idle: Duration, now: Instant) -> Self {
        Self {
            lease: Some(lease),
            exchange: Exchange::new(is_reused),
            watch: StallWatch { limit: read_idle, progress: now, sleep: None },
            abandoned: None,
        }
    }

    /// Polls the stream; once the exchange is over that is an error.
    fn poll_stream<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut L::Stream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.lease {
            Some(lease) => poll(Pin::new(lease.stream())),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Whether the answer went on behind the end that it had declared.
    pub(super) fn overruns(&self) -> bool {
        self.exchange.overruns()
    }

    /// Lets go of the connection when the codec has all of the answer: gives it back if it may
    /// serve another request, and closes it if not.
    fn settle(&mut self, cx: &mut Context<'_>) {
        if !self.exchange.is_over() {
            return;
        }
        let Some(mut lease) = self.lease.take() else { return };
        // What the server has sent beyond the end may lie in another segment. Where nothing
        // has come, as after any answer that is right, this asks the runtime, not the system.
        let mut space = [0; 64];
        let mut beyond = ReadBuf::new(&mut space);
        if Pin::new(lease.stream()).poll_read(cx, &mut beyond).is_ready() {
            self.exchange.stray(beyond.filled());
        }
        if self.exchange.is_reusable() {
            lease.give_back();
        }
    }

    /// Reads once from the stream into `buf` and leaves there what the codec may see. Ready when
    /// something came, also when none of it is to be seen; the stream's end gives `false`.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        let broken = match self.poll_stream(|stream| stream.poll_read(cx, buf)) {
            Poll::Pending if self.exchange.is_midway() => {
                ready!(self.watch.poll(cx));
                return Poll::Ready(Err(self.exchange.stall().into()));
            }
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                let visible = self.exchange.receive(&mut buf.filled_mut()[before..]);
                buf.set_filled(before + visible?);
                if self.exchange.is_midway() {
                    self.watch.progress = Instant::now();
                } else {
                    self.watch.sleep = None;
                }
                return Poll::Ready(Ok(true));
            }
            Poll::Ready(Ok(())) => None,
            Poll::Ready(Err(error)) => Some(error),
        };
        let broken = broken.or_else(|| self.abandoned.take().flatten());
        self.exchange.end(broken)?;
        Poll::Ready(Ok(false))
    }

    /// Stops writing the request. The reads that follow find the answer, or say why there is none.
    fn abandon(&mut self, error: Option<io::Error>) {
        self.exchange.answered_early();
        self.abandoned = Some(error);
    }

    /// Looks for an answer while the request cannot be written. Ready when the server has refused.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 2048];
        while self.exchange.awaits_head() {
            let mut buf = ReadBuf::new(&mut space);
            if !ready!(self.poll_receive(cx, &mut buf))? {
                break;
            }
            // What may be seen is for the codec, which does not read yet.
            self.exchange.ready().extend_from_slice(buf.filled());
        }
        self.exchange.answered_early();
        if self.exchange.is_refused() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl<L: Loan> AsyncRead for StrictIo<L> {
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
        this.settle(cx);
        Poll::Ready(Ok(()))
    }
}

impl<L: Loan> AsyncWrite for StrictIo<L> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.exchange.begin_write(buf)?;
        if this.abandoned.is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        match this.poll_stream(|stream| stream.poll_write(cx, buf)) {
            Poll::Ready(Ok(count)) => {
                this.exchange.wrote(count);
                Poll::Ready(Ok(count))
            }
            // The server may have answered before it stopped reading (RFC 9112 section 9.5).
            Poll::Ready(Err(error)) if this.exchange.has_written() => {
                this.abandon(Some(error));
                Poll::Ready(Ok(buf.len()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(match this.exchange.end(Some(error)) {
                Err(fault) => fault.into(),
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

impl<L> fmt::Debug for StrictIo<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrictIo").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

/// Notices that an answer stopped arriving. Progress costs one look at the clock; the timer is
/// set when a read first has to wait, and set again only when it fires too early.
struct StallWatch {
    limit: Duration,
    progress: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl StallWatch {
    /// Ready when nothing came for the limit.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.progress.checked_add(self.limit) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}
