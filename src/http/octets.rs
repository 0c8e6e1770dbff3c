//! [pure] Field values as text. They are octets (RFC 9110 section 5.5), of which the
//! [`http`] crate's `to_str` reads ASCII alone.

use std::{borrow::Cow, fmt};

use http::HeaderValue;
use percent_encoding::{CONTROLS, percent_encode};

/// The text of a field value: UTF-8, or where it is none, one character for each octet
/// (ISO 8859-1, what HTTP took them for in the past). Never fails, so that one octet in a
/// remark does not hide what stands beside it.
pub(crate) fn header_text(value: &HeaderValue) -> Cow<'_, str> {
    match str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    }
}

/// The URL in a field value. Octets that are no UTF-8 are percent-encoded as they are, since
/// that is how the server wrote the path that it wants to hear.
pub(crate) fn header_url(value: &HeaderValue) -> Cow<'_, str> {
    match str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => percent_encode(value.as_bytes(), CONTROLS).into(),
    }
}

/// The most of a URL that is shown, in characters.
const MOST_SHOWN: usize = 200;

/// What of a URL may be shown: neither its query nor its fragment, nor who asks.
pub(crate) fn without_query(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let authority_at = url.find("//").map_or(url.len(), |at| at + 2);
    let (scheme, rest) = url.split_at(authority_at);
    let path_at = rest.find('/').unwrap_or(rest.len());
    let host_at = rest[..path_at].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}{}", &rest[host_at..]).chars().take(MOST_SHOWN).collect()
}

/// Where a request goes (RFC 9112 section 3.2), which is not shown beyond its path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RequestTarget(pub(crate) String);

impl fmt::Debug for RequestTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_query(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_value_is_read_whatever_its_octets() {
        for (octets, text) in [
            (b"plain, 42".as_slice(), "plain, 42"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"caf\xe9; x", "caf\u{e9}; x"),
            (b"a\tb", "a\tb"),
            (b"", ""),
        ] {
            assert_eq!(header_text(&HeaderValue::from_bytes(octets).unwrap()), text);
        }
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("/rows/7/?key=x#y", "/rows/7/"),
            ("https://user:pw@host:8/a@b/?key=x", "https://host:8/a@b/"),
            ("//u@host", "//host"),
            ("rows/@me#?", "rows/@me"),
            ("?key=x", ""),
        ] {
            assert_eq!(without_query(url), shown);
        }
        assert_eq!(without_query(&"\u{e9}".repeat(300)).chars().count(), MOST_SHOWN);
    }

    #[test]
    fn a_url_keeps_the_octets_that_the_server_wrote() {
        for (octets, url) in [
            (b"/rows?page=2".as_slice(), "/rows?page=2"),
            ("/caf\u{e9}".as_bytes(), "/caf\u{e9}"),
            (b"/caf\xe9?a=%20", "/caf%E9?a=%20"),
        ] {
            assert_eq!(header_url(&HeaderValue::from_bytes(octets).unwrap()), url);
        }
    }
}
