//! [pure] Field values as text. They are octets (RFC 9110 section 5.5), but `to_str` of the
//! [`http`] crate accepts only ASCII.

use std::borrow::Cow;

use http::HeaderValue;
use percent_encoding::{CONTROLS, percent_encode};

/// The text of a field value: UTF-8, or if it is not valid UTF-8, one character for each octet
/// (ISO 8859-1, the encoding of HTTP in the past). Never fails: one odd octet in a comment must
/// not hide the rest of the value.
pub(crate) fn header_text(value: &HeaderValue) -> Cow<'_, str> {
    match str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    }
}

/// The URL in a field value. Octets that are not UTF-8 are percent-encoded as they are, since
/// that is the path the server expects.
pub(crate) fn header_url(value: &HeaderValue) -> Cow<'_, str> {
    match str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => percent_encode(value.as_bytes(), CONTROLS).into(),
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
