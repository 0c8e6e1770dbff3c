//! [pure] How an API hands its set out page by page: the settings of every strategy, and
//! the parameters that they become. `address` says where a page is, `plan` where the next
//! one is and when the set has ended, `trailer` what a page says about the one after it.

mod address;

mod check;
mod custom;
mod ends;
mod evidence;
mod link;
mod parameters;
mod plan;
mod seen;
mod trailer;

use serde::{Deserialize, Serialize};

use address::Origins;
pub use address::UrlPart;
pub(crate) use address::{PageAddress, ParamValue};
use custom::Custom;
pub use custom::{PageRequest, PageStrategy, PageView};
use ends::Ends;
pub(super) use evidence::{Continuation, Statement};
pub(super) use plan::{Observation, Plan, Stride, Verdict};
pub(super) use seen::Seen;
pub(super) use trailer::{PageTrailer, Pointer, is_zero};

use crate::{
    base_url::BaseUrl,
    error::{Error, ErrorKind},
    path::Path,
};

/// How an API hands its set out page by page.
///
/// The default asks for `?page=1`, `?page=2`, … and leaves the size to the API.
///
/// ```
/// use vantage_api_pool::Paging;
///
/// let numbered = Paging::page_number().first_page(0).page_size("per_page", 100);
/// let by_rows = Paging::offset_limit("offset", "limit", 100);
/// let by_cursor = Paging::cursor("after", "paging.next").page_size("limit", 100);
/// # let _ = (numbered, by_rows, by_cursor);
/// ```
///
/// Pages by number and by offset are fetched in parallel as soon as a page has told how
/// many there are. In the other modes each page names the next one, which is asked for as
/// soon as the page before it has arrived.
///
/// # Size
///
/// A server may give less than it was asked for. The first page shows what it really
/// gives: offsets go on from the rows that came, whatever was asked for, and a later page is
/// short only if it has fewer rows than the first one.
///
/// # Where the set ends
///
/// A page speaks of the pages after it in many ways, and all of them are heard. What says that
/// more follow is followed if there is a way to it:
///
/// | what a page says | more follow | this is the last page |
/// |---|---|---|
/// | a flag ([`has_next_at`](crate::Envelope::has_next_at), [`is_last_at`](crate::Envelope::is_last_at)) | yes | no |
/// | what names the next page ([`next_page_at`](crate::Envelope::next_page_at)) | is there | is `null` or empty |
/// | a cursor, a URL, the strategy | is there, and no flag that a setting names says no | is missing |
/// | a `Link` header with `rel="next"` | is there | |
/// | the total of rows | is above the rows read | is their number |
/// | the number of pages | is above that of this page | is that of this page |
/// | the number of its rows, if all else is silent | is that of a full page | is below |
///
/// A total below what was read says nothing. The table is read so:
///
/// | some say that more follow | the next page | what happens |
/// |---|---|---|
/// | yes | has a number or an offset, or is named | it is read |
/// | yes | cannot be reached: nothing names it, the total says more and its last page is empty, a 404 | [`ErrorKind::Incomplete`], which names what says so |
/// | no | | the read ends |
///
/// So a read that ends without an error has seen nothing that says that rows are missing. What
/// was decided against something that a page says, and a place that is named and was on no page,
/// is told by [`Event::PagingWarning`](crate::events::Event::PagingWarning) and counted in
/// [`Stats::paging_warnings`](crate::stats::Stats::paging_warnings).
///
/// # Loops
///
/// A page with the items of the page before it, and a cursor or a URL that was followed
/// before and leads to what it led to then, end the read with [`ErrorKind::PageLoop`]. The
/// first 65,536 pages of a read are remembered, by their hashes; a loop that lies behind them
/// is noticed within three times its length.
///
/// # As data
///
/// In YAML and the like `by` says which way it is: `page`, `offset`, `cursor`, `next_url`, `link`
/// or `none`. Beside it stand what that way needs (`param`, `next`), the number of the `first`
/// page, `size_param` and `size`, `allow_origins`, `next_url_part`, and the other settings by
/// the names of their methods:
///
/// ```yaml
/// { by: cursor, param: after, next: paging.next, size_param: limit, size: 100 }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paging {
    #[serde(default)]
    size_param: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    /// The setting that was made of a mode that does not have it.
    #[serde(skip)]
    stray: Option<&'static str>,
    #[serde(default)]
    fail_on_change: bool,
    /// What URLs may lead to besides the pool's base URL.
    #[serde(default, rename = "allow_origins")]
    origins: Origins,
    /// How much of a next URL is followed.
    #[serde(default, rename = "next_url_part")]
    url_part: UrlPart,
    #[serde(flatten)]
    ends: Ends,
    /// The last to be read: it refuses every key that is left.
    #[serde(flatten)]
    mode: Mode,
}

