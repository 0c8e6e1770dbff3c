//! [pure] The settings of a [`Paging`]: of its requests, of the URLs it follows, and of where the
//! set ends.

use serde_json::Value;

use super::{FollowUp, Mode, Paging, UrlPart, Windows, body::PageBody, end_settings::RestartAfter};
use crate::path::Path;

impl Paging {
    /// The number of the first page: 1 by default, 0 for APIs that count from zero. It applies to
    /// numbered pages only.
    #[must_use]
    pub fn first_page(mut self, number: u64) -> Self {
        match &mut self.mode {
            Mode::Number { first, .. } => *first = Some(number),
            Mode::Offset { .. }
            | Mode::Range { .. }
            | Mode::Cursor { .. }
            | Mode::HeaderCursor { .. }
            | Mode::Keyset { .. }
            | Mode::NextUrl { .. }
            | Mode::HeaderUrl { .. }
            | Mode::Link {}
            | Mode::Export(_)
            | Mode::Auto {}
            | Mode::Custom(_)
            | Mode::None {} => {
                self.stray = Some("first_page: has a meaning for numbered pages only");
            }
        }
        self
    }

    /// The name of the parameter with the page number, the offset, the cursor or the value. The
    /// default for page numbers is `page`. The other modes have no such parameter and refuse one.
    #[must_use]
    pub fn page_param(mut self, name: impl Into<String>) -> Self {
        match &mut self.mode {
            Mode::Number { param, .. }
            | Mode::Offset { param }
            | Mode::Cursor { param, .. }
            | Mode::HeaderCursor { param, .. }
            | Mode::Keyset { param, .. } => *param = name.into(),
            Mode::Range { .. }
            | Mode::NextUrl { .. }
            | Mode::HeaderUrl { .. }
            | Mode::Link {}
            | Mode::Export(_)
            | Mode::Auto {}
            | Mode::Custom(_)
            | Mode::None {} => {
                self.stray = Some("page_param: pages are not asked for by a parameter");
            }
        }
        self
    }

    /// Requests `size` items per page, at least 1, in the parameter `name`. By default no size is
    /// sent and the API's own applies. A server may cap it. If pages hold the URL of the next one,
    /// only the first request carries the size.
    #[must_use]
    pub fn page_size(mut self, name: impl Into<String>, size: u64) -> Self {
        (self.size_param, self.size) = (Some(name.into()), Some(size));
        self
    }

