//! [pure] Keeps every URL under the base URL: parses the base, joins targets to
//! it, appends queries. Knows nothing of requests or connections.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use http::Uri;
use percent_encoding::percent_decode;
use serde::Serialize;
use url::{Url, form_urlencoded};

#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, without_query};

/// The longest URL that `http` accepts, in bytes.
const MAX_LENGTH: usize = u16::MAX as usize - 1;

/// A validated base URL: scheme http or https, a host, no user info, query or fragment.
///
/// A trailing slash makes no difference.
#[derive(Clone)]
pub(crate) struct BaseUrl {
    url: Url,
    /// `scheme://host`, with `:port` if it is not the scheme's default.
    origin: String,
    /// The path without its trailing slash: empty, or `/` and more.
    path: String,
}

impl BaseUrl {
    /// Parses and validates a base URL.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which names the problem and echoes nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Error::config("base_url: must not hold spaces or control characters"));
        }
        let scheme_and_rest = text.split_once("://").filter(|(scheme, _)| is_http(scheme));
        let Some((_, rest)) = scheme_and_rest else {
            return Err(Error::config("base_url: must start with http:// or https://"));
        };
        let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Error::config("base_url: must not hold a user name or a password"));
        }
        if authority.is_empty() {
            return Err(Error::config("base_url: the host is missing"));
        }
        let url = Url::parse(text).map_err(|source| match source {
            url::ParseError::InvalidPort => {
                Error::config("base_url: the port must be from 1 to 65535")
            }
            source => Error::config("base_url: is not a valid URL").with_source(source),
        })?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::config("base_url: must not hold a query or a fragment"));
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(Error::config("base_url: the host is missing"));
        };
        let origin = match url.port() {
            Some(0) => return Err(Error::config("base_url: the port must be from 1 to 65535")),
            Some(port) => format!("{}://{host}:{port}", url.scheme()),
            None => format!("{}://{host}", url.scheme()),
        };
        let path = encode(url.path()).trim_end_matches('/').to_owned();
        let base = Self { url, origin, path };
        base.uri("").map_err(|_| Error::config("base_url: is not a valid URL"))?;
        Ok(base)
    }

    /// The URL of `target`, if it stays below the base URL.
    ///
    /// A target is a path with an optional query, with or without a leading slash, or an absolute
    /// URL. Characters that are not allowed in a URL are percent-encoded; existing
    /// percent-encoding is kept.
    ///
    /// # Errors
    /// [`ErrorKind::ForeignOrigin`] for another scheme, host or port, or a path
    /// outside the base path; [`ErrorKind::InvalidRequest`] for control
    /// characters, a fragment, or a segment that is `.` or `..` in any encoding.
    pub(crate) fn join(&self, target: &str) -> Result<Uri, Error> {
        if is_illegal(target) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "the target must not hold control characters or a fragment",
            ));
        }
        let below = match scheme_end(target) {
            Some(end) => Cow::Owned(self.below(target, end)?),
            None if target.starts_with("//") => return Err(foreign()),
            None if needs_encoding(target) => Cow::Owned(encode(target)),
            None => Cow::Borrowed(target),
        };
        if has_dot_segment(&below) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "the target must not hold a segment that is `.` or `..`",
            ));
        }
        self.uri(&below)
    }

    /// The part of an absolute `target` that comes after the base URL, encoded.
    /// `scheme_end` is where its scheme ends.
    fn below(&self, target: &str, scheme_end: usize) -> Result<String, Error> {
        let rest = target[scheme_end..].strip_prefix("://").ok_or_else(foreign)?;
        let path_at = rest.find(['/', '\\', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        if authority.is_empty() || authority.contains('@') {
            return Err(foreign());
        }
        let same_text = target[..target.len() - path.len()] == self.origin;
        if !same_text && Url::parse(target).map_or(true, |url| url.origin() != self.url.origin()) {
            return Err(foreign());
        }
        let path = encode(path);
        match path.strip_prefix(&self.path) {
            Some(below) if below.is_empty() || below.starts_with(['/', '?']) => {
                Ok(below.to_owned())
            }
            _ => Err(foreign()),
        }
    }

    /// The path of `target` below the base URL; empty if it is not below.
    pub(crate) fn path_below(&self, target: &str) -> String {
        let url = self.join(target);
        let below = url.as_ref().ok().and_then(|url| url.path().strip_prefix(&self.path));
        below.unwrap_or_default().to_owned()
    }

    /// The scheme, the host and the port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The base URL itself.
    pub(crate) fn as_uri(&self) -> Result<Uri, Error> {
        self.uri("")
    }

    /// The base URL followed by `rest`: nothing, a path, or a query, encoded.
    fn uri(&self, rest: &str) -> Result<Uri, Error> {
        let mut url = String::with_capacity(self.origin.len() + self.path.len() + rest.len() + 1);
        url.push_str(&self.origin);
        url.push_str(&self.path);
        let bare = rest.is_empty() || rest.starts_with('?');
        if if bare { self.path.is_empty() } else { !rest.starts_with('/') } {
            url.push('/');
        }
        url.push_str(rest);
        let length = url.len();
        Uri::from_maybe_shared(Bytes::from(url)).map_err(|source| {
            let what = match length {
                0..=MAX_LENGTH => Cow::Borrowed("the target is not a valid URL"),
                _ => format!("the target is too long for a URL: {length} bytes").into(),
            };
            Error::new(ErrorKind::InvalidRequest, what).with_source(source)
        })
    }

    /// The URL that a redirect from `current` leads to, if it stays below the base URL.
    pub(crate) fn follow(&self, current: &Uri, location: &str) -> Result<Uri, Error> {
        let moved = Url::parse(&current.to_string()).and_then(|current| current.join(location));
        match moved {
            Ok(mut url) => {
                // It is for the reader of the response (RFC 9110 section 10.2.2).
                url.set_fragment(None);
                self.join(url.as_str())
            }
            Err(_) => {
                Err(Error::new(ErrorKind::InvalidRequest, "a redirect leads to no valid URL"))
            }
        }
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({}{})", self.origin, self.path)
    }
}

/// Adds the fields of `params` to the query of `target`, spaces as `%20`.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] if `params` is not a flat set of fields.
pub(crate) fn append_query<T: Serialize + ?Sized>(
    target: &mut String,
    params: &T,
) -> Result<(), Error> {
    add(target, &encoded(params)?);
    Ok(())
}

/// As [`append_query`], but replaces fields of `target` with the same names. The other fields
/// stay as they were written.
///
/// # Errors
/// Those of [`append_query`], which leave `target` unchanged.
pub(crate) fn set_query<T: Serialize + ?Sized>(
    target: &mut String,
    params: &T,
) -> Result<(), Error> {
    let query = encoded(params)?;
    if let Some((path, before)) = target.split_once('?') {
        let is_set = |field: &&str| {
            let name = name_of(field);
            query.split('&').any(|set| name_of(set) == name)
        };
        if before.split('&').any(|field| is_set(&field)) {
            let kept: Vec<_> = before.split('&').filter(|field| !is_set(field)).collect();
            *target = format!("{path}?{}", kept.join("&"));
        }
    }
    add(target, &query);
    Ok(())
}

/// The name of a field of a query.
fn name_of(field: &str) -> Cow<'_, str> {
    let name = field.split_once('=').map_or(field, |(name, _)| name);
    if !name.contains(['%', '+']) {
        return name.into();
    }
    form_urlencoded::parse(name.as_bytes()).next().map_or(name.into(), |(name, _)| name)
}

