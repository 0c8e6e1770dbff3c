//! [pure] Entity tags, and the preconditions made from them.

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value as Json;
use vantage_core::{VantageError, error};

use super::answer::at;
use crate::response::Response;

/// The state that the row must have for a write to go ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Precondition {
    #[default]
    None,
    /// The state with this tag.
    Unchanged(HeaderValue),
    /// Not modified since this time.
    UnmodifiedSince(HeaderValue),
    /// Not there.
    Absent,
}

impl Precondition {
    /// Requires that the row still has this tag.
    ///
    /// # Errors
    /// `Unsupported` if there is no strong tag: `If-Match` compares strongly, so a weak one would
    /// never match (RFC 9110 section 13.1.1).
    pub(super) fn unchanged(tag: Option<HeaderValue>) -> Result<Self, VantageError> {
        let refused = |what: &str| error!(what).mark_unsupported();
        let tag = tag.ok_or_else(|| refused("the API sends no entity tag with the row"))?;
        match tag.as_bytes() {
            [b'"', .., b'"'] => Ok(Self::Unchanged(tag)),
            [b'W', b'/', ..] => Err(refused("the API sends a weak entity tag with the row")),
            _ => Err(refused("the entity tag of the row is none")),
        }
    }

    /// Requires that the row still has this tag, even a weak one, or else that it was not modified
    /// since the time in `response` (RFC 9110 section 13.1.4): for a write that is conditional only
    /// because the API requires it. At worst it is refused.
    ///
    /// # Errors
    /// `Unsupported` if there is neither.
    pub(super) fn demanded(
        tag: Option<HeaderValue>,
        response: &Response,
    ) -> Result<Self, VantageError> {
        let since = || response.headers().get(header::LAST_MODIFIED).cloned();
        let condition = tag.map(Self::Unchanged);
        condition.or_else(|| since().map(Self::UnmodifiedSince)).ok_or_else(|| {
            let what = "the API takes no write of a row without a precondition, and sends no \
                        entity tag with the row";
            error!(what).mark_unsupported()
        })
    }

    pub(super) fn put_into(self, headers: &mut HeaderMap) {
        match self {
            Self::None => None,
            Self::Unchanged(tag) => headers.insert(header::IF_MATCH, tag),
            Self::UnmodifiedSince(time) => headers.insert(header::IF_UNMODIFIED_SINCE, time),
            Self::Absent => headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*")),
        };
    }
}

/// The tag of the row in a response: at `place` of its body, a key or keys joined by dots, or
/// in its `ETag`.
pub(super) fn tag_of(response: &Response, place: Option<&str>) -> Option<HeaderValue> {
    let in_body = || {
        let text = match at(response.body(), place?)? {
            Json::String(text) => text,
            Json::Number(number) => number.to_string(),
            _ => return None,
        };
        let is_quoted = text.starts_with('"') || text.starts_with("W/\"");
        let tag = if is_quoted { text } else { format!("\"{text}\"") };
        HeaderValue::from_str(&tag).ok()
    };
    in_body().or_else(|| response.headers().get(header::ETAG).cloned())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_tag_is_in_the_header_or_at_its_place_in_the_body() {
        for (place, body, tag) in [
            (None, r#"{"_etag":"x"}"#, "\"header\""),
            (Some("_etag"), r#"{"_etag":"x"}"#, "\"x\""),
            (Some("_etag"), "{}", "\"header\""),
            (Some("meta.version"), r#"{"meta":{"version":7}}"#, "\"7\""),
            (Some("@odata.etag"), r#"{"@odata.etag":"W/\"y\""}"#, "W/\"y\""),
            (Some(r"@odata\.etag"), r#"{"@odata.etag":"\"y\""}"#, "\"y\""),
        ] {
            let mut response = Response::new(StatusCode::OK, body);
            response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"header\""));
            assert_eq!(tag_of(&response, place).unwrap(), tag, "{place:?} {body}");
        }
        assert_eq!(tag_of(&Response::new(StatusCode::OK, ""), Some("a")), None);
    }

    #[test]
    fn only_a_strong_tag_is_a_precondition() {
        let read =
            |tag: Option<&'static str>| Precondition::unchanged(tag.map(HeaderValue::from_static));
        let mut headers = HeaderMap::new();
        read(Some("\"v1\"")).unwrap().put_into(&mut headers);
        assert_eq!(headers[header::IF_MATCH], "\"v1\"");
        for tag in [None, Some("W/\"v1\""), Some("v1"), Some("\""), Some("")] {
            assert!(read(tag).unwrap_err().is_unsupported(), "{tag:?}");
        }
    }

    #[test]
    fn a_tag_that_is_demanded_is_sent_as_it_came() {
        let mut response = Response::new(StatusCode::OK, "");
        assert!(Precondition::demanded(None, &response).unwrap_err().is_unsupported());
        let time = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        response.headers_mut().insert(header::LAST_MODIFIED, time.clone());
        let tag = HeaderValue::from_static("W/\"v1\"");
        let mut headers = HeaderMap::new();
        Precondition::demanded(Some(tag.clone()), &response).unwrap().put_into(&mut headers);
        assert_eq!((headers.len(), &headers[header::IF_MATCH]), (1, &tag));
        let mut headers = HeaderMap::new();
        Precondition::demanded(None, &response).unwrap().put_into(&mut headers);
        assert_eq!((headers.len(), &headers[header::IF_UNMODIFIED_SINCE]), (1, &time));
    }

    #[test]
    fn an_absent_row_and_no_precondition() {
        let mut headers = HeaderMap::new();
        Precondition::None.put_into(&mut headers);
        assert!(headers.is_empty());
        Precondition::Absent.put_into(&mut headers);
        assert_eq!(headers[header::IF_NONE_MATCH], "*");
    }
}
