//! [pure] What is asked next, until there is a draft or a question.

use std::collections::VecDeque;

use serde_json::Value;
use url::Url;

use super::{
    answer::{Answer, Ask},
    candidates::{Candidate, First},
    evidence::Named,
    graphql::{Connection, introspection, is_endpoint},
    next::{is_page, parameters, with},
    page::Page,
    proof::{Proof, compare, is_usual_size},
    rows::{self, Place},
    settings::Settings,
    size,
    stages::{Chosen, Known, Seen, secret_parameter, table_name},
    unknown::Unknown,
};
use crate::{draft::Draft, names, types, way::Way};

/// How many names are tried for the parameter of the size.
const SIZE_TRIES: usize = 3;
/// The size that a draft asks for, where the API grants it.
const LARGE: u64 = 100;

/// What is to be done next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Make this request, and give its answer to [`Discovery::answered`].
    Ask(Ask),
    /// That is all.
    Done(Result<Draft, Unknown>),
}

/// Finds out how an API pages: see the [crate](crate).
#[derive(Clone, Debug)]
pub struct Discovery {
    pub(super) url: Url,
    pub(super) table: String,
    pub(super) settings: Settings,
    asked: u32,
    stage: Stage,
    /// The requests that were made in vain, for the error.
    tried: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    First(Ask),
    /// Looks for a parameter that makes the only page a small one, so that there is a second.
    Reveal {
        first: Seen,
        ask: Ask,
        name: String,
        others: VecDeque<String>,
        small: u64,
    },
    Prove {
        first: Seen,
        candidate: Box<Candidate>,
        others: VecDeque<Candidate>,
        revealed: Option<String>,
    },
    /// Looks for the parameter of the size.
    Size {
        known: Box<Known>,
        ask: Ask,
        name: String,
        others: VecDeque<String>,
        small: u64,
    },
    /// Asks for a large page.
    Large {
        known: Box<Known>,
        ask: Ask,
        name: String,
    },
    /// Asks for a page past the end.
    Beyond {
        known: Box<Known>,
        ask: Ask,
    },
    /// Asks for the schema of GraphQL.
    Schema {
        ask: Ask,
    },
    /// Reads a connection of GraphQL.
    Graph {
        connection: Box<Connection>,
        first: Option<Seen>,
        size: u64,
        ask: Ask,
    },
    /// Asks for one row.
    Item {
        known: Box<Known>,
        ask: Ask,
        row: Value,
    },
    Over(Result<Draft, Unknown>),
}

impl Discovery {
    /// Begins with a URL that answers with rows.
    ///
    /// # Errors
    /// If it is no URL of HTTP, or may have a credential in it.
    pub fn new(url: &str, settings: Settings) -> Result<Self, Unknown> {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        let parsed = parsed.filter(|url| ["http", "https"].contains(&url.scheme()));
        let mut url = parsed.ok_or_else(|| {
            Unknown::new("this is no URL", "give one that begins with https:// or http://")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unknown::new(
                "the URL has a name or a password in it",
                "sign in by variables of the environment: --basic USER_VARIABLE:VARIABLE",
            ));
        }
        if let Some(name) = secret_parameter(&url) {
            return Err(Unknown::new(
                format!("the parameter `{name}` of the URL looks like a credential"),
                format!(
                    "leave it out, and give the name of a variable of the environment: --key-in-query {name}=VARIABLE"
                ),
            ));
        }
        if let Some(name) = later_page(&url) {
            return Err(Unknown::new(
                format!("the URL is that of a later page: it has `{name}`"),
                "give the URL of the first page",
            ));
        }
        url.set_fragment(None);
        let table = settings.table.clone().unwrap_or_else(|| table_name(&url));
        let stage = Stage::First(Ask::new(url.clone(), "the first page"));
        Ok(Self { url, table, settings, asked: 0, stage, tried: Vec::new() })
    }

