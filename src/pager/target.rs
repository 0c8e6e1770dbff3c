//! What a paged read reads, and how: the settings of a stream, the request for one
//! page, and how far the read may run ahead. Knows no order and no end.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Instant,
};

use http::Uri;
use serde::de::IgnoredAny;

use super::{
    bounds::Bounds,
    decode::{ItemDecoder, Page, PageDecoder, Survey, Typed},
    envelope::Envelope,
    facts::Meta,
    list::List,
    mode::ReadMode,
    next_url,
    page::UndecodedPage,
    strategy::{Address, Foot, PageRequest, PageView, Paging, Start, Way},
    token::Origin,
};
use crate::{
    base_url::BaseUrl,
    dispatch::{Caller, Effort, PoolLink},
    error::{Error, ErrorKind},
    priority::Priority,
    request::Request,
    response::Response,
};

/// Pages ahead of the consumer unless set otherwise.
const DEFAULT_PREFETCH: usize = 3;
/// Bytes of pages ahead of the consumer unless set otherwise.
const DEFAULT_BYTE_BUDGET: usize = 64 * 1024 * 1024;

/// A page of so many bytes is looked through aside, since one pass takes a while.
pub(super) const LONG: usize = 1024 * 1024;

/// What to read, and how.
pub(super) struct Target<T> {
    endpoint: String,
    /// Where the endpoint has moved to for good, as a page was told.
    moved: OnceLock<String>,
    pub(super) priority: Option<Priority>,
    pub(super) prefetch: usize,
    pub(super) byte_budget: usize,
    pub(super) bounds: Bounds,
    pub(super) paging: Paging,
    pub(super) envelope: Arc<Envelope>,
    pub(super) mode: ReadMode,
    pub(super) decoder: Arc<dyn PageDecoder<T>>,
}

/// A page as the server sent it, and what it cost.
pub(super) struct Arrival {
    pub(super) response: Response,
    pub(super) effort: Effort,
    /// What it says, where pages name each other, since it was read to find the next one, and
    /// of a page that is long.
    pub(super) read: Option<Box<ReadAhead>>,
}

/// What was read of a page before its turn.
pub(super) struct ReadAhead {
    pub(super) list: List,
    pub(super) items: usize,
    pub(super) meta: Meta,
    /// Where the next page is, if it names one.
    pub(super) next: Option<Address>,
    pub(super) way: Way,
    /// Whether it is asked for before the page is judged: nothing speaks against it.
    pub(super) goes_on: bool,
    /// What the items are.
    pub(super) content: u64,
}

