//! An API that pages, filters, orders and counts what it is asked for, as the tests want it.

use std::{
    cmp::Ordering,
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{self, AtomicBool},
    },
    thread,
    time::Duration,
};

use serde_json::{Map, Value, json};

/// How the API pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// `page` and `per_page`, with a total.
    Numbered,
    /// The same without a total.
    Unnumbered,
    /// `offset` and `limit`, with a total.
    Offset,
    /// `after`, and the next cursor in the body.
    Cursor,
    /// The URL of the next page in the body.
    NextUrl,
    /// A `Link` header.
    Link,
    /// All rows at once.
    None,
}

impl Pages {
    pub(crate) const ALL: [Self; 7] = [
        Self::Numbered,
        Self::Unnumbered,
        Self::Offset,
        Self::Cursor,
        Self::NextUrl,
        Self::Link,
        Self::None,
    ];

    /// Whether pages tell how many rows there are.
    pub(crate) fn tell_totals(self) -> bool {
        matches!(self, Self::Numbered | Self::Offset)
    }

    /// The settings of a table that is paged like this.
    pub(crate) fn yaml(self, size: usize) -> String {
        match self {
            Self::Numbered | Self::Unnumbered => {
                format!("{{ by: page, size_param: per_page, size: {size} }}")
            }
            Self::Offset => {
                format!("{{ by: offset, param: offset, size_param: limit, size: {size} }}")
            }
            Self::Cursor => format!(
                "{{ by: cursor, param: after, next: next, size_param: per_page, size: {size} }}"
            ),
            Self::NextUrl => "{ by: next_url, next: next }".to_owned(),
            Self::Link => "{ by: link }".to_owned(),
            Self::None => "{ by: none }".to_owned(),
        }
    }
}

/// A running API. Its threads end with the process.
#[derive(Clone)]
pub(crate) struct Api {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    pages: Pages,
    size: usize,
    tables: Mutex<HashMap<String, Vec<Value>>>,
    log: Mutex<Vec<String>>,
    /// How often a table's page of a number fails.
    faults: Mutex<HashMap<(String, usize), usize>>,
    /// The tables that are not answered for now, from a page on.
    held: Mutex<Vec<(String, usize)>>,
    released: Condvar,
    /// How many requests are being answered, and a signal when that changes.
    open: Mutex<usize>,
    changed: Condvar,
    ignores_case: bool,
    /// Whether pages after the first one have a row less.
    is_uneven: AtomicBool,
}

impl Api {
    pub(crate) fn start(pages: Pages, size: usize) -> Self {
        Self::with(pages, size, false)
    }

    /// An API that takes texts for equal that differ in case.
    pub(crate) fn ignoring_case(pages: Pages, size: usize) -> Self {
        Self::with(pages, size, true)
    }

    fn with(pages: Pages, size: usize, ignores_case: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            pages,
            size,
            tables: Mutex::default(),
            log: Mutex::default(),
            faults: Mutex::default(),
            held: Mutex::default(),
            released: Condvar::new(),
            open: Mutex::default(),
            changed: Condvar::new(),
            ignores_case,
            is_uneven: AtomicBool::new(false),
        });
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                // A connection that the client gives up ends with an error, which nobody minds.
                thread::spawn(move || serve(&stream, &state, address));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn put(&self, table: &str, rows: Vec<Value>) {
        self.state.tables.lock().unwrap().insert(table.to_owned(), rows);
    }

    pub(crate) fn rows(&self, table: &str) -> Vec<Value> {
        self.state.tables.lock().unwrap().get(table).cloned().unwrap_or_default()
    }

    /// What was asked since this was last called, in order: methods and targets.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.log.lock().unwrap())
    }

    /// From now on page `number`, from 1, of a table fails so often.
    pub(crate) fn fail(&self, table: &str, number: usize, times: usize) {
        self.state.faults.lock().unwrap().insert((table.to_owned(), number), times);
    }

    /// Pages after the first one have a row less than they are asked for, as of an API that bounds
    /// them by their bytes.
    #[allow(dead_code, reason = "one of the programs needs it")]
    pub(crate) fn shorten_later_pages(&self) {
        self.state.is_uneven.store(true, atomic::Ordering::Relaxed);
    }

    /// Requests of a table are not answered until it is released.
    pub(crate) fn hold(&self, table: &str) {
        self.hold_from(table, 1);
    }

    /// The same of those for pages from a number on.
    pub(crate) fn hold_from(&self, table: &str, page: usize) {
        self.state.held.lock().unwrap().push((table.to_owned(), page));
    }

    pub(crate) fn release(&self, table: &str) {
        self.state.held.lock().unwrap().retain(|(held, _)| held != table);
        self.state.released.notify_all();
    }

    /// Waits until some requests are open, or none.
    pub(crate) async fn wait_until_open(&self, some: bool) {
        let state = Arc::clone(&self.state);
        let waiting = tokio::task::spawn_blocking(move || {
            let open = state.open.lock().unwrap();
            let limit = Duration::from_secs(60);
            let is_other = |open: &mut usize| (*open > 0) != some;
            let (open, waited) = state.changed.wait_timeout_while(open, limit, is_other).unwrap();
            assert!(!waited.timed_out(), "{} requests are open", *open);
        });
        waiting.await.unwrap();
    }
}

