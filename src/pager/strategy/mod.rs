//! [pure] How an API hands its set out page by page: the settings of every strategy, and
//! the parameters that they become. `address` says where a page is, `plan` where the next
//! one is and when the set has ended, `chain` what a page says about the one after it.

mod address;
mod chain;
mod custom;
mod link;
mod plan;
mod seen;

use std::sync::Arc;

use address::Origins;
pub(crate) use address::{Address, Term};
pub(super) use chain::{Foot, Pointer};
use custom::Custom;
pub use custom::{PageRequest, PageStrategy, PageView};
pub(super) use plan::{Plan, Sight, Start, Steps, Verdict};
pub(super) use seen::Seen;

use super::envelope::keys;
use crate::{
    error::{Error, ErrorKind},
    http::BaseUrl,
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
/// # Loops
///
/// A page with the items of the page before it, and a cursor or a URL that was followed
/// before, end the read with [`ErrorKind::PageLoop`]. The first 65,536 places
/// of a read are remembered, by their hashes; a loop that lies behind them is noticed within
/// three times its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    mode: Mode,
    /// The number of the first page, where it was set.
    first: Option<u64>,
    size: Option<(String, u64)>,
    /// Whether a parameter was named that the mode has not.
    has_stray_param: bool,
    not_found_ends: bool,
    fail_on_change: bool,
    /// What URLs may lead to besides the pool's base URL.
    origins: Origins,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    /// The parameter.
    Number(String),
    /// The parameter.
    Offset(String),
    /// The parameter, and where the next cursor is in a page.
    Cursor(String, Vec<String>),
    /// Where the next URL is in a page.
    NextUrl(Vec<String>),
    Link,
    Custom(Custom),
    None,
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
            first: None,
            size: None,
            has_stray_param: false,
            not_found_ends: false,
            fail_on_change: false,
            origins: Origins::default(),
        }
    }

    /// Pages are numbered: `?page=1`, `?page=2`, …. Where the body does not tell how many
    /// there are, a `Link` header with the relation `last` does.
    #[must_use]
    pub fn page_number() -> Self {
        Self::of(Mode::Number("page".into()))
    }

    /// Rows are numbered from 0: `?offset=0&limit=100`, `?offset=100&limit=100`, …, with
    /// these names and at most `size` rows a page.
    #[must_use]
    pub fn offset_limit(
        offset_param: impl Into<String>,
        limit_param: impl Into<String>,
        size: u64,
    ) -> Self {
        Self::of(Mode::Offset(offset_param.into())).page_size(limit_param, size)
    }

    /// Each page holds a cursor, at `path_in_body` (keys joined by dots), and the next one
    /// is asked for with it in the parameter `param`. A cursor is text or a number. The set
    /// ends where it is missing, `null`, `false` or empty, or where
    /// [a flag](crate::Envelope::has_next_at) says so.
    #[must_use]
    pub fn cursor(param: impl Into<String>, path_in_body: &str) -> Self {
        Self::of(Mode::Cursor(param.into(), keys(path_in_body)))
    }

    /// Each page holds the URL of the next one, at `path_in_body` (keys joined by dots):
    /// absolute, or relative to the URL of the page. The set ends where it is missing,
    /// `null`, `false` or empty.
    ///
    /// A URL outside of the pool's base URL fails the read with
    /// [`ErrorKind::ForeignOrigin`] unless it is [allowed](Self::allow_origin).
    #[must_use]
    pub fn next_url(path_in_body: &str) -> Self {
        Self::of(Mode::NextUrl(keys(path_in_body)))
    }

    /// The header `Link` of each page holds the URL of the next one, with the relation
    /// `next` (RFC 8288). The set ends where there is none. What holds for the URLs of
    /// [`next_url`](Self::next_url) holds for these.
    #[must_use]
    pub fn link_header() -> Self {
        Self::of(Mode::Link)
    }

    /// Any other way: `strategy` says what to ask for after each page.
    #[must_use]
    pub fn custom(strategy: impl PageStrategy) -> Self {
        Self::of(Mode::Custom(Custom(Arc::new(strategy))))
    }

    /// The API does not page: one request without parameters is the whole set.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Mode::None)
    }

    /// The number of the first page: 1 by default, 0 for APIs that count from zero. It has a
    /// meaning for numbered pages only.
    #[must_use]
    pub fn first_page(mut self, number: u64) -> Self {
        self.first = Some(number);
        self
    }

    /// The name of the parameter with the page number, the offset or the cursor. The default
    /// for page numbers is `page`. The other modes have none, and refuse one.
    #[must_use]
    pub fn page_param(mut self, name: impl Into<String>) -> Self {
        if let Mode::Number(param) | Mode::Offset(param) | Mode::Cursor(param, _) = &mut self.mode {
            *param = name.into();
        } else {
            self.has_stray_param = true;
        }
        self
    }

    /// Asks for `size` items a page, at least 1, in the parameter `name`. By default no size
    /// is asked for and the API's own applies. A server may cap it. Where a page holds the
    /// URL of the next one, only the first is asked with it.
    #[must_use]
    pub fn page_size(mut self, name: impl Into<String>, size: u64) -> Self {
        self.size = Some((name.into(), size));
        self
    }

    /// Reads a 404 past the first page as the end of the set. By default it is an error.
    #[must_use]
    pub fn not_found_ends(mut self, yes: bool) -> Self {
        self.not_found_ends = yes;
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

    /// Lets the URL of a next page lead to `base_url`, such as `https://cdn.example.com` or
    /// `https://example.com/exports`, besides the pool's own base URL. What is asked for
    /// there carries no credentials: no token, and none of the pool's default headers but
    /// `User-Agent` and those that begin with `Accept`.
    #[must_use]
    pub fn allow_origin(mut self, base_url: impl Into<String>) -> Self {
        self.origins.0.push(base_url.into());
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the setting.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |what: &'static str| Err(Error::new(ErrorKind::Config, what));
        let size = self.size.as_ref().map(|(name, size)| (name.as_str(), *size));
        if size.is_some_and(|(_, size)| size == 0) {
            return invalid("page_size: must be at least 1");
        }
        if size.is_some_and(|(name, _)| name.is_empty()) {
            return invalid("page_size: the name of the parameter is empty");
        }
        if self.mode == Mode::None && size.is_some() {
            return invalid("page_size: has no meaning for an API that does not page");
        }
        if matches!(self.mode, Mode::Custom(_)) && size.is_some() {
            return invalid("page_size: a custom strategy asks for the size itself");
        }
        if self.has_stray_param {
            return invalid("page_param: pages are not asked for by a parameter");
        }
        if self.first.is_some() && !matches!(self.mode, Mode::Number(_)) {
            return invalid("first_page: has a meaning for numbered pages only");
        }
        match &self.mode {
            Mode::Number(param) | Mode::Offset(param) | Mode::Cursor(param, _)
                if param.is_empty() =>
            {
                return invalid("paging: the name of a parameter is empty");
            }
            Mode::Number(param) | Mode::Offset(param) | Mode::Cursor(param, _)
                if size.is_some_and(|(name, _)| name == param) =>
            {
                return invalid("paging: one parameter cannot be both the place and the size");
            }
            Mode::Cursor(_, path) | Mode::NextUrl(path) if path.is_empty() => {
                return invalid("paging: the path to the next page is empty");
            }
            _ => {}
        }
        if !self.origins.0.is_empty() && !self.is_led_by_urls() {
            return invalid("allow_origin: has a meaning only where pages hold URLs");
        }
        self.allowed().map(drop)
    }

    /// Whether pages lie in order at places that can be computed, so that any of them can be
    /// asked for.
    pub(crate) fn is_addressable(&self) -> bool {
        matches!(self.mode, Mode::Number(_) | Mode::Offset(_))
    }

    /// Whether rows are asked for by their offset.
    pub(crate) fn is_by_offset(&self) -> bool {
        matches!(self.mode, Mode::Offset(_))
    }

    /// Whether the set may take more than one page.
    pub(crate) fn is_paged(&self) -> bool {
        self.mode != Mode::None
    }

    /// Whether each page names the next one.
    pub(crate) fn is_chained(&self) -> bool {
        self.is_paged() && !self.is_addressable()
    }

    fn is_led_by_urls(&self) -> bool {
        matches!(self.mode, Mode::NextUrl(_) | Mode::Link | Mode::Custom(_))
    }

    /// The page size that is asked for.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size.as_ref().map(|(_, size)| *size)
    }

    pub(crate) fn is_not_found_the_end(&self) -> bool {
        self.not_found_ends
    }

    /// The same with no more than so many items asked for a page.
    pub(crate) fn at_most(mut self, items: u64) -> Self {
        if let Some((_, size)) = &mut self.size {
            *size = (*size).min(items.max(1));
        }
        self
    }

    /// The base URLs that are allowed by name.
    pub(super) fn allowed(&self) -> Result<Vec<BaseUrl>, Error> {
        let parsed = self.origins.0.iter().map(|origin| BaseUrl::parse(origin));
        parsed.collect::<Result<_, _>>().map_err(|source| {
            Error::new(ErrorKind::Config, "allow_origin: is not a base URL").with_source(source)
        })
    }

    /// The names of the query parameters that paging sets.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        let place = match &self.mode {
            Mode::Number(param) | Mode::Offset(param) | Mode::Cursor(param, _) => Some(param),
            Mode::NextUrl(_) | Mode::Link | Mode::Custom(_) | Mode::None => None,
        };
        let size = self.size.as_ref().map(|(name, _)| name);
        place.into_iter().chain(size).map(String::as_str).collect()
    }

    /// The number by which the API knows the page with this index; where it does not number
    /// them, they count from 1.
    pub(crate) fn number(&self, index: u64) -> u64 {
        self.first.unwrap_or(1).saturating_add(index)
    }

    /// Where the first page is.
    pub(crate) fn start(&self) -> Address {
        match &self.mode {
            Mode::Number(_) => Address::Page(0),
            Mode::Offset(_) => Address::Offset(0),
            _ => Address::Start,
        }
    }

    /// Whether a read by this paging comes to such a place.
    pub(super) fn leads_to(&self, address: &Address) -> bool {
        match (&self.mode, address) {
            (Mode::Number(_), Address::Page(_))
            | (Mode::Offset(_), Address::Offset(_))
            | (Mode::Cursor(..), Address::Cursor(_))
            | (Mode::NextUrl(_) | Mode::Link, Address::Url(_))
            | (Mode::Custom(_), Address::Custom(_)) => true,
            (_, address) => *address == Address::Start && *address == self.start(),
        }
    }

    /// What a custom strategy asks for first.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`] when it panics.
    pub(super) fn first_request(&self) -> Result<Option<PageRequest>, Error> {
        let Mode::Custom(custom) = &self.mode else { return Ok(None) };
        custom.first().map(Some)
    }

    /// Where a custom strategy has the page with this row, and the first row of the page.
    pub(crate) fn page_with_row(&self, row: u64) -> Option<(Address, u64)> {
        let Mode::Custom(custom) = &self.mode else { return None };
        custom.page_with_row(row).map(|(page, first)| (Address::Custom(page), first))
    }

    /// The query parameters that ask for a page, with another size if `size` is given.
    pub(crate) fn query<'a>(
        &'a self,
        address: &'a Address,
        size: Option<u64>,
    ) -> Vec<(&'a str, Term<'a>)> {
        let place = match (&self.mode, address) {
            (Mode::Number(param), Address::Page(index)) => {
                Some((param.as_str(), Term::Number(self.number(*index))))
            }
            (Mode::Offset(param), Address::Offset(row)) => {
                Some((param.as_str(), Term::Number(*row)))
            }
            (Mode::Cursor(param, _), Address::Cursor(cursor)) => {
                Some((param.as_str(), Term::Text(cursor)))
            }
            _ => None,
        };
        let own = self.size.as_ref().filter(|_| self.is_paged());
        let own = own.map(|(name, own)| (name.as_str(), Term::Number(size.unwrap_or(*own))));
        place.into_iter().chain(own).collect()
    }
}
