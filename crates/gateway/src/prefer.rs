//! [pure] What a client prefers (RFC 7240): `Prefer` of a write.

use actix_web::http::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use crate::{Problem, problem::listed};

static PREFER: HeaderName = HeaderName::from_static("prefer");
/// Says which preferences were heeded.
pub(crate) static PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The preferences that exist.
const ALL: [&str; 4] = [
    "return=representation|minimal|headers-only",
    "resolution=merge-duplicates|ignore-duplicates",
    "max-affected=n",
    "handling=strict|lenient",
];

/// What the answer to a write has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// The rows as they are stored now.
    Representation,
    /// Nothing but a status; of an insert, where the row is.
    Minimal,
}

/// What happens to a row whose id is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// 409.
    #[default]
    Refuse,
    /// The row that is there is replaced.
    Merge,
    /// The row that is there stays.
    Ignore,
}

/// The preferences of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefer {
    /// What the answer has; `None` if nothing is said.
    pub(crate) returns: Option<Return>,
    pub(crate) resolution: Resolution,
    pub(crate) max_affected: Option<usize>,
    applied: Vec<String>,
}

impl Prefer {
    /// # Errors
    /// 400 if a preference has a value that does not exist, or does not exist itself and
    /// `handling=strict` is among them.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut prefer = Self::default();
        let mut unknown = Vec::new();
        let mut is_strict = false;
        let texts = headers.get_all(&PREFER).map(|value| value.to_str().unwrap_or("?"));
        for text in texts.flat_map(|text| text.split(',')) {
            let text = text.trim();
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
            match (name.as_str(), value) {
                ("", "") => continue,
                ("handling", "strict") => is_strict = true,
                ("handling", "lenient") => {}
                ("return", "representation") => prefer.returns = Some(Return::Representation),
                ("return", "minimal" | "headers-only") => {
                    prefer.returns = Some(Return::Minimal);
                }
                ("resolution", "merge-duplicates") => prefer.resolution = Resolution::Merge,
                ("resolution", "ignore-duplicates") => prefer.resolution = Resolution::Ignore,
                // What a client means as a bound must not be overlooked.
                ("max-affected", value) => match value.parse() {
                    Ok(most) => prefer.max_affected = Some(most),
                    Err(_) => {
                        return Err(refused()
                            .with_error("max-affected", "it must be a whole number, not below 0"));
                    }
                },
                _ => {
                    unknown.push(text.to_owned());
                    continue;
                }
            }
            prefer.applied.push(format!("{name}={value}"));
        }
        if is_strict && !unknown.is_empty() {
            let what = format!("there is no such preference; there are: {}", listed(ALL));
            let add = |problem: Problem, name| problem.with_error(name, what.clone());
            return Err(unknown.into_iter().fold(refused(), add));
        }
        Ok(prefer)
    }

    /// The field that says what was heeded, if anything was said.
    pub(crate) fn applied(&self) -> Option<HeaderValue> {
        if self.applied.is_empty() {
            return None;
        }
        HeaderValue::try_from(self.applied.join(", ")).ok()
    }
}

fn refused() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_preference", "a preference cannot be heeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Result<Prefer, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(PREFER.clone(), HeaderValue::from_static(text));
        Prefer::of(&headers)
    }

    #[test]
    fn what_is_heeded_is_said() {
        let prefer = of("return=minimal, resolution=merge-duplicates,max-affected=3").unwrap();
        assert_eq!(prefer.returns, Some(Return::Minimal));
        assert_eq!((prefer.resolution, prefer.max_affected), (Resolution::Merge, Some(3)));
        let applied = prefer.applied().unwrap();
        assert_eq!(applied, "return=minimal, resolution=merge-duplicates, max-affected=3");
        assert!(of("wait=5").unwrap().applied().is_none());
    }

    #[test]
    fn an_unknown_preference_is_refused_if_handling_is_strict() {
        assert_eq!(of("handling=strict, wait=5").unwrap_err().kind(), "invalid_preference");
        assert!(of("handling=lenient, wait=5").is_ok());
        assert!(of("max-affected=many").is_err());
    }
}
