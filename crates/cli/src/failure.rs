//! Why a command fails, what to do then, and its exit code.

use std::{error::Error as _, fmt, process::ExitCode};

use vantage_api_ingest::{
    Error,
    description::DescriptionError,
    report::{Outcome, Report},
};
use vantage_api_pool::ErrorKind;

use crate::output;

const INCOMPLETE: &str = "not everything is complete";
const AGAIN: &str = "run it again: what broke off goes on from its last commit";
const AUTH: &str = "see whether `auth` is right";
const BASE_URL: &str = "see whether `base_url` is right, and can be reached from here";
const PROXY: &str =
    "see whether the proxy is right: its setting, or HTTPS_PROXY in the environment";
const ENDPOINT: &str = "see whether `base_url` and `endpoint` are right";
const SHAPE: &str = "see whether `endpoint`, `paging`, and `envelope` or `extract` are right";

/// Why a command fails.
pub(crate) enum Failure {
    /// A stream failed or does not add up, which was told already; with what to do next, by stream
    /// where that is not to run it again. Exit code 1.
    Incomplete(Vec<String>),
    /// The API or the sink failed. Exit code 1.
    Run(String),
    /// The description, or what is asked for, is not right. Exit code 2.
    Usage(String),
}

impl Failure {
    pub(crate) fn run(error: impl fmt::Display) -> Self {
        Self::Run(error.to_string())
    }

    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// What `reports` tell, not all of which is complete.
    pub(crate) fn incomplete<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Self {
        let (mut advice, mut is_again) = (Vec::new(), false);
        for report in reports {
            for stream in &report.streams {
                let known = match &stream.outcome {
                    Outcome::Complete => continue,
                    Outcome::Failed(error) => advice_on_told(error),
                    _ => None,
                };
                match known {
                    Some(known) => {
                        advice.push(format!("{}.{}: {known}", report.job, stream.stream));
                    }
                    None => is_again = true,
                }
            }
        }
        if is_again || advice.is_empty() {
            advice.push(AGAIN.to_owned());
        }
        Self::Incomplete(advice)
    }

    pub(crate) fn aborted() -> Self {
        Self::run("aborted; what was committed stays").advising("run it again: it goes on there")
    }

    /// The same, with what to do next.
    pub(crate) fn advising(self, advice: &str) -> Self {
        let with_advice = |what: String| format!("{what}\n  -> {advice}");
        match self {
            Self::Incomplete(_) => self,
            Self::Run(what) => Self::Run(with_advice(what)),
            Self::Usage(what) => Self::Usage(with_advice(what)),
        }
    }

    /// The same, with what to do next if that is known.
    fn with_advice(self, advice: Option<String>) -> Self {
        match advice {
            Some(advice) => self.advising(&advice),
            None => self,
        }
    }

    pub(crate) fn tell(&self) {
        match self {
            Self::Incomplete(advice) => {
                let advice = advice.iter().map(|advice| format!("\n  -> {advice}"));
                output::error(format_args!("{INCOMPLETE}{}", advice.collect::<String>()));
            }
            Self::Run(what) | Self::Usage(what) => output::error(what),
        }
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Incomplete(_) | Self::Run(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

/// That there is nothing of this name, and which names there are.
pub(crate) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> Failure {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let advice = (!known.is_empty()).then(|| format!("there is `{}`", known.join("`, `")));
    Failure::usage(format_args!("{what} `{name}`")).with_advice(advice)
}

impl From<DescriptionError> for Failure {
    fn from(error: DescriptionError) -> Self {
        let failure = match error.snippet() {
            Some(snippet) => Self::Usage(format!("{error}\n{snippet}")),
            None => Self::usage(&error),
        };
        failure.with_advice(mending(&error))
    }
}

/// How a description is put right, where its error does not say so.
fn mending(error: &DescriptionError) -> Option<String> {
    if error.source().is_some() {
        return Some("name a file with a description; `apipool demo` shows one".to_owned());
    }
    let name = error.message().strip_prefix("the variable `")?.strip_suffix("` has no value")?;
    Some(format!("set {name} in the environment, or give --var {name}=VALUE"))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Description(error) => error.into(),
            Error::Api(error) => error.into(),
            Error::NoJob(_) | Error::NoTable(_) => Self::usage(error),
            Error::NotWritten { ref job, .. } => {
                let advice = format!("`apipool run FILE {job}` writes it");
                Self::run(error).advising(&advice)
            }
            Error::Sink(_) => {
                Self::run(error).advising("see whether the `sink` is there and may be written")
            }
            error => Self::run(error),
        }
    }
}

impl From<vantage_api_pool::Error> for Failure {
    fn from(error: vantage_api_pool::Error) -> Self {
        let advice = advice_on(&error).map(str::to_owned);
        Self::run(error).with_advice(advice)
    }
}

/// What to do about an error of the pool, if that is known.
pub(crate) fn advice_on(error: &vantage_api_pool::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::Token => Some(AUTH),
        ErrorKind::Proxy => Some(PROXY),
        ErrorKind::Resolve | ErrorKind::Connect | ErrorKind::Tls => Some(BASE_URL),
        ErrorKind::Status => match error.status().map_or(0, |status| status.as_u16()) {
            401 | 403 => Some(AUTH),
            404 | 405 | 410 => Some(ENDPOINT),
            _ => None,
        },
        ErrorKind::Decode => Some(SHAPE),
        _ => None,
    }
}