/// A query of the fields of `params`.
fn encoded<T: Serialize + ?Sized>(params: &T) -> Result<String, Error> {
    let query = serde_urlencoded::to_string(params).map_err(|source| {
        Error::new(ErrorKind::InvalidRequest, "the query is not a flat set of fields")
            .with_source(source)
    })?;
    // Form encoding writes a space as `+` and a plus as `%2B`; not every API reads that.
    Ok(if query.contains('+') { query.replace('+', "%20") } else { query })
}

fn add(target: &mut String, query: &str) {
    if query.is_empty() {
        return;
    }
    if !target.contains('?') {
        target.push('?');
    } else if !target.ends_with(['?', '&']) {
        target.push('&');
    }
    target.push_str(query);
}

fn foreign() -> Error {
    Error::new(ErrorKind::ForeignOrigin, "the target is outside the pool's base URL")
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Where the scheme of an absolute URL ends (RFC 3986 section 3.1).
fn scheme_end(target: &str) -> Option<usize> {
    let end = target.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))?;
    (target.as_bytes()[end] == b':' && target.as_bytes()[0].is_ascii_alphabetic()).then_some(end)
}

/// Whether a target has a character that must not be in it, in any encoding.
fn is_illegal(target: &str) -> bool {
    target.bytes().any(|byte| matches!(byte, 0..=0x1f | 0x7f | b'#'))
}

fn needs_encoding(target: &str) -> bool {
    let stays = |(at, byte)| is_plain(byte) || is_escape(&target.as_bytes()[at..]);
    !target.bytes().enumerate().all(stays)
}

/// Characters that need no encoding in a path or a query (RFC 3986 sections 3.3 and 3.4).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
        || matches!(byte, b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?')
}

/// Whether `bytes` starts with a percent sign and two hexadecimal digits.
fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() + 16);
    for (at, byte) in text.bytes().enumerate() {
        if is_plain(byte) || is_escape(&text.as_bytes()[at..]) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 0xf)]));
        }
    }
    encoded
}

/// The most times a path is decoded. Some servers decode twice.
const MOST_DECODINGS: usize = 3;

/// Whether any server would read a segment of the path as `.` or `..`: after decoding it
/// repeatedly; with backslashes for slashes; without its parameters (RFC 3986 section 3.3), the
/// text after a NUL and white space around it; and with overlong UTF-8 encodings (RFC 3629
/// section 3).
fn has_dot_segment(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    if !path.contains(['.', '%']) {
        return false;
    }
    let mut path = path.as_bytes().to_vec();
    for _ in 0..MOST_DECODINGS {
        let decoded: Vec<u8> = percent_decode(&path).collect();
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let path = shortened(&path);
    path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        let end = segment.iter().position(|byte| matches!(byte, b';' | 0));
        let segment = segment.get(..end.unwrap_or(segment.len())).unwrap_or_default();
        let is_blank = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
        let begin = segment.iter().take_while(|byte| is_blank(byte)).count();
        let behind = segment.iter().rev().take_while(|byte| is_blank(byte)).count();
        matches!(segment.get(begin..segment.len() - behind), Some(b"." | b".."))
    })
}

/// The same bytes with overlong two- or three-octet forms of ASCII characters shortened.
fn shortened(bytes: &[u8]) -> Vec<u8> {
    let mut short = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, length) = match rest {
            [0xc0 | 0xc1, low @ 0x80..=0xbf, ..] => ((first & 1) << 6 | low & 0x3f, 2),
            [0xe0, mid @ 0x80..=0x81, low @ 0x80..=0xbf, ..] => ((mid & 1) << 6 | low & 0x3f, 3),
            _ => (first, 1),
        };
        short.push(byte);
        rest = after.get(length - 1..).unwrap_or_default();
    }
    short
}

/// The target of a request (RFC 9112 section 3.2), of which only the path is shown.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct RequestTarget(pub(crate) String);

impl fmt::Debug for RequestTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_query(&self.0))
    }
}
