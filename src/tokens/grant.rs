//! Parses the response of a token endpoint (RFC 6749 section 5) leniently: only the fields that
//! the token needs are read, and an error names the field.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, value::RawValue};

use crate::{
    error::{Error, ErrorKind},
    response::Response,
    token_manager::Token,
};

/// The longest lifetime that is distinguished, 136 years.
const LONGEST: f64 = u32::MAX as f64;

/// The longest error code that is repeated in an error.
const LONGEST_CODE: usize = 40;

/// The fields of a response, each as JSON.
type Fields = BTreeMap<String, Box<RawValue>>;

/// What a token endpoint grants.
pub(super) struct Granted {
    pub(super) token: Token,
    /// The refresh token for the next request, if the response has one.
    pub(super) refresh_token: Option<SecretString>,
}

/// The token in a response. Errors contain no text of the endpoint, except a known error code.
///
/// # Errors
/// [`ErrorKind::Token`] for a refusal, whatever the status, and for a response without a token.
pub(super) fn granted(answer: &Response) -> Result<Granted, Error> {
    let is_success = answer.status().is_success();
    let Some(fields) = fields(answer) else {
        return Err(match is_success {
            true => no_response("it is not a JSON object"),
            false => refused(answer.status(), None),
        });
    };
    match refusal(&fields) {
        Some(code) => return Err(refused(answer.status(), code.as_deref())),
        None if !is_success => return Err(refused(answer.status(), None)),
        None => {}
    }
    let Some(token) = fields.get("access_token") else {
        return Err(no_response("it has no `access_token`"));
    };
    let token: String = serde_json::from_str(token.get())
        .map_err(|_| no_response("its `access_token` is not a text"))?;
    if token.trim().is_empty() {
        let what = "the token endpoint handed out an empty token in `access_token`";
        return Err(Error::new(ErrorKind::Token, what));
    }
    let token = Token::new(token);
    let token = match fields.get("expires_in").and_then(|field| lifetime(field.get())) {
        Some(lifetime) => token.expires_in(lifetime),
        None => token,
    };
    let refresh_token = fields.get("refresh_token");
    let refresh_token: Option<String> =
        refresh_token.and_then(|field| serde_json::from_str(field.get()).ok());
    let refresh_token = refresh_token.filter(|token| !token.trim().is_empty());
    Ok(Granted { token, refresh_token: refresh_token.map(Into::into) })
}

/// Whether an error is a refusal as the protocol defines it (RFC 6749 section 5.2): by its
/// status, or by an `error` in its body.
pub(super) fn is_refusal(answer: &Response) -> bool {
    let status = answer.status();
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED)
        || status.is_client_error()
            && fields(answer).is_some_and(|fields| refusal(&fields).is_some())
}

/// The fields of a response in JSON, or in form encoding if its content type says so, as older
/// endpoints respond. If a field occurs twice, the last one counts.
fn fields(answer: &Response) -> Option<Fields> {
    // Invalid UTF-8 may be in a field that nobody needs.
    let text = String::from_utf8_lossy(answer.body());
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let kind = answer.headers().get(http::header::CONTENT_TYPE);
    let kind = kind.map_or(&b""[..], http::HeaderValue::as_bytes).to_ascii_lowercase();
    if kind.starts_with(b"application/x-www-form-urlencoded") {
        let pairs = url::form_urlencoded::parse(text.trim().as_bytes());
        let field = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            let value = serde_json::value::to_raw_value(&*value).ok()?;
            Some((name.into_owned(), value))
        };
        return pairs.map(field).collect();
    }
    serde_json::from_str(text).ok()
}

/// The error code of a refusal, if it is one: `Some(None)` for a code that must not be repeated.
fn refusal(fields: &Fields) -> Option<Option<String>> {
    match serde_json::from_str(fields.get("error")?.get()) {
        Ok(Value::Null | Value::Bool(false)) => None,
        Ok(Value::Number(number)) if number.as_f64() == Some(0.0) => None,
        Ok(Value::Array(list)) if list.is_empty() => None,
        Ok(Value::String(word)) if word.trim().is_empty() => None,
        Ok(Value::String(word)) => Some(is_code(&word).then_some(word)),
        _ => Some(None),
    }
}

/// A lifetime in seconds, as a number or a string. Without a number above zero the token is used
/// until the API refuses it, like a token without a lifetime.
fn lifetime(field: &str) -> Option<Duration> {
    let text = serde_json::from_str::<Cow<'_, str>>(field);
    let number = text.as_deref().map_or(field, str::trim);
    let seconds = number.parse::<f64>().ok().filter(|seconds| !seconds.is_nan());
    if seconds.is_none() && field != "null" {
        tracing::warn!("the token endpoint's `expires_in` is not a number, and is passed over");
    }
    let seconds = seconds.filter(|seconds| *seconds > 0.0)?;
    Duration::try_from_secs_f64(seconds.min(LONGEST)).ok()
}

/// Whether a code may be repeated: words joined by underscores, like those of RFC 6749 section 5.2
/// and its extensions. Anything else may be an echo of secrets.
fn is_code(word: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    word.len() <= LONGEST_CODE && word.contains('_') && word.split('_').all(is_word)
}

fn refused(status: StatusCode, code: Option<&str>) -> Error {
    let (colon, code) = code.map_or(("", ""), |code| (": ", code));
    let what = format!("the token endpoint refused{colon}{code} (status {})", status.as_u16());
    Error::new(ErrorKind::Token, what)
}

fn no_response(what: &str) -> Error {
    let what = format!(
        "what the token endpoint sent is not a token response (RFC 6749 section 5): {what}"
    );
    Error::new(ErrorKind::Token, what)
}
