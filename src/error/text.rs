//! [pure] The text of errors.

use std::{borrow::Cow, error::Error as _, fmt};

use http::header::LOCATION;

use super::{Error, Inner, excerpt::without_secret};
use crate::response::Response;

/// The most characters of a URL that are shown.
const MOST_SHOWN: usize = 200;

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_told = self.is_told && !f.alternate();
        if is_told {
            f.write_str(if self.is_retryable() { "retryable" } else { "final" })?;
        } else {
            write!(f, "{}: {}", self.kind.name(), self.message)?;
            let status = self.response.as_ref().map(|response| response.status().as_u16());
            if let Some(status) = status.filter(|code| !self.message.ends_with(&format!(" {code}")))
            {
                write!(f, " (status {status})")?;
            }
            if let Some(page) = self.page {
                write!(f, " (page {page})")?;
            }
        }
        if let Some(wait) = self.wait {
            write!(f, ", the wait would be {wait:.1?}")?;
        }
        match self.attempts {
            0 => {}
            _ if is_told => write!(f, " after {:.1?}", self.elapsed)?,
            1 => write!(f, " after 1 attempt in {:.1?}", self.elapsed)?,
            attempts => write!(f, " after {attempts} attempts in {:.1?}", self.elapsed)?,
        }
        match self.response.as_ref().and_then(target).filter(|_| !is_told) {
            Some(target) => write!(f, " ({target})"),
            None => Ok(()),
        }
    }
}

/// What the server responded instead of what was requested. For a redirect it names the target,
/// without user, query and fragment.
pub(super) fn answered(response: &Response) -> Cow<'static, str> {
    let status = response.status();
    let location = response.headers().get(LOCATION).filter(|_| status.is_redirection());
    match location {
        Some(location) => {
            let shown = without_query(&String::from_utf8_lossy(location.as_bytes()));
            let target = if shown.is_empty() { "another query" } else { &shown };
            format!("the server redirects the request to {target}").into()
        }
        None if status.is_client_error() => "the server refused the request".into(),
        None => format!("the server answered {}", status.as_u16()).into(),
    }
}

/// The method and the path of the request, such as `GET /rows`. Segments of the path that may be
/// secret are not shown.
fn target(response: &Response) -> Option<String> {
    let path = response.url()?.path();
    let segments = path.split('/').map(|part| match part.is_empty() {
        true => "",
        false => shown_name(part).unwrap_or("…"),
    });
    let path = segments.collect::<Vec<_>>().join("/");
    // A secret is seen as a whole before the path is cut.
    let path = without_secret(response, path);
    let shown: String = path.chars().take(MOST_SHOWN).collect();
    Some(format!("{} {shown}", response.method()))
}

/// The name of a key or of a part of a path, unless it may be data: it is one of at most 40
/// characters that names have, and none of more than 20 with a digit in it, as keys of APIs are.
pub(crate) fn shown_name(name: &str) -> Option<&str> {
    let rest = name.strip_prefix('@').unwrap_or(name);
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-.$ %~".contains(letter);
    let has_digit = rest.bytes().any(|byte| byte.is_ascii_digit());
    let most = if has_digit { 20 } else { 40 };
    (rest.chars().count() <= most && rest.chars().all(is_plain)).then_some(name)
}

/// The part of a URL that may be shown: without user info, query and fragment, and not too long. A
/// password may hold any character, so of an authority whose port is not a number nothing is shown, nor
/// of what follows it.
pub(crate) fn without_query(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let shown = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            let (_, port) = host.rsplit_once(':').unwrap_or_default();
            let is_valid = port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
            match is_valid {
                true => format!("{scheme}//{host}{path}"),
                false => format!("{scheme}//…"),
            }
        }
        _ => url.to_owned(),
    };
    shown.chars().take(MOST_SHOWN).collect()
}

impl Error {
    /// For use as the source of an error that already has the [`reason`](Self::reason), the kind,
    /// the status, the page and the attempts: its text is only what is left.
    pub(crate) fn told(mut self) -> Self {
        self.0.is_told = true;
        self
    }

