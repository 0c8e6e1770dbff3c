//! Access by token, rate limiting, and deliberate faults.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{AUTHORIZATION, HeaderValue},
    },
    middleware::Next,
    rt::time::sleep,
    web,
};
use serde_json::json;

use super::DemoOptions;

/// What all requests share about access.
pub(crate) struct Access {
    state: Mutex<State>,
    requests: AtomicU64,
    throttled: AtomicU64,
}

struct State {
    /// When each token expires.
    tokens: HashMap<String, Instant>,
    random: fastrand::Rng,
}

impl Access {
    pub(crate) fn new(options: &DemoOptions) -> Self {
        Self {
            state: Mutex::new(State {
                tokens: HashMap::new(),
                random: fastrand::Rng::with_seed(options.seed),
            }),
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_token(&self, lifetime: Duration) -> String {
        let mut state = self.state();
        let token = format!("demo-{:016x}", state.random.u64(..));
        state.tokens.insert(token.clone(), Instant::now() + lifetime);
        token
    }

    fn accepts(&self, authorization: Option<&HeaderValue>) -> bool {
        authorization
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .and_then(|token| self.state().tokens.get(token).copied())
            .is_some_and(|until| Instant::now() < until)
    }
}

/// `POST /token`, in the form of RFC 6749 section 5.1.
pub(crate) async fn issue(
    access: web::Data<Access>,
    options: web::Data<DemoOptions>,
) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "access_token": access.new_token(options.token_lifetime),
        "token_type": "Bearer",
        "expires_in": options.token_lifetime.as_secs_f64(),
    }))
}

/// Lets a request with a valid token pass, and counts it.
pub(crate) async fn guard(
    access: web::Data<Access>,
    options: web::Data<DemoOptions>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    access.requests.fetch_add(1, Ordering::Relaxed);
    sleep(options.latency).await;
    if !access.accepts(request.headers().get(AUTHORIZATION)) {
        let refusal = HttpResponse::Unauthorized().json(json!({ "error": "no valid token" }));
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    let response = next.call(request).await?;
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        access.throttled.fetch_add(1, Ordering::Relaxed);
    }
    Ok(response.map_into_left_body())
}

/// Responds to some requests with 503.
pub(crate) async fn fail_some(
    access: web::Data<Access>,
    options: web::Data<DemoOptions>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_faulty = access.state().random.f64() < options.fault_rate;
    if is_faulty {
        let refusal = HttpResponse::ServiceUnavailable().json(json!({ "error": "try again" }));
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