impl<T: Send + 'static> Target<T> {
    /// The items of `endpoint` as `decoder` builds them, with every setting at its default.
    pub(super) fn new<D: ItemDecoder<Item = T>>(endpoint: String, decoder: D) -> Self {
        Self {
            endpoint,
            moved: OnceLock::new(),
            priority: Priority::of_scope(),
            prefetch: DEFAULT_PREFETCH,
            byte_budget: DEFAULT_BYTE_BUDGET,
            bounds: Bounds::NONE,
            paging: Paging::default(),
            envelope: Arc::default(),
            mode: ReadMode::default(),
            decoder: Arc::new(decoder),
        }
    }

    /// Which read it is.
    pub(super) fn origin(&self) -> Origin {
        Origin::of(&self.endpoint, &self.paging, &self.envelope)
    }

    /// Where the set begins.
    pub(super) fn start(&self) -> Start {
        Start { index: 0, address: self.paging.start(), full: 0, rows: 0 }
    }

    /// The same target with items built by another decoder.
    pub(super) fn decoded_by<D: ItemDecoder>(self, decoder: D) -> Target<D::Item> {
        Target {
            endpoint: self.endpoint,
            moved: self.moved,
            priority: self.priority,
            prefetch: self.prefetch,
            byte_budget: self.byte_budget,
            bounds: self.bounds,
            paging: self.paging,
            envelope: self.envelope,
            mode: self.mode,
            decoder: Arc::new(decoder),
        }
    }

    /// Fetches one page.
    pub(super) fn fetch(
        self: &Arc<Self>,
        caller: &Caller,
        index: u64,
        address: Address,
        size: Option<u64>,
    ) -> impl Future<Output = Result<Arrival, Error>> + Send + use<T> {
        let caller = caller.clone();
        let target = Arc::clone(self);
        async move {
            let request = target.request_of(&caller, &address, size).await?;
            let mut request = request.priority(target.priority.unwrap_or_default());
            let is_foreign = request.other_base().is_some();
            if let Some(left) = target.bounds.left(Instant::now) {
                let call_timeout = caller.dispatcher.config.settings.call_timeout;
                request = request.timeout(left.min(call_timeout));
            }
            let (response, effort) = caller.measured(request).await?;
            if response.is_moved() {
                target.follow_move(&caller.dispatcher.config.base, &address, size, &response);
            }
            let is_long = response.body().len() >= LONG;
            let read = if is_long || target.paging.is_chained() {
                let read = target.follow(&caller, index, &address, &response).await;
                let mut read = read.map_err(|error| effort.attach_to(error))?;
                if is_foreign {
                    let base = &caller.dispatcher.config.base;
                    read.next = read.next.map(|next| target.as_foreign(base, next));
                }
                Some(Box::new(read))
            } else {
                None
            };
            Ok(Arrival { response, effort, read })
        }
    }

    /// Asks for the pages that follow where a permanent redirect of this one led to (RFC 9110
    /// section 15.4.9), if it changed nothing but the path.
    fn follow_move(
        &self,
        base: &BaseUrl,
        address: &Address,
        size: Option<u64>,
        response: &Response,
    ) -> Option<()> {
        let asked = base.join(self.request(base, address, size).ok()?.target()).ok()?;
        let endpoint = base.join(self.endpoint()).ok()?;
        let url = response.url().filter(|url| url.query() == asked.query())?;
        if asked.path() != endpoint.path() {
            return None;
        }
        let query = endpoint.query().map(|query| format!("?{query}")).unwrap_or_default();
        self.moved.set(format!("{}{}{query}", base.origin(), url.path())).ok()
    }

    fn endpoint(&self) -> &str {
        self.moved.get().unwrap_or(&self.endpoint)
    }

    /// The request for a page. What a user's strategy has to say about it is said aside.
    async fn request_of(
        self: &Arc<Self>,
        caller: &Caller,
        address: &Address,
        size: Option<u64>,
    ) -> Result<Request, Error> {
        let dispatcher = &caller.dispatcher;
        let Some(custom) = self.paging.strategy().filter(|_| *address == Address::Start) else {
            return self.request(&dispatcher.config.base, address, size);
        };
        let (target, config) = (Arc::clone(self), Arc::clone(&dispatcher.config));
        let first = move || target.request(&config.base, &Address::Start, size);
        let limit = dispatcher.callback_timeout();
        dispatcher.blocking().run(custom.threads(), custom.name(), limit, first).await?
    }

    /// As [`read_ahead`](Self::read_ahead), aside if a user's strategy has a say in it, or if it
    /// takes long.
    async fn follow(
        self: &Arc<Self>,
        caller: &Caller,
        index: u64,
        address: &Address,
        response: &Response,
    ) -> Result<ReadAhead, Error> {
        let custom = self.paging.strategy();
        if custom.is_none() && response.body().len() < LONG {
            return self.read_ahead(index, address, response);
        }
        let dispatcher = &caller.dispatcher;
        let (target, address, response) = (Arc::clone(self), address.clone(), response.clone());
        let next = move || target.read_ahead(index, &address, &response);
        let Some(custom) = custom else { return dispatcher.blocking().work(next).await? };
        let limit = dispatcher.callback_timeout();
        dispatcher.blocking().run(custom.threads(), custom.name(), limit, next).await?
    }

    /// The request for a page.
    fn request(
        &self,
        base: &BaseUrl,
        address: &Address,
        size: Option<u64>,
    ) -> Result<Request, Error> {
        match address {
            Address::Url(url) => return self.request_to(base, url),
            Address::Untrusted(url) => return Err(untrusted(url)),
            Address::Custom(page) => return self.custom_request(base, page),
            Address::Start => {
                if let Some(page) = self.paging.first_request()? {
                    return self.custom_request(base, &page);
                }
            }
            Address::Page(_) | Address::Offset(_) | Address::Cursor(_) => {}
        }
        Request::get(self.endpoint()).query(&self.paging.query(address, size))
    }

    /// Where `next` leads that a page names which came without credentials: to other such pages,
    /// and else to the endpoint itself. Whoever controls that page chooses nothing else that is
    /// asked for with the pool's credentials.
    fn as_foreign(&self, base: &BaseUrl, next: Address) -> Address {
        // What cannot be asked for is an error when it is.
        let Ok(request) = self.request(base, &next, None) else { return next };
        if request.other_base().is_some() {
            return next;
        }
        let (url, endpoint) = (base.join(request.target()), base.join(self.endpoint()));
        match (url, endpoint) {
            (Ok(url), Ok(endpoint)) if next_url::is_of(&url, &endpoint) => next,
            (Ok(url), _) => Address::Untrusted(url.to_string()),
            (Err(_), _) => next,
        }
    }

    fn custom_request(&self, base: &BaseUrl, page: &PageRequest) -> Result<Request, Error> {
        let mut request = match &page.url {
            Some(url) => self.request_to(base, url)?,
            None => Request::get(self.endpoint()),
        };
        if let Some(json) = &page.body {
            request = request.into_query(json.clone());
        }
        for (name, value) in &page.headers {
            request = request.header(name, value)?;
        }
        request.query(&page.params)
    }

    /// The request to a URL that a page holds. One that was allowed by name goes without
    /// credentials.
    fn request_to(&self, base: &BaseUrl, url: &str) -> Result<Request, Error> {
        let part = next_url::followed(url, self.paging.followed_part(), &self.endpoint);
        let part = part.or_else(|| next_url::secured(url, base));
        let url = part.as_deref().unwrap_or(url);
        let refusal = match base.join(url) {
            Ok(_) => return Ok(Request::get(url)),
            Err(error) if error.kind() != ErrorKind::ForeignOrigin => return Err(error),
            Err(error) => error,
        };
        let allowed = self.paging.allowed()?.into_iter().find(|allowed| allowed.join(url).is_ok());
        allowed.map(|allowed| Request::get(url).elsewhere(allowed)).ok_or_else(|| {
            let what = format!(
                "the next page is at {}, outside the pool's base URL, and nothing that \
                 Paging::allow_origin names leads there; if the API names itself by another \
                 host, port or prefix, Paging::next_url_part follows a part of its URLs",
                next_url::shown(url)
            );
            Error::new(ErrorKind::ForeignOrigin, what).with_source(refusal)
        })
    }

    /// Reads of a page where the next one is.
    fn read_ahead(
        &self,
        index: u64,
        address: &Address,
        response: &Response,
    ) -> Result<ReadAhead, Error> {
        let list = List::of(&self.envelope, response)?;
        let (taken, survey) = list.survey_all(response, &self.envelope, self.paging.pointer())?;
        let Survey { mut meta, pointer } = survey;
        let items = taken.count;
        self.paging.read_headers(response.headers(), &mut meta);
        let first;
        let request = match address {
            Address::Custom(request) => request,
            _ => {
                first = self.paging.first_request()?.unwrap_or_default();
                &first
            }
        };
        let view = PageView { index, rows: items, total: meta.total, request, response };
        let foot = Foot { pointer, view };
        let next = if self.paging.is_chained() { self.paging.follow(&foot)? } else { None };
        let way = match &next {
            None => Way::Nowhere,
            Some(next) if next == address => Way::Itself,
            Some(_) => Way::Named,
        };
        let is_over = self.envelope.has_flag() && meta.has_next == Some(false);
        let goes_on = next.is_some() && !is_over && !(items == 0 && way == Way::Itself);
        let content = list.content(taken);
        Ok(ReadAhead { list, items, meta, next, way, goes_on, content })
    }

    /// How many places the window has.
    pub(super) fn window(&self) -> usize {
        if self.mode == ReadMode::Sequential { 1 } else { self.prefetch }
    }

    /// Whether a page keeps its place in the window while it is consumed. Where there is but
    /// one place, the next page could not be under way meanwhile.
    pub(super) fn counts_the_page_at_hand(&self) -> bool {
        self.mode == ReadMode::Sequential || self.prefetch > 1
    }
}

