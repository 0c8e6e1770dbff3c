//! [pure] What of the URL of a next page is followed, and how it is shown.

use url::Url;

use super::strategy::UrlPart;
use crate::http::BaseUrl;

/// The part of a next URL that is followed in a read of `endpoint`, unless it is the whole.
pub(super) fn followed(url: &str, part: UrlPart, endpoint: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|_| part != UrlPart::Whole)?;
    let path = match part {
        UrlPart::Query => endpoint.split(['?', '#']).next().unwrap_or_default(),
        UrlPart::Whole | UrlPart::PathAndQuery => url.path(),
    };
    Some(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

/// The same URL with `https`, if nothing else keeps its origin from being that of `base`: a
/// server behind a proxy that ends TLS does not know of it.
pub(super) fn secured(url: &str, base: &BaseUrl) -> Option<String> {
    let base = Url::parse(base.origin()).ok()?;
    let mut url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    url.set_scheme("https").ok()?;
    (url.origin() == base.origin()).then(|| url.into())
}

/// A URL without what may be a secret.
pub(super) fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        Err(_) => "another place".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_taken_for_https_where_nothing_else_differs() {
        let of = |base: &str, url: &str| secured(url, &BaseUrl::parse(base).unwrap());
        let https = "https://api.example/v1";
        assert_eq!(
            of(https, "http://api.example/v1/rows?page=2").as_deref(),
            Some("https://api.example/v1/rows?page=2")
        );
        assert!(of("https://api.example:8443", "http://api.example:8443/2").is_some());
        assert!(of("https://api.example", "http://API.example:80/2").is_some());
        for url in [
            "http://other.example/2",
            "http://api.example:8080/2",
            "https://api.example/2",
            "ftp://api.example/2",
            "/2",
        ] {
            assert_eq!(of(https, url), None, "{url}");
        }
        assert_eq!(of("http://api.example", "http://api.example/2"), None);
        assert_eq!(of("https://api.example:8443", "http://api.example/2"), None);
    }

    #[test]
    fn a_part_of_a_url_is_followed() {
        let url = "http://inner:8000/prefix/rows?page=2&size=5";
        assert_eq!(followed(url, UrlPart::Whole, "/rows"), None);
        let query = followed(url, UrlPart::Query, "/api/rows?page=1");
        assert_eq!(query.as_deref(), Some("/api/rows?page=2&size=5"));
        let path = followed(url, UrlPart::PathAndQuery, "/rows");
        assert_eq!(path.as_deref(), Some("/prefix/rows?page=2&size=5"));
    }

    #[test]
    fn a_url_is_shown_without_its_query_and_its_password() {
        assert_eq!(shown("http://u:secret@h.example:81/a?token=secret"), "http://h.example:81/a");
        assert_eq!(shown("::"), "another place");
    }
}
