//! Reads a set again from its start, once the place of the next page has expired, and skips the
//! rows that were read before: the restarts of `Paging::restart_when_expired`.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;

use super::{endpoint::Endpoint, feed::Feed, prefetcher::Horizon};
use crate::{dispatch::Connected, error::Error};

/// The restarts of a read.
pub(super) struct Reread {
    /// How many restarts are left.
    left: u32,
    /// How many rows were read before and must still be skipped.
    skip: u64,
    opening: Option<BoxFuture<'static, Result<Feed, Error>>>,
}

impl Reread {
    pub(super) fn new(times: u32) -> Self {
        Self { left: times, skip: 0, opening: None }
    }

    /// Restarts at the start of the set, after `rows` rows of it. False if that is not allowed.
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

    /// The pages from the start on, if the read has just restarted.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Feed, Error>>> {
        let Some(opening) = &mut self.opening else { return Poll::Ready(None) };
        let feed = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        Poll::Ready(Some(feed))
    }

    /// How many of the `items` items of the next page are skipped.
    pub(super) fn pass_over(&mut self, items: usize) -> u64 {
        let passed = self.skip.min(items as u64);
        self.skip -= passed;
        passed
    }

    /// Whether whole pages are skipped.
    pub(super) fn is_behind(&self) -> bool {
        self.skip > 0
    }
}
