//! [pure] Which part of the URL of a next page is followed, and how it is shown.

use http::Uri;
use url::{Url, form_urlencoded};

use super::strategy::UrlPart;
use crate::{base_url::BaseUrl, error::without_query};

/// The part of a next URL that is followed in a read of `endpoint`, unless it is the whole URL.
pub(super) fn followed(url: &str, part: UrlPart, endpoint: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|_| part != UrlPart::Whole)?;
    let path = match part {
        UrlPart::Query => endpoint.split(['?', '#']).next().unwrap_or_default(),
        UrlPart::Whole | UrlPart::PathAndQuery => url.path(),
    };
    Some(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

/// The same URL with `https`, if its origin is otherwise that of `base`: a server behind a proxy
/// that terminates TLS does not know of it.
pub(super) fn secured(url: &str, base: &BaseUrl) -> Option<String> {
    let base = Url::parse(base.origin()).ok()?;
    let mut url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    url.set_scheme("https").ok()?;
    (url.origin() == base.origin()).then(|| url.into())
}

/// Whether `url` is `endpoint` with nothing but additional parameters: the same path, and each of
/// its own parameters unchanged. Some servers ignore the case of names.
pub(super) fn is_of(url: &Uri, endpoint: &Uri) -> bool {
    let parameters = |url: &Uri| -> Vec<(String, String)> {
        form_urlencoded::parse(url.query().unwrap_or_default().as_bytes()).into_owned().collect()
    };
    let own = parameters(endpoint);
    let is_own = |name: &str| own.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let mut named = parameters(url);
    named.retain(|(name, _)| is_own(name));
    url.path() == endpoint.path() && named == own
}

/// A URL without parts that may be secret.
pub(super) fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => without_query(url.as_str()),
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
    fn what_is_of_the_endpoint_has_its_path_and_its_own_parameters() {
        let is_of = |url: &str, endpoint: &str| {
            let uri = |target: &str| BaseUrl::parse("http://h.example").unwrap().join(target);
            super::is_of(&uri(url).unwrap(), &uri(endpoint).unwrap())
        };
        for url in ["/rows?a=1&b=2", "/rows?page=2&a=1&b=2", "/rows?a=1&page=2&b=2&c"] {
            assert!(is_of(url, "/rows?a=1&b=2"), "{url}");
        }
        for url in [
            "/rows",
            "/rows?a=1",
            "/rows?b=2&a=1",
            "/rows?a=1&b=3",
            "/rows?a=1&b=2&b=3",
            "/rows?a=1&b=2&B=3",
            "/rows?a=1&b=2&%61=3",
            "/rows/?a=1&b=2",
            "/rows/7?a=1&b=2",
            "/rows;x?a=1&b=2",
        ] {
            assert!(!is_of(url, "/rows?a=1&b=2"), "{url}");
        }
        assert!(is_of("/rows?page=2", "/rows") && !is_of("/row?page=2", "/rows"));
    }

    #[test]
    fn a_url_is_shown_without_its_query_and_its_password() {
        assert_eq!(shown("http://u:secret@h.example:81/a?token=secret"), "http://h.example:81/a");
        assert_eq!(shown("::"), "another place");
    }
}
