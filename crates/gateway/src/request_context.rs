//! One request that is let in: who makes it is known, and it is within the limits. What
//! serves a route gets this and returns an answer or a [`Problem`].

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{Method, header::HeaderMap},
};
use bytes::Bytes;

use crate::{
    Limits, Problem, auth::Principal, body::Chunks, gateway::State, in_flight::Permit,
    unread::Incoming,
};

/// A request that was let in.
pub(crate) struct RequestContext {
    pub(crate) state: Arc<State>,
    pub(crate) request: HttpRequest,
    /// What is left of the body.
    pub(crate) payload: Incoming,
    pub(crate) principal: Principal,
    /// Held until the answer is complete.
    pub(crate) permit: Permit,
}

impl RequestContext {
    pub(crate) fn limits(&self) -> &Limits {
        &self.state.limits
    }

    pub(crate) fn method(&self) -> &Method {
        self.request.method()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The query as it was sent.
    pub(crate) fn raw_query(&self) -> &str {
        self.request.query_string()
    }

    /// The whole body, of at most `most` bytes.
    ///
    /// # Errors
    /// 415, 413, 408 or 400, see [`Chunks`].
    pub(crate) async fn body(&mut self, most: usize) -> Result<Bytes, Problem> {
        self.chunks(most)?.collect().await
    }

    /// The chunks of the body, of at most `most` bytes.
    ///
    /// # Errors
    /// 415 and 413, see [`Chunks::new`].
    pub(crate) fn chunks(&mut self, most: usize) -> Result<Chunks<'_>, Problem> {
        Chunks::new(&mut self.payload, self.request.headers(), &self.state.limits, most)
    }
}
