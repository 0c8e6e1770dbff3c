//! Runs the job of an export: submits it, polls it until it is done, finds its results and fetches
//! them. It is dropped with the read, and requests nothing after that.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures::future::BoxFuture;
use http::header::LOCATION;

use super::{Endpoint, FetchedPage, request::untrusted};
use crate::{
    base_url::BaseUrl,
    dispatch::{Caller, Effort},
    error::{Error, ErrorKind},
    header_value::header_url,
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
                None => return self.result(caller, export, index, address).await,
            };
            page.found = Some(Box::new(address));
            Ok(page)
        })
    }

    /// Fetches the first of the results that are left. If its URL has expired, the job is polled once
    /// more for others.
    pub(super) fn result(
        self: Arc<Self>,
        caller: Caller,
        export: Export,
        index: u64,
        mut address: PageAddress,
    ) -> BoxFuture<'static, Result<FetchedPage, Error>> {
        Box::pin(async move {
            let mut come = self.download(&caller, &address).await;
            if let Err(error) = &come
                && let PageAddress::Results { urls, cursor, named: Some((poll, of)) } = &address
                && export.are_results_urls()
                && error
                    .response()
                    .is_some_and(|answer| Export::has_expired(answer.status(), answer.body()))
            {
                let others = self.others(&caller, &export, poll, (urls.len(), *of)).await?;
                let (cursor, named) = (cursor.clone(), Some((poll.clone(), *of)));
                address = PageAddress::Results { urls: others, cursor, named };
                come = self.download(&caller, &address).await.map_err(|error| {
                    match error.response().cloned() {
                        Some(answer) if Export::has_expired(answer.status(), answer.body()) => {
                            let what = "export: the URL of a result has expired, and so has the \
                                        one that the job names now";
                            let expired = Error::new(ErrorKind::CursorExpired, what);
                            expired.with_source(error).with_response(answer)
                        }
                        _ => error,
                    }
                });
            }
            let (answer, is_foreign) = come?;
            let mut page = self.page_of(&caller, index, &address, answer, is_foreign).await?;
            page.found = Some(Box::new(address));
            Ok(page)
        })
    }

    /// Requests the first of the results, also where it is redirected to if that is allowed, and says
    /// whether it came from another origin.
    async fn download(
        &self,
        caller: &Caller,
        address: &PageAddress,
    ) -> Result<((Response, Effort), bool), Error> {
        let base = &caller.dispatcher.config.base;
        let request = self.request(base, address, None)?;
        let is_foreign = request.other_base().is_some();
        let error = match self.exchange(caller, request).await {
            Ok(answer) => return Ok((answer, is_foreign)),
            Err(error) => error,
        };
        let redirect = error.response().filter(|answer| answer.status().is_redirection());
        let Some(location) = redirect.and_then(|answer| answer.headers().get(LOCATION)) else {
            return Err(error);
        };
        let to = redirect.map(|answer| absolute(answer, &header_url(location))).transpose()?;
        let request = self.request_to(base, &to.unwrap_or_default())?;
        // What a redirect leads to at the pool's own origin was refused before.
        if request.other_base().is_none() {
            return Err(error);
        }
        Ok((self.exchange(caller, request).await?, true))
    }

    /// The URLs that a job which is done now names, of the last `left` of its results.
    async fn others(
        &self,
        caller: &Caller,
        export: &Export,
        poll: &str,
        (left, of): (usize, usize),
    ) -> Result<Vec<String>, Error> {
        let base = &caller.dispatcher.config.base;
        let request = self.request_to(base, poll)?;
        let is_foreign = request.other_base().is_some();
        let (answer, _) = self.exchange(caller, request).await?;
        let text = String::from_utf8_lossy(answer.body());
        match export.state("", answer.counts_as(), &text) {
            Some(JobState::Done(results)) if results.len() == of && left <= of => {
                let urls = self.results_at(base, &answer, results, is_foreign)?;
                Ok(urls.into_iter().skip(of - left).collect())
            }
            _ => {
                let what = "export: the URL of a result has expired, and the job names no others";
                Err(Error::new(ErrorKind::CursorExpired, what).with_response(answer))
            }
        }
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
                    let named = export.are_results_urls().then_some((poll, urls.len()));
                    return Ok((PageAddress::Results { urls, cursor: None, named }, none));
                }
                Some(JobState::Done(_)) => {
                    let at = PageAddress::Results { urls: vec![poll], cursor: None, named: None };
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
