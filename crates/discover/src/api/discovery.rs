//! [pure] What is requests_made next, until there is a draft or a question.

use std::collections::VecDeque;

use serde_json::Value;
use url::Url;

use super::{
    body::{in_query, posted, secret},
    candidates::{Candidate, cursor_param, is_cursor},
    error::DiscoverError,
    evidence::{Named, Pointer},
    graphql::{Connection, introspection, is_endpoint},
    http::{Request, Response},
    next::later_page,
    page::{Page, as_objects},
    rows::{self, Place},
    settings::Settings,
    size::{self, SIZE_TRIES, small_page},
    stages::{Chosen, Known, Seen, secret_parameter, table_name},
};
use crate::{draft::Draft, way::Way};

/// What is to be done next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Make this request, and give its answer to [`Discovery::on_response`].
    Request(Request),
    /// That is all.
    Done(Result<Draft, DiscoverError>),
}

/// Finds out how an API pages: see the [crate](crate).
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The URL that is asked, with the parameters of a body in its query.
    pub(super) url: Url,
    /// The URL that was given.
    given: Url,
    pub(super) table: String,
    pub(super) settings: Settings,
    pub(super) requests_made: u32,
    stage: Stage,
    /// The requests that were made in vain, for the error.
    pub(super) tried: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    First(Request),
    /// Looks for a parameter that makes the only page a small one, so that there is a second.
    Reveal {
        first: Seen,
        request: Request,
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
        request: Request,
        name: String,
        others: VecDeque<String>,
        small: u64,
    },
    /// Asks for a large page.
    Large {
        known: Box<Known>,
        request: Request,
        name: String,
    },
    /// Asks for a page past the end.
    Beyond {
        known: Box<Known>,
        request: Request,
    },
    /// Asks for the schema of GraphQL.
    Schema {
        request: Request,
    },
    /// Reads a connection of GraphQL.
    Graph {
        connection: Box<Connection>,
        first: Option<Seen>,
        size: u64,
        request: Request,
    },
    /// Asks for one row.
    Item {
        known: Box<Known>,
        request: Request,
        row: Value,
    },
    Over(Result<Draft, DiscoverError>),
}

impl Discovery {
    /// Begins with a URL that answers with rows.
    ///
    /// # Errors
    /// If it is not a URL of HTTP, or may have a credential in it.
    pub fn new(url: &str, settings: Settings) -> Result<Self, DiscoverError> {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        let parsed = parsed.filter(|url| ["http", "https"].contains(&url.scheme()));
        let mut url = parsed.ok_or_else(|| {
            DiscoverError::new("this is not a URL", "give one that begins with https:// or http://")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DiscoverError::new(
                "the URL has a name or a password in it",
                "authenticate by variables of the environment: --basic-env USER_VARIABLE:VARIABLE",
            ));
        }
        if let Some(name) = secret_parameter(&url) {
            return Err(DiscoverError::new(
                format!("the parameter `{name}` of the URL looks like a credential"),
                format!(
                    "leave it out, and give the name of a variable of the environment: --query-env {name}=VARIABLE"
                ),
            ));
        }
        if let Some(name) = later_page(&url) {
            return Err(DiscoverError::new(
                format!("the URL is that of a later page: it has `{name}`"),
                "give the URL of the first page",
            ));
        }
        url.set_fragment(None);
        let given = url.clone();
        if let Some(body) = &settings.body {
            if let Some(name) = secret(body) {
                return Err(DiscoverError::new(
                    format!("`{name}` in the body looks like a credential"),
                    "leave it out: a credential goes into a header, a cookie or the query, by the name of a variable of the environment",
                ));
            }
            url = in_query(&url, body);
        }
        let table = settings.table.clone().unwrap_or_else(|| table_name(&url));
        let stage = Stage::First(Request::new(url.clone(), "the first page"));
        Ok(Self { url, given, table, settings, requests_made: 0, stage, tried: Vec::new() })
    }

    /// What is to be done next. It stays the same until an answer has come.
    #[must_use]
    pub fn next_step(&self) -> Step {
        match &self.stage {
            Stage::First(request)
            | Stage::Reveal { request, .. }
            | Stage::Size { request, .. }
            | Stage::Large { request, .. }
            | Stage::Beyond { request, .. }
            | Stage::Schema { request }
            | Stage::Graph { request, .. }
            | Stage::Item { request, .. } => Step::Request(self.as_sent(request)),
            Stage::Prove { candidate, .. } => Step::Request(self.as_sent(&candidate.second)),
            Stage::Over(done) => Step::Done(done.clone()),
        }
    }

    /// A request, which is a POST if there is a body.
    fn as_sent(&self, request: &Request) -> Request {
        match &self.settings.body {
            Some(body) => posted(request.clone(), &self.given, body),
            None => request.clone(),
        }
    }

