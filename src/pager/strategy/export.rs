//! [pure] Exports: a job that is submitted, polled until it is done, and then downloaded. What the
//! answers of an API mean; who sends the requests is `endpoint/export`.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{PageAddress, PageView};
use crate::{
    data,
    error::Error,
    header_value::header_text,
    path::{Gaps, Path},
};

/// An export that an API makes in a job of its own: see [`Paging::export`](crate::Paging::export).
///
/// ```
/// use vantage_api_pool::{Paging, paging::Export};
///
/// let job = Export::at("id").status_at("jobs/{job}", "state").done("JobComplete");
/// let paging = Paging::export(job.results_from("jobs/{job}/results"));
/// # let _ = paging;
/// ```
///
/// # As data
///
/// ```yaml
/// by: export
/// job: id
/// poll: jobs/{job}
/// status: state
/// done: JobComplete
/// results_from: jobs/{job}/results
/// interval: 5s
/// within: 2h
/// post: { operation: query, query: "SELECT Id FROM Account" }
/// ```
///
/// | key | value |
/// |---|---|
/// | `job` | where the answer to the submission has the id or the URL of the job: keys joined by dots |
/// | `job_header` | the header that has it instead, such as `Content-Location` |
/// | `poll` | the path that tells how the job stands, with the id as `{job}`; by default what `job` says, a URL |
/// | `status` | where its answer has the status of the job; by default a 202 means that the job is not done, and any other success that it is |
/// | `done` | the status of a job that is done, or a list of them |
/// | `failed` | the status of a job that has failed, or a list of them; by default `failed`, `error`, `aborted`, `cancelled`, `canceled` and `expired`, in any case |
/// | `results` | where its answer has the URL of the result, or with `[]` those of several; one that has expired is asked for once more |
/// | `results_from` | the path of the result instead, with the id as `{job}`; by default the last answer is the result |
/// | `param`, `header` | the parameter that takes the place in a result of several pages, and the header of a page that says where the next one is |
/// | `interval` | how long to wait before each poll, unless `Retry-After` says more: above zero, and 2 seconds by default |
/// | `within` | how long a job may take: an hour by default |
///
/// A result is a page as any other, in the format of the [`Envelope`](crate::Envelope): JSON, NDJSON
/// or what an extractor makes of it, such as CSV. A file compressed by gzip, or with the feature `zstd`
/// by zstd, is known by its first bytes, whatever its `Content-Type`, and
/// [`max_body_bytes`](crate::PoolBuilder::max_body_bytes) bounds its content. A result elsewhere, at
/// an object storage, is read without credentials, be it named or redirected to, if
/// [`allow_origin`](crate::Paging::allow_origin) names that place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    #[serde(default)]
    job: Option<Path>,
    #[serde(default)]
    job_header: Option<String>,
    #[serde(default)]
    poll: Option<String>,
    #[serde(default)]
    status: Option<Path>,
    #[serde(default, deserialize_with = "data::one_or_many")]
    done: Vec<String>,
    #[serde(default = "failures", deserialize_with = "data::one_or_many")]
    failed: Vec<String>,
    #[serde(default)]
    results: Option<Path>,
    #[serde(default)]
    results_from: Option<String>,
    #[serde(default)]
    param: Option<String>,
    #[serde(default)]
    header: Option<String>,
    #[serde(default = "interval", with = "data::duration")]
    pub(in crate::pager) interval: Duration,
    #[serde(default = "within", with = "data::duration")]
    pub(in crate::pager) within: Duration,
}

/// What stands for the job in a path.
const JOB: &str = "{job}";

fn failures() -> Vec<String> {
    let usual = ["failed", "error", "aborted", "cancelled", "canceled", "expired"];
    usual.map(str::to_owned).into()
}

fn interval() -> Duration {
    Duration::from_secs(2)
}

fn within() -> Duration {
    Duration::from_secs(60 * 60)
}

