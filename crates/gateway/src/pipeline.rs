//! The way of every request, from outside in: an id, the end of panics, the fields of security, a
//! permit, cross-origin rules, the limit of its network, who it is, the limit of the principal, the
//! time it has, and then its route.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use futures::{FutureExt as _, TryFutureExt as _};
use tracing::Instrument as _;
use vantage_api_pool::limits::RateLimitDecision;

use crate::{
    Problem,
    auth::{Principal, read_credentials},
    failed_logins::Network,
    gateway::State,
    in_flight::Permit,
    path::below_prefix,
    request_context::RequestContext,
    request_id::RequestId,
    route::{PATTERNS, Route},
    serve,
    unread::{Incoming, Unread},
};

/// After how many seconds to try again when the gateway is full.
const FULL: u64 = 1;

/// Fields that every answer has, unless what serves the route says otherwise.
const SECURITY: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
];

/// Answers a request, whatever happens.
pub(crate) async fn serve(
    state: Arc<State>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let raw = request.uri().path();
    let path = below_prefix(raw, request.match_info().unprocessed()).unwrap_or_default();
    let route = Route::of(path, request.method());
    let number = match &route {
        Ok(Some(route)) => Some(route.number()),
        _ => None,
    };
    let pattern = number.and_then(|number| PATTERNS.get(number)).copied().unwrap_or("unknown");
    let span = tracing::info_span!(
        "request",
        id = id.as_str(),
        method = request.method().as_str(),
        route = pattern,
        principal = tracing::field::Empty,
    );
    let unread = Unread::default();
    let incoming = unread.incoming(payload);
    // Boxed before it is wrapped, since each wrapper moves it.
    let work = Box::pin(answer(&state, &request, incoming, route));
    let work = state.until_ended(work.instrument(span.clone()));
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(Some(id.as_str())),
        Err(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "internal", "the gateway failed").into_response(Some(id.as_str()))
        }
    };
    let mut response = unread.close_if_any(response);
    let fields = response.headers_mut();
    // What says one of them itself says that one.
    for (name, value) in SECURITY {
        if !fields.contains_key(&name) {
            fields.insert(name, HeaderValue::from_static(value));
        }
    }
    fields.insert(RequestId::NAME, id.header());
    if let Some(cors) = &state.cors {
        cors.mark(request.headers(), fields);
    }
    let (status, took) = (response.status(), started.elapsed());
    state.counts.note(number, status, took);
    span.in_scope(|| tracing::info!(status = status.as_u16(), ms = millis(took), "answered"));
    response
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

async fn answer(
    state: &Arc<State>,
    request: &HttpRequest,
    payload: Incoming,
    route: Result<Option<Route>, Problem>,
) -> Result<HttpResponse, Problem> {
    if let Ok(Some(route)) = &route
        && route.is_public()
    {
        return match allowed(request, route)? {
            Some(options) => Ok(options),
            None => serve::public(state, route, request.headers()).await,
        };
    }
    let mut permit = state.in_flight.enter().ok_or_else(full)?;
    if let Some(cors) = &state.cors
        && *request.method() == Method::OPTIONS
    {
        let methods = match &route {
            Ok(Some(route)) => route.methods(),
            _ => "GET, HEAD, OPTIONS",
        };
        if let Some(preflight) = cors.preflight(request.headers(), methods) {
            return Ok(preflight);
        }
    }
    let peer = request.peer_addr().map(|address| address.ip());
    let address = state.proxies.client(peer, request.headers());
    let told = limit_address(state, address)?;
    let principal = authenticate(state, request, address).await?;
    tracing::Span::current().record("principal", principal.id.as_str());
    let decision = state.limit_principals.check(&principal.id);
    if !decision.is_admitted() {
        return Err(refused(&decision));
    }
    if !permit.belongs_to(&principal.id) {
        return Err(Problem::unavailable(
            "too_many_requests_in_flight",
            "too many requests of this principal are being worked on",
            FULL,
        ));
    }
    if request
        .uri()
        .path_and_query()
        .is_some_and(|url| url.as_str().len() > state.limits.max_url_bytes)
    {
        let status = StatusCode::URI_TOO_LONG;
        return Err(Problem::new(status, "url_too_long", "the URL is too long").with_detail(
            format!("it may have {} bytes; long filters go to …/query", state.limits.max_url_bytes),
        ));
    }
    let outcome = routed(state, request, payload, principal, route?, permit).await;
    let mut response = outcome?;
    for decision in told.iter().chain([&decision]) {
        tell(&mut response, decision);
    }
    Ok(response)
}

async fn routed(
    state: &Arc<State>,
    request: &HttpRequest,
    payload: Incoming,
    principal: Principal,
    route: Option<Route>,
    permit: Permit,
) -> Result<HttpResponse, Problem> {
    let Some(route) = route else { return Err(Problem::not_found()) };
    let context = RequestContext {
        state: Arc::clone(state),
        request: request.clone(),
        payload,
        principal,
        permit,
    };
    serve::route(context, route).await
}

/// The answer to a request for a public route, unless it is read.
fn allowed(request: &HttpRequest, route: &Route) -> Result<Option<HttpResponse>, Problem> {
    match *request.method() {
        Method::GET | Method::HEAD => Ok(None),
        Method::OPTIONS => Ok(Some(serve::options(route.methods()))),
        _ => Err(serve::no_method(route.methods())),
    }
}

fn full() -> Problem {
    Problem::unavailable("full", "too many requests are being worked on", FULL)
}

fn limit_address(
    state: &State,
    address: Option<IpAddr>,
) -> Result<Option<RateLimitDecision>, Problem> {
    let Some(enforcer) = &state.limit_addresses else { return Ok(None) };
    let decision = enforcer.check(&Network::of(address));
    if decision.is_admitted() { Ok(Some(decision)) } else { Err(refused(&decision)) }
}

async fn authenticate(
    state: &State,
    request: &HttpRequest,
    address: Option<IpAddr>,
) -> Result<Principal, Problem> {
    let Some(authenticator) = &state.authenticator else { return Ok(Principal::anonymous()) };
    let network = Network::of(address);
    if let Some(wait) = state.failed_logins.refusal(network, Instant::now()) {
        let status = StatusCode::TOO_MANY_REQUESTS;
        return Err(Problem::new(status, "too_many_failed_logins", "too many logins have failed")
            .with_retry_after(wait));
    }
    let Some(credentials) = read_credentials(request.headers())? else {
        return Err(unauthorized("credentials are needed"));
    };
    let unknown = || {
        Problem::unavailable(
            "authentication_unavailable",
            "who makes the request cannot be known now",
            FULL,
        )
    };
    let deciding = authenticator.authenticate(&credentials).map_err(|_| unknown());
    let known =
        serve::within(state.limits.request_timeout, deciding).await.map_err(|_| unknown())?;
    known.ok_or_else(|| {
        state.failed_logins.note(network, Instant::now());
        unauthorized("invalid credentials")
    })
}

fn unauthorized(title: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"gateway\""))
}

fn refused(decision: &RateLimitDecision) -> Problem {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let problem = Problem::new(status, "quota_exceeded", "the quota of the client is used up");
    decision.headers().into_iter().fold(problem, |problem, (name, value)| {
        match HeaderValue::try_from(value) {
            Ok(value) => problem.with_header(HeaderName::from_static(name), value),
            Err(_) => problem,
        }
    })
}

/// Tells the client what is left of its quota.
fn tell(response: &mut HttpResponse, decision: &RateLimitDecision) {
    for (name, value) in decision.headers() {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
}
