//! [pure] How a stream reads what has changed since a token that its last run has kept, as data.

use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;
use vantage_api_pool::paging::PagePath;

/// How only what has changed since the last run is read, by a token that the API gives on the last page
/// of a read: a sync token, a delta link or a cursor.
///
/// | key | value |
/// |---|---|
/// | `token` | where the token is in the body of the last page, written like the paths of an [`Envelope`](vantage_api_pool::Envelope). If it is a URL, the token is the parameter `param` in its query |
/// | `param` | the parameter that takes it in the next run, besides those of the endpoint |
/// | `first` | parameters of a read without a token alone, as a map: `{ start_time: "0" }` |
/// | `expired_with` | responses that mean, besides a 410, that a token has expired: a list of statuses, each with a text in the body, `[[400, INVALID_TOKEN]]` |
///
/// ```yaml
/// tables:
///   - name: users
///     id: id
///     api:
///       endpoint: users/delta
///       envelope: { items: value }
///       paging: { by: next_url, next: "['@odata.nextLink']" }
/// jobs:
///   copy:
///     sink: { sqlite: users.db }
///     streams:
///       - { table: users, delta: { token: "['@odata.deltaLink']", param: $deltatoken } }
/// ```
///
/// The token is kept once the run has ended, so an interrupted run goes on where it was. With `for_each`
/// each read has its own. If the token has expired, everything is read again in the same run, and the
/// report says so. If the last page had no token, the next run reads everything, and the report says so
/// as well.
///
/// APIs send what was deleted as rows with a mark: `@removed` (Microsoft Graph), `status: cancelled`
/// (Google Calendar). They are written like any others, so that the mark is in a column; merged, such a
/// row takes the place of the one that it deletes. Rows that were deleted before an expired token was
/// replaced are not told of.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Delta {
    /// Where the token is in the body of the last page.
    pub token: PagePath,
    /// The parameter that takes it.
    pub param: String,
    /// Parameters of a read without a token alone.
    #[serde(default)]
    pub first: IndexMap<String, String>,
    /// Responses that mean, besides a 410, that a token has expired.
    #[serde(default)]
    pub expired_with: Vec<(u16, String)>,
}

impl Delta {
    /// By a token that is there on the last page, in this parameter.
    #[must_use]
    pub fn new(token: PagePath, param: impl Into<String>) -> Self {
        Self { token, param: param.into(), first: IndexMap::new(), expired_with: Vec::new() }
    }

    /// The token in what a page has at its place: a URL without the parameter has none.
    pub(crate) fn token_in(&self, text: String) -> Option<String> {
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let mut fields = url::form_urlencoded::parse(query.as_bytes());
        let own = fields.find(|(name, _)| *name == self.param);
        let own = own.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty());
        let is_url = url::Url::parse(&text).is_ok_and(|url| url.has_host());
        own.or_else(|| (!is_url).then_some(text))
    }

    /// Whether a response means that a token has expired.
    pub(crate) fn is_expired(&self, status: u16, body: &[u8]) -> bool {
        let body = String::from_utf8_lossy(body);
        let is_one = |(own, text): &(u16, String)| *own == status && body.contains(text.as_str());
        status == 410 || self.expired_with.iter().any(is_one)
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delta").field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_text_or_a_parameter_of_a_url() {
        let delta = Delta::new(PagePath::new("next").unwrap(), "$deltatoken");
        for (text, expected) in [
            ("abc", Some("abc")),
            ("a:b", Some("a:b")),
            ("https://a.b/users/delta?$select=id&$deltatoken=x%3D%3D", Some("x==")),
            ("https://a.b/users/delta?%24deltatoken=x", Some("x")),
            ("/users/delta?$deltatoken=x", Some("x")),
            ("https://a.b/users/delta?$skiptoken=x", None),
        ] {
            assert_eq!(delta.token_in(text.to_owned()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_410_always_means_that_it_has_expired() {
        let mut delta = Delta::new(PagePath::new("next").unwrap(), "token");
        assert!(delta.is_expired(410, b"") && !delta.is_expired(400, b"INVALID_TOKEN"));
        delta.expired_with.push((400, "INVALID".into()));
        assert!(delta.is_expired(400, b"INVALID_TOKEN") && !delta.is_expired(400, b"other"));
    }
}