    /// What is to be done next. It stays the same until an answer has come.
    #[must_use]
    pub fn next_step(&self) -> Step {
        match &self.stage {
            Stage::First(ask)
            | Stage::Reveal { ask, .. }
            | Stage::Size { ask, .. }
            | Stage::Large { ask, .. }
            | Stage::Beyond { ask, .. }
            | Stage::Schema { ask }
            | Stage::Graph { ask, .. }
            | Stage::Item { ask, .. } => Step::Ask(ask.clone()),
            Stage::Prove { candidate, .. } => Step::Ask(candidate.second.clone()),
            Stage::Over(done) => Step::Done(done.clone()),
        }
    }

    /// How many requests have been answered.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.asked
    }

    /// Counts requests that were made besides, such as to where one was redirected: how many there
    /// were in all.
    pub fn spent(&mut self, requests: u32) {
        self.asked = self.asked.max(requests);
    }

    /// Takes the answer to the request of the last step.
    pub fn answered(&mut self, answer: Answer) {
        let stage = std::mem::replace(
            &mut self.stage,
            Stage::Over(Err(Unknown::new("it is over", "begin anew"))),
        );
        if !matches!(stage, Stage::Over(_)) {
            self.asked += 1;
        }
        self.stage = match stage {
            Stage::First(ask) => over_or(self.first(answer, &ask)),
            Stage::Reveal { first, ask, name, others, small } => {
                self.revealed(first, answer, &ask, name, others, small)
            }
            Stage::Prove { first, candidate, others, revealed } => {
                self.proved(first, answer, &candidate, others, revealed)
            }
            Stage::Size { known, ask, name, others, small } => {
                self.sized(*known, answer, &ask, name, others, small)
            }
            Stage::Large { known, ask, name } => self.enlarged(*known, answer, &ask, &name),
            Stage::Beyond { known, ask } => self.beyond(*known, answer, &ask),
            Stage::Item { known, ask, row } => self.item(*known, answer, &ask, &row),
            Stage::Schema { ask } => over_or(self.schema(answer, &ask)),
            Stage::Graph { connection, first, size, ask } => {
                over_or(self.graph(answer, *connection, first, size, &ask))
            }
            over @ Stage::Over(_) => over,
        };
    }

    /// Whether one more request may be made.
    pub(super) fn may_ask(&self) -> bool {
        self.asked < self.settings.max_requests
    }

    pub(super) fn seen(&self, answer: Answer, ask: &Ask, place: &Place) -> Option<Seen> {
        Page::parse(answer, &ask.url).ok().map(|page| Seen::of(page, place.clone()))
    }

    fn first(&mut self, answer: Answer, ask: &Ask) -> Result<Stage, Unknown> {
        let moved = answer.url.clone().filter(|url| url.origin() == self.url.origin());
        let page = match Page::parse(answer, &ask.url) {
            Err(_) if is_endpoint(&ask.url) && self.may_ask() => {
                self.url.set_path(moved.as_ref().unwrap_or(&ask.url).path());
                let ask = Ask::new(self.url.clone(), "the schema").body(introspection());
                return Ok(Stage::Schema { ask });
            }
            page => page?,
        };
        if page.url.origin() == self.url.origin() {
            // It may have moved.
            self.url.set_path(page.url.path());
        }
        if let Some(url) = as_objects(&page)
            && self.may_ask()
        {
            self.url = url.clone();
            return Ok(Stage::First(Ask::new(url, "the first page, with rows that are objects")));
        }
        let place = match &self.settings.items {
            Some(path) => rows::given(&page.body, path)?,
            None => rows::find(&page.body, &self.table)?,
        };
        let first = Seen::of(page, place);
        if let Some(yaml) = self.settings.paging.clone() {
            return Ok(self.over(&self.known(first, Way::Given(yaml), "it was given", None)));
        }
        if first.rows == 0 {
            return Err(Unknown::new(
                "the first page has no rows, so nothing can be seen of how they come",
                "give the URL of a list that has rows, or write the table by hand",
            ));
        }
        if first.evidence.says_over(first.rows) {
            return Ok(self.reveal(first));
        }
        Ok(self.prove(first, None))
    }

    /// Everything is on one page. With a smaller size there are two.
    fn reveal(&mut self, first: Seen) -> Stage {
        let small = if first.rows > 2 { 2 } else { 1 };
        let names = size::names(None, None, &first.evidence, first.rows, &Way::None, &self.url);
        let mut names: VecDeque<String> = names.into_iter().take(SIZE_TRIES).collect();
        match names.pop_front() {
            Some(name) if first.rows > 1 && self.may_ask() => {
                let ask = small_page(&self.url, &name, small);
                Stage::Reveal { first, ask, name, others: names, small }
            }
            _ => self.by_shape(first),
        }
    }

    fn revealed(
        &mut self,
        first: Seen,
        answer: Answer,
        ask: &Ask,
        name: String,
        mut others: VecDeque<String>,
        small: u64,
    ) -> Stage {
        let page = self.seen(answer, ask, &first.place);
        match page {
            Some(page) if page.rows == small && page.evidence.says_more(small) => {
                return self.prove(page, Some(name));
            }
            _ => {}
        }
        match others.pop_front() {
            Some(name) if self.may_ask() => {
                let ask = small_page(&self.url, &name, small);
                Stage::Reveal { first, ask, name, others, small }
            }
            _ => self.by_shape(first),
        }
    }

    /// The way that the only page is made for, which no request has shown.
    fn by_shape(&mut self, first: Seen) -> Stage {
        let nothing = |pointer: &&super::evidence::Pointer| pointer.is == Named::Nothing;
        let pointer = first.evidence.pointers.iter().find(nothing);
        let echo = first.evidence.page.iter().find(|(_, page)| *page <= 1);
        let way = match (pointer, echo) {
            (Some(pointer), _) if is_cursor(&pointer.key) => Way::Cursor {
                param: super::candidates::cursor_param(&pointer.key),
                next: pointer.at.clone(),
            },
            (Some(pointer), _) => Way::NextUrl { next: pointer.at.clone() },
            (None, Some((spot, page))) => Way::Page { param: spot.key().to_owned(), first: *page },
            (None, None) => Way::None,
        };
        let why =
            "a guess: all rows came on one page, which says so, and a second one was not seen";
        let known = self.known(first, way, why, None);
        self.over(&known)
    }

    fn prove(&mut self, first: Seen, revealed: Option<String>) -> Stage {
        let rows = first.page.rows(&first.place);
        let id = types::id_of(&types::columns(&rows), &self.table);
        let last = rows.last().copied();
        let last_id = id.as_deref().and_then(|id| Some((id, last?.get(id)?)));
        let url = first.page.url.clone();
        let asked = if url.origin() == self.url.origin() { &url } else { &self.url };
        let start = First { url: asked, evidence: &first.evidence, rows: first.rows, last_id };
        let mut candidates: VecDeque<Candidate> = start.candidates().into();
        let is_told = first.evidence.says_more(first.rows);
        if !is_told && !is_usual_size(first.rows) {
            candidates.truncate(2);
        }
        self.try_next(first, candidates, revealed)
    }

    fn try_next(
        &mut self,
        first: Seen,
        mut others: VecDeque<Candidate>,
        revealed: Option<String>,
    ) -> Stage {
        match others.pop_front() {
            Some(mut candidate) if self.may_ask() => {
                candidate.second.url = self.here(&candidate.second.url);
                Stage::Prove { first, candidate: Box::new(candidate), others, revealed }
            }
            _ => self.unproven(first),
        }
    }

    /// The same place at the host that was asked.
    fn here(&self, url: &Url) -> Url {
        let mut here = self.url.clone();
        here.set_path(url.path());
        here.set_query(url.query());
        here
    }

    fn proved(
        &mut self,
        first: Seen,
        answer: Answer,
        candidate: &Candidate,
        mut others: VecDeque<Candidate>,
        revealed: Option<String>,
    ) -> Stage {
        let status = answer.status;
        let second = self.seen(answer, &candidate.second, &first.place);
        let proof = second.as_ref().map(|second| {
            let (one, other) = (first.page.rows(&first.place), second.page.rows(&second.place));
            compare(&one, &other, &self.table)
        });
        let is_named = matches!(candidate.way, Way::Link { .. } | Way::NextUrl { .. });
        let why = match proof {
            Some(Proof::Next) if is_of_range(candidate, second.as_ref(), first.rows) => {
                format!("verified: {}, and it leads to new rows", candidate.why)
            }
            Some(Proof::Empty) if is_named => {
                format!("a guess: {}, and the next page has no rows", candidate.why)
            }
            _ => {
                self.tried.push(format!("{} ({})", candidate.second.purpose, said(proof, status)));
                // What cannot be computed may still be followed, by the same URL.
                if let (Some(proof), Some(next)) = (proof, others.front())
                    && proof != Proof::Next
                    && next.second == candidate.second
                    && proof != Proof::Empty
                {
                    others.pop_front();
                }
                return self.try_next(first, others, revealed);
            }
        };
        let named = first.evidence.link_next.as_ref().map(|link| &link.url);
        let urls = first.evidence.pointers.iter().filter_map(|pointer| match &pointer.is {
            Named::Url(url) => Some(url),
            _ => None,
        });
        let is_elsewhere = is_named
            && named.into_iter().chain(urls).any(|url| {
                url.host() != self.url.host()
                    || url.port_or_known_default() != self.url.port_or_known_default()
                        && url.scheme() == self.url.scheme()
            });
        let mut known = self.known(first, candidate.way.clone(), &why, second);
        known.chosen.is_elsewhere = is_elsewhere;
        self.look_for_size(known, candidate, revealed)
    }

    /// No candidate holds.
    fn unproven(&mut self, first: Seen) -> Stage {
        let tried = match self.tried.is_empty() {
            true => "nothing names it".to_owned(),
            false => format!("tried were {}", self.tried.join(", ")),
        };
        let advice = "say how the API pages: --paging '{ by: page, param: NAME }', or by: offset, \
                      cursor, next_url, link, keyset, or by: none if this is the whole set";
        if first.evidence.says_more(first.rows) {
            let by = says_more_by(&first);
            return Stage::Over(Err(Unknown::new(
                format!(
                    "more rows follow the {} of the first page, as {by} says, but the way to them was not found: {tried}",
                    first.rows
                ),
                advice,
            )));
        }
        if is_usual_size(first.rows) {
            return Stage::Over(Err(Unknown::new(
                format!(
                    "{} rows came, as many as a page may have, and nothing says whether there are more: {tried}",
                    first.rows
                ),
                advice,
            )));
        }
        let why = format!(
            "a guess: {} rows came, nothing says that there are more, and {tried}",
            first.rows
        );
        let known = self.known(first, Way::None, &why, None);
        self.over(&known)
    }

    pub(super) fn known(&self, first: Seen, way: Way, why: &str, second: Option<Seen>) -> Known {
        Known {
            url: self.url.clone(),
            table: self.table.clone(),
            first,
            chosen: Chosen { way, why: why.to_owned(), second, is_elsewhere: false },
            size: None,
            more: Vec::new(),
            ends: Vec::new(),
            notes: Vec::new(),
            item: None,
            rules: Vec::new(),
            facts: None,
        }
    }

    fn look_for_size(&mut self, known: Known, by: &Candidate, revealed: Option<String>) -> Stage {
        if let Some(name) = revealed {
            return self.enlarge(known, name);
        }
        let first = &known.first;
        let (hint, place) = (by.size.as_deref(), by.place.as_deref());
        let (way, rows) = (&known.chosen.way, first.rows);
        let names = size::names(hint, place, &first.evidence, rows, way, &self.url);
        let mut names: VecDeque<String> = names.into_iter().take(SIZE_TRIES).collect();
        match names.pop_front() {
            Some(name) if first.rows > 2 && self.may_ask() => {
                let ask = small_page(&self.url, &name, 2);
                Stage::Size { known: Box::new(known), ask, name, others: names, small: 2 }
            }
            _ => self.look_beyond(known),
        }
    }

    fn sized(
        &mut self,
        known: Known,
        answer: Answer,
        ask: &Ask,
        name: String,
        mut others: VecDeque<String>,
        small: u64,
    ) -> Stage {
        let page = self.seen(answer, ask, &known.first.place);
        if page.is_some_and(|page| page.rows == small) {
            return self.enlarge(known, name);
        }
        match others.pop_front() {
            // One is left for a large page.
            Some(name) if self.asked + 1 < self.settings.max_requests => {
                let ask = small_page(&self.url, &name, small);
                Stage::Size { known: Box::new(known), ask, name, others, small }
            }
            _ => self.look_beyond(known),
        }
    }

    fn enlarge(&mut self, known: Known, name: String) -> Stage {
        if known.first.rows >= LARGE || !self.may_ask() {
            let size = LARGE.max(known.first.rows);
            return self.with_size(known, &name, size, "verified with a small size");
        }
        let ask = Ask::new(
            with(&self.url, &name, &LARGE.to_string()),
            format!("{LARGE} rows by `{name}`"),
        );
        Stage::Large { known: Box::new(known), ask, name }
    }

    fn enlarged(&mut self, mut known: Known, answer: Answer, ask: &Ask, name: &str) -> Stage {
        let Some(page) = self.seen(answer, ask, &known.first.place).filter(|page| page.rows > 0)
        else {
            let rows = known.first.rows;
            return self.with_size(known, name, rows, "verified; the API refuses 100");
        };
        let rows = page.rows;
        let is_all = !page.evidence.says_more(rows)
            || page.evidence.total(rows).is_some_and(|(_, total)| *total == rows);
        known.more = page.page.rows(&page.place).into_iter().cloned().collect();
        match rows {
            LARGE => self.with_size(known, name, LARGE, "verified: 100 rows came"),
            _ if is_all && rows < LARGE => {
                self.with_size(known, name, LARGE, "verified with a small size")
            }
            _ => self.with_size(known, name, rows, "verified: the API grants no more"),
        }
    }

    fn with_size(&mut self, mut known: Known, name: &str, size: u64, why: &str) -> Stage {
        known.size = Some((name.to_owned(), size, why.to_owned()));
        self.look_beyond(known)
    }

    /// Where nothing tells how far a set goes that is read ahead, a page past its end is looked at.
    fn look_beyond(&mut self, known: Known) -> Stage {
        let evidence = &known.first.evidence;
        let is_told = evidence.total(known.first.rows).is_some()
            || !evidence.pages.is_empty()
            || !evidence.pointers.is_empty()
            || evidence.link_next.is_some();
        let place = match &known.chosen.way {
            Way::Page { param, first } => Some((param, first + 1_000_000)),
            Way::Offset { param } => Some((param, 100_000_000)),
            _ => None,
        };
        match place {
            Some((param, place)) if !is_told && self.may_ask() => {
                let ask =
                    Ask::new(with(&self.url, param, &place.to_string()), "a page past the end");
                Stage::Beyond { known: Box::new(known), ask }
            }
            _ => self.look_for_item(known),
        }
    }

    fn beyond(&mut self, mut known: Known, answer: Answer, ask: &Ask) -> Stage {
        let status = answer.status;
        let page = self.seen(answer, ask, &known.first.place);
        match page {
            Some(page) if page.rows == 0 => {}
            Some(_) => known.notes.push(
                "past the end the API answers with rows: see whether a read ends where it should"
                    .to_owned(),
            ),
            None if status == 404 => {
                let why = "verified: a page past the end is a 404".to_owned();
                known.ends.push(("not_found_ends: true".to_owned(), why));
            }
            None => known.notes.push(format!("a page past the end is answered with {status}")),
        }
        self.look_for_item(known)
    }

    /// Whether one row can be had by its id.
    fn look_for_item(&mut self, known: Known) -> Stage {
        let row = known.first.page.rows(&known.first.place).first().map(|row| (*row).clone());
        let id = known.id().and_then(|id| row.as_ref()?.get(&id).cloned());
        let (Some(id), Some(row), true) = (id, row, self.may_ask()) else {
            return self.over(&known);
        };
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let mut url = self.url.clone();
        url.set_query(None);
        let ends_with_slash = url.path().ends_with('/');
        let is_plain =
            id.len() <= 100 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if !is_plain || url.path().ends_with(".json") {
            return self.over(&known);
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&id);
            if ends_with_slash {
                path.push("");
            }
        }
        Stage::Item { known: Box::new(known), ask: Ask::new(url, "one row by its id"), row }
    }

    fn item(&mut self, mut known: Known, answer: Answer, ask: &Ask, row: &Value) -> Stage {
        let page = Page::parse(answer, &ask.url).ok();
        let id = known.id();
        let is_it = |item: &Value| {
            id.as_ref().is_some_and(|id| item.is_object() && item.get(id) == row.get(id))
        };
        if page.is_some_and(|page| is_it(&page.body)) {
            known.item = Some("verified with the first row".to_owned());
        }
        self.over(&known)
    }

    pub(super) fn over(&self, known: &Known) -> Stage {
        Stage::Over(Ok(known.draft(&self.settings)))
    }
}

