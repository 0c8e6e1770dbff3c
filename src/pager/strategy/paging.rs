//! [pure] [`Paging`], how an API pages: the ways to page. What is true of each is in `properties`.

use serde::{Deserialize, Serialize};

use super::{
    Export, FollowUp, PageStrategy, UrlPart, Windows, address::Origins, body::PageBody,
    custom::Custom, end_settings::Ends,
};
use crate::path::Path;

/// How an API pages.
///
/// The default requests `?page=1`, `?page=2`, … and leaves the page size to the API.
///
/// ```
/// use vantage_api_pool::Paging;
///
/// let numbered = Paging::page_number().first_page(0).page_size("per_page", 100);
/// let by_rows = Paging::offset_limit("offset", "limit", 100);
/// let by_cursor = Paging::cursor("after", "paging.next").page_size("limit", 100);
/// let by_last_row = Paging::keyset("starting_after", "id").page_size("limit", 100);
/// # let _ = (numbered, by_rows, by_cursor, by_last_row);
/// ```
///
/// Numbered and offset pages are fetched in parallel as soon as the first one has arrived. If pages
/// report how many there are, just those are requested. If not, pages are requested ahead until
/// one of them, in its turn, is the last: the API then gets some requests for pages past the end.
/// In the other modes each page names the next one, which is requested as soon as the page before
/// it has arrived.
///
/// # Size
///
/// A server may return fewer items than requested. The first page shows the real size: offsets
/// advance by the rows that arrived, not by the size that was requested, and a later page is
/// short only if it has fewer rows than the first one.
///
/// # Where the set ends
///
/// A page can signal in many ways whether more pages follow, and all of these signals are read.
/// If any of them says that more follow, the read goes on as long as there is a way to:
///
/// | signal | more follow | this is the last page |
/// |---|---|---|
/// | a flag ([`has_next_at`](crate::Envelope::has_next_at), [`is_last_at`](crate::Envelope::is_last_at)) | yes | no |
/// | a reference to the next page ([`next_page_at`](crate::Envelope::next_page_at)) | present | `null` or empty |
/// | a cursor, a URL, the strategy | present, and no configured flag says otherwise | missing |
/// | a `Link` header with `rel="next"` | present | |
/// | the total of rows | above the rows read | equal to the rows read |
/// | the number of pages | above the number of this page | equal to the number of this page |
/// | the number of rows on the page, if nothing else is said | that of a full page | fewer |
///
/// A total below the number of rows already read is ignored. The result:
///
/// | a signal says that more follow | the next page | result |
/// |---|---|---|
/// | yes | has a number or an offset, or is named | it is read |
/// | yes | cannot be reached: nothing names it, the total says more but the last page is empty, or a 404 | [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), which names the signal |
/// | no | | the read ends |
///
/// A read of pages that name each other, whose first page names no next one, also ends with
/// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete) if that page has a reference to a next
/// page at another of the usual places, such as `next`, `links.next`, `next_cursor` or `has_more`,
/// and nothing says that it is the last page: the paging is that of another API. With
/// [`none`](Self::none) it is a warning.
///
/// So a read that ends without an error has seen no sign of missing rows. A signal that was
/// overruled by others, and a configured path that no page had, are reported by
/// [`Event::PagingWarning`](crate::events::Event::PagingWarning) and counted in
/// [`Stats::paging_warnings`](crate::stats::Stats::paging_warnings).
///
/// # Loops
///
/// A page that repeats the items of the page before it ends the read with
/// [`ErrorKind::PageLoop`](crate::ErrorKind::PageLoop), and so does a cursor or a URL that was
/// followed before and leads to the same page again. The first 65,536 pages of a read are
/// remembered by hash; a later loop is detected within three times its length.
///
/// # As data
///
/// In YAML and other formats `by` selects the mode. Next to it are the fields that the mode needs,
/// `size_param` and `size`, `allow_origins`, [`windows`](crate::paging::Windows),
/// [`follow_up`](crate::paging::FollowUp), and the other settings by the names of their methods, where `restart_after` is a `param` and a `field`:
///
/// | mode | fields |
/// |---|---|
/// | `page` | `param` (`page` by default), and the number of the `first` page |
/// | `offset` | `param` |
/// | `range` | `unit` (`items` by default), and `size` without `size_param` |
/// | `cursor` | `param` and `next`, the path of the cursor |
/// | `header_cursor` | `param` and `header`, the name of the header with the cursor |
/// | `keyset` | `param` and `field`, the path in the last row, and `inclusive: true` if the API needs it |
/// | `next_url` | `next`, the path of the URL |
/// | `header_url` | `header`, the name of the header with the URL |
/// | `export` | those of an [`Export`](crate::paging::Export) |
/// | `link`, `auto`, `none` | |
///
/// ```yaml
/// { by: cursor, param: after, next: paging.next, size_param: limit, size: 100 }
/// ```
///
/// With [`post`](Self::post) the parameters are paths in the body of a POST:
///
/// ```yaml
/// by: cursor
/// param: variables.after
/// next: data.orders.pageInfo.endCursor
/// post: { query: "query ($after: String) { orders(after: $after) { … } }" }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paging {
    #[serde(default)]
    pub(super) size_param: Option<String>,
    #[serde(default)]
    pub(super) size: Option<u64>,
    /// A setting that was made although the mode does not support it.
    #[serde(skip)]
    pub(super) stray: Option<&'static str>,
    #[serde(default)]
    pub(super) fail_on_change: bool,
    /// Where URLs may lead besides the pool's base URL.
    #[serde(default, rename = "allow_origins")]
    pub(super) origins: Origins,
    /// How much of the URL of a next page is followed.
    #[serde(default, rename = "next_url_part")]
    pub(in crate::pager) url_part: UrlPart,
    /// What each request is a POST of, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) post: Option<PageBody>,
    /// Whether that is sent as a form.
    #[serde(default)]
    pub(super) as_form: bool,
    /// How the pages after the first one are requested, if not from the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) follow_up: Option<FollowUp>,
    /// The windows of time in which the set is read, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::pager) windows: Option<Windows>,
    #[serde(flatten)]
    pub(super) ends: Ends,
    /// Deserialized last: it refuses every key that is left.
    #[serde(flatten)]
    pub(super) mode: Mode,
}

