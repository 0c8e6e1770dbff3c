//! [pure] Paging strategies written by users: what they see of a page, and what they request.

use std::{any::type_name, error::Error as StdError, fmt, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    blocking::CallbackThreads,
    error::{Error, ErrorKind},
    response::Response,
    user_value::{UserValue, catch_panic},
};

/// A way of paging that is special to an API: decides after each page what to request next. Use
/// it with [`Paging::custom`](crate::Paging::custom).
///
/// A strategy holds no state: it reads everything it needs from the page, so a read can be
/// resumed anywhere. It runs when a page has arrived, before the page is consumed, on threads
/// used only for strategies, at most eight at a time. A strategy that panics, or does not return
/// within [`attempt_timeout`](crate::PoolBuilder::attempt_timeout) (or
/// [`call_timeout`](crate::PoolBuilder::call_timeout) if that is shorter), ends the read with an
/// [`ErrorKind::Callback`](crate::ErrorKind::Callback) that names its type. Only reads that use
/// this strategy wait for it.
///
/// Two calls do not run on those threads, and no timeout bounds them:
/// [`page_with_row`](Self::page_with_row), and [`first`](Self::first) when a table is
/// [previewed](crate::vantage::PoolTableExt::preview). They run on the thread of whoever reads the
/// window or asks for the preview, so they must not block.
///
/// ```
/// use serde_json::Value;
/// use vantage_api_pool::{Paging, paging::{PageRequest, PageStrategy, PageView}};
///
/// /// The next page begins after the last id of this one, as long as the API says `has_more`.
/// struct AfterLastId;
///
/// impl PageStrategy for AfterLastId {
///     fn next(
///         &self,
///         page: &PageView<'_>,
///     ) -> Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
///         let body: Value = page.json()?;
///         if body["has_more"] != true {
///             return Ok(None);
///         }
///         let last = body["data"].as_array().and_then(|rows| rows.last());
///         let id = last.and_then(|row| row["id"].as_str()).ok_or("a row without an id")?;
///         Ok(Some(PageRequest::new().param("starting_after", id)))
///     }
/// }
///
/// let paging = Paging::custom(AfterLastId);
/// # let _ = paging;
/// ```
pub trait PageStrategy: Send + Sync + 'static {
    /// What to request first: by default the endpoint as it is.
    fn first(&self) -> PageRequest {
        PageRequest::new()
    }

    /// What to request after `page`; `None` after the last page.
    ///
    /// # Errors
    /// Return any error if this cannot be decided. It ends the read with
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode), after the rows of the pages before.
    fn next(
        &self,
        page: &PageView<'_>,
    ) -> Result<Option<PageRequest>, Box<dyn StdError + Send + Sync>>;

    /// The page that holds this row of the set, counted from 0, and the number of its first row,
    /// for an API whose page places can be computed. A window of a table is then read from that
    /// page on, if no condition is evaluated on the rows; the read begins with that page, so its
    /// [index](PageView::index) is 0. The default is `None`: a window is read from the start of
    /// the set. It runs on the thread of whoever reads the window, and must not block.
    fn page_with_row(&self, row: u64) -> Option<(PageRequest, u64)> {
        let _ = row;
        None
    }
}

/// What to request for a page: parameters for the endpoint, or another URL, headers, and a JSON
/// body for an API that takes its queries by POST.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PageRequest {
    pub(crate) url: Option<String>,
    pub(crate) params: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<(String, String)>,
    /// JSON to be sent by POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
}

impl PageRequest {
    /// The stream's endpoint as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another URL: a path below the pool's base URL, or an absolute URL below it or below
    /// what is [allowed by name](crate::Paging::allow_origin).
    #[must_use]
    pub fn to(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::default() }
    }

    /// Adds a header, such as `Range: rows=0-24`. A header that is not legal in HTTP fails the read
    /// with [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest).
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Makes it a POST with this JSON body, for an API that takes queries that way. It must only
    /// read: it is retried like a GET.
    ///
    /// ```
    /// use serde_json::json;
    /// use vantage_api_pool::paging::PageRequest;
    ///
    /// let page = PageRequest::new().post(&json!({ "start_cursor": "c2", "page_size": 100 }));
    /// # let _ = page;
    /// ```
    #[must_use]
    pub fn post(self, body: &serde_json::Value) -> Self {
        Self { body: Some(body.to_string()), ..self }
    }

    /// Adds a query parameter, which is percent-encoded.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }
}

/// It may hold credentials, so only its form is shown.
impl fmt::Debug for PageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRequest")
            .field("has_url", &self.url.is_some())
            .field("params", &self.params.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("has_body", &self.body.is_some())
            .finish()
    }
}

/// A page that has arrived, as a [`PageStrategy`] sees it.
#[derive(Debug)]
pub struct PageView<'a> {
    pub(crate) index: u64,
    pub(crate) rows: usize,
    pub(crate) total: Option<u64>,
    pub(crate) request: &'a PageRequest,
    pub(crate) response: &'a Response,
}

impl PageView<'_> {
    /// The index of the page in the read, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows the set has, if the [`Envelope`](crate::Envelope) finds a total.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// What was requested.
    #[must_use]
    pub fn request(&self) -> &PageRequest {
        self.request
    }

    /// The headers of the response.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The body of the response, as it arrived.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.response.body()
    }

    /// The body of the response, parsed.
    ///
    /// # Errors
    /// If it is not JSON of type `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.response.json_text().map_err(serde::de::Error::custom)?)
    }
}

/// A user's strategy, and what the pool knows of it. It is equal only to its clones.
#[derive(Clone)]
pub(in crate::pager) struct Custom {
    strategy: Arc<dyn PageStrategy>,
    /// Its name in errors.
    pub(in crate::pager) name: Arc<str>,
    /// The threads it runs on.
    pub(in crate::pager) threads: Arc<CallbackThreads>,
    /// Must be dropped last.
    _end: Arc<UserValue>,
}

impl Custom {
    pub(super) fn of<S: PageStrategy>(strategy: S) -> Self {
        let strategy = Arc::new(strategy);
        let name = format!("the custom paging strategy `{}`", type_name::<S>()).into();
        let end = Arc::new(UserValue::keep(Arc::clone(&strategy)));
        Self { strategy, name, threads: Arc::default(), _end: end }
    }

    pub(super) fn first(&self) -> Result<PageRequest, Error> {
        catch_panic(|| self.strategy.first()).ok_or_else(|| self.panicked())
    }

    /// The page with a row, if the strategy can compute it. A panic counts as no.
    pub(super) fn page_with_row(&self, row: u64) -> Option<(PageRequest, u64)> {
        let found = catch_panic(|| self.strategy.page_with_row(row))??;
        Some(found).filter(|(_, first)| *first <= row)
    }

    /// # Errors
    /// [`ErrorKind::Callback`] when it panics, [`ErrorKind::Decode`] when it fails.
    pub(super) fn next(&self, page: &PageView<'_>) -> Result<Option<PageRequest>, Error> {
        let next = catch_panic(|| self.strategy.next(page)).ok_or_else(|| self.panicked())?;
        next.map_err(|source| {
            Error::new(ErrorKind::Decode, format!("{} failed", self.name))
                .with_users_source(source)
                .with_response(page.response.clone())
        })
    }

    fn panicked(&self) -> Error {
        Error::new(ErrorKind::Callback, format!("{} panicked", self.name))
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.threads, &other.threads)
    }
}

impl Eq for Custom {}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