fn serve(stream: &TcpStream, state: &State, address: SocketAddr) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut parts = line.split_whitespace().map(str::to_owned);
        let (method, target) = (parts.next()?, parts.next()?);
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        state.log.lock().unwrap().push(format!("{method} {target}"));
        let (status, head, answer) = answer(stream, state, address, &method, &target, &body)?;
        let answer = answer.to_string();
        // One write, which nothing delays.
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{head}content-length: {}\r\n\r\n\
             {answer}",
            answer.len()
        );
        let mut writer = stream;
        writer.write_all(answer.as_bytes()).ok()?;
    }
}

/// Counts a request as open while it is answered.
struct Opened<'a>(&'a State);

impl<'a> Opened<'a> {
    fn new(state: &'a State) -> Self {
        *state.open.lock().unwrap() += 1;
        state.changed.notify_all();
        Self(state)
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        *self.0.open.lock().unwrap() -= 1;
        self.0.changed.notify_all();
    }
}

fn answer(
    stream: &TcpStream,
    state: &State,
    address: SocketAddr,
    method: &str,
    target: &str,
    body: &[u8],
) -> Option<(&'static str, String, Value)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut params: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut table = path.strip_prefix("/v1/")?.to_owned();
    if let Some((parent, name)) =
        table.strip_prefix("countries/").and_then(|rest| rest.split_once('/'))
    {
        params.push(("country".to_owned(), parent.to_owned()));
        table = name.to_owned();
    }
    let opened = Opened::new(state);
    wait_while_held(stream, state, &table, page_of(state, &params))?;
    if method == "POST" {
        let mut row: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let mut tables = state.tables.lock().unwrap();
        let rows = tables.get_mut(&table)?;
        if row.get("name").is_some_and(|name| name == "refused") {
            return Some(("422 Unprocessable", String::new(), json!({ "error": "refused" })));
        }
        let next = rows.len() + 1;
        row.entry("id").or_insert_with(|| next.into());
        rows.push(Value::Object(row.clone()));
        return Some(("201 Created", String::new(), Value::Object(row)));
    }
    let found = select(state, &table, &params);
    let Some(found) = found else {
        return Some(("404 Not Found", String::new(), json!({ "error": "no such table" })));
    };
    let page = cut(state, address, target, &params, &found);
    if is_faulty(state, &table, page.number) {
        drop(opened);
        return Some(("500 Internal Server Error", String::new(), json!({ "error": "fault" })));
    }
    Some(("200 OK", page.head, page.body))
}

/// The number of the page that is asked for, from 1.
fn page_of(state: &State, params: &[(String, String)]) -> usize {
    place_of(state, params).0 / state.size + 1
}

/// Waits until a page of a table may be answered. `None` if the client went away meanwhile.
fn wait_while_held(stream: &TcpStream, state: &State, table: &str, page: usize) -> Option<()> {
    let mut held = state.held.lock().unwrap();
    while held.iter().any(|(held, from)| held == table && page >= *from) {
        let waited = state.released.wait_timeout(held, Duration::from_millis(10)).unwrap();
        held = waited.0;
        stream.set_nonblocking(true).ok()?;
        let is_gone = matches!(stream.peek(&mut [0]), Ok(0));
        stream.set_nonblocking(false).ok()?;
        if is_gone {
            return None;
        }
    }
    Some(())
}

fn is_faulty(state: &State, table: &str, number: usize) -> bool {
    let mut faults = state.faults.lock().unwrap();
    match faults.get_mut(&(table.to_owned(), number)) {
        Some(times) if *times > 0 => {
            *times -= 1;
            true
        }
        _ => false,
    }
}