// Serde ignores extra keys beside a unit variant, so these variants have braces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Mode {
    #[serde(rename = "page")]
    Number {
        #[serde(default = "page")]
        param: String,
        /// The number of the first page, if it was set.
        #[serde(default)]
        first: Option<u64>,
    },
    Offset {
        param: String,
    },
    /// The unit of the `Range` header.
    Range {
        #[serde(default = "items")]
        unit: String,
    },
    /// The parameter, and where a page holds the next cursor.
    Cursor {
        param: String,
        next: Path,
    },
    /// The parameter, and the header field of a page that holds the next cursor.
    HeaderCursor {
        param: String,
        header: String,
    },
    /// The parameter, and where a row has the value after which the next page begins.
    Keyset {
        param: String,
        field: Path,
        #[serde(default)]
        inclusive: bool,
    },
    /// Where a page holds the URL of the next one.
    NextUrl {
        next: Path,
    },
    /// The header field of a page that holds the URL of the next one.
    HeaderUrl {
        header: String,
    },
    Link {},
    Export(Box<Export>),
    Auto {},
    #[serde(skip)]
    Custom(Custom),
    None {},
}

fn page() -> String {
    "page".to_owned()
}

fn items() -> String {
    "items".to_owned()
}

impl Default for Mode {
    fn default() -> Self {
        Self::Number { param: page(), first: None }
    }
}

