//! [pure] Problem documents (RFC 9457): what a client is told when a request fails. Holds only
//! texts of the gateway's own; how an error of a table becomes one is in `problem/of_error.rs`.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde_json::{Map, Value, json};

mod of_error;

/// The answer to a request that fails, as `application/problem+json`.
///
/// Its members are `type`, `title`, `status`, `kind` (a stable name in lower case) and, if known,
/// `detail`, `errors` (a list of `{pointer, detail}`, where the pointer is a JSON pointer into the
/// body or the name of a parameter) and `instance`, the id of the request. No text of an upstream
/// is ever in it.
///
/// ```
/// use actix_web::http::StatusCode;
/// use vantage_api_gateway::Problem;
///
/// let problem = Problem::new(StatusCode::BAD_REQUEST, "unknown_parameter", "unknown parameter")
///     .with_detail("the parameters are: page, per_page")
///     .with_error("pgae", "no parameter of this name");
/// assert_eq!(problem.status(), 400);
/// assert_eq!(problem.to_json(Some("r-1"))["errors"][0]["pointer"], "pgae");
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct Problem(Box<Inner>);

#[derive(Clone, Debug, thiserror::Error)]
#[error("{title}")]
struct Inner {
    status: StatusCode,
    kind: &'static str,
    title: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
    errors: Vec<(String, String)>,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this status and kind. The title says what went wrong, without the particulars
    /// of the request.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            kind,
            title: title.into(),
            detail: None,
            errors: Vec::new(),
            members: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// The request itself is wrong: 400.
    pub(crate) fn bad_request(kind: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, title)
    }

    /// The body is well-formed, but not what is asked for: 422.
    pub(crate) fn unprocessable(kind: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, title)
    }

    /// Nothing is at this path, or nothing that the client may see: 404.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// 503, with the seconds after which to try again.
    pub(crate) fn unavailable(
        kind: &'static str,
        title: impl Into<Cow<'static, str>>,
        retry_after: u64,
    ) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title).with_retry_after(retry_after)
    }

    /// Adds what is particular to this request.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds one fault: `pointer` is a JSON pointer into the body or the name of a parameter.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push((pointer.into(), detail.into()));
        self
    }

    /// Adds a member of its own to the document.
    #[must_use]
    pub fn with_member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// Adds a header field to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn with_retry_after(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable name of what went wrong, in lower case with underscores.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// The document, with `instance` as the id of the request.
    #[must_use]
    pub fn to_json(&self, instance: Option<&str>) -> Value {
        let Inner { status, kind, title, detail, errors, members, .. } = &*self.0;
        let mut document = Map::new();
        let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
        add("type", format!("urn:problem:vantage-api-gateway:{kind}").into());
        add("title", title.as_ref().into());
        add("status", status.as_u16().into());
        add("kind", (*kind).into());
        if let Some(detail) = detail {
            add("detail", detail.as_ref().into());
        }
        if let Some(instance) = instance {
            add("instance", instance.into());
        }
        if !errors.is_empty() {
            let errors: Vec<Value> = errors
                .iter()
                .map(|(pointer, detail)| json!({ "pointer": pointer, "detail": detail }))
                .collect();
            add("errors", errors.into());
        }
        for (name, value) in members {
            add(name, value.clone());
        }
        Value::Object(document)
    }

    /// The answer, with `instance` as the id of the request.
    #[must_use]
    pub fn into_response(self, instance: Option<&str>) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.status);
        for (name, value) in &self.0.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("application/problem+json")
            .body(self.to_json(instance).to_string())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        self.clone().into_response(None)
    }
}

/// Names in a row for a message: `a, b and c`.
pub(crate) fn listed<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