/// The error of a URL that was named by a page which came without credentials.
fn untrusted(url: &str) -> Error {
    let what = format!(
        "the next page is at {}, as a page of another origin says; such a page leads to no others \
         of the pool's API than those of the endpoint itself, with its query parameters unchanged",
        next_url::shown(url)
    );
    Error::new(ErrorKind::ForeignOrigin, what)
}

/// Fetches one page on its own, within `bounds`, asking for so many items if the API takes a
/// size.
pub(crate) async fn fetch_page<D: ItemDecoder>(
    pool: impl Into<PoolLink>,
    endpoint: &str,
    paging: &Paging,
    envelope: &Envelope,
    decoder: D,
    (address, size): (Address, Option<u64>),
    bounds: Bounds,
) -> Result<Page<D::Item>, Error> {
    paging.check()?;
    let index = if let Address::Page(index) = address { index } else { 0 };
    let number = paging.number(index);
    let mut target = Target::new(endpoint.to_owned(), decoder);
    target.paging = paging.clone();
    target.envelope = Arc::new(envelope.clone());
    target.bounds = bounds.begun(Instant::now());
    let target = Arc::new(target);
    let connected = pool.into().0.connect().await?;
    paging.check_origins(&connected.caller.dispatcher.config)?;
    let page = async {
        let mut arrival = target.fetch(&connected.caller, index, address, size).await?;
        let read = arrival.read.take();
        if let Some(read) = &read {
            bounds.check_items(read.items as u64)?;
        }
        let (list, meta) = read.map(|read| (read.list, read.meta)).unzip();
        UndecodedPage::open(&target, arrival, list, number, 0, 0)?.whole(meta).await
    };
    page.await.map_err(|error| error.with_page(number))
}

/// The URL of one page, which is not asked for.
pub(crate) fn page_url(
    base: &BaseUrl,
    endpoint: &str,
    paging: &Paging,
    address: &Address,
    size: Option<u64>,
) -> Result<Uri, Error> {
    paging.check()?;
    let mut target = Target::new(endpoint.to_owned(), Typed::<IgnoredAny>::new());
    target.paging = paging.clone();
    let request = target.request(base, address, size)?;
    request.other_base().map_or(base, Arc::as_ref).join(request.target())
}
