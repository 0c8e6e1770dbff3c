//! The knobs of the hostile server. Each says what an untouched server does.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    dialect::{Dialect, Sorts},
    script::{On, Scripted},
};

/// A server that is not running yet.
///
/// Untouched, it serves `/rows`: ten rows a page and never more, pages counted
/// from 1, empty pages past the end, the standard envelope with every hint, row
/// by row at `/rows/{id}`, filtered by the parameters that are fields of the rows.
pub struct Hostile {
    pub(super) collections: Vec<Collection>,
    pub(super) page_size: u64,
    pub(super) max_page_size: u64,
    pub(super) first_page: u64,
    pub(super) style: Style,
    pub(super) takes_searches: bool,
    pub(super) page_param: String,
    pub(super) size_param: String,
    pub(super) not_found_past_end: bool,
    pub(super) ignores_page: bool,
    pub(super) shifts: bool,
    pub(super) uneven: Option<Arc<Cap>>,
    pub(super) leads_back: Option<(u64, u64)>,
    pub(super) claimed_size: Option<u64>,
    pub(super) shape: Shape,
    pub(super) total: Total,
    pub(super) claims: Option<Arc<Claim>>,
    pub(super) pagination: bool,
    pub(super) has_next_always: bool,
    pub(super) filters: bool,
    pub(super) dialect: Dialect,
    pub(super) sorts: Sorts,
    pub(super) search: Option<&'static str>,
    pub(super) strict: bool,
    pub(super) auth: bool,
    pub(super) token_lifetime: Option<Duration>,
    pub(super) closed: bool,
    pub(super) closed_below: String,
    pub(super) delay: Option<Arc<Delay>>,
    pub(super) scripts: Vec<(On, Scripted)>,
}

type Delay = dyn Fn(u64) -> Duration + Send + Sync;
type Cap = dyn Fn(u64) -> u64 + Send + Sync;
type Claim = dyn Fn(u64, u64) -> u64 + Send + Sync;

/// Rows under a path such as `/rows` or `/countries/{country}/cities`. What a
/// placeholder stands for filters the rows like a query parameter.
pub(super) struct Collection {
    pub(super) path: String,
    rows: RwLock<Vec<Value>>,
}

impl Collection {
    pub(super) fn rows(&self) -> Vec<Value> {
        self.rows.read().unwrap().clone()
    }

    pub(super) fn set_rows(&self, rows: Vec<Value>) {
        *self.rows.write().unwrap() = rows;
    }
}

/// Where a page holds its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"data": […]}`
    Data,
    /// `[…]`, without a pagination object
    Bare,
    /// Under the last segment of the path: `{"rows": […]}`
    Table,
    /// At a path of keys such as `result.rows`
    At(&'static str),
}

