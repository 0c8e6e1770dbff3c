//! Streams: the pages of an endpoint, some at a time.

use std::{
    mem::MaybeUninit,
    os::raw::c_char,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{FutureExt, StreamExt};
use serde::de::IgnoredAny;
use tokio_util::sync::CancellationToken;
use vantage_api_pool::{Error, paging::Page};

use crate::{
    arguments::{empty, optional_text, text},
    batch::{Batch, PageItems},
    border::{ErrorSlot, State, border},
    cancel::token_of,
    error::Failure,
    handles::{TABLE, vap_handle},
    options::{self, StreamOptions},
    tokens::Pool,
    wait::{until, wait},
};

type Pages = Pin<Box<dyn futures::Stream<Item = Result<Page<IgnoredAny>, Error>> + Send>>;

/// A read of an endpoint.
pub(crate) struct Stream {
    /// Away while a call reads.
    reading: Mutex<Option<Reading>>,
    closed: CancellationToken,
}

struct Reading {
    /// Nothing once the set has ended, or failed.
    pages: Option<Pages>,
    /// A page that did not fit the last batch.
    held: Option<PageItems>,
    /// Why it failed, which every further call is told.
    failure: Option<Failure>,
}

/// The reading of a stream, which goes back to it.
struct Lease<'a> {
    stream: &'a Stream,
    reading: Option<Reading>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.stream.closed.is_cancelled() {
            *self.stream.slot() = self.reading.take();
            // It may have been closed in between.
            if self.stream.closed.is_cancelled() {
                self.stream.slot().take();
            }
        }
    }
}

impl Stream {
    fn new(pages: Pages) -> Self {
        let reading = Reading { pages: Some(pages), held: None, failure: None };
        Self { reading: Mutex::new(Some(reading)), closed: CancellationToken::new() }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Reading>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the calls that read, and the requests.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        let reading = self.slot().take();
        drop(reading);
    }

    /// Waits for the next pages, until it is cancelled; nothing at the end.
    pub(crate) async fn next(
        &self,
        limits: Limits,
        cancel: Option<&CancellationToken>,
    ) -> Result<Option<Batch>, Failure> {
        if self.closed.is_cancelled() {
            return Err(Failure::closed());
        }
        let taken = self.slot().take();
        let Some(reading) = taken else {
            // It may have been closed in between.
            let is_closed = self.closed.is_cancelled();
            let busy = || Failure::busy("another call reads this stream");
            return Err(if is_closed { Failure::closed() } else { busy() });
        };
        let mut lease = Lease { stream: self, reading: Some(reading) };
        match &mut lease.reading {
            Some(reading) => until(reading.next(limits), cancel, Some(&self.closed)).await,
            None => Ok(None),
        }
    }
}

/// How much a batch should have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

impl Limits {
    /// At most so many items and bytes, of which 0 sets no limit of its own.
    pub(crate) fn new(items: usize, bytes: usize) -> Self {
        let or = |value, default| if value == 0 { default } else { value };
        Self { items: or(items, 1_000), bytes: or(bytes, 1 << 20) }
    }
}

impl Reading {
    async fn next(&mut self, limits: Limits) -> Result<Option<Batch>, Failure> {
        let first = loop {
            let page = match self.held.take() {
                Some(page) => page,
                None => {
                    if let Some(failure) = &self.failure {
                        return Err(failure.clone());
                    }
                    let Some(pages) = &mut self.pages else { return Ok(None) };
                    let page = pages.next().await;
                    match self.arrived(page) {
                        Some(page) => page,
                        None => return self.failure.clone().map_or(Ok(None), Err),
                    }
                }
            };
            // A batch has an item at least.
            if page.count() > 0 {
                break page;
            }
        };
        let mut batch = Batch::of(first);
        while batch.count() < limits.items && batch.size() < limits.bytes {
            // What has arrived is taken along.
            let Some(page) = self.pages.as_mut().and_then(|pages| pages.next().now_or_never())
            else {
                break;
            };
            let Some(page) = self.arrived(page) else { break };
            let fits = batch.count() + page.count() <= limits.items
                && batch.size() + page.size() <= limits.bytes;
            if !fits {
                self.held = Some(page);
                break;
            }
            batch.add(page);
        }
        Ok(Some(batch))
    }

    /// A page that came; without one the read has ended, or failed.
    fn arrived(&mut self, page: Option<Result<Page<IgnoredAny>, Error>>) -> Option<PageItems> {
        let page = page.map(|page| page.and_then(PageItems::of));
        match page {
            Some(Ok(page)) => return Some(page),
            Some(Err(error)) => self.failure = Some(error.into()),
            None => {}
        }
        self.pages = None;
        None
    }
}

/// Opens a stream. Nothing is requested before it is read.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_stream_open(
    pool: vap_handle,
    path: *const c_char,
    path_len: usize,
    options: *const c_char,
    options_len: usize,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        let pool = TABLE.get::<Pool>(pool)?;
        // SAFETY: the caller's contract.
        let path = unsafe { text("path", path, path_len) }?;
        // SAFETY: the caller's contract.
        let options = unsafe { optional_text("options", options, options_len) }?;
        let options: StreamOptions = options::read("options", options)?;
        let pages = options.stream(&pool, path)?.items_as::<IgnoredAny>().pages();
        out.write(TABLE.insert(Arc::new(Stream::new(Box::pin(pages))))?);
        Ok(State::Ok)
    })
}

/// Waits for the next pages of a stream.
#[unsafe(no_mangle)]
pub extern "C" fn vap_stream_next(
    stream: vap_handle,
    max_items: usize,
    max_bytes: usize,
    timeout_ms: u32,
    cancel: vap_handle,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        let (stream, cancel) = (TABLE.get::<Stream>(stream)?, token_of(cancel)?);
        let next = stream.next(Limits::new(max_items, max_bytes), cancel.as_ref());
        match wait(next, timeout_ms) {
            None => Ok(State::Timeout),
            Some(batch) => match batch? {
                Some(batch) => {
                    out.write(TABLE.insert(Arc::new(batch))?);
                    Ok(State::Ok)
                }
                None => Ok(State::End),
            },
        }
    })
}
