//! [pure] Entity tags, and the preconditions made from them. `item` decides when a tag is needed
//! and where it comes from, and `send` sends the precondition with the write.

use http::{HeaderName, HeaderValue, header};
use serde_json::Value as Json;
use vantage_core::{VantageError, error};

use super::answer::at;
use crate::response::Response;

/// The header field with the state that the row must have for a write to go ahead.
pub(super) type Precondition = Option<(HeaderName, HeaderValue)>;

/// Requires that the row still has this tag.
///
/// # Errors
/// `Unsupported` if there is no strong tag: `If-Match` compares strongly, so a weak one would
/// never match (RFC 9110 section 13.1.1).
pub(super) fn unchanged(tag: Option<HeaderValue>) -> Result<Precondition, VantageError> {
    let refused = |what: &str| error!(what).mark_unsupported();
    let tag = tag.ok_or_else(|| refused("the API sends no entity tag with the row"))?;
    match tag.as_bytes() {
        [b'"', .., b'"'] => Ok(Some((header::IF_MATCH, tag))),
        [b'W', b'/', ..] => Err(refused("the API sends a weak entity tag with the row")),
        _ => Err(refused("the entity tag of the row is invalid")),
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
) -> Result<Precondition, VantageError> {
    let modified = || response.headers().get(header::LAST_MODIFIED).cloned();
    let tag = tag.map(|tag| (header::IF_MATCH, tag));
    match tag.or_else(|| modified().map(|time| (header::IF_UNMODIFIED_SINCE, time))) {
        None => {
            let what = "the API takes no write of a row without a precondition, and sends no \
                        entity tag with the row";
            Err(error!(what).mark_unsupported())
        }
        precondition => Ok(precondition),
    }
}

/// Requires that there is no such row.
pub(super) fn absent() -> Precondition {
    Some((header::IF_NONE_MATCH, HeaderValue::from_static("*")))
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
    use http::{HeaderMap, StatusCode};

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
        let read = |tag: Option<&'static str>| unchanged(tag.map(HeaderValue::from_static));
        let strong = (header::IF_MATCH, HeaderValue::from_static("\"v1\""));
        assert_eq!(read(Some("\"v1\"")).unwrap(), Some(strong));
        for tag in [None, Some("W/\"v1\""), Some("v1"), Some("\""), Some("")] {
            assert!(read(tag).unwrap_err().is_unsupported(), "{tag:?}");
        }
    }

    #[test]
    fn a_tag_that_is_demanded_is_sent_as_it_came() {
        let mut response = Response::new(StatusCode::OK, "");
        assert!(demanded(None, &response).unwrap_err().is_unsupported());
        let time = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        response.headers_mut().insert(header::LAST_MODIFIED, time.clone());
        let tag = HeaderValue::from_static("W/\"v1\"");
        let sent = demanded(Some(tag.clone()), &response).unwrap();
        assert_eq!(sent, Some((header::IF_MATCH, tag)));
        let sent = demanded(None, &response).unwrap();
        assert_eq!(sent, Some((header::IF_UNMODIFIED_SINCE, time)));
    }

    #[test]
    fn an_absent_row_and_no_precondition() {
        let mut headers = HeaderMap::new();
        headers.extend(Precondition::None);
        assert!(headers.is_empty());
        headers.extend(absent());
        assert_eq!(headers[header::IF_NONE_MATCH], "*");
    }
}