/// How pages are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// By their number
    Numbered,
    /// By the number of rows before them, in the parameter for the page
    Offset,
    /// By a cursor in the parameter for the page; each page holds the next one at this path
    Cursor(&'static str),
    /// The same; this header of each page holds the next one, or the word `null`
    Header(&'static str),
    /// Each page holds the URL of the next one at this path
    NextUrl(&'static str, Form),
    /// The header `Link` of each page holds the URL of the next one
    Link(Form),
}

/// How a URL is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Absolute,
    /// The query alone
    Query,
    /// The last segment of the path and the query
    Relative,
    /// On another server, with this base URL
    At(String),
}

/// Where a page says how many rows the whole set has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// `pagination.total` and `pagination.total_pages`
    InPagination,
    /// At a path of keys such as `result.count`
    At(&'static str),
    /// In a response header
    InHeader(&'static str),
    /// In the header `Content-Range`, in this unit
    InContentRange(&'static str),
    /// Nowhere
    Absent,
}

impl Hostile {
    /// Rows `{"id": n, "name": "row n", "n": n}` from 0 on.
    pub fn new(rows: u64) -> Self {
        let row = |n| json!({ "id": n, "name": format!("row {n}"), "n": n });
        Self::with_rows((0..rows).map(row).collect())
    }

    /// These rows, in this order.
    pub fn with_rows(rows: Vec<Value>) -> Self {
        Self {
            collections: vec![Collection { path: "/rows".into(), rows: RwLock::new(rows) }],
            page_size: 10,
            max_page_size: 10,
            first_page: 1,
            style: Style::Numbered,
            takes_searches: false,
            page_param: "page".into(),
            size_param: "per_page".into(),
            not_found_past_end: false,
            ignores_page: false,
            shifts: false,
            uneven: None,
            leads_back: None,
            claimed_size: None,
            shape: Shape::Data,
            total: Total::InPagination,
            claims: None,
            pagination: true,
            has_next_always: false,
            filters: true,
            dialect: Dialect::Equality,
            sorts: Sorts::Never,
            search: None,
            strict: false,
            auth: false,
            token_lifetime: None,
            closed: false,
            closed_below: String::new(),
            delay: None,
            scripts: Vec::new(),
        }
    }

    /// Serves the first rows under `path` instead of `/rows`.
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.collections[0].path);
        self
    }

    /// Serves further rows under `path`. Every other knob is for all collections.
    pub fn collection(mut self, path: &str, rows: Vec<Value>) -> Self {
        self.collections.push(Collection { path: path.into(), rows: RwLock::new(rows) });
        self
    }

    /// How many rows a page has, and how many it has at most when the client asks for a size.
    pub fn page_size(mut self, default: u64, max: u64) -> Self {
        (self.page_size, self.max_page_size) = (default, max);
        self
    }

    /// Collections can be searched by POST, too: parameters are members of a JSON body.
    pub fn takes_searches(mut self) -> Self {
        self.takes_searches = true;
        self
    }

    /// How pages are asked for: by their number, unless set otherwise.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// Caps the page that begins with row `row` at `cap(row)` rows.
    pub fn uneven(mut self, cap: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Self {
        self.uneven = Some(Arc::new(cap));
        self
    }

    /// Has page `from` name page `to` as the next one.
    pub fn leads_back(mut self, from: u64, to: u64) -> Self {
        self.leads_back = Some((from, to));
        self
    }

    /// Claims that pages have `size` rows, whatever they have.
    pub fn claims_page_size(mut self, size: u64) -> Self {
        self.claimed_size = Some(size);
        self
    }

    /// The number of the first page.
    pub fn first_page(mut self, number: u64) -> Self {
        self.first_page = number;
        self
    }

    /// The names of the parameters, instead of `page` and `per_page`.
    pub fn params(mut self, page: &str, size: &str) -> Self {
        (self.page_param, self.size_param) = (page.into(), size.into());
        self
    }

    /// Answers 404 past the last page instead of an empty page.
    pub fn not_found_past_end(mut self) -> Self {
        self.not_found_past_end = true;
        self
    }

    /// Serves the first page, byte for byte, whatever page is asked for.
    pub fn ignores_page(mut self) -> Self {
        self.ignores_page = true;
        self
    }

    /// One row is put before all others between each page and the next, so that
    /// the last row of a page is the first of the next one too, and the total grows.
    pub fn shifts(mut self) -> Self {
        self.shifts = true;
        self
    }

    /// Gives row `index` the id of the row before it.
    pub fn duplicate_id(self, index: usize) -> Self {
        let mut rows = self.collections[0].rows();
        rows[index]["id"] = rows[index - 1]["id"].clone();
        self.collections[0].set_rows(rows);
        self
    }

    /// Takes the ids out of the rows.
    pub fn without_ids(self) -> Self {
        let mut rows = self.collections[0].rows();
        rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| {
            row.remove("id");
        });
        self.collections[0].set_rows(rows);
        self
    }

    /// Where a page holds its rows.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Where a page says how many rows the set has.
    pub fn total(mut self, total: Total) -> Self {
        self.total = total;
        self
    }

    /// Claims `claim(page, total)` rows on each page instead of the truth. What
    /// the rows are stays as it is.
    pub fn claims_total(mut self, claim: impl Fn(u64, u64) -> u64 + Send + Sync + 'static) -> Self {
        self.claims = Some(Arc::new(claim));
        self
    }

    /// Sends no pagination object.
    pub fn without_pagination(mut self) -> Self {
        self.pagination = false;
        self
    }

    /// Says `has_next` on every page.
    pub fn has_next_always(mut self) -> Self {
        self.has_next_always = true;
        self
    }

    /// Takes filter parameters and does not filter.
    pub fn ignores_filters(mut self) -> Self {
        self.filters = false;
        self
    }

    /// How it takes filters, besides `field=value`.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// How it takes orders.
    pub fn sorts(mut self, sorts: Sorts) -> Self {
        self.sorts = sorts;
        self
    }

    /// Searches the names of the rows for the text in this parameter.
    pub fn searches(mut self, param: &'static str) -> Self {
        self.search = Some(param);
        self
    }

    /// Answers 400 to parameters it does not know, instead of only recording them.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Wants a bearer token, which `POST /token` hands out as `{"token", "expires_in"}`.
    pub fn wants_token(mut self) -> Self {
        self.auth = true;
        self
    }

    /// How long a token holds. Without it tokens do not expire and carry no `expires_in`.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = Some(lifetime);
        self
    }

    /// Answers no page before the test opens it.
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// The same for the pages whose path begins with `path`.
    pub fn closed_below(mut self, path: &str) -> Self {
        path.clone_into(&mut self.closed_below);
        self.closed()
    }

    /// Waits `delay(page)` before each page.
    pub fn delay(mut self, delay: impl Fn(u64) -> Duration + Send + Sync + 'static) -> Self {
        self.delay = Some(Arc::new(delay));
        self
    }

    /// Gives this answer for `page`. Scripts are tried in the order given.
    pub fn on_page(self, page: u64, answer: impl Into<Scripted>) -> Self {
        self.on(On::Page(page), answer)
    }

    /// Gives this answer to requests for one row.
    pub fn on_item(self, answer: impl Into<Scripted>) -> Self {
        self.on(On::Item, answer)
    }

    /// Gives this answer to all but token requests.
    pub fn on_any(self, answer: impl Into<Scripted>) -> Self {
        self.on(On::Any, answer)
    }

    fn on(mut self, target: On, answer: impl Into<Scripted>) -> Self {
        self.scripts.push((target, answer.into()));
        self
    }
}
