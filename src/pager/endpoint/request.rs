//! The requests of an endpoint: for a page at an address, to a URL that a page names, and of a user's
//! strategy. Sends nothing.

use std::sync::OnceLock;

use http::header::{CONTENT_TYPE, RANGE};
use url::form_urlencoded;

use super::Endpoint;
use crate::{
    base_url::BaseUrl,
    error::{Error, ErrorKind},
    pager::{
        next_url,
        strategy::{FollowUpPart, PageAddress, PageRequest, Window, Windows},
    },
    request::{JSON, Request},
};

impl Endpoint {
    /// The request for a page.
    pub(super) fn request(
        &self,
        base: &BaseUrl,
        address: &PageAddress,
        size: Option<u64>,
    ) -> Result<Request, Error> {
        match address {
            PageAddress::Url(url) => return self.request_to(base, url),
            PageAddress::Untrusted(url) => return Err(untrusted(url)),
            PageAddress::Custom(page) => return self.custom_request(base, page),
            PageAddress::Results { urls, cursor, .. } => {
                let url = urls.first().map_or("", String::as_str);
                let request = self.request_to(base, url)?;
                let export = self.paging.as_export();
                let place = export.and_then(|export| export.place(cursor.as_deref()));
                return place.map_or(Ok(request.clone()), |place| request.query(&[place]));
            }
            PageAddress::Start => {
                if let Some(page) = self.paging.first_request()? {
                    return self.custom_request(base, &page);
                }
            }
            PageAddress::Cursor(cursor) => {
                if let Some(follow_up) = self.paging.as_follow_up() {
                    let part = self.paging.followed_up(follow_up, cursor)?;
                    let request = Request::get(follow_up.path());
                    let request = match part {
                        FollowUpPart::Body((body, of)) => request.into_query(body, of),
                        FollowUpPart::Query(name, cursor) => request.query(&[(name, cursor)])?,
                    };
                    return Ok(request.idempotent(!follow_up.is_forward_only()));
                }
            }
            PageAddress::Page(_) | PageAddress::Offset(_) | PageAddress::After { .. } => {}
        }
        if let Some(names) = self.paging.taken_into_body() {
            let (target, taken) = take_params(self.path(), &names);
            let (body, of) = self.paging.body(address, size, &taken)?;
            return Ok(Request::get(target).into_query(body, of));
        }
        let request = Request::get(self.path()).query(&self.paging.query(address, size))?;
        match self.paging.range_header(address, size) {
            Some(range) => request.header(RANGE.as_str(), &range),
            None => Ok(request),
        }
    }

    /// The request that gives up what a cursor holds at the API, if there is one.
    pub(super) fn closing(&self, cursor: &str) -> Result<Option<Request>, Error> {
        let Some(follow_up) = self.paging.as_follow_up() else { return Ok(None) };
        let Some(path) = follow_up.closes_at() else { return Ok(None) };
        let request = Request::delete(path);
        let request = match self.paging.closing(follow_up, cursor)? {
            FollowUpPart::Body((body, of)) => {
                request.body(body).header(CONTENT_TYPE.as_str(), of)?
            }
            FollowUpPart::Query(name, cursor) => request.query(&[(name, cursor)])?,
        };
        self.with_headers(request).map(Some)
    }

    /// The first window of a read at `now`, which a bound in the query of the endpoint moves.
    pub(in crate::pager) fn first_window(
        &self,
        windows: &Windows,
        now: i64,
    ) -> Result<Window, Error> {
        let [from, to] = windows.own_params();
        let (_, own) = take_params(self.path(), &[from, to]);
        let bound = |name: &str| {
            let own = own.iter().find(|(own, _)| own == name);
            own.map(|(_, value)| value.as_str())
        };
        windows.first((bound(from), bound(to)), now)
    }

    /// The endpoint in a window.
    pub(in crate::pager) fn within(&self, windows: &Windows, window: &Window) -> Self {
        self.narrowed(&windows.own_params(), &windows.params(window))
    }

    /// The endpoint after a row, for a read that went on there.
    pub(in crate::pager) fn after_row(&self, param: (&str, String)) -> Self {
        let paging = self.paging.clone().totals_are_estimates(true);
        Self { paging, ..self.narrowed(&[param.0], &[param]) }
    }

