//! [pure] A place in the bodies of pages, as users of pages name it.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    error::{Error, ErrorKind},
    path::Path,
};

/// A place in the body of a page, read like [those of an envelope](crate::Envelope#paths): where
/// [`PaginatedStream::on_text_at`](crate::PaginatedStream::on_text_at) looks.
///
/// ```
/// use vantage_api_pool::paging::PagePath;
///
/// assert!(PagePath::new("['@odata.deltaLink']").is_ok());
/// assert!(PagePath::new("meta[").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PagePath(Path);

impl PagePath {
    /// The place at this path.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for one that is invalid.
    pub fn new(path: &str) -> Result<Self, Error> {
        let parsed = Path::parse_strictly(path);
        parsed
            .map(Self)
            .map_err(|what| Error::new(ErrorKind::Config, format!("the path `{path}`: {what}")))
    }

    /// The first text or number there; an empty text counts as none.
    pub(super) fn text_in(&self, body: &str) -> Option<String> {
        let mut found = None;
        self.0.any(body, |value| {
            let text = serde_json::from_str::<Cow<'_, str>>(value).map(Cow::into_owned);
            let number = || value.parse::<serde_json::Number>().map(|_| value.to_owned());
            found = text.or_else(|_| number()).ok().filter(|text| !text.is_empty());
            found.is_some()
        });
        found
    }
}

impl fmt::Display for PagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for PagePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_text_or_a_number() {
        let body = r#"{"a": {"b": "x"}, "@c.d": "y", "n": 7, "e": "", "l": [1], "z": null}"#;
        for (path, expected) in [
            ("a.b", Some("x")),
            ("/a/b", Some("x")),
            ("['@c.d']", Some("y")),
            ("@c.d", Some("y")),
            ("n", Some("7")),
            ("l[0]", Some("1")),
            ("e", None),
            ("l", None),
            ("z", None),
            ("other", None),
        ] {
            let found = PagePath::new(path).unwrap().text_in(body);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        assert_eq!(PagePath::new("a").unwrap().text_in("<not json>"), None);
    }
}
