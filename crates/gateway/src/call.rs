//! One request that has passed the edges: who makes it is known, and it is within the limits. What
//! serves a route gets this and returns an answer or a [`Problem`].

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{Method, header::HeaderMap},
};
use bytes::Bytes;

use crate::{
    Limits, Problem,
    auth::Principal,
    body::{BodyBounds, read_body},
    gateway::State,
    in_flight::Permit,
    unread::Incoming,
};

/// A request past the edges.
pub(crate) struct Call {
    pub(crate) state: Arc<State>,
    pub(crate) request: HttpRequest,
    /// What is left of the body.
    pub(crate) payload: Incoming,
    pub(crate) principal: Principal,
    /// Held until the answer is complete.
    pub(crate) permit: Permit,
}

impl Call {
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

    /// The whole body, of at most `bytes` bytes.
    ///
    /// # Errors
    /// 415, 413, 408 or 400, see [`read_body`].
    pub(crate) async fn body(&mut self, bytes: usize) -> Result<Bytes, Problem> {
        let bounds = BodyBounds::new(&self.state.limits, bytes);
        read_body(&mut self.payload, self.request.headers(), bounds).await
    }
}