impl Paging {
    fn of(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Numbered pages: `?page=1`, `?page=2`, …. If the body does not report how many there are, a
    /// `Link` header with the relation `last` can.
    #[must_use]
    pub fn page_number() -> Self {
        Self::default()
    }

    /// Row offsets from 0: `?offset=0&limit=100`, `?offset=100&limit=100`, …, with these parameter
    /// names and at most `size` rows per page.
    #[must_use]
    pub fn offset_limit(
        offset_param: impl Into<String>,
        limit_param: impl Into<String>,
        size: u64,
    ) -> Self {
        Self::of(Mode::Offset { param: offset_param.into() }).page_size(limit_param, size)
    }

    /// Row offsets from 0, for an API that decides itself how many rows a page has: `?start=0`, then
    /// `?start=` the number of rows that have come. Pages are fetched in parallel as soon as the
    /// first one has shown how many rows that are.
    #[must_use]
    pub fn offset(param: impl Into<String>) -> Self {
        Self::of(Mode::Offset { param: param.into() })
    }

    /// Ranges of rows in the `Range` header (RFC 9110 section 14): `Range: items=0-99`,
    /// `items=100-199`, …, for the `unit` `items` and a `size` of 100. The set ends by the total in
    /// `Content-Range`, with a short page, or with a 416.
    #[must_use]
    pub fn range(unit: impl Into<String>, size: u64) -> Self {
        Self { size: Some(size), ..Self::of(Mode::Range { unit: unit.into() }) }
    }

    /// Each page holds a cursor at `path_in_body` (keys joined by dots), which is sent in the
    /// parameter `param` to request the next page. A cursor is text or a number. The set ends when
    /// the cursor is missing, `null`, `false` or empty, when [a flag](crate::Envelope::has_next_at)
    /// says so, and with an empty page that repeats the cursor it was requested with.
    #[must_use]
    pub fn cursor(param: impl Into<String>, path_in_body: &str) -> Self {
        Self::of(Mode::Cursor { param: param.into(), next: Path::parse(path_in_body) })
    }

    /// The header field `header` of each page holds a cursor, which is sent in the parameter `param`
    /// to request the next page. The set ends when the field is missing, empty or the word `null`,
    /// and otherwise as for [`cursor`](Self::cursor).
    #[must_use]
    pub fn header_cursor(param: impl Into<String>, header: impl Into<String>) -> Self {
        Self::of(Mode::HeaderCursor { param: param.into(), header: header.into() })
    }

    /// The next page begins after the last row of a page: the value that this row has at `field`
    /// (keys joined by dots), text or a number, is sent in the parameter `param`. With
    /// [`post`](Self::post) it may be a list as well, such as the sort values of a search. The set ends with
    /// [a flag](crate::Envelope::has_next_at), with a total, or with a page without rows;
    /// [`short_page_ends`](Self::short_page_ends) saves the request for that page.
    ///
    /// No two rows may have the same value: rows that the end of a page separates would be missing.
    /// A page with two such rows is an [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete). If
    /// rows can share a value, as a time of change, see [`inclusive`](Self::inclusive).
    #[must_use]
    pub fn keyset(param: impl Into<String>, field: &str) -> Self {
        let field = Path::parse(field);
        Self::of(Mode::Keyset { param: param.into(), field, inclusive: false })
    }

    /// Each page holds the URL of the next one at `path_in_body` (keys joined by dots), absolute or
    /// relative to the URL of the page. The set ends when it is missing, `null`, `false` or empty.
    ///
    /// A URL outside the pool's base URL fails the read with
    /// [`ErrorKind::ForeignOrigin`](crate::ErrorKind::ForeignOrigin) unless it is
    /// [allowed](Self::allow_origin).
    #[must_use]
    pub fn next_url(path_in_body: &str) -> Self {
        Self::of(Mode::NextUrl { next: Path::parse(path_in_body) })
    }

    /// The header field `header` of each page, such as `Next-Page`, is the URL of the next one. The
    /// set ends when it is missing, empty or the word `null`. The URLs follow the rules of
    /// [`next_url`](Self::next_url).
    #[must_use]
    pub fn header_url(header: impl Into<String>) -> Self {
        Self::of(Mode::HeaderUrl { header: header.into() })
    }

    /// The `Link` header of each page holds the URL of the next one, with the relation `next`
    /// (RFC 8288). The set ends when there is none. The URLs follow the rules of
    /// [`next_url`](Self::next_url).
    #[must_use]
    pub fn link_header() -> Self {
        Self::of(Mode::Link {})
    }

    /// An export in a job of its own: the request of the endpoint submits it, a GET or with
    /// [`post`](Self::post) a POST, it is polled until it is done, and its results are read one after
    /// the other. A read that is dropped polls no more, and one that is resumed after the first row
    /// goes on with the results that are there.
    ///
    /// A result outside the pool's base URL fails the read with
    /// [`ErrorKind::ForeignOrigin`](crate::ErrorKind::ForeignOrigin) unless it is
    /// [allowed](Self::allow_origin). A job that has failed is an
    /// [`ErrorKind::ApiError`](crate::ErrorKind::ApiError) with its status; what the API says beside
    /// that is in [`Error::response`](crate::Error::response) alone. A POST is submitted once: it is
    /// retried only if the API cannot have seen it.
    #[must_use]
    pub fn export(export: Export) -> Self {
        Self::of(Mode::Export(Box::new(export)))
    }

    /// Decides by its first page how an API pages, for a look at one that is not known yet. The first
    /// page is requested once more, by what was decided. An
    /// [`Event::PagingWarning`](crate::events::Event::PagingWarning) tells what that is, in the
    /// words of the data form, and whether it is sure or likely; it holds for the whole read, and for
    /// one that is resumed.
    ///
    /// Recognised are a `Link` header, the URL of a next page, numbered pages with their total or a
    /// flag, an offset that the page repeats, a cursor by its name, and a page that says that it is
    /// the last one. On doubt the read ends with
    /// [`ErrorKind::PaginationMissing`](crate::ErrorKind::PaginationMissing), which says what to
    /// write instead; a page about which nothing is known is never taken for the only one. A
    /// parameter without effect is told as for any other paging.
    #[must_use]
    pub fn auto() -> Self {
        Self::of(Mode::Auto {})
    }

    /// Any other way: `strategy` decides what to request after each page.
    #[must_use]
    pub fn custom(strategy: impl PageStrategy) -> Self {
        Self::of(Mode::Custom(Custom::of(strategy)))
    }

    /// The API does not page: one request without page parameters returns the whole set.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Mode::None {})
    }
}