/// How a job stands.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pager) enum JobState {
    Pending,
    /// It is done, and its results are there; the answer itself is the result if there are none.
    Done(Vec<String>),
    /// It has failed, with this status.
    Failed(String),
}

impl Export {
    fn of(job: Option<Path>, job_header: Option<String>) -> Self {
        Self {
            job,
            job_header,
            poll: None,
            status: None,
            done: Vec::new(),
            failed: failures(),
            results: None,
            results_from: None,
            param: None,
            header: None,
            interval: interval(),
            within: within(),
        }
    }

    /// The answer to the submission has the id or the URL of the job at `path` (keys joined by
    /// dots).
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self::of(Some(Path::parse(path)), None)
    }

    /// The answer to the submission has the URL of the job in the header `name`, such as
    /// `Content-Location` or `Location`.
    #[must_use]
    pub fn in_header(name: impl Into<String>) -> Self {
        Self::of(None, Some(name.into()))
    }

    /// The job is polled at the path `poll`, with its id as `{job}`, and the answer has its status
    /// at `path`. By default the job is polled at its URL, and a 202 means that it is not done.
    #[must_use]
    pub fn status_at(mut self, poll: impl Into<String>, path: &str) -> Self {
        (self.poll, self.status) = (Some(poll.into()), Some(Path::parse(path)));
        self
    }

    /// Adds a status of a job that is done.
    #[must_use]
    pub fn done(mut self, status: impl Into<String>) -> Self {
        self.done.push(status.into());
        self
    }

    /// Adds a status of a job that has failed.
    #[must_use]
    pub fn failed(mut self, status: impl Into<String>) -> Self {
        self.failed.push(status.into());
        self
    }

    /// The last answer has the URL of the result at `path`, or with `[]` those of several, as in
    /// `output[].url`. They are read in this order. A `null` or an empty list is a job without rows,
    /// which needs [`no_content_is_empty`](crate::Envelope::no_content_is_empty).
    ///
    /// If the URL of a result has expired, by a 403 or a 410, or by a 400 or a 401 that says so, the
    /// job is polled once more for the URLs of those that are left.
    /// [`ErrorKind::CursorExpired`](crate::ErrorKind::CursorExpired) is the error if they have expired
    /// as well.
    #[must_use]
    pub fn results_at(mut self, path: &str) -> Self {
        self.results = Some(Path::parse(path));
        self
    }

    /// The result is at the path `results`, with the id of the job as `{job}`.
    #[must_use]
    pub fn results_from(mut self, results: impl Into<String>) -> Self {
        self.results_from = Some(results.into());
        self
    }

    /// A result has several pages: the header `header` of a page says where the next one is, which is
    /// sent in the parameter `param`, as for [`Paging::header_cursor`](crate::Paging::header_cursor).
    #[must_use]
    pub fn result_pages(mut self, param: impl Into<String>, header: impl Into<String>) -> Self {
        (self.param, self.header) = (Some(param.into()), Some(header.into()));
        self
    }

    /// Waits so long before each poll, unless `Retry-After` says more: 2 seconds by default. It must
    /// be above zero.
    #[must_use]
    pub fn interval(mut self, wait: Duration) -> Self {
        self.interval = wait;
        self
    }

    /// How long a job may take: an hour by default. One that takes longer is an
    /// [`ErrorKind::DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded).
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refused = |what: &str| Err(Error::config(format!("export: {what}")));
        if self.job.is_some() == self.job_header.is_some() {
            return refused("either `job` or `job_header` says where the job is");
        }
        if self.job.as_ref().is_some_and(|job| job.is_root() || job.is_spread()) {
            return refused("`job` is the path of one value");
        }
        let is_name = |name: &String| name.parse::<http::HeaderName>().is_ok();
        if ![&self.job_header, &self.header].into_iter().flatten().all(is_name) {
            return refused("a header has a name that none may have");
        }
        if self.status.is_some() == self.done.is_empty() {
            return refused("`status` and `done` belong together");
        }
        if self.param.is_some() != self.header.is_some() {
            return refused("`param` and `header` belong together");
        }
        if self.results.is_some() && self.results_from.is_some() {
            return refused("either `results` or `results_from` says where the result is");
        }
        let is_without = |path: &&String| !path.contains(JOB);
        if [&self.poll, &self.results_from].into_iter().flatten().any(|path| is_without(&path)) {
            return refused("`poll` and `results_from` name the job by `{job}`");
        }
        if self.within.is_zero() || self.interval.is_zero() {
            return refused("`within` and `interval` must be above zero");
        }
        Ok(())
    }

    /// The job that the answer to the submission names: an id or a URL.
    pub(in crate::pager) fn job_of(&self, headers: &HeaderMap, body: &str) -> Option<String> {
        let found = match (&self.job, &self.job_header) {
            (Some(path), _) => texts(path, body)?.into_iter().next(),
            (None, Some(name)) => {
                headers.get(name).map(|value| header_text(value).trim().to_owned())
            }
            (None, None) => None,
        };
        found.filter(|job| !job.is_empty())
    }

    /// What to request to learn how the job stands.
    pub(in crate::pager) fn poll_of(&self, job: &str) -> String {
        self.poll.as_ref().map_or_else(|| job.to_owned(), |poll| filled(poll, job))
    }

    /// How the job stands, according to the answer to a poll. `None` if it does not say.
    pub(in crate::pager) fn state(
        &self,
        job: &str,
        status: StatusCode,
        body: &str,
    ) -> Option<JobState> {
        if let Some(path) = &self.status {
            let state = texts(path, body)?.into_iter().next()?;
            let is_one = |of: &[String]| of.iter().any(|one| one.eq_ignore_ascii_case(&state));
            if !is_one(&self.done) {
                let has_failed = is_one(&self.failed);
                return Some(if has_failed { JobState::Failed(state) } else { JobState::Pending });
            }
        } else if status == StatusCode::ACCEPTED {
            return Some(JobState::Pending);
        }
        let results = match (&self.results, &self.results_from) {
            (Some(path), _) => texts(path, body)?,
            (None, Some(from)) => vec![filled(from, job)],
            (None, None) => Vec::new(),
        };
        Some(JobState::Done(results))
    }

    /// Where the page after one at `address` is.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if its header says different things.
    pub(in crate::pager) fn after(
        &self,
        address: &PageAddress,
        page: &PageView<'_>,
    ) -> Result<Option<PageAddress>, Error> {
        let PageAddress::Results { urls, named, .. } = address else { return Ok(None) };
        let results = |urls: &[String], cursor| {
            let (urls, named) = (urls.to_vec(), named.clone());
            PageAddress::Results { urls, cursor, named }
        };
        if let Some(header) = &self.header
            && let Some(cursor) = page.cursor_in(header)?
        {
            return Ok(Some(results(urls, Some(cursor))));
        }
        let left = urls.get(1..).filter(|left| !left.is_empty());
        Ok(left.map(|left| results(left, None)))
    }

    /// The parameter of the place in a result, and its value.
    pub(in crate::pager) fn place<'a>(
        &'a self,
        cursor: Option<&'a str>,
    ) -> Option<(&'a str, &'a str)> {
        self.param.as_deref().zip(cursor)
    }

    /// Whether such an answer to the request for a result says that its URL has expired.
    pub(in crate::pager) fn has_expired(status: StatusCode, body: &[u8]) -> bool {
        let says = || String::from_utf8_lossy(body).to_ascii_lowercase().contains("expired");
        match status {
            StatusCode::FORBIDDEN | StatusCode::GONE => true,
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => says(),
            _ => false,
        }
    }

    /// Whether results are given by URLs, which may be relative to the answer.
    pub(in crate::pager) fn are_results_urls(&self) -> bool {
        self.results.is_some()
    }

    /// Whether results are somewhere else than in the last answer.
    pub(in crate::pager) fn has_results(&self) -> bool {
        self.results.is_some() || self.results_from.is_some()
    }

    /// Where the job and its results are, for errors.
    pub(in crate::pager) fn job_place(&self) -> String {
        self.job
            .as_ref()
            .map(Path::to_string)
            .or_else(|| self.job_header.clone())
            .unwrap_or_default()
    }
}