    /// The same, whose message names `cause`, the error of the last attempt.
    pub(crate) fn because_of(mut self, cause: &Self) -> Self {
        let (message, why) = (&self.0.message, &cause.0.message);
        self.0.message = format!("{message}; the last attempt failed: {why}").into();
        self
    }

    /// What went wrong, and why, in one line.
    pub(crate) fn reason(&self) -> String {
        let mut reason = self.0.message.to_string();
        let mut cause = self.source();
        while let Some(why) = cause {
            let why_text = why.to_string();
            // Some errors repeat their source.
            if !reason.contains(&why_text) {
                reason = format!("{reason}: {why_text}");
            }
            cause = why.source();
        }
        reason
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("delivery", &inner.delivery)
            .field("status", &self.status())
            .field("attempts", &inner.attempts)
            .field("elapsed", &inner.elapsed)
            .field("wait", &inner.wait)
            .field("page", &inner.page)
            .field("source", &inner.source)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("/rows/7/?key=canary#canary", "/rows/7/"),
            ("https://user:canary@host:8/rows//7", "https://host:8/rows//7"),
            ("https://user:canary@host:8/a@b/?key=x", "https://host:8/a@b/"),
            ("https://user:canary@host", "https://host"),
            ("//canary@host/a@b", "//host/a@b"),
            ("//canary@host", "//host"),
            ("/a//b@c", "/a//b@c"),
            ("rows/@me#?", "rows/@me"),
            ("https://[::1]/rows?key=canary", "https://[::1]/rows"),
            ("https://user:canary@[::1]:8/rows", "https://[::1]:8/rows"),
            // apache/maka#4597, ansible/apme#354: a password with the sign that ends it.
            ("https://user:can@ary@host/rows", "https://host/rows"),
            // bug-ops/deps-lsp#826, CherryHQ/cherry-studio#20324: one that ends the authority.
            ("https://user:can?ary@host/rows", "https://…"),
            ("https://user:can#ary@host/rows", "https://…"),
            ("https://user:can/ary@host/rows", "https://…"),
            ("?key=canary", ""),
        ] {
            assert_eq!(without_query(url), shown);
        }
        assert_eq!(without_query(&"\u{e9}".repeat(999)).chars().count(), MOST_SHOWN);
    }

    #[test]
    fn an_error_names_the_request_without_what_may_be_secret() {
        for (url, shown) in [
            ("https://host/v1/rows?key=canary", "GET /v1/rows"),
            ("https://host/a/5f0c3e9a7b1d4c2e8f6a11/b/", "GET /a/…/b/"),
            ("https://host/bot123:canary/rows", "GET /…/rows"),
            ("https://host", "GET /"),
        ] {
            let url = std::sync::Arc::new(url.parse().unwrap());
            let response = Response::new(StatusCode::NOT_FOUND, "");
            let error = Error::status_of(response.with_url(&url, &http::Method::GET, false));
            let said = format!("status: the server refused the request (status 404) ({shown})");
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn a_redirect_to_another_query_says_so() {
        let mut response = Response::new(StatusCode::FOUND, "");
        response.headers_mut().insert(LOCATION, "?key=canary".parse().unwrap());
        assert_eq!(answered(&response), "the server redirects the request to another query");
    }

    #[test]
    fn what_another_error_tells_is_not_told_again() {
        let error = Error::status_of(Response::new(StatusCode::SERVICE_UNAVAILABLE, ""))
            .with_source(std::io::Error::other("because"))
            .with_effort(3, Duration::from_secs(1));
        assert_eq!(error.to_string(), "status: the server answered 503 after 3 attempts in 1.0s");
        assert_eq!(error.reason(), "the server answered 503: because");
        let told = error.clone().told();
        assert_eq!(told.to_string(), "retryable after 1.0s");
        assert_eq!(format!("{told:#}"), error.to_string());
    }
}
