//! What a request says of how urgent it is: its place among those that wait, and when it is
//! sent a second time.

use super::Request;
use crate::{priority::Priority, retry::Hedge};

impl Request {
    /// Sets the place among calls that wait for a connection or for the rate limit, see
    /// [`Priority`]. The default is that of the Vantage scope in which the request is made or
    /// submitted.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Says when this request is sent a second time, on another connection, if it has no
    /// answer; `None` is never. Only a GET is. The default is the pool's
    /// [`hedge`](crate::PoolBuilder::hedge).
    #[must_use]
    pub fn hedge(mut self, hedge: impl Into<Option<Hedge>>) -> Self {
        self.hedge = Some(hedge.into());
        self
    }

    pub(crate) fn own_hedge(&self) -> Option<Option<Hedge>> {
        self.hedge
    }

    /// To be asked where the request is submitted.
    pub(crate) fn own_priority(&self) -> Priority {
        self.priority.or_else(Priority::of_scope).unwrap_or_default()
    }
}
