//! What a paged read requests, and how: the settings of a stream, the request for one page, and
//! how far the read may run ahead. Knows neither the order nor the end of the pages.

mod export;
mod file;
mod moved;
mod request;

use std::{
    borrow::Cow,
    future::Future,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use chrono::Utc;
use futures::future::BoxFuture;
use http::Uri;

use file::content_of_file;

use super::{
    bounds::Bounds,
    envelope::Envelope,
    facts::PageInfo,
    format::{ItemList, Taken},
    mode::ReadMode,
    overlooked,
    page_path::PagePath,
    resume_token::ReadIdentity,
    strategy::{Continuation, PageAddress, PageMetadata, PageView, Paging, PagingFault, Position},
};
use crate::{
    base_url::BaseUrl,
    dispatch::{Caller, Effort},
    error::Error,
    priority::Priority,
    request::Request,
    response::{BYTE_ORDER_MARK, Response},
};

/// The default prefetch, in pages, of streams and tables.
pub(crate) const DEFAULT_PREFETCH: usize = 3;
/// The default byte budget.
const DEFAULT_BYTE_BUDGET: usize = 64 * 1024 * 1024;

/// A page of at least this many bytes is scanned on a thread for long work, since that takes time.
pub(super) const LONG: usize = 1024 * 1024;

/// How long the request may take that gives up a cursor.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Is told what is strange about pages, or has a text there.
pub(super) type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

/// Names and values of header fields.
pub(crate) type Headers = Vec<(String, String)>;

/// What to read, and how.
#[derive(Clone)]
pub(super) struct Endpoint {
    path: String,
    /// Where the endpoint has permanently moved to, if a page was redirected.
    moved: OnceLock<String>,
    pub(super) priority: Option<Priority>,
    pub(super) prefetch: usize,
    pub(super) byte_budget: usize,
    pub(super) bounds: Bounds,
    pub(super) paging: Paging,
    pub(super) envelope: Arc<Envelope>,
    pub(super) mode: ReadMode,
    /// Sent with each request to the pool's API.
    pub(super) headers: Headers,
    /// How many rows, from the first of the set on, the consumer needs. No page after those is
    /// prefetched.
    pub(super) needed: Option<u64>,
    pub(super) on_warning: Option<OnWarning>,
    /// Is told the text at a place of each page.
    pub(super) on_text: Option<(PagePath, OnWarning)>,
}

/// A page as the server sent it, and its cost.
pub(super) struct FetchedPage {
    pub(super) response: Response,
    pub(super) effort: Effort,
    /// The result of scanning it, if pages name each other, since that finds the next one, or if
    /// the page is long.
    pub(super) scan: Option<Box<PageScan>>,
    /// Where it is, if that was found only when it was requested.
    pub(super) found: Option<Box<PageAddress>>,
}

/// What was scanned of a page before its turn.
pub(super) struct PageScan {
    pub(super) list: ItemList,
    pub(super) items: usize,
    taken: Taken,
    pub(super) info: PageInfo,
    /// Where the next page is, if it names one.
    pub(super) next: Option<PageAddress>,
    pub(super) continuation: Continuation,
    /// Whether the next page is requested before this one is judged, because nothing contradicts
    /// it.
    pub(super) goes_on: bool,
    /// A hash of the items.
    pub(super) content: u64,
    /// As [`Endpoint::overlooked`] finds it.
    pub(super) overlooked: Option<String>,
}

impl PageScan {
    /// The page without its items, if they are one piece.
    pub(super) fn without_items(&self) -> Cow<'_, str> {
        self.list.without(self.taken)
    }
}

impl Endpoint {
    /// The endpoint at `path`, with all settings at their defaults.
    pub(super) fn new(path: String) -> Self {
        Self {
            path,
            moved: OnceLock::new(),
            priority: Priority::of_scope(),
            prefetch: DEFAULT_PREFETCH,
            byte_budget: DEFAULT_BYTE_BUDGET,
            bounds: Bounds::NONE,
            paging: Paging::default(),
            envelope: Arc::default(),
            mode: ReadMode::default(),
            headers: Headers::new(),
            needed: None,
            on_warning: None,
            on_text: None,
        }
    }

    /// The identity of the read.
    pub(super) fn identity(&self) -> ReadIdentity {
        ReadIdentity::of(&self.path, &self.paging, &self.envelope)
    }

    /// Where the set begins.
    pub(super) fn start(&self) -> Position {
        Position::at(self.paging.start(), 0)
    }

