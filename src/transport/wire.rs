//! Converts requests and responses to actix-http's types and back, across the two versions of the
//! `http` crate.

use actix_http::{
    RequestHead, ResponseHead,
    header::{HeaderName as WireName, HeaderValue as WireValue},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Uri,
    header::{ACCEPT_ENCODING, HOST},
};

use crate::{
    error::{Error, ErrorKind},
    request::Request,
};

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Headers that describe the connection or the framing and belong to the transport.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The head of `request` for `url`, with the `defaults` that it does not set itself.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a header that belongs to the transport.
pub(super) fn request_head(
    request: &Request,
    url: &Uri,
    defaults: &[(WireName, WireValue)],
) -> Result<RequestHead, Error> {
    let mut head = RequestHead::default();
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse().map_err(|_| invalid("the URL is not legal on the wire"))?;
    let method = request.method().as_str().as_bytes();
    head.method = actix_http::Method::from_bytes(method)
        .map_err(|_| invalid("the method is not legal on the wire"))?;
    for (name, value) in request.headers() {
        let (name, value) = wire_header(name, value)?;
        head.headers.append(name, value);
    }
    for (name, value) in defaults {
        if request.wants_default(name.as_str()) {
            head.headers.append(name.clone(), value.clone());
        }
    }
    Ok(head)
}

/// Validates headers that are sent with every request.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a header that belongs to the transport.
pub(crate) fn check_headers(headers: &HeaderMap) -> Result<(), Error> {
    headers.iter().try_for_each(|(name, value)| wire_header(name, value).map(drop))
}

/// The headers that are sent with every request to `origin`, in the types of actix-http.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a header that belongs to the transport.
pub(super) fn default_headers(
    origin: &Uri,
    headers: &HeaderMap,
    gzip: bool,
) -> Result<Vec<(WireName, WireValue)>, Error> {
    let host = origin.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host).map_err(|_| invalid("the host is not legal"))?;
    let own = [(HOST, Some(host)), (ACCEPT_ENCODING, gzip.then_some(GZIP))];
    let own = own.iter().filter(|(name, _)| !headers.contains_key(name));
    let own = own.filter_map(|(name, value)| Some((name, value.as_ref()?)));
    own.chain(headers).map(|(name, value)| wire_header(name, value)).collect()
}

fn wire_header(name: &HeaderName, value: &HeaderValue) -> Result<(WireName, WireValue), Error> {
    if RESERVED.contains(&name.as_str()) {
        let what = format!("the header {name} belongs to the transport and cannot be set");
        return Err(Error::new(ErrorKind::InvalidRequest, what));
    }
    let illegal = || invalid("a header is not legal on the wire");
    let name = WireName::from_bytes(name.as_str().as_bytes()).map_err(|_| illegal())?;
    let mut wire = WireValue::from_bytes(value.as_bytes()).map_err(|_| illegal())?;
    wire.set_sensitive(value.is_sensitive());
    Ok((name, wire))
}

/// The status and the headers of a response.
///
/// # Errors
/// [`ErrorKind::Framing`] if one of them is not legal.
pub(super) fn answer_head(head: &ResponseHead) -> Result<(StatusCode, HeaderMap), Error> {
    let illegal = || Error::new(ErrorKind::Framing, "the response has a head that is not legal");
    let status = StatusCode::from_u16(head.status.as_u16()).map_err(|_| illegal())?;
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in head.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|_| illegal())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| illegal())?;
        headers.append(name, value);
    }
    Ok((status, headers))
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidRequest, what)
}
