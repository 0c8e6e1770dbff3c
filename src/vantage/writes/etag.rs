//! [pure] Entity tags, and the preconditions made of them.

use http::{HeaderMap, HeaderValue, header};
use vantage_core::{VantageError, error};

use crate::http::Response;

/// What the row must be like for a write to go ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Precondition {
    #[default]
    None,
    /// As it was when it had this tag.
    Unchanged(HeaderValue),
    /// Not there.
    Absent,
}

impl Precondition {
    /// That the row is still as `response` says.
    ///
    /// # Errors
    /// `Unsupported` when the answer carries no strong tag: `If-Match` compares
    /// strongly, so that a weak one would never match (RFC 9110 section 13.1.1).
    pub(super) fn unchanged(response: &Response) -> Result<Self, VantageError> {
        let refused = |what: &str| error!(what).mark_unsupported();
        let tag = response
            .headers()
            .get(header::ETAG)
            .ok_or_else(|| refused("the API sends no entity tag with the row"))?;
        match tag.as_bytes() {
            [b'"', .., b'"'] => Ok(Self::Unchanged(tag.clone())),
            [b'W', b'/', ..] => Err(refused("the API sends a weak entity tag with the row")),
            _ => Err(refused("the entity tag of the row is none")),
        }
    }

    /// That the row is still as `response` says, in the words of the API: a weak tag
    /// too. For a write that needs no condition but where the API wants one; at worst it
    /// is refused.
    ///
    /// # Errors
    /// `Unsupported` when the answer carries no tag.
    pub(super) fn demanded(response: &Response) -> Result<Self, VantageError> {
        let what = "the API takes no write of a row without `If-Match`, and sends no entity tag \
                    with the row";
        let tag = response.headers().get(header::ETAG);
        tag.map(|tag| Self::Unchanged(tag.clone())).ok_or_else(|| error!(what).mark_unsupported())
    }

    pub(super) fn put_into(self, headers: &mut HeaderMap) {
        match self {
            Self::None => None,
            Self::Unchanged(tag) => headers.insert(header::IF_MATCH, tag),
            Self::Absent => headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*")),
        };
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn only_a_strong_tag_is_a_precondition() {
        let read = |tag: Option<&'static str>| {
            let mut response = Response::new(StatusCode::OK, "{}");
            if let Some(tag) = tag {
                response.headers_mut().insert(header::ETAG, HeaderValue::from_static(tag));
            }
            Precondition::unchanged(&response)
        };
        let mut headers = HeaderMap::new();
        read(Some("\"v1\"")).unwrap().put_into(&mut headers);
        assert_eq!(headers[header::IF_MATCH], "\"v1\"");
        for tag in [None, Some("W/\"v1\""), Some("v1"), Some("\""), Some("")] {
            assert!(read(tag).unwrap_err().is_unsupported(), "{tag:?}");
        }
    }

    #[test]
    fn a_tag_that_is_demanded_is_sent_as_it_came() {
        let mut response = Response::new(StatusCode::OK, "{}");
        assert!(Precondition::demanded(&response).unwrap_err().is_unsupported());
        response.headers_mut().insert(header::ETAG, HeaderValue::from_static("W/\"v1\""));
        let mut headers = HeaderMap::new();
        Precondition::demanded(&response).unwrap().put_into(&mut headers);
        assert_eq!(headers[header::IF_MATCH], "W/\"v1\"");
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