// Serde passes over the keys beside a unit variant, so that these have braces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
enum Mode {
    #[serde(rename = "page")]
    Number {
        #[serde(default = "page")]
        param: String,
        /// The number of the first page, where it was set.
        #[serde(default)]
        first: Option<u64>,
    },
    Offset {
        param: String,
    },
    /// The parameter, and where the next cursor is in a page.
    Cursor {
        param: String,
        next: Path,
    },
    /// Where the next URL is in a page.
    NextUrl {
        next: Path,
    },
    Link {},
    #[serde(skip)]
    Custom(Custom),
    None {},
}

fn page() -> String {
    "page".to_owned()
}

impl Default for Paging {
    fn default() -> Self {
        Self::page_number()
    }
}

impl Paging {
    fn of(mode: Mode) -> Self {
        Self {
            mode,
            size_param: None,
            size: None,
            stray: None,
            fail_on_change: false,
            ends: Ends::default(),
            origins: Origins::default(),
            url_part: UrlPart::default(),
        }
    }

    /// Pages are numbered: `?page=1`, `?page=2`, …. Where the body does not tell how many
    /// there are, a `Link` header with the relation `last` does.
    #[must_use]
    pub fn page_number() -> Self {
        Self::of(Mode::Number { param: page(), first: None })
    }

    /// Rows are numbered from 0: `?offset=0&limit=100`, `?offset=100&limit=100`, …, with
    /// these names and at most `size` rows a page.
    #[must_use]
    pub fn offset_limit(
        offset_param: impl Into<String>,
        limit_param: impl Into<String>,
        size: u64,
    ) -> Self {
        Self::of(Mode::Offset { param: offset_param.into() }).page_size(limit_param, size)
    }

    /// Each page holds a cursor, at `path_in_body` (keys joined by dots), and the next one
    /// is asked for with it in the parameter `param`. A cursor is text or a number. The set
    /// ends where it is missing, `null`, `false` or empty, or where
    /// [a flag](crate::Envelope::has_next_at) says so, and with an empty page that names the
    /// cursor with which it was asked for.
    #[must_use]
    pub fn cursor(param: impl Into<String>, path_in_body: &str) -> Self {
        Self::of(Mode::Cursor { param: param.into(), next: Path::parse(path_in_body) })
    }

    /// Each page holds the URL of the next one, at `path_in_body` (keys joined by dots):
    /// absolute, or relative to the URL of the page. The set ends where it is missing,
    /// `null`, `false` or empty.
    ///
    /// A URL outside of the pool's base URL fails the read with
    /// [`ErrorKind::ForeignOrigin`] unless it is [allowed](Self::allow_origin).
    #[must_use]
    pub fn next_url(path_in_body: &str) -> Self {
        Self::of(Mode::NextUrl { next: Path::parse(path_in_body) })
    }

    /// The header `Link` of each page holds the URL of the next one, with the relation
    /// `next` (RFC 8288). The set ends where there is none. What holds for the URLs of
    /// [`next_url`](Self::next_url) holds for these.
    #[must_use]
    pub fn link_header() -> Self {
        Self::of(Mode::Link {})
    }

    /// Any other way: `strategy` says what to ask for after each page.
    #[must_use]
    pub fn custom(strategy: impl PageStrategy) -> Self {
        Self::of(Mode::Custom(Custom::of(strategy)))
    }

