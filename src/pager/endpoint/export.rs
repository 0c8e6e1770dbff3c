//! Runs the job of an export: submits it, polls it until it is done, and finds its results. It is
//! dropped with the read, and requests nothing after that.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures::future::BoxFuture;

use super::{Endpoint, FetchedPage, request::untrusted};
use crate::{
    base_url::BaseUrl,
    dispatch::{Caller, Effort},
    error::{Error, ErrorKind},
    pager::strategy::{Export, JobState, PageAddress, resolved},
    rate_limit::{retry_after, timer},
    request::Request,
    response::Response,
};

/// The results of an export: where they are, and the first one if it has come already.
type Exported = (PageAddress, Option<(Response, Effort)>);

impl Endpoint {
    /// Runs the job to its end, and fetches its first result.
    pub(super) fn exported(
        self: Arc<Self>,
        caller: Caller,
        export: Export,
        index: u64,
    ) -> BoxFuture<'static, Result<FetchedPage, Error>> {
        Box::pin(async move {
            let (address, come) = self.export(&caller, &export).await?;
            let mut page = match come {
                Some(come) => self.page_of(&caller, index, &address, come, false).await?,
                None => self.fetch(&caller, index, address.clone(), None).await?,
            };
            page.found = Some(Box::new(address));
            Ok(page)
        })
    }

    /// Runs the job to its end.
    ///
    /// # Errors
    /// What the requests fail with; [`ErrorKind::ApiError`] if the job has failed,
    /// [`ErrorKind::DeadlineExceeded`] if it takes too long, [`ErrorKind::Decode`] if an answer does
    /// not say where the job is or how it stands.
    async fn export(&self, caller: &Caller, export: &Export) -> Result<Exported, Error> {
        let begun = Instant::now();
        let base = &caller.dispatcher.config.base;
        let mut request = self.request(base, &PageAddress::Start, None)?;
        // Whether a submission whose answer was lost has made a job is not known.
        let only_reads = self.paging.taken_into_body().is_none();
        request = request.idempotent(only_reads);
        let (submitted, _) = self.exchange(caller, request).await?;
        let text = String::from_utf8_lossy(submitted.body());
        let job = export.job_of(submitted.headers(), &text).ok_or_else(|| {
            let what = format!("export: the answer names no job at `{}`", export.job_place());
            Error::new(ErrorKind::Decode, what).with_response(submitted.clone())
        })?;
        let poll = export.poll_of(&job);
        let poll = if poll == job { absolute(&submitted, &poll)? } else { poll };
        let mut wait = waited(&submitted, export.interval);
        loop {
            let left = export.within.saturating_sub(begun.elapsed());
            let left = self.bounds.left(Instant::now).map_or(left, |most| left.min(most));
            if left.is_zero() || wait > left {
                let within = humantime::format_duration(export.within);
                let what = format!("export: the job is not done (Export::within is {within})");
                return Err(Error::new(ErrorKind::DeadlineExceeded, what));
            }
            // The thread of the pager may end before the wait does.
            timer(wait, false)?.await;
            let request = self.request_to(base, &poll)?;
            let is_foreign = request.other_base().is_some();
            let (answer, effort) = self.exchange(caller, request).await?;
            let text = String::from_utf8_lossy(answer.body());
            let state = export.state(&job, answer.counts_as(), &text);
            match state {
                Some(JobState::Pending) => wait = waited(&answer, export.interval),
                Some(JobState::Failed(status)) => {
                    let what = format!("export: the job has ended as `{status}`");
                    return Err(Error::new(ErrorKind::ApiError, what).with_response(answer));
                }
                Some(JobState::Done(results)) if export.has_results() => {
                    let urls = match export.are_results_urls() {
                        true => self.results_at(base, &answer, results, is_foreign)?,
                        false => results,
                    };
                    let none = urls.is_empty().then(|| (empty(&answer), effort));
                    return Ok((PageAddress::Results { urls, cursor: None }, none));
                }
                Some(JobState::Done(_)) => {
                    let at = PageAddress::Results { urls: vec![poll], cursor: None };
                    return Ok((at, Some((answer, effort))));
                }
                None => {
                    let what = "export: the answer to a poll says neither how the job stands nor \
                                where its results are";
                    return Err(Error::new(ErrorKind::Decode, what).with_response(answer));
                }
            }
        }
    }

    /// The URLs of results that an answer names. One of another origin, which had no credentials,
    /// cannot choose what is requested with the pool's.
    fn results_at(
        &self,
        base: &BaseUrl,
        answer: &Response,
        urls: Vec<String>,
        is_foreign: bool,
    ) -> Result<Vec<String>, Error> {
        let result = |url: String| {
            let url = absolute(answer, &url)?;
            if is_foreign && self.request_to(base, &url)?.other_base().is_none() {
                return Err(untrusted(&url));
            }
            Ok(url)
        };
        urls.into_iter().map(result).collect()
    }

    async fn exchange(
        &self,
        caller: &Caller,
        request: Request,
    ) -> Result<(Response, Effort), Error> {
        let request = self.with_headers(request)?;
        let mut request = request.priority(self.priority.unwrap_or_default());
        if let Some(left) = self.bounds.left(Instant::now) {
            request = request.timeout(left.min(caller.dispatcher.config.settings.call_timeout));
        }
        caller.measured(request).await
    }
}

/// How long to wait before the next poll.
fn waited(answer: &Response, interval: Duration) -> Duration {
    let asked = retry_after(answer.headers(), true, SystemTime::now(), &mut Vec::new());
    asked.map_or(interval, |asked| asked.max(interval))
}

/// The absolute form of a URL in an answer.
fn absolute(answer: &Response, reference: &str) -> Result<String, Error> {
    let url = resolved(answer, reference).map_err(|source| {
        let what = "export: an answer names a job or a result by what is not a URL";
        Error::new(ErrorKind::Decode, what).with_source(source).with_response(answer.clone())
    })?;
    Ok(url.into())
}

/// The result of a job that has none: no rows.
fn empty(answer: &Response) -> Response {
    Response::from_parts(http::StatusCode::NO_CONTENT, answer.headers().clone(), Default::default())
}
