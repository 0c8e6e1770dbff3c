//! A server over raw sockets that hands out a set in pages, in whatever way a [`Serve`] writes them. It
//! lies, holds its replies back, and breaks them off as it is told.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::watch;

use crate::support::{
    raw_server::{Peer, RawServer},
    soon,
};

/// What a request asks for.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    query: Vec<(String, String)>,
    head: String,
    body: Vec<u8>,
}

impl Asked {
    fn of(head: String, body: Vec<u8>) -> Self {
        let mut words = head.split(' ');
        let method = words.next().unwrap().to_owned();
        let target = words.next().unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method, path: path.to_owned(), query, body, head }
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The number in a parameter, behind any letters.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.param(name).map(number_in)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.method, "POST");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The number in a field of a form.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        let mut form = url::form_urlencoded::parse(&self.body);
        form.find(|(own, _)| own == name).map(|(_, value)| number_in(&value))
    }
}

/// The number in a place such as `c17`.
pub(crate) fn number_in(place: &str) -> usize {
    place.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().unwrap()
}

/// A response, as it goes over the wire.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(crate) fn ok(body: &Value) -> Self {
        Self::text(body.to_string())
    }

    pub(crate) fn text(body: String) -> Self {
        Self { status: 200, headers: Vec::new(), body }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: "{}".into() }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} As said\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        (head + &self.body).into_bytes()
    }
}

/// A page, before it is written: what a way says of it is up to the way.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// The row with which it begins, counted from 0.
    pub(crate) start: usize,
    pub(crate) rows: Vec<Value>,
    /// The row with which the page after it begins, if there is one.
    pub(crate) next: Option<usize>,
    /// How many rows the set has.
    pub(crate) total: Option<usize>,
    /// Whether more rows follow.
    pub(crate) more: bool,
    /// How many rows a page has at most.
    pub(crate) size: usize,
}

/// Changes what a page says.
pub(crate) type Lie = Arc<dyn Fn(&mut Sheet) + Send + Sync>;

/// The set, and what is said of it.
pub(crate) struct Set {
    pub(crate) rows: Vec<Value>,
    /// How many rows a page has at most.
    pub(crate) cap: usize,
    /// Serves the first page whatever is asked for.
    pub(crate) ignores_places: bool,
    /// By which some pages have fewer rows than there may be.
    pub(crate) uneven: Option<u64>,
    pub(crate) lie: Option<Lie>,
    /// The first rows of the pages, in the order in which they were asked for.
    pages: Mutex<Vec<usize>>,
    /// What was said once already.
    once: Mutex<HashSet<String>>,
}

impl Set {
    /// The page that begins with row `start` and has as many rows as were asked for, or as many as
    /// there may be.
    pub(crate) fn sheet(&self, start: usize, asked: Option<usize>) -> Sheet {
        self.sheet_of(&self.rows, 0, start, asked)
    }

    /// The same of some rows, of which the first is row `base` of the set.
    pub(crate) fn sheet_of(
        &self,
        rows: &[Value],
        base: usize,
        start: usize,
        asked: Option<usize>,
    ) -> Sheet {
        self.pages.lock().unwrap().push(base + start);
        let start = if self.ignores_places { 0 } else { start };
        let mut size = asked.unwrap_or(self.cap).min(self.cap);
        if let Some(seed) = self.uneven {
            size = fastrand::Rng::with_seed(seed ^ start as u64).usize(1..=size);
        }
        let page: Vec<_> = rows.iter().skip(start).take(size).cloned().collect();
        let end = start + page.len();
        let next = Some(end).filter(|end| *end < rows.len());
        let total = Some(rows.len());
        let mut sheet = Sheet { start, rows: page, next, total, more: next.is_some(), size };
        if let Some(lie) = &self.lie {
            lie(&mut sheet);
        }
        sheet
    }

    /// Whether this is said for the first time.
    pub(crate) fn is_news(&self, what: impl Into<String>) -> bool {
        self.once.lock().unwrap().insert(what.into())
    }
}

/// How pages are asked for and written.
pub(crate) type Serve = fn(&Asked, &Set) -> Reply;

/// Which replies wait, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Hold {
    #[default]
    Nothing,
    /// Each for a few milliseconds, at random.
    Some(u64),
    /// The pages with these rows, but the first and the last one, for a later page to be asked for.
    UntilLater { last: usize },
    /// The pages from this row on, until all may go.
    From(usize),
    /// All from this request on, until all may go.
    AfterRequests(usize),
}

/// What becomes of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Whole,
    /// A 503 comes instead.
    Busy,
    /// A 400 comes instead.
    Refused,
    /// Its second half is missing.
    Cut,
    /// The connection is reset instead.
    Reset,
}

/// A path that answers at once and is not counted.
pub(crate) const BARRIER: &str = "/barrier";

/// By the request, and by the first row of the page that it asks for.
type Fates = Arc<Mutex<dyn FnMut(&Asked, Option<usize>) -> Fate + Send>>;

/// What the server saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    /// The first rows of the pages that were asked for, in that order.
    pub(crate) pages: Vec<usize>,
    pub(crate) requests: usize,
    /// How many requests wait for their replies.
    pub(crate) held: usize,
    /// How many went away before they had theirs.
    pub(crate) aborted: usize,
    may_go: bool,
}

/// A server that is not running yet.
pub(crate) struct Plan {
    pub(crate) serve: Serve,
    pub(crate) rows: Vec<Value>,
    pub(crate) cap: usize,
    pub(crate) ignores_places: bool,
    pub(crate) uneven: Option<u64>,
    pub(crate) lie: Option<Lie>,
    pub(crate) hold: Hold,
    pub(crate) fates: Option<Fates>,
}

