//! [pure] What is asked next, until there is a draft or a question.

use std::collections::VecDeque;

use serde_json::Value;
use url::Url;

use super::{
    answer::{Answer, Ask},
    candidates::{Candidate, cursor_param, is_cursor},
    evidence::{Named, Pointer},
    graphql::{Connection, introspection, is_endpoint},
    next::later_page,
    page::{Page, as_objects},
    rows::{self, Place},
    settings::Settings,
    size::{self, SIZE_TRIES, small_page},
    stages::{Chosen, Known, Seen, secret_parameter, table_name},
    unknown::Unknown,
};
use crate::{draft::Draft, way::Way};

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
    pub(super) asked: u32,
    stage: Stage,
    /// The requests that were made in vain, for the error.
    pub(super) tried: Vec<String>,
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
        // Now that a smaller page came, what the first one says of itself is no proof.
        let page = self.seen(answer, ask, &first.place).filter(|page| page.rows == small);
        if let Some(page) = page {
            return self.prove(page, Some(name));
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
        let nothing = |pointer: &&Pointer| pointer.is == Named::Nothing;
        let pointer = first.evidence.pointers.iter().find(nothing);
        let echo = first.evidence.page.iter().find(|(_, page)| *page <= 1);
        let way = match (pointer, echo) {
            (Some(pointer), _) if is_cursor(&pointer.key) => {
                Way::Cursor { param: cursor_param(&pointer.key), next: pointer.at.clone() }
            }
            (Some(pointer), _) => Way::NextUrl { next: pointer.at.clone() },
            (None, Some((spot, page))) => Way::Page { param: spot.key().to_owned(), first: *page },
            (None, None) => Way::None,
        };
        let why =
            "a guess: all rows came on one page, which says so, and a second one was not seen";
        let known = self.known(first, way, why, None);
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

    pub(super) fn over(&self, known: &Known) -> Stage {
        Stage::Over(Ok(known.draft(&self.settings)))
    }
}

fn over_or(stage: Result<Stage, Unknown>) -> Stage {
    stage.unwrap_or_else(|unknown| Stage::Over(Err(unknown)))
}
