//! What a token endpoint answers (RFC 6749 section 5), read as leniently as it is written:
//! only what the token needs is looked at, and an error names the field.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind},
    response::Response,
    token_manager::Token,
};

/// The longest lifetime that is told apart, 136 years.
const LONGEST: f64 = u32::MAX as f64;

/// The longest word for a refusal that is repeated in an error.
const LONGEST_CODE: usize = 40;

/// The fields of an answer, each as JSON.
type Fields = BTreeMap<String, Box<RawValue>>;

/// The token in an answer. No word of the endpoint's own is in an error.
///
/// # Errors
/// [`ErrorKind::Token`] for a refusal, whatever the status, and for an answer without a token.
pub(super) fn token(answer: &Response) -> Result<Token, Error> {
    let is_success = answer.status().is_success();
    let Some(fields) = fields(answer) else {
        return Err(match is_success {
            true => no_response("it is no JSON object"),
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
    Ok(match fields.get("expires_in").and_then(|field| lifetime(field.get())) {
        Some(lifetime) => token.expires_in(lifetime),
        None => token,
    })
}

/// Whether an error is a refusal that the protocol has words for (RFC 6749 section 5.2): by its
/// status, or by an `error` in its body.
pub(super) fn is_refusal(answer: &Response) -> bool {
    let status = answer.status();
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED)
        || status.is_client_error()
            && fields(answer).is_some_and(|fields| refusal(&fields).is_some())
}

/// The fields of an answer in JSON, or in a form where its type says so, as older endpoints
/// answer. A field that occurs twice counts as the last.
fn fields(answer: &Response) -> Option<Fields> {
    // What is no UTF-8 may be in a field that nobody needs.
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

/// The word for a refusal, where there is one: `Some(None)` for one that is not to be repeated.
fn refusal(fields: &Fields) -> Option<Option<String>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said<'a> {
        Nothing(()),
        Flag(bool),
        Number(f64),
        Word(#[serde(borrow)] Cow<'a, str>),
        List(Vec<serde::de::IgnoredAny>),
        More(serde::de::IgnoredAny),
    }
    match serde_json::from_str(fields.get("error")?.get()) {
        Ok(Said::Nothing(()) | Said::Flag(false)) => None,
        Ok(Said::Number(0.0)) => None,
        Ok(Said::List(list)) if list.is_empty() => None,
        Ok(Said::Word(word)) if word.trim().is_empty() => None,
        Ok(Said::Word(word)) => Some(is_code(&word).then(|| word.into_owned())),
        _ => Some(None),
    }
}

/// A lifetime in seconds, as a number or as text. Without a number above zero a token is used
/// until the API refuses it, as one without a lifetime is.
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

/// Whether a word may be repeated: words joined by underscores, as those of RFC 6749 section 5.2
/// and its extensions are. Anything else may be what the endpoint echoes.
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
        "the answer of the token endpoint is no token response (RFC 6749 section 5): {what}"
    );
    Error::new(ErrorKind::Token, what)
}
