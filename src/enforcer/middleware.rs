//! The enforcer as a middleware of actix-web: identifies the client, sends the refusal, and adds
//! the header fields to every response.

use std::{
    future::{Ready, ready},
    hash::{BuildHasher, Hash},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    http::header::{HeaderName, HeaderValue},
};
use futures::future::LocalBoxFuture;

use super::{RateLimitDecision, RateLimitPolicyEnforcer, client_of::peer};

impl RateLimitPolicyEnforcer {
    /// Identifies the clients of an actix-web application by the key that `client` computes from a
    /// request, which may be anything that hashes. With `()` all clients share one quota.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};
    ///
    /// let policy = RateLimitPolicy::fixed_window("default", 100, Duration::from_secs(60));
    /// let enforcer = RateLimitPolicyEnforcer::new([policy])?
    ///     .client_by(|request| request.headers().get("x-api-key").cloned());
    /// # Ok::<(), vantage_api_pool::Error>(())
    /// ```
    #[must_use]
    pub fn client_by<K: Hash>(
        mut self,
        client: impl Fn(&ServiceRequest) -> K + Send + Sync + 'static,
    ) -> Self {
        self.client_of = Arc::new(move |request, hasher| hasher.hash_one(client(request)).into());
        self
    }

    /// Identifies the clients of an actix-web application by the value of this header, such as
    /// `Authorization` or `X-Api-Key`; the name is case-insensitive. Clients that do not send it
    /// are identified by their networks.
    ///
    /// A client that can send any value can pose as many clients, with a quota for each, so put the
    /// middleware behind the one that checks the header.
    #[must_use]
    pub fn client_by_header(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.client_of = Arc::new(move |request, hasher| {
            // A name that is not legal is in no request.
            let mut values = request.headers().get_all(name.as_str()).peekable();
            match values.peek() {
                None => peer(request, hasher),
                Some(_) => {
                    hasher.hash_one(values.map(HeaderValue::as_bytes).collect::<Vec<_>>()).into()
                }
            }
        });
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for RateLimitPolicyEnforcer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Enforced<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Enforced { service, enforcer: self.clone() }))
    }
}

/// A service behind an enforcer.
#[derive(Debug)]
pub struct Enforced<S> {
    service: S,
    enforcer: RateLimitPolicyEnforcer,
}

impl<S, B> Service<ServiceRequest> for Enforced<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let client = (self.enforcer.client_of)(&request, &self.enforcer.hasher);
        let decision = self.enforcer.decide(client, Instant::now());
        if decision.is_admitted() {
            let answer = self.service.call(request);
            return Box::pin(
                async move { Ok(tell(answer.await?.map_into_left_body(), &decision)) },
            );
        }
        let refusal = HttpResponse::TooManyRequests()
            .content_type("application/problem+json")
            .body(decision.problem());
        let answer = request.into_response(refusal).map_into_right_body();
        Box::pin(ready(Ok(tell(answer, &decision))))
    }
}

/// `answer` with the header fields of `decision` added.
fn tell<B>(mut answer: ServiceResponse<B>, decision: &RateLimitDecision) -> ServiceResponse<B> {
    for (name, value) in decision.headers() {
        // These fields are always legal in a header.
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    answer
}