    /// Fetches one page.
    pub(super) fn fetch(
        self: &Arc<Self>,
        caller: &Caller,
        index: u64,
        address: PageAddress,
        size: Option<u64>,
    ) -> impl Future<Output = Result<FetchedPage, Error>> + Send + use<> {
        let caller = caller.clone();
        let endpoint = Arc::clone(self);
        async move {
            if let Some(export) = endpoint.paging.as_export().cloned() {
                let endpoint = Arc::clone(&endpoint);
                return match address {
                    PageAddress::Start => endpoint.exported(caller, export, index).await,
                    result => endpoint.result(caller, export, index, result).await,
                };
            }
            let request = endpoint.request_of(&caller, &address, size).await?;
            let request = endpoint.with_headers(request)?;
            let mut request = request.priority(endpoint.priority.unwrap_or_default());
            let is_foreign = request.other_base().is_some();
            if let Some(left) = endpoint.bounds.left(Instant::now) {
                let call_timeout = caller.dispatcher.config.settings.call_timeout;
                request = request.timeout(left.min(call_timeout));
            }
            let asked = request.target().to_owned();
            let (response, effort) = caller.measured(request).await?;
            if response.is_moved() {
                endpoint.follow_move(&caller.dispatcher.config.base, &asked, &response);
            }
            endpoint.page_of(&caller, index, &address, (response, effort), is_foreign).await
        }
    }

    /// The page that a response is, scanned if it names the next one or is long.
    async fn page_of(
        self: &Arc<Self>,
        caller: &Caller,
        index: u64,
        address: &PageAddress,
        (response, effort): (Response, Effort),
        is_foreign: bool,
    ) -> Result<FetchedPage, Error> {
        let most = caller.dispatcher.config.settings.max_body_bytes;
        let response = content_of_file(response, most).await;
        let response = response.map_err(|error| effort.attach_to(error))?;
        let response = match self.envelope.extraction() {
            None => response,
            Some(extraction) => {
                let priority = self.priority.unwrap_or_default();
                let page = extraction.page_of(response, index, priority).await;
                page.map_err(|error| effort.attach_to(error))?
            }
        };
        let is_long = response.body().len() >= LONG;
        let scan = if is_long || self.paging.is_sequential() {
            let scan = self.follow(caller, index, address, &response).await;
            let mut scan = scan.map_err(|error| effort.attach_to(error))?;
            if is_foreign {
                let base = &caller.dispatcher.config.base;
                scan.next = scan.next.map(|next| self.as_foreign(base, next));
            }
            Some(Box::new(scan))
        } else {
            None
        };
        Ok(FetchedPage { response, effort, scan, found: None })
    }

    /// The request for a page. A user's strategy is called on a thread where it may block.
    async fn request_of(
        self: &Arc<Self>,
        caller: &Caller,
        address: &PageAddress,
        size: Option<u64>,
    ) -> Result<Request, Error> {
        let dispatcher = &caller.dispatcher;
        let Some(custom) = self.paging.strategy().filter(|_| *address == PageAddress::Start) else {
            return self.request(&dispatcher.config.base, address, size);
        };
        let (endpoint, config) = (Arc::clone(self), Arc::clone(&dispatcher.config));
        let first = move || endpoint.request(&config.base, &PageAddress::Start, size);
        let limit = dispatcher.callback_timeout();
        dispatcher.blocking().run(&custom.threads, &custom.name, limit, first).await?
    }

    /// As [`scan`](Self::scan), on another thread if a user's strategy is involved, or if it takes
    /// long.
    async fn follow(
        self: &Arc<Self>,
        caller: &Caller,
        index: u64,
        address: &PageAddress,
        response: &Response,
    ) -> Result<PageScan, Error> {
        let custom = self.paging.strategy();
        if custom.is_none() && response.body().len() < LONG {
            return self.scan(index, address, response);
        }
        let dispatcher = &caller.dispatcher;
        let (endpoint, address, response) = (Arc::clone(self), address.clone(), response.clone());
        let next = move || endpoint.scan(index, &address, &response);
        let Some(custom) = custom else { return dispatcher.blocking().work(next).await? };
        let limit = dispatcher.callback_timeout();
        dispatcher.blocking().run(&custom.threads, &custom.name, limit, next).await?
    }

