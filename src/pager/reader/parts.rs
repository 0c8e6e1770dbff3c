//! The windows of one read in windows of time. What follows each is in `turns`.

use std::sync::Arc;

use chrono::Utc;

use crate::{
    error::Error,
    pager::{
        endpoint::Endpoint,
        strategy::{Position, Window, Windows},
    },
};

/// The windows of one read.
pub(super) struct Parts {
    /// The endpoint without a window.
    pub(super) origin: Arc<Endpoint>,
    pub(super) windows: Windows,
    /// The current one, up to the page at hand.
    pub(super) window: Window,
    /// The items of its first page, and of that of the one before.
    pub(super) first: (Option<u64>, Option<u64>),
    /// Whether a read goes on in it that was begun before.
    is_resumed: bool,
    /// The one after it, once it was read.
    pub(super) next: Option<Window>,
}

impl Parts {
    /// The windows of a read at `position`, if it is in windows, with the endpoint narrowed to the
    /// current one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::error::ErrorKind::Config) if nothing says where the first one begins.
    pub(super) fn of(
        endpoint: &mut Arc<Endpoint>,
        position: &mut Position,
    ) -> Result<Option<Box<Self>>, Error> {
        let Some(windows) = endpoint.paging.windows.clone() else { return Ok(None) };
        let is_resumed = position.window.is_some();
        let window = match &position.window {
            Some(window) => (**window).clone(),
            None => endpoint.first_window(&windows, Utc::now().timestamp_millis())?,
        };
        position.window = Some(Box::new(window.clone()));
        let origin = Arc::clone(endpoint);
        *endpoint = Arc::new(origin.within(&windows, &window));
        let first = (None, None);
        Ok(Some(Box::new(Self { origin, windows, window, first, is_resumed, next: None })))
    }

    /// Whether no page of any window was read.
    pub(super) fn are_untouched(&self) -> bool {
        self.first.0.is_none() && !self.is_resumed
    }
}