struct Shared {
    serve: Serve,
    set: Set,
    hold: Hold,
    fates: Option<Fates>,
    traffic: watch::Sender<Traffic>,
}

/// A running server. It stops when it is dropped.
pub(crate) struct Server {
    raw: RawServer,
    shared: Arc<Shared>,
}

impl Plan {
    pub(crate) fn of(serve: Serve, rows: Vec<Value>, cap: usize) -> Self {
        let hold = Hold::Nothing;
        Self { serve, rows, cap, ignores_places: false, uneven: None, lie: None, hold, fates: None }
    }

    pub(crate) fn lying(self, lie: impl Fn(&mut Sheet) + Send + Sync + 'static) -> Self {
        Self { lie: Some(Arc::new(lie)), ..self }
    }

    pub(crate) fn holding(self, hold: Hold) -> Self {
        Self { hold, ..self }
    }

    pub(crate) fn breaking(
        self,
        fates: impl FnMut(&Asked, Option<usize>) -> Fate + Send + 'static,
    ) -> Self {
        Self { fates: Some(Arc::new(Mutex::new(fates))), ..self }
    }

    pub(crate) fn start(self) -> Server {
        let Self { serve, rows, cap, ignores_places, uneven, lie, hold, fates } = self;
        let (pages, once) = (Mutex::default(), Mutex::default());
        let set = Set { rows, cap, ignores_places, uneven, lie, pages, once };
        let traffic = watch::Sender::new(Traffic::default());
        let shared = Arc::new(Shared { serve, set, hold, fates, traffic });
        let raw = {
            let shared = Arc::clone(&shared);
            RawServer::start(move |peer| Arc::clone(&shared).attend(peer))
        };
        Server { raw, shared }
    }
}

impl Shared {
    async fn attend(self: Arc<Self>, mut peer: Peer) {
        while let Some((head, body)) = peer.head_and_body().await {
            let asked = Asked::of(head, body);
            if asked.path == BARRIER {
                peer.write(&Reply::status(200).bytes()).await;
                continue;
            }
            let (reply, page) = self.reply(&asked);
            let nth = self.traffic.borrow().requests;
            self.traffic.send_modify(|traffic| {
                traffic.requests += 1;
                traffic.pages.extend(page);
            });
            let is_there = tokio::select! {
                biased;
                () = self.wait(page, nth) => true,
                () = peer.closed() => false,
            };
            if !is_there {
                self.traffic.send_modify(|traffic| traffic.aborted += 1);
                return;
            }
            let fate = match &self.fates {
                Some(fates) => (fates.lock().unwrap())(&asked, page),
                None => Fate::Whole,
            };
            match fate {
                Fate::Whole => {
                    peer.write(&reply.bytes()).await;
                }
                Fate::Busy => {
                    peer.write(&Reply::status(503).bytes()).await;
                }
                Fate::Refused => {
                    peer.write(&Reply::status(400).bytes()).await;
                }
                Fate::Cut => {
                    let bytes = reply.bytes();
                    peer.write(&bytes[..bytes.len() - reply.body.len().div_ceil(2)]).await;
                    return;
                }
                Fate::Reset => return peer.reset(),
            }
        }
    }

    /// The reply, and the first row of the page that it is, if it is one.
    fn reply(&self, asked: &Asked) -> (Reply, Option<usize>) {
        let count = || self.set.pages.lock().unwrap().len();
        let before = count();
        let reply = (self.serve)(asked, &self.set);
        let page = self.set.pages.lock().unwrap().get(before).copied();
        (reply, page)
    }

    async fn wait(&self, page: Option<usize>, nth: usize) {
        let mut traffic = self.traffic.subscribe();
        match (self.hold, page) {
            (Hold::Some(seed), _) => {
                let mut random = fastrand::Rng::with_seed(seed ^ (nth as u64) << 7);
                tokio::time::sleep(Duration::from_millis(random.u64(0..4))).await;
            }
            (Hold::UntilLater { last }, Some(page)) if page > 0 && page < last => {
                let is_later = |traffic: &Traffic| traffic.pages.iter().any(|other| *other > page);
                let _ = traffic.wait_for(is_later).await;
            }
            (Hold::From(row), Some(page)) if page >= row => self.pause(traffic).await,
            (Hold::AfterRequests(requests), _) if nth >= requests => self.pause(traffic).await,
            _ => {}
        }
    }

    async fn pause(&self, mut traffic: watch::Receiver<Traffic>) {
        let _held = Held::of(&self.traffic);
        let _ = traffic.wait_for(|traffic| traffic.may_go).await;
    }
}

/// A request that waits.
struct Held<'a>(&'a watch::Sender<Traffic>);

impl<'a> Held<'a> {
    fn of(traffic: &'a watch::Sender<Traffic>) -> Self {
        traffic.send_modify(|traffic| traffic.held += 1);
        Self(traffic)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|traffic| traffic.held -= 1);
    }
}

impl Server {
    pub(crate) fn url(&self) -> String {
        self.raw.url()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.shared.traffic.borrow().clone()
    }

    /// Waits until what the server saw fulfils a condition.
    pub(crate) async fn wait_for(&self, what: &str, condition: impl Fn(&Traffic) -> bool) {
        let mut traffic = self.shared.traffic.subscribe();
        let seen = traffic.wait_for(|traffic| condition(traffic));
        soon(what, seen).await.unwrap();
    }

    /// Lets all replies go, now and later.
    pub(crate) fn let_go(&self) {
        self.shared.traffic.send_modify(|traffic| traffic.may_go = true);
    }
}
