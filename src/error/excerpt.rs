//! [pure] The start of a body as text to show, with secrets that it may repeat masked.

use std::{borrow::Cow, sync::Arc};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::Error;
use crate::response::Response;

/// How much of a body [`Error::body_start`] hands out, in bytes.
const BODY_START: usize = 512;

/// What replaces a secret.
const MASK: &str = "***";
/// The least length of a secret that is masked, in bytes; shorter ones occur in ordinary words.
const LEAST_SECRET: usize = 4;

impl Error {
    /// Masks these secrets in the start of the body.
    pub(crate) fn with_secrets(mut self, secrets: Vec<Arc<SecretString>>) -> Self {
        self.0.secrets = secrets;
        self
    }

    /// The start of the response body as text: at most 512 bytes, cut at a character boundary, with
    /// `***` in place of the token and the `Authorization` that the request was sent with. It may
    /// contain anything else that the server echoes, so neither `Display` nor `Debug` includes it.
    #[must_use]
    pub fn body_start(&self) -> Option<Cow<'_, str>> {
        let response = self.0.response.as_ref()?;
        let secrets = response.secret().into_iter().chain(&self.0.secrets);
        let secrets = secrets.map(|secret| secret.expose_secret());
        Some(excerpt(response.body(), BODY_START, &secrets.collect::<Vec<_>>()))
    }
}

/// `text`, with the token that the request of `response` was sent with masked.
pub(crate) fn without_secret(response: &Response, text: String) -> String {
    let secret = response.secret().map(|secret| secret.expose_secret());
    match secret.filter(|secret| secret.len() >= LEAST_SECRET) {
        Some(secret) => masked(Cow::Owned(text), secret).into_owned(),
        None => text,
    }
}

/// At most `most` bytes from the start of `body`, cut at a character boundary, with `secrets`
/// masked.
fn excerpt<'a>(body: &'a [u8], most: usize, secrets: &[&str]) -> Cow<'a, str> {
    let secrets = secrets.iter().filter(|secret| secret.len() >= LEAST_SECRET);
    // A secret that begins before the limit must be seen as a whole, even percent-encoded.
    let longest = secrets.clone().map(|secret| secret.len() * 3).max().unwrap_or_default();
    let text = String::from_utf8_lossy(&body[..body.len().min(most + longest)]);
    let text = secrets.fold(text, |text, secret| masked(text, secret));
    if text.len() <= most && body.len() <= most {
        return text;
    }
    // A character cut at the limit decodes to one replacement character.
    let text = &text[..text.floor_char_boundary(most)];
    Cow::Owned(text.trim_end_matches('\u{fffd}').to_owned())
}

/// `text` with `secret` masked, both as it is and percent-encoded.
fn masked<'a>(text: Cow<'a, str>, secret: &str) -> Cow<'a, str> {
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    [secret, &encoded].into_iter().fold(text, |text, secret| match text.contains(secret) {
        true => Cow::Owned(text.replace(secret, MASK)),
        false => text,
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn the_start_of_a_body_ends_on_a_character_boundary() {
        let body = format!("{}é tail", "x".repeat(BODY_START - 1));
        let error = Error::status_of(Response::new(StatusCode::BAD_REQUEST, body));
        assert_eq!(error.body_start().unwrap(), "x".repeat(BODY_START - 1));
    }

    #[test]
    fn the_start_of_a_body_does_not_repeat_what_was_secret() {
        let secret = |text: &str| Arc::new(SecretString::from(text));
        let error = |body: &str| {
            let response = Response::new(StatusCode::BAD_REQUEST, body.to_owned());
            let response = response.with_secret(Some(&secret("canary/token+")));
            Error::status_of(response).with_secrets(vec![secret("basic-canary"), secret("a")])
        };
        for (body, start) in [
            (r#"{"token":"canary/token+"}"#, r#"{"token":"***"}"#),
            ("canary%2Ftoken%2B and basic-canary", "*** and ***"),
            ("a canary", "a canary"),
        ] {
            let error = error(body);
            assert_eq!(error.body_start().unwrap(), start);
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        for before in [500, 505, 511, 512] {
            let long = format!("{}canary/token+{}", "x".repeat(before), "y".repeat(100));
            let error = error(&long);
            let start = error.body_start().unwrap();
            assert!(!start.contains("can") && start.len() <= BODY_START, "{before}: {start}");
            assert!(start.starts_with(&"x".repeat(before)));
        }
    }
}