    /// How many requests have been answered.
    #[must_use]
    pub fn requests_made(&self) -> u32 {
        self.requests_made
    }

    /// Counts requests that were made besides, such as to where one was redirected: how many there
    /// were in all.
    pub fn set_requests_made(&mut self, requests: u32) {
        self.requests_made = self.requests_made.max(requests);
    }

    /// Takes the answer to the request of the last step.
    pub fn on_response(&mut self, answer: Response) {
        let stage = std::mem::replace(
            &mut self.stage,
            Stage::Over(Err(DiscoverError::new("it is over", "begin anew"))),
        );
        if !matches!(stage, Stage::Over(_)) {
            self.requests_made += 1;
        }
        self.stage = match stage {
            Stage::First(request) => over_or(self.first(answer, &request)),
            Stage::Reveal { first, request, name, others, small } => {
                self.revealed(first, answer, &request, name, others, small)
            }
            Stage::Prove { first, candidate, others, revealed } => {
                self.proved(first, answer, &candidate, others, revealed)
            }
            Stage::Size { known, request, name, others, small } => {
                self.sized(*known, answer, &request, name, others, small)
            }
            Stage::Large { known, request, name } => self.enlarged(*known, answer, &request, &name),
            Stage::Beyond { known, request } => self.beyond(*known, answer, &request),
            Stage::Item { known, request, row } => self.item(*known, answer, &request, &row),
            Stage::Schema { request } => over_or(self.schema(answer, &request)),
            Stage::Graph { connection, first, size, request } => {
                over_or(self.graph(answer, *connection, first, size, &request))
            }
            over @ Stage::Over(_) => over,
        };
    }

    fn is_posted(&self) -> bool {
        self.settings.body.is_some()
    }

    /// Whether one more request may be made.
    pub(super) fn may_ask(&self) -> bool {
        self.requests_made < self.settings.max_requests
    }

    pub(super) fn seen(&self, answer: Response, request: &Request, place: &Place) -> Option<Seen> {
        Page::parse(answer, &request.url).ok().map(|page| Seen::of(page, place.clone()))
    }

    fn first(&mut self, answer: Response, request: &Request) -> Result<Stage, DiscoverError> {
        let moved = answer.url.clone().filter(|url| url.origin() == self.url.origin());
        let page = match Page::parse(answer, &request.url) {
            Err(_) if is_endpoint(&request.url) && self.may_ask() && !self.is_posted() => {
                self.url.set_path(moved.as_ref().unwrap_or(&request.url).path());
                let request = Request::new(self.url.clone(), "the schema").body(introspection());
                return Ok(Stage::Schema { request });
            }
            page => page?,
        };
        if page.url.origin() == self.url.origin() {
            // It may have moved.
            self.url.set_path(page.url.path());
        }
        if let Some(url) = as_objects(&page)
            && self.may_ask()
            && !self.is_posted()
        {
            self.url = url.clone();
            return Ok(Stage::First(Request::new(
                url,
                "the first page, with rows that are objects",
            )));
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
            return Err(DiscoverError::new(
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
                let request = small_page(&self.url, &name, small);
                Stage::Reveal { first, request, name, others: names, small }
            }
            _ => self.by_shape(first),
        }
    }

    fn revealed(
        &mut self,
        first: Seen,
        answer: Response,
        request: &Request,
        name: String,
        mut others: VecDeque<String>,
        small: u64,
    ) -> Stage {
        // Now that a smaller page came, what the first one says of itself is no proof.
        let page = self.seen(answer, request, &first.place).filter(|page| page.rows == small);
        if let Some(page) = page {
            return self.prove(page, Some(name));
        }
        match others.pop_front() {
            Some(name) if self.may_ask() => {
                let request = small_page(&self.url, &name, small);
                Stage::Reveal { first, request, name, others, small }
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
            (Some(pointer), _) if !self.is_posted() => Way::NextUrl { next: pointer.at.clone() },
            (_, Some((spot, page))) => Way::Page { param: spot.key().to_owned(), first: *page },
            (_, None) => Way::None,
        };
        let why =
            "a guess: all rows came on one page, which says so, and a second one was not seen";
        let known = self.known(first, way, why, None);
        self.over(&known)
    }

    pub(super) fn known(&self, first: Seen, way: Way, why: &str, second: Option<Seen>) -> Known {
        let mut url = self.url.clone();
        if self.is_posted() {
            url.set_query(self.given.query());
        }
        Known {
            url,
            post: self.settings.body.clone(),
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

fn over_or(stage: Result<Stage, DiscoverError>) -> Stage {
    stage.unwrap_or_else(|error| Stage::Over(Err(error)))
}
