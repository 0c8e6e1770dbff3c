//! [pure] What is asked once the way to page is known: the size of pages, a page past the end, and one
//! row.

use std::collections::VecDeque;

use serde_json::Value;

use super::{
    candidates::Candidate,
    discovery::{Discovery, Stage},
    http::{Request, Response},
    next::with,
    page::Page,
    size::{SIZE_TRIES, names, small_page},
    stages::Known,
};
use crate::way::Way;

/// The size that a draft asks for, where the API grants it.
const LARGE: u64 = 100;

impl Discovery {
    pub(super) fn look_for_size(
        &mut self,
        known: Known,
        by: &Candidate,
        revealed: Option<String>,
    ) -> Stage {
        if let Some(name) = revealed {
            return self.enlarge(known, name);
        }
        let first = &known.first;
        let (hint, place) = (by.size.as_deref(), by.place.as_deref());
        let (way, rows) = (&known.chosen.way, first.rows);
        let names = names(hint, place, &first.evidence, rows, way, &self.url);
        let mut names: VecDeque<String> = names.into_iter().take(SIZE_TRIES).collect();
        match names.pop_front() {
            Some(name) if first.rows > 2 && self.may_ask() => {
                let request = small_page(&self.url, &name, 2);
                Stage::Size { known: Box::new(known), request, name, others: names, small: 2 }
            }
            _ => self.look_beyond(known),
        }
    }

    pub(super) fn sized(
        &mut self,
        known: Known,
        answer: Response,
        request: &Request,
        name: String,
        mut others: VecDeque<String>,
        small: u64,
    ) -> Stage {
        let page = self.seen(answer, request, &known.first.place);
        if page.is_some_and(|page| page.rows == small) {
            return self.enlarge(known, name);
        }
        match others.pop_front() {
            // One is left for a large page.
            Some(name) if self.requests_made + 1 < self.settings.max_requests => {
                let request = small_page(&self.url, &name, small);
                Stage::Size { known: Box::new(known), request, name, others, small }
            }
            _ => self.look_beyond(known),
        }
    }

    fn enlarge(&mut self, known: Known, name: String) -> Stage {
        if known.first.rows >= LARGE || !self.may_ask() {
            let size = LARGE.max(known.first.rows);
            return self.with_size(known, &name, size, "verified with a small size");
        }
        let request = Request::new(
            with(&self.url, &name, &LARGE.to_string()),
            format!("{LARGE} rows by `{name}`"),
        );
        Stage::Large { known: Box::new(known), request, name }
    }

    pub(super) fn enlarged(
        &mut self,
        mut known: Known,
        answer: Response,
        request: &Request,
        name: &str,
    ) -> Stage {
        let Some(page) =
            self.seen(answer, request, &known.first.place).filter(|page| page.rows > 0)
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
        let rows = known.first.rows;
        let is_told = evidence.total(rows).is_some_and(|(_, total)| *total > rows)
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
                let request =
                    Request::new(with(&self.url, param, &place.to_string()), "a page past the end");
                Stage::Beyond { known: Box::new(known), request }
            }
            _ => self.look_for_item(known),
        }
    }

    pub(super) fn beyond(
        &mut self,
        mut known: Known,
        answer: Response,
        request: &Request,
    ) -> Stage {
        let status = answer.status;
        let page = self.seen(answer, request, &known.first.place);
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
        let may_ask = self.may_ask() && self.settings.body.is_none();
        let (Some(id), Some(row), true) = (id, row, may_ask) else {
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
        Stage::Item { known: Box::new(known), request: Request::new(url, "one row by its id"), row }
    }

    pub(super) fn item(
        &mut self,
        mut known: Known,
        answer: Response,
        request: &Request,
        row: &Value,
    ) -> Stage {
        let page = Page::parse(answer, &request.url).ok();
        let id = known.id();
        let is_it = |item: &Value| {
            id.as_ref().is_some_and(|id| item.is_object() && item.get(id) == row.get(id))
        };
        if page.is_some_and(|page| is_it(&page.body)) {
            known.item = Some("verified with the first row".to_owned());
        }
        self.over(&known)
    }
}
