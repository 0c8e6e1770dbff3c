//! Begins a read again whose next page cannot be asked for any more, and passes over the rows
//! that were read before.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;

use super::{endpoint::Endpoint, feed::Feed, prefetcher::Horizon};
use crate::{dispatch::Connected, error::Error};

/// How a read begins again.
pub(super) struct Restart {
    /// How often it still may.
    left: u32,
    /// How many rows were read before and are still to be passed over.
    skip: u64,
    opening: Option<BoxFuture<'static, Result<Feed, Error>>>,
}

impl Restart {
    pub(super) fn new(times: u32) -> Self {
        Self { left: times, skip: 0, opening: None }
    }

    /// Begins again at the start of the set, after so many rows of it. False if it may not.
    pub(super) fn begin(
        &mut self,
        connected: &Arc<Connected>,
        endpoint: &Arc<Endpoint>,
        horizon: Horizon,
        rows: u64,
    ) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        let (connected, endpoint) = (Arc::clone(connected), Arc::clone(endpoint));
        let start = endpoint.start();
        let opening = async move { Feed::open(&connected, &endpoint, &start, horizon).await };
        self.opening = Some(Box::pin(opening));
        (self.left, self.skip) = (left, rows);
        true
    }

    /// The pages from the start on, if the read has just begun again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Feed, Error>>> {
        let Some(opening) = &mut self.opening else { return Poll::Ready(None) };
        let feed = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        Poll::Ready(Some(feed))
    }

    /// How many of the items of the next page, which has so many, are passed over.
    pub(super) fn pass_over(&mut self, items: usize) -> u64 {
        let passed = self.skip.min(items as u64);
        self.skip -= passed;
        passed
    }

    /// Whether whole pages are passed over.
    pub(super) fn is_behind(&self) -> bool {
        self.skip > 0
    }
}
