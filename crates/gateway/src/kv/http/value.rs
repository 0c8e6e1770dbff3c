//! `/kv/{key}`: one value.
//!
//! What clients have stored may be a page with scripts, and must not become one of the API's origin:
//! its type is not guessed (`nosniff`), a policy lets it do nothing, other origins cannot embed it,
//! and it is an attachment unless its type is one of those that browsers only show.

use std::{
    collections::VecDeque,
    convert::Infallible,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue, HttpDate},
    },
};
use bytes::Bytes;

use super::{body::read_value, conditions, range::Span, ttl};
use crate::{
    Problem,
    kv::{Batch, ContentType, Entry, Error, Key, Kv, Outcome, Put, budget::Share},
    query::parameters,
    request_context::RequestContext,
    serve::is_head,
    tag_list::Unmet,
};

/// Types that browsers show without running anything.
const SHOWN: [&str; 11] = [
    "application/json",
    "audio/mpeg",
    "audio/ogg",
    "image/avif",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
    "video/mp4",
    "video/webm",
];

/// Guards of a value in a browser.
const GUARDS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn get(
    kv: &Kv,
    context: &RequestContext,
    key: Key,
) -> Result<HttpResponse, Problem> {
    parameters(context.raw_query(), [])?;
    let headers = context.headers();
    let condition = conditions::of_read(headers)?;
    // Only GET has ranges (RFC 9110, section 14.2).
    let span = if is_head(context) { None } else { span(headers)? };
    let snapshot = kv.snapshot().await?;
    let Some(located) = kv.find(&snapshot, &key)? else { return Err(Problem::not_found()) };
    let entry = located.entry.clone();
    match condition.check(Some(entry.etag)) {
        Ok(()) => {}
        Err(Unmet::IfMatch) => {
            let current = Some(entry.etag);
            let condition = "if_match";
            return Err(refused(Error::PreconditionFailed { index: 0, key, condition, current }));
        }
        Err(Unmet::IfNoneMatch) => {
            return Ok(about(&entry, StatusCode::NOT_MODIFIED).finish());
        }
    }
    let span = span.filter(|_| conditions::range_applies(headers, entry.etag));
    let (status, range) = match span.map(|span| span.of(entry.size)) {
        None => (StatusCode::OK, 0..entry.size),
        Some(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(None) => return Err(not_satisfiable(&entry)),
    };
    let bytes = range.end - range.start;
    if is_head(context) {
        return Ok(answer(&entry, status, &range).body(Parts::none(bytes)));
    }
    let most = context.limits().max_response_bytes;
    if bytes > most as u64 {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Err(Problem::new(
            status,
            "answer_too_large",
            "the value is too large for one answer",
        )
        .with_detail(format!("ask for a Range of at most {most} bytes")));
    }
    let (parts, share) = kv.read(snapshot, located, range.clone()).await?;
    Ok(answer(&entry, status, &range).body(Parts { parts: parts.into(), bytes, share }))
}

pub(super) async fn put(
    kv: &Kv,
    mut context: RequestContext,
    key: Key,
) -> Result<HttpResponse, Problem> {
    let [ttl] = parameters(context.raw_query(), ["ttl"])?;
    let headers = context.headers();
    let mut put = Put::new(Bytes::new()).when(conditions::of_write(headers)?);
    put.ttl = ttl.map(|text| ttl::parse(&text)).transpose().map_err(|what| {
        Problem::bad_request("invalid_ttl", "the time to live cannot be taken")
            .with_error("ttl", format!("it is {what}"))
    })?;
    // A part of a value cannot be written (RFC 9110, section 14.5).
    if headers.contains_key(header::CONTENT_RANGE) {
        let title = "a value is written as a whole, without Content-Range";
        return Err(Problem::bad_request("partial_put", title));
    }
    if let Some(content_type) = content_type(headers)? {
        put.content_type = content_type;
    }
    let (value, share) = read_value(kv, &mut context).await?;
    put.value = value;
    let outcomes = kv.submit(Batch::new().put(key, put), share).await.map_err(refused)?;
    let Some(Outcome::Put(stored)) = outcomes.into_iter().next() else {
        return Err(Error::Unknown(None).into());
    };
    let status = if stored.is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    Ok(about(&stored.entry, status).finish())
}

pub(super) async fn delete(
    kv: &Kv,
    context: &RequestContext,
    key: Key,
) -> Result<HttpResponse, Problem> {
    parameters(context.raw_query(), [])?;
    let condition = conditions::of_write(context.headers())?;
    match kv.delete(key, condition).await.map_err(refused)? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found()),
    }
}

