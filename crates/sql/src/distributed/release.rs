//! [pure] What a worker says of itself: its release, and which process it is.

use url::Url;

use crate::error::SqlError;

/// Processes of different releases do not understand each other's plans.
const RELEASE: &str = concat!("vantage-api-sql ", env!("CARGO_PKG_VERSION"));

/// How much of another answer is shown, in characters.
const LONGEST: usize = 100;

/// The process that a worker is: one that was started again is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incarnation(String);

impl Incarnation {
    /// That of a process with this number, which was started then, in nanoseconds.
    pub(super) fn new(process: u32, started: u128) -> Self {
        Self(format!("{process}-{started}"))
    }

    /// What it says of itself.
    pub(super) fn answer(&self) -> String {
        format!("{RELEASE} {}", self.0)
    }

    /// # Errors
    /// If the answer is that of another release, or of something else.
    pub(super) fn of_answer(worker: &Url, answer: &str) -> Result<Self, SqlError> {
        match answer.rsplit_once(' ') {
            Some((RELEASE, own)) => Ok(Self(own.to_owned())),
            _ => {
                let answer: String = answer.chars().take(LONGEST).collect();
                let what =
                    format!("{worker} is not of the release `{RELEASE}`, but says {answer:?}");
                Err(SqlError::Workers(what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_of_another_release_is_named() {
        let worker = Url::parse("http://127.0.0.1:7001").unwrap();
        let own = Incarnation::new(7, 8);
        assert_eq!(Incarnation::of_answer(&worker, &own.answer()).unwrap(), own);
        let error = Incarnation::of_answer(&worker, "other 1.0 7-8").unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:7001") && error.contains("other 1.0"), "{error}");
    }
}