/// The texts and numbers at a path. `None` if there is nothing, or another value.
fn texts(path: &Path, body: &str) -> Option<Vec<String>> {
    let found = path.find(body, Gaps::NullIsEmpty).ok()??;
    let found = found.into_iter().filter(|json| *json != "null");
    let text = |json: &str| match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).ok(),
        Some(b'-' | b'0'..=b'9') => Some(json.to_owned()),
        _ => None,
    };
    found.map(text).collect()
}

/// A path with the job in it, which is one segment of it.
fn filled(path: &str, job: &str) -> String {
    let job = percent_encoding::utf8_percent_encode(job, percent_encoding::NON_ALPHANUMERIC);
    path.replace(JOB, &job.to_string().replace("%2D", "-").replace("%5F", "_").replace("%2E", "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_the_body_or_by_a_header() {
        let mut headers = HeaderMap::new();
        headers.insert("content-location", " /jobs/7 ".parse().unwrap());
        let none = HeaderMap::new();
        assert_eq!(Export::at("job.id").job_of(&none, r#"{"job":{"id":7}}"#).unwrap(), "7");
        assert_eq!(Export::at("id").job_of(&none, r#"{"id":"a/b"}"#).unwrap(), "a/b");
        let header = Export::in_header("Content-Location");
        assert_eq!(header.job_of(&headers, "").unwrap(), "/jobs/7");
        for body in ["{}", r#"{"id":null}"#, r#"{"id":{}}"#, r#"{"id":""}"#, ""] {
            assert_eq!(Export::at("id").job_of(&none, body), None, "{body}");
        }
        assert_eq!(header.job_of(&none, "{}"), None);
        let export = Export::at("id").status_at("jobs/{job}", "s");
        assert_eq!(export.poll_of("a/../b?c"), "jobs/a%2F..%2Fb%3Fc");
    }

    #[test]
    fn a_job_is_done_failed_or_pending() {
        let export = Export::at("id").status_at("jobs/{job}", "state").done("Complete");
        let state = |export: &Export, body| export.state("7", StatusCode::OK, body);
        for (body, expected) in [
            (r#"{"state":"complete"}"#, Some(JobState::Done(Vec::new()))),
            (r#"{"state":"InProgress"}"#, Some(JobState::Pending)),
            (r#"{"state":"FAILED"}"#, Some(JobState::Failed("FAILED".into()))),
            (r#"{"status":"done"}"#, None),
            ("oops", None),
        ] {
            assert_eq!(state(&export, body), expected, "{body}");
        }
        let empty = export.clone().results_at("url");
        let none = r#"{"state":"Complete","url":null}"#;
        assert_eq!(state(&empty, none), Some(JobState::Done(Vec::new())));
        let several = export.clone().results_at("files[].url");
        let body = r#"{"state":"Complete","files":[{"url":"/1"},{"url":"/2"}]}"#;
        let done = JobState::Done(vec!["/1".into(), "/2".into()]);
        assert_eq!(state(&several, body), Some(done));
        assert_eq!(state(&several, r#"{"state":"Complete"}"#), None);
        let from = export.results_from("jobs/{job}/rows");
        let done = JobState::Done(vec!["jobs/7/rows".into()]);
        assert_eq!(state(&from, r#"{"state":"Complete"}"#), Some(done));
        let by_status = Export::in_header("Location");
        assert_eq!(by_status.state("7", StatusCode::ACCEPTED, ""), Some(JobState::Pending));
        assert_eq!(by_status.state("7", StatusCode::OK, "[]"), Some(JobState::Done(Vec::new())));
    }
}