/// The problem of a call for one value: with the version that is there, if another was asked for.
fn refused(error: Error) -> Problem {
    let Error::PreconditionFailed { condition, current, .. } = &error else { return error.into() };
    let field = if *condition == "if_match" { header::IF_MATCH } else { header::IF_NONE_MATCH };
    let tag = current.and_then(|tag| HeaderValue::try_from(tag.to_string()).ok());
    let problem = Problem::from(error).with_error(field.as_str(), "it does not hold");
    match tag {
        Some(tag) => problem.with_header(header::ETAG, tag),
        None => problem,
    }
}

/// An answer that tells the version and the expiry.
fn about(entry: &Entry, status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, entry.etag.to_string()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if let Some(expires) = entry.expires {
        response.insert_header((header::EXPIRES, HttpDate::from(expires)));
    }
    response
}

/// An answer with the value or a part of it.
fn answer(entry: &Entry, status: StatusCode, range: &Range<u64>) -> HttpResponseBuilder {
    let mut response = about(entry, status);
    response
        .insert_header((header::CONTENT_TYPE, entry.content_type.as_str()))
        .insert_header((header::ACCEPT_RANGES, "bytes"));
    for guard in GUARDS {
        response.insert_header(guard);
    }
    let essence = entry.content_type.as_str().split(';').next().unwrap_or_default();
    if !SHOWN.iter().any(|shown| essence.trim_end().eq_ignore_ascii_case(shown)) {
        response.insert_header((header::CONTENT_DISPOSITION, "attachment"));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        let part = format!("bytes {first}-{last}/{}", entry.size);
        response.insert_header((header::CONTENT_RANGE, part));
    }
    response
}

fn not_satisfiable(entry: &Entry) -> Problem {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        "the value has none of these bytes",
    )
    .with_detail(format!("it has {} bytes", entry.size));
    match HeaderValue::from_str(&format!("bytes */{}", entry.size)) {
        Ok(size) => problem.with_header(header::CONTENT_RANGE, size),
        Err(_) => problem,
    }
}

/// The range that is asked for.
fn span(headers: &HeaderMap) -> Result<Option<Span>, Problem> {
    let mut fields = headers.get_all(header::RANGE);
    let span = match (fields.next(), fields.next()) {
        (None, _) => return Ok(None),
        (Some(only), None) => only.to_str().ok().map(Span::parse),
        _ => None,
    };
    match span {
        Some(Ok(span)) => Ok(span),
        _ => Err(Problem::bad_request("invalid_range", "Range cannot be read")
            .with_detail("it is one field, such as bytes=0-99, bytes=100- or bytes=-100")),
    }
}

fn content_type(headers: &HeaderMap) -> Result<Option<ContentType>, Problem> {
    let mut fields = headers.get_all(header::CONTENT_TYPE);
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(only), None) => match only.to_str() {
            Ok(text) => Ok(Some(ContentType::new(text)?)),
            Err(_) => Err(Error::ContentType.into()),
        },
        _ => Err(Error::ContentType.into()),
    }
}

/// The parts of a value as a body. Each is freed once it is sent, and so is its share of the memory.
struct Parts {
    parts: VecDeque<Bytes>,
    /// How many bytes are left.
    bytes: u64,
    share: Option<Share>,
}

impl Parts {
    /// The size of a body that is not sent.
    fn none(bytes: u64) -> Self {
        Self { parts: VecDeque::new(), bytes, share: None }
    }
}

impl MessageBody for Parts {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Some(part) = self.parts.pop_front() else { return Poll::Ready(None) };
        self.bytes = self.bytes.saturating_sub(part.len() as u64);
        let left = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        if let Some(share) = &mut self.share {
            share.shrink(left);
        }
        Poll::Ready(Some(Ok(part)))
    }
}