    /// Requests each page by a POST with this JSON body, for search endpoints and for GraphQL. The
    /// parameters of the paging are not sent in the query, but set in the body, where their names
    /// are paths: keys joined by dots, such as `variables.after`, where
    /// [`\.` is a dot](crate::Envelope#paths) and missing objects are made. Numbers are sent as
    /// numbers, and a cursor as the API wrote it, which may also be a list: the `sort` values of the
    /// last hit at `hits.hits[-1].sort`.
    ///
    /// A text in the body that is `{since}` as a whole takes the parameter `since` out of the query
    /// of the endpoint, be it written there or made by a condition of a table: as text, or as a
    /// number if it is `{since:number}`. One that nothing fills fails the read with
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest). Other parameters stay in the
    /// query.
    ///
    /// The request must only read: it is retried like a GET. With GraphQL, whose errors come beside a status 200, also set a
    /// [`ResponseRule`](crate::retry::ResponseRule) for `errors`.
    ///
    /// ```
    /// use serde_json::json;
    /// use vantage_api_pool::{Envelope, Paging};
    ///
    /// let query = "query ($after: String, $first: Int) { orders(after: $after, first: $first)
    ///     { nodes { id } pageInfo { endCursor hasNextPage } } }";
    /// let paging = Paging::cursor("variables.after", "data.orders.pageInfo.endCursor")
    ///     .page_size("variables.first", 100)
    ///     .post(&json!({ "query": query }));
    /// let envelope = Envelope::items_at("data.orders.nodes")
    ///     .has_next_at("data.orders.pageInfo.hasNextPage");
    /// # let _ = (paging, envelope);
    /// ```
    #[must_use]
    pub fn post(mut self, body: &Value) -> Self {
        self.post = Some(PageBody(body.clone()));
        self
    }

    /// Sends the body of [`post`](Self::post) as a form (`application/x-www-form-urlencoded`) instead
    /// of JSON. Its members are the fields: texts, numbers, flags, or lists of them.
    #[must_use]
    pub fn as_form(mut self, yes: bool) -> Self {
        self.as_form = yes;
        self
    }

    /// Requests the pages after the first one in another way than from the endpoint, for cursors.
    #[must_use]
    pub fn follow_up(mut self, follow_up: FollowUp) -> Self {
        self.follow_up = Some(follow_up);
        self
    }

    /// A page by [`keyset`](Self::keyset) begins with the last row of the page before, since the API
    /// compares by `>=` and orders by the field. Rows that came before are left out, so rows may
    /// share a value, but fewer than a page holds: if a full page has no new row, the read ends with
    /// an [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete). By default no row comes twice.
    ///
    /// A row is known again by its content: one that is sent with another content each time, such as
    /// a URL that is signed anew, comes twice where a page ends.
    ///
    /// It needs a [`page_size`](Self::page_size) that the API grants, by which a full page is known.
    #[must_use]
    pub fn inclusive(mut self, yes: bool) -> Self {
        match &mut self.mode {
            Mode::Keyset { inclusive, .. } => *inclusive = yes,
            _ => self.stray = Some("inclusive: has a meaning for a keyset only"),
        }
        self
    }

    /// Fails the read with [`ErrorKind::SetChanged`](crate::ErrorKind::SetChanged) when a page
    /// reports another total, of items or of pages, than the pages before it. By default the read
    /// follows a set that grows, and ends sooner for one that shrinks.
    #[must_use]
    pub fn fail_on_change(mut self, yes: bool) -> Self {
        self.fail_on_change = yes;
        self
    }

    /// Follows only a part of each next URL, for APIs behind a proxy whose URLs name another host,
    /// port or prefix than the one they are reached at. By default the whole URL is followed, and
    /// one that leads outside the pool's base URL is an error. In an API reached by `https://`, an
    /// `http://` URL is read as `https://` if nothing else of its host differs.
    #[must_use]
    pub fn next_url_part(mut self, part: UrlPart) -> Self {
        self.url_part = part;
        self
    }

    /// Allows the URL of a next page to lead to `base_url`, such as `https://cdn.example.com` or
    /// `https://example.com/exports`, besides the pool's own base URL. Requests to it carry no
    /// credentials: no token, and none of the pool's default headers except `User-Agent` and those
    /// that begin with `Accept`. Another origin has its own hold, rate limit, dampener, circuit
    /// breaker and retry budget, with the pool's settings: no response from it can hold up the API.
    ///
    /// A page from there may lead to further pages there, and back to the pool's API only at the
    /// endpoint itself with its own query parameters unchanged; any other URL of the API is an
    /// [`ErrorKind::ForeignOrigin`](crate::ErrorKind::ForeignOrigin). An `http://` origin for an
    /// API with `https://` needs
    /// [`PoolBuilder::allow_http_origins`](crate::PoolBuilder::allow_http_origins), without which
    /// the read fails with [`ErrorKind::Config`](crate::ErrorKind::Config) and sends nothing.
    #[must_use]
    pub fn allow_origin(mut self, base_url: impl Into<String>) -> Self {
        self.origins.0.push(base_url.into());
        self
    }

    /// Reads a 404 past the first page as the end of the set, unless the page before it says that
    /// more follow. By default it is an error. A 416 there always means the end. What means that there
    /// is no row at all, a [rule](crate::retry::ResponseRule::ignore) says.
    #[must_use]
    pub fn not_found_ends(mut self, yes: bool) -> Self {
        self.ends.not_found_ends = yes;
        self
    }

    /// How many pages in a row may be empty while a signal says that more follow: 1,000 by default.
    /// Filters that a server applies after paging leave some pages without rows. One more empty
    /// page is an [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete).
    #[must_use]
    pub fn max_empty_pages(mut self, pages: u32) -> Self {
        self.ends.max_empty_pages = pages;
        self
    }

    /// Allows a read to end before it has as many rows or pages as a total says, and reports that
    /// as an [`Event::PagingWarning`](crate::events::Event::PagingWarning). For totals that are
    /// estimates or count hidden rows. By default this is an
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete).
    #[must_use]
    pub fn totals_are_estimates(mut self, yes: bool) -> Self {
        self.ends.totals_are_estimates = yes;
        self
    }

    /// Whether a page with fewer rows than the first one is the last.
    ///
    /// For numbered and offset pages the default is yes if nothing else marks the end; with `false`
    /// only a page without rows is the last one, for APIs that leave rows out of their pages. If
    /// pages name each other the default is no; with `true` a short page is the last one even if it
    /// names a next one, for APIs whose cursors and URLs never end.
    #[must_use]
    pub fn short_page_ends(mut self, yes: bool) -> Self {
        self.ends.short_page_ends = Some(yes);
        self
    }

    /// Treats the cursor 0 as the end, like `SCAN` in Redis. By default it is followed, and is an
    /// error if it leads to the first page.
    #[must_use]
    pub fn zero_cursor_ends(mut self, yes: bool) -> Self {
        self.ends.zero_cursor_ends = yes;
        self
    }

    /// The API returns at most the first `rows` rows of a set, at least 1, as search APIs do:
    /// `offset` and `limit` within 10,000, or 1,000 results of a search. Where places are computed,
    /// no page that begins after them is requested, and of a page by offset that would reach beyond
    /// them just the rows before. A read that reaches them is an
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), unless a total says that there are
    /// no more. A total of exactly `rows` does not, since such APIs also count no further. With
    /// [`windows`](Self::windows) the set is cut in time instead.
    #[must_use]
    pub fn row_cap(mut self, rows: u64) -> Self {
        self.ends.row_cap = Some(rows);
        self
    }

    /// Reads the set in windows of time, one after the other, each as a set of its own with the rest
    /// of these settings. A window that has more rows than [`row_cap`](Self::row_cap) is cut: in
    /// halves, before any of its rows is returned, if its first page tells the total, and otherwise
    /// at the moment of the last row that the API returns, if rows come in the order of
    /// [`Windows::field`]. If neither is possible, or the smallest window has too many rows, the
    /// read ends with an [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete) that names the
    /// window; nothing is left out in silence.
    ///
    /// Rows come in the order of the windows. The total of the set is not known.
    #[must_use]
    pub fn windows(mut self, windows: Windows) -> Self {
        self.windows = Some(windows);
        self
    }

    /// Treats a response with this status and with `text` in its body as an expired cursor or URL,
    /// as a 410 always is: `expired_with(422, "cursor")`. It ends the read with
    /// [`ErrorKind::CursorExpired`](crate::ErrorKind::CursorExpired) instead of another error.
    #[must_use]
    pub fn expired_with(mut self, status: u16, text: &str) -> Self {
        self.ends.expired.push((status, text.to_owned()));
        self
    }

    /// Restarts a read, at most this many times, when the place of its next page
    /// [has expired](Self::expired_with), and skips as many rows as were already read. The result
    /// is not a snapshot of the set: rows inserted or deleted before that place are missing or
    /// repeated. Each restart is reported as an
    /// [`Event::PagingWarning`](crate::events::Event::PagingWarning). By default a read never
    /// restarts.
    #[must_use]
    pub fn restart_when_expired(mut self, times: u32) -> Self {
        self.ends.restarts = times;
        self
    }

    /// A restart by [`restart_when_expired`](Self::restart_when_expired) goes on after the last row
    /// that was read, instead of at the start: the endpoint is requested again, with the value that
    /// this row has at `field` (keys joined by dots), a text or a number, in the parameter `param`.
    /// For an API that orders by the field, and whose parameter includes the rows of that value
    /// (`>=`), unless no two rows share one: a parameter that means `>` skips the rest of them. Rows
    /// of that value that come again are left out by their content. What was inserted, changed or
    /// deleted meanwhile is read or missed by the value of its field alone, and totals are taken for
    /// [estimates](Self::totals_are_estimates) from then on.
    #[must_use]
    pub fn restart_after(mut self, param: impl Into<String>, field: &str) -> Self {
        self.ends.after = Some(RestartAfter { param: param.into(), field: Path::parse(field) });
        self
    }

    /// A restart by [`restart_when_expired`](Self::restart_when_expired) goes on at the cursor that
    /// the response has at `path_in_body` (keys joined by dots), instead of at the start: some APIs
    /// answer an expired cursor with another one that leads to the same place in the present state
    /// of the set. Without one there the restart is that of the other settings.
    #[must_use]
    pub fn expired_next(mut self, path_in_body: &str) -> Self {
        self.ends.expired_next = Some(Path::parse(path_in_body));
        self
    }

    /// Ignores a link to the next page if it has this attribute with this value, for APIs that put
    /// a next link on every page: `link_ends_with("results", "false")`.
    #[must_use]
    pub fn link_ends_with(mut self, attribute: &str, value: &str) -> Self {
        self.ends.link = Some((attribute.to_owned(), value.to_owned()));
        self
    }
}