    /// Finds the next page in a page.
    fn scan(
        &self,
        index: u64,
        address: &PageAddress,
        response: &Response,
    ) -> Result<PageScan, Error> {
        let mut list = ItemList::of(&self.envelope, response)?;
        let (mut taken, metadata) =
            list.survey_all(response, &self.envelope, self.paging.pointer())?;
        let PageMetadata { mut info, pointer, .. } = metadata;
        let is_over = self.envelope.has_flag() && info.has_next == Some(false);
        let after_the_last = match self.paging.as_keyset() {
            Some(keyset) => {
                let rows: Vec<&str> = list.texts_of(response).collect::<Result<_, _>>()?;
                let page = keyset.page(&rows, address);
                if !page.known.is_empty() {
                    taken = list.leave_out(&page.known);
                }
                let fault = |PagingFault { kind, what }| {
                    Error::new(kind, what).with_response(response.clone())
                };
                if is_over { None } else { page.next.map_err(fault)? }
            }
            None => None,
        };
        let items = taken.count;
        self.paging.read_headers(response.headers(), &mut info);
        let first;
        let request = match address {
            PageAddress::Custom(request) => request,
            _ => {
                first = self.paging.first_request()?.unwrap_or_default();
                &first
            }
        };
        let view = PageView { index, rows: items, total: info.total, request, response };
        let is_chained = self.paging.is_chained();
        let next = if is_chained { self.paging.follow(&pointer, &view)? } else { None };
        let after_a_result = match self.paging.as_export() {
            Some(export) => export.after(address, &view)?,
            None => None,
        };
        let next = next.or(after_the_last).or(after_a_result);
        let continuation = match &next {
            None => Continuation::Nowhere,
            Some(next) if next == address => Continuation::Itself,
            // A cursor that has moved to the end leads nowhere, whatever it is called then.
            Some(_) if items == 0 && self.paging.is_forward_only() => Continuation::Nowhere,
            Some(_) => Continuation::Named,
        };
        let goes_on =
            next.is_some() && !is_over && (items > 0 || continuation == Continuation::Named);
        let content = list.content(taken);
        let overlooked =
            if next.is_none() { self.overlooked(index, &list, taken, response) } else { None };
        Ok(PageScan { list, items, taken, info, next, continuation, goes_on, content, overlooked })
    }

    /// Where the first page names a next one besides its items, which were `taken`, if its settings
    /// have found none on it.
    pub(super) fn overlooked(
        &self,
        index: u64,
        page: &ItemList,
        taken: Taken,
        response: &Response,
    ) -> Option<String> {
        let is_known = self.paging.strategy().is_some()
            || self.paging.as_export().is_some()
            || self.paging.is_auto();
        let is_computed = self.paging.is_addressable() || is_known;
        if index > 0 || is_computed {
            return None;
        }
        let named = overlooked::next_page(&page.without(taken));
        named.map(|path| format!("`{path}`")).or_else(|| {
            let header = overlooked::next_in_headers(response.headers())?;
            Some(format!("the header `{header}`"))
        })
    }

    /// Tells of the text at a place of a page, if someone wants it and there is one.
    pub(super) fn tell_text(&self, response: &Response) {
        let Some((path, told)) = &self.on_text else { return };
        let body = String::from_utf8_lossy(response.body());
        let body = body.trim_start_matches(BYTE_ORDER_MARK);
        path.text_in(body).into_iter().for_each(|text| told(&text));
    }

    /// Gives up what a cursor holds at the API, as far as that works.
    pub(super) fn close(&self, caller: &Caller, cursor: &str) -> Option<BoxFuture<'static, ()>> {
        let request = self.closing(cursor).ok()??.timeout(CLOSE_WITHIN);
        let request = request.priority(self.priority.unwrap_or_default());
        let caller = caller.clone();
        Some(Box::pin(async move {
            if let Err(error) = caller.measured(request).await {
                tracing::debug!(%error, "a cursor was not given up, and expires");
            }
        }))
    }

    /// How many pages the window holds.
    pub(super) fn window(&self) -> usize {
        if self.mode == ReadMode::Sequential { 1 } else { self.prefetch }
    }

    /// Whether a page keeps its permit of the window while it is consumed. If there is only one
    /// permit, the next page could not be in flight meanwhile.
    pub(super) fn counts_the_page_at_hand(&self) -> bool {
        self.mode == ReadMode::Sequential || self.prefetch > 1
    }
}

/// The URL of one page, without requesting it.
pub(crate) fn page_url(
    base: &BaseUrl,
    endpoint: &str,
    paging: &Paging,
    address: &PageAddress,
    size: Option<u64>,
) -> Result<Uri, Error> {
    paging.check()?;
    let mut endpoint = Endpoint::new(endpoint.to_owned());
    endpoint.paging = paging.clone();
    if let Some(windows) = &paging.windows {
        let window = endpoint.first_window(windows, Utc::now().timestamp_millis())?;
        endpoint = endpoint.within(windows, &window);
    }
    let request = endpoint.request(base, address, size)?;
    request.base(base).join(request.target())
}