    /// The endpoint with these parameters instead of those of these names.
    fn narrowed(&self, names: &[&str], params: &[(&str, String)]) -> Self {
        let (mut path, _) = take_params(self.path(), names);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(params);
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&query.finish());
        Self { path, moved: OnceLock::new(), ..self.clone() }
    }

    /// Where the link `next` may lead from a page that was fetched without credentials: to other
    /// such pages, or to the endpoint itself. Whoever controls that page cannot choose anything
    /// else that is requested with the pool's credentials.
    pub(super) fn as_foreign(&self, base: &BaseUrl, next: PageAddress) -> PageAddress {
        // A link that cannot be requested is an error when it is followed.
        let Ok(request) = self.request(base, &next, None) else { return next };
        if request.other_base().is_some() {
            return next;
        }
        let (url, endpoint) = (base.join(request.target()), base.join(self.path()));
        match (url, endpoint) {
            (Ok(url), Ok(endpoint)) if next_url::is_of(&url, &endpoint) => next,
            (Ok(url), _) => PageAddress::Untrusted(url.to_string()),
            (Err(_), _) => next,
        }
    }

    fn custom_request(&self, base: &BaseUrl, page: &PageRequest) -> Result<Request, Error> {
        let mut request = match &page.url {
            Some(url) => self.request_to(base, url)?,
            None => Request::get(self.path()),
        };
        if let Some(json) = &page.body {
            request = request.into_query(json.clone(), JSON);
        }
        for (name, value) in &page.headers {
            request = request.header(name, value)?;
        }
        request.query(&page.params)
    }

    /// The request to a URL that a page names. A request to an origin that was allowed by name
    /// has no credentials.
    pub(super) fn request_to(&self, base: &BaseUrl, url: &str) -> Result<Request, Error> {
        let part = next_url::followed(url, self.paging.url_part, &self.path);
        let part = part.or_else(|| next_url::secured(url, base));
        let url = part.as_deref().unwrap_or(url);
        let refusal = match base.join(url) {
            Ok(_) => return Ok(Request::get(url)),
            Err(error) if error.kind() != ErrorKind::ForeignOrigin => return Err(error),
            Err(error) => error,
        };
        let allowed = self.paging.allowed()?.into_iter().find(|allowed| allowed.join(url).is_ok());
        allowed.map(|allowed| Request::get(url).with_other_base(allowed)).ok_or_else(|| {
            let what = format!(
                "the next page is at {}, outside the pool's base URL, and nothing that \
                 the setting `allow_origins` names leads there; if the API names itself by another \
                 host, port or prefix, the setting `next_url_part` follows a part of its URLs",
                next_url::shown(url)
            );
            Error::new(ErrorKind::ForeignOrigin, what).with_source(refusal)
        })
    }

    /// The request with the headers of the stream. Another origin gets those that begin with
    /// `Accept` alone, and a strategy's own win.
    pub(super) fn with_headers(&self, mut request: Request) -> Result<Request, Error> {
        let own: Vec<_> = request.headers().keys().cloned().collect();
        for (name, value) in &self.headers {
            let is_neutral =
                name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("accept"));
            let is_own = own.iter().any(|own| own.as_str().eq_ignore_ascii_case(name));
            if !is_own && (is_neutral || request.other_base().is_none()) {
                request = request.header(name, value)?;
            }
        }
        Ok(request)
    }
}

/// A target without the parameters of these names in its query, and those parameters.
fn take_params(target: &str, names: &[&str]) -> (String, Vec<(String, String)>) {
    let Some((path, query)) = target.split_once('?').filter(|_| !names.is_empty()) else {
        return (target.to_owned(), Vec::new());
    };
    let (mut kept, mut taken) = (Vec::new(), Vec::new());
    for field in query.split('&') {
        match url::form_urlencoded::parse(field.as_bytes()).next() {
            Some((name, value)) if names.contains(&&*name) => {
                taken.push((name.into_owned(), value.into_owned()));
            }
            _ => kept.push(field),
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    (format!("{path}{query}"), taken)
}

/// The error for a URL that was named by a page without credentials.
pub(super) fn untrusted(url: &str) -> Error {
    let what = format!(
        "the next page is at {}, as a page of another origin says; such a page leads to no others \
         of the pool's API than those of the endpoint itself, with its query parameters unchanged",
        next_url::shown(url)
    );
    Error::new(ErrorKind::ForeignOrigin, what)
}