/// The rows that the parameters ask for, in their order, with the fields that they ask for.
fn select(state: &State, table: &str, params: &[(String, String)]) -> Option<Vec<Value>> {
    let mut rows = state.tables.lock().unwrap().get(table)?.clone();
    for (name, value) in params {
        match name.as_str() {
            "page" | "per_page" | "offset" | "limit" | "after" | "sort" | "fields" | "lang"
            | "code" | "api_key" => {}
            name => rows.retain(|row| passes(row, name, value, state.ignores_case)),
        }
    }
    let param =
        |wanted: &str| params.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    if let Some(sort) = param("sort") {
        for key in sort.split(',').rev() {
            let (key, descends) = key.strip_prefix('-').map_or((key, false), |key| (key, true));
            rows.sort_by(|one, other| {
                let order = compare(at(one, key), at(other, key));
                if descends { order.reverse() } else { order }
            });
        }
    }
    if let Some(fields) = param("fields") {
        let fields: Vec<&str> = fields.split(',').collect();
        for row in &mut rows {
            if let Value::Object(row) = row {
                row.retain(|name, _| fields.contains(&name.as_str()));
            }
        }
    }
    Some(rows)
}

fn at<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(row, |at, key| &at[key])
}

fn passes(row: &Value, name: &str, value: &str, ignores_case: bool) -> bool {
    let (field, operator) = name.split_once("__").unwrap_or((name, "eq"));
    let own = at(row, field);
    let given = |text: &str| match own {
        Value::Number(_) => serde_json::from_str(text).unwrap_or(Value::Null),
        Value::Bool(_) => Value::Bool(text == "true"),
        _ => Value::from(text),
    };
    let is_equal = |text: &str| match (own, given(text)) {
        (Value::String(own), Value::String(text)) if ignores_case => {
            own.to_lowercase() == text.to_lowercase()
        }
        (own, given) => !own.is_null() && compare(own, &given).is_eq(),
    };
    let order = || Some(compare(own, &given(value))).filter(|_| !own.is_null());
    let text = own.as_str().unwrap_or_default().to_lowercase();
    match operator {
        "eq" => is_equal(value),
        "ne" => !is_equal(value),
        "in" => value.split(',').any(is_equal),
        "gt" => order().is_some_and(Ordering::is_gt),
        "gte" => order().is_some_and(Ordering::is_ge),
        "lt" => order().is_some_and(Ordering::is_lt),
        "lte" => order().is_some_and(Ordering::is_le),
        "icontains" => text.contains(&value.to_lowercase()),
        "istartswith" => text.starts_with(&value.to_lowercase()),
        "isnull" => own.is_null() == (value == "true"),
        _ => false,
    }
}

/// Nulls are the greatest, numbers are compared as such, texts by their characters.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().unwrap().total_cmp(&other.as_f64().unwrap())
        }
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        _ => one.to_string().cmp(&other.to_string()),
    }
}

/// The first row that is asked for, and how many.
fn place_of(state: &State, params: &[(String, String)]) -> (usize, usize) {
    let number = |wanted: &str| {
        let found = params.iter().find(|(name, _)| name == wanted);
        found.and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let size = number("per_page").or(number("limit")).unwrap_or(state.size).min(state.size).max(1);
    let is_uneven = state.is_uneven.load(atomic::Ordering::Relaxed);
    let start = match state.pages {
        Pages::Numbered | Pages::Unnumbered => {
            let before = number("page").unwrap_or(1).max(1) - 1;
            before * size - if is_uneven { before.saturating_sub(1) } else { 0 }
        }
        Pages::Offset => number("offset").unwrap_or(0),
        Pages::Cursor | Pages::NextUrl | Pages::Link => number("after").unwrap_or(0),
        Pages::None => 0,
    };
    (start, if is_uneven && start > 0 { size - 1 } else { size })
}

struct Page {
    number: usize,
    head: String,
    body: Value,
}

fn cut(
    state: &State,
    address: SocketAddr,
    target: &str,
    params: &[(String, String)],
    rows: &[Value],
) -> Page {
    let (start, size) = place_of(state, params);
    let size = if state.pages == Pages::None { rows.len().max(1) } else { size };
    let end = (start + size).min(rows.len());
    let data = rows.get(start.min(rows.len())..end).unwrap_or_default();
    let mut body = json!({ "data": data });
    let mut head = String::new();
    let has_more = end < rows.len();
    match state.pages {
        Pages::Numbered | Pages::Offset => body["total"] = rows.len().into(),
        Pages::Cursor => {
            body["next"] = if has_more { end.to_string().into() } else { Value::Null };
        }
        Pages::NextUrl => {
            body["next"] =
                if has_more { next_url(address, target, end).into() } else { Value::Null };
        }
        Pages::Link if has_more => {
            head = format!("link: <{}>; rel=\"next\"\r\n", next_url(address, target, end));
        }
        _ => {}
    }
    Page { number: start / size + 1, head, body }
}

fn next_url(address: SocketAddr, target: &str, after: usize) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after="));
    let after = format!("after={after}");
    let query: Vec<&str> = others.chain([after.as_str()]).collect();
    format!("http://{address}{path}?{}", query.join("&"))
}