/// The parameter by which a URL is that of a page after the first one.
fn later_page(url: &Url) -> Option<String> {
    let is_later = |(name, value): &(String, String)| match value.parse::<u64>() {
        Ok(page) if is_page(name) => page > 1,
        Ok(offset) => {
            offset > 0 && names::is_one(name, &["offset", "skip", "start", "startat", "pageoffset"])
        }
        Err(_) => false,
    };
    parameters(url).into_iter().find(is_later).map(|(name, _)| name)
}

fn over_or(stage: Result<Stage, Unknown>) -> Stage {
    stage.unwrap_or_else(|unknown| Stage::Over(Err(unknown)))
}

fn small_page(url: &Url, name: &str, size: u64) -> Ask {
    Ask::new(with(url, name, &size.to_string()), format!("{size} rows by `{name}`"))
}

/// Whether a range is the one that was asked for.
fn is_of_range(candidate: &Candidate, second: Option<&Seen>, rows: u64) -> bool {
    let Way::Range { .. } = candidate.way else { return true };
    let range = second.and_then(|second| second.evidence.range.as_ref());
    range.is_some_and(|(_, first, _)| *first == rows)
}

fn is_cursor(key: &str) -> bool {
    let plain = names::plain(key);
    ["cursor", "token", "marker", "after", "continu"].iter().any(|word| plain.contains(word))
        && !plain.contains("url")
}