/// What to do about a stream that failed with the error of the pool that begins with `told`, if it is
/// not to run it again.
fn advice_on_told(told: &str) -> Option<&'static str> {
    let (kind, rest) = told.split_once(": ")?;
    let has_status =
        |codes: &[u16]| codes.iter().any(|code| rest.contains(&format!("(status {code})")));
    match kind {
        "unauthorized" | "token" => Some(AUTH),
        "status" if has_status(&[401, 403]) => Some(AUTH),
        "status" if has_status(&[404, 405, 410]) => Some(ENDPOINT),
        "status" if has_status(&[400, 422]) => {
            Some("see whether the parameters of the description are those of the API")
        }
        "resolve" | "tls" => Some(BASE_URL),
        "connect" => Some("see whether `base_url` is right and the API is up, and run it again"),
        "proxy" => Some(PROXY),
        "decode" => Some(SHAPE),
        "config" | "invalid_request" | "foreign_origin" | "pagination_missing" | "page_loop" => {
            Some("the description is to be mended, as the error says")
        }
        _ => None,
    }
}

#[cfg(feature = "cluster")]
impl From<vantage_api_cluster::Error> for Failure {
    fn from(error: vantage_api_cluster::Error) -> Self {
        use vantage_api_cluster::Error;
        match error {
            Error::Job(error) => error.into(),
            Error::Url | Error::Settings(_) => Self::usage(error),
            Error::Database(_) | Error::Queue(_) => {
                Self::run(error).advising("see whether the database of `--url` is there")
            }
            error => Self::run(error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::run(error)
    }
}

#[cfg(test)]
mod tests {
    use vantage_api_ingest::description::Reader;

    use super::*;

    fn told(failure: Failure) -> String {
        match failure {
            Failure::Incomplete(advice) => advice.join("\n"),
            Failure::Run(what) | Failure::Usage(what) => what,
        }
    }

    #[test]
    fn an_error_of_a_description_shows_the_line_and_what_to_do() {
        let none: [(&str, &str); 0] = [];
        let reader = Reader::new().environment(none);
        let refused = |yaml: &str| told(reader.read_yaml(yaml).unwrap_err().into());
        let yaml = "api: { base_url: https://example.com }\ntables:\n- nam: a\n";
        let said = refused(yaml);
        assert!(said.starts_with("3:3: tables[0].nam: unknown key `nam`"), "{said}");
        assert!(said.ends_with("\n   3 | - nam: a\n     |   ^"), "{said}");
        let said = refused("api: { base_url: \"${HOST}\" }");
        assert!(said.ends_with("\n  -> set HOST in the environment, or give --var HOST=VALUE"));
        let said = told(Reader::new().read_file("no/such/file.yaml").unwrap_err().into());
        assert!(said.contains("no/such/file.yaml: ") && said.contains("apipool demo"), "{said}");
    }

    #[test]
    fn only_what_may_pass_is_to_be_run_again() {
        for (told, advice) in [
            ("unauthorized: the server refused the request (status 401)", Some(AUTH)),
            ("status: the server refused the request (status 403) (page 1)", Some(AUTH)),
            ("status: the server refused the request (status 404) (GET /a)", Some(ENDPOINT)),
            ("status: the server answered 503 after 3 attempts in 1.0s", None),
            ("decode: the body is not the page that was asked for", Some(SHAPE)),
            ("deadline_exceeded: the call's deadline passed", None),
            ("the sink is full", None),
        ] {
            assert_eq!(advice_on_told(told), advice, "{told}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_are_known() {
        let known = ["a".to_owned(), "b".to_owned()];
        let said = told(unknown("the description has no job", "c", known.iter()));
        assert_eq!(said, "the description has no job `c`\n  -> there is `a`, `b`");
        let said = told(unknown("the job has no stream", "c", [].iter()));
        assert_eq!(said, "the job has no stream `c`");
    }
}