    /// The API does not page: one request without parameters is the whole set.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Mode::None {})
    }

    /// The number of the first page: 1 by default, 0 for APIs that count from zero. It has a
    /// meaning for numbered pages only.
    #[must_use]
    pub fn first_page(mut self, number: u64) -> Self {
        match &mut self.mode {
            Mode::Number { first, .. } => *first = Some(number),
            _ => self.stray = Some("first_page: has a meaning for numbered pages only"),
        }
        self
    }

    /// The name of the parameter with the page number, the offset or the cursor. The default
    /// for page numbers is `page`. The other modes have none, and refuse one.
    #[must_use]
    pub fn page_param(mut self, name: impl Into<String>) -> Self {
        match &mut self.mode {
            Mode::Number { param, .. } | Mode::Offset { param } | Mode::Cursor { param, .. } => {
                *param = name.into();
            }
            _ => self.stray = Some("page_param: pages are not asked for by a parameter"),
        }
        self
    }

    /// Asks for `size` items a page, at least 1, in the parameter `name`. By default no size
    /// is asked for and the API's own applies. A server may cap it. Where a page holds the
    /// URL of the next one, only the first is asked with it.
    #[must_use]
    pub fn page_size(mut self, name: impl Into<String>, size: u64) -> Self {
        (self.size_param, self.size) = (Some(name.into()), Some(size));
        self
    }

    /// Fails the read with [`ErrorKind::SetChanged`] when a
    /// page names another total, of items or of pages, than those before it. By default
    /// a set that grows is followed, and one that shrinks ends sooner.
    #[must_use]
    pub fn fail_on_change(mut self, yes: bool) -> Self {
        self.fail_on_change = yes;
        self
    }

    /// Follows a part of the URLs of next pages only, for APIs behind a proxy whose URLs name
    /// another host, port or prefix than they are reached at. By default a URL is followed as
    /// a whole, and one that leads outside of the pool's base URL is an error. A URL with
    /// `http://` in an API that is reached by `https://` is taken for one with `https://` if
    /// nothing else of its host differs.
    #[must_use]
    pub fn next_url_part(mut self, part: UrlPart) -> Self {
        self.url_part = part;
        self
    }

    /// Lets the URL of a next page lead to `base_url`, such as `https://cdn.example.com` or
    /// `https://example.com/exports`, besides the pool's own base URL. What is asked for
    /// there carries no credentials: no token, and none of the pool's default headers but
    /// `User-Agent` and those that begin with `Accept`. Another origin has a hold, a rate limit,
    /// a dampener, a circuit breaker and a retry budget of its own, with the pool's settings:
    /// nothing that it answers holds the API.
    ///
    /// A page from there leads to further such pages, and back to the pool's API only at the
    /// endpoint itself with its own query parameters unchanged; another URL of the API is
    /// [`ErrorKind::ForeignOrigin`]. An `http://` URL for an API with `https://` needs
    /// [`PoolBuilder::allow_http_origins`](crate::PoolBuilder::allow_http_origins), without
    /// which the read fails with [`ErrorKind::Config`] and sends nothing.
    #[must_use]
    pub fn allow_origin(mut self, base_url: impl Into<String>) -> Self {
        self.origins.0.push(base_url.into());
        self
    }

    /// Whether pages lie in order at places that can be computed, so that any of them can be
    /// asked for.
    pub(crate) fn is_addressable(&self) -> bool {
        matches!(self.mode, Mode::Number { .. } | Mode::Offset { .. })
    }

    /// Whether rows are asked for by their offset.
    pub(crate) fn is_by_offset(&self) -> bool {
        matches!(self.mode, Mode::Offset { .. })
    }

    /// Whether the set may take more than one page.
    pub(crate) fn is_paged(&self) -> bool {
        self.mode != (Mode::None {})
    }

    /// Whether each page names the next one.
    pub(crate) fn is_chained(&self) -> bool {
        self.is_paged() && !self.is_addressable()
    }

    fn is_led_by_urls(&self) -> bool {
        matches!(self.mode, Mode::NextUrl { .. } | Mode::Link {} | Mode::Custom(_))
    }

    /// The page size that is asked for.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    pub(crate) fn is_not_found_the_end(&self) -> bool {
        self.ends.not_found_ends
    }

    /// Whether the `Link` header leads from page to page.
    fn is_link(&self) -> bool {
        self.mode == (Mode::Link {})
    }

    /// How much of a next URL is followed.
    pub(super) fn followed_part(&self) -> UrlPart {
        self.url_part
    }

    /// What names the next page, for a reader of errors.
    pub(super) fn pointer_name(&self) -> String {
        match &self.mode {
            Mode::Cursor { next, .. } | Mode::NextUrl { next } => format!("`{next}`"),
            Mode::Link {} => "the `Link` header".into(),
            Mode::Custom(_) => "the strategy".into(),
            Mode::Number { .. } | Mode::Offset { .. } | Mode::None {} => "the paging".into(),
        }
    }

    /// The same with no more than so many items asked for a page.
    pub(crate) fn at_most(mut self, items: u64) -> Self {
        self.size = self.size.map(|size| size.min(items.max(1)));
        self
    }

    /// The base URLs that are allowed by name, as they were given.
    pub(crate) fn origins(&self) -> &[String] {
        &self.origins.0
    }

    /// The base URLs that are allowed by name.
    pub(super) fn allowed(&self) -> Result<Vec<BaseUrl>, Error> {
        let parsed = self.origins.0.iter().map(|origin| BaseUrl::parse(origin));
        parsed.collect::<Result<_, _>>().map_err(|source| {
            Error::new(ErrorKind::Config, "allow_origin: is not a base URL").with_source(source)
        })
    }

    /// The strategy of a user, if pages are asked for by one.
    pub(super) fn strategy(&self) -> Option<&Custom> {
        match &self.mode {
            Mode::Custom(custom) => Some(custom),
            _ => None,
        }
    }
    /// Where a custom strategy has the page with this row, and the first row of the page.
    pub(crate) fn page_with_row(&self, row: u64) -> Option<(PageAddress, u64)> {
        let Mode::Custom(custom) = &self.mode else { return None };
        custom.page_with_row(row).map(|(page, first)| (PageAddress::Custom(page), first))
    }
}