/// What a try has shown.
fn said(proof: Option<Proof>, status: u16) -> String {
    match proof {
        Some(Proof::Same) => "the same rows again".to_owned(),
        Some(Proof::Overlap) => "some of the rows again".to_owned(),
        Some(Proof::Empty) => "no rows".to_owned(),
        Some(Proof::Next) => "rows of another range".to_owned(),
        None if (200..300).contains(&status) => "no page".to_owned(),
        None => format!("status {status}"),
    }
}

/// What says that more rows follow.
fn says_more_by(first: &Seen) -> String {
    let evidence = &first.evidence;
    let flag = evidence.more.iter().find(|(_, more)| *more).map(|(path, _)| path.to_string());
    let last = || evidence.last.iter().find(|(_, last)| !*last).map(|(path, _)| path.to_string());
    let pointer = || {
        let mut pointers = evidence.pointers.iter();
        pointers.find(|pointer| pointer.is != Named::Nothing).map(|pointer| pointer.at.clone())
    };
    let count = || {
        let mut counts = evidence.totals.iter().chain(&evidence.pages);
        counts.find(|(_, count)| *count > 1).map(|(spot, _)| spot.key().to_owned())
    };
    let found = flag.or_else(last).or_else(pointer).or_else(count);
    found.map_or_else(|| "the header `Link`".to_owned(), |name| format!("`{name}`"))
}

/// The same page with rows that are objects, where Datasette has sent lists.
fn as_objects(page: &Page) -> Option<Url> {
    let is_lists = page.body.get("rows")?.as_array()?.first()?.is_array();
    let is_it = is_lists && page.body.get("columns").is_some_and(Value::is_array);
    let has_shape = page.url.query_pairs().any(|(name, _)| name == "_shape");
    (is_it && !has_shape).then(|| with(&page.url, "_shape", "objects"))
}
