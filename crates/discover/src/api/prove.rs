//! [pure] Tries the ways to page that a first page suggests, one after the other.

use std::collections::VecDeque;

use url::Url;

use super::{
    candidates::{Candidate, First},
    discovery::{Discovery, Stage},
    error::DiscoverError,
    evidence::Named,
    http::Response,
    next::{parameters, with},
    proof::{Proof, compare, is_usual_size},
    reasons::{said, says_more_by},
    stages::Seen,
};
use crate::{types, way::Way};

impl Discovery {
    pub(super) fn prove(&mut self, first: Seen, revealed: Option<String>) -> Stage {
        let rows = first.page.rows(&first.place);
        let id = types::id_of(&types::columns(&rows), &self.table);
        let last = rows.last().copied();
        let last_id = id.as_deref().and_then(|id| Some((id, last?.get(id)?)));
        let url = first.page.url.clone();
        let is_posted = self.settings.body.is_some();
        let is_own = url.origin() == self.url.origin() && !is_posted;
        let asked = if is_own { &url } else { &self.url };
        let start = First { url: asked, evidence: &first.evidence, rows: first.rows, last_id };
        let mut candidates: VecDeque<Candidate> = start.candidates().into();
        // A body is sent to one place, without a range.
        let by_body = |way: &Way| !way.is_by_url() && !matches!(way, Way::Range { .. });
        candidates.retain(|candidate| !is_posted || by_body(&candidate.way));
        let is_told = first.evidence.says_more(first.rows);
        if !is_told && !is_usual_size(first.rows) && revealed.is_none() {
            candidates.truncate(3);
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
            _ => self.unproven(first, revealed.as_deref()),
        }
    }

    /// The same place at the host that was asked.
    fn here(&self, url: &Url) -> Url {
        let mut here = self.url.clone();
        here.set_path(url.path());
        here.set_query(url.query());
        here
    }

    pub(super) fn proved(
        &mut self,
        first: Seen,
        answer: Response,
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
        let is_named = candidate.way.is_by_url();
        let why = match proof {
            Some(Proof::Next) if is_of_range(candidate, second.as_ref(), first.rows) => {
                format!("verified: {}, and it leads to new rows", candidate.why)
            }
            Some(Proof::Empty) if is_named => {
                format!("a guess: {}, and the next page has no rows", candidate.why)
            }
            _ => {
                self.tried.push(format!("{} ({})", candidate.second.purpose, said(proof, status)));
                if proof != Some(Proof::Same)
                    && let Some(unsure) = candidate.makes_unsure()
                {
                    others.retain(|other| other.way != unsure);
                }
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
        let named = named.or(first.evidence.header_next.as_ref().map(|(_, url)| url));
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
        if let Way::Page { param, first: 0 } = &candidate.way
            && parameters(&self.url).iter().any(|(name, value)| name == param && value == "1")
        {
            // The first page is the one that was found before it.
            self.url = with(&self.url, param, "0");
        }
        let mut known = self.known(first, candidate.way.clone(), &why, second);
        known.chosen.is_elsewhere = is_elsewhere;
        self.look_for_size(known, candidate, revealed)
    }

    /// No candidate holds. With the parameter `revealed`, the first page became a smaller one.
    fn unproven(&mut self, first: Seen, revealed: Option<&str>) -> Stage {
        let tried = match self.tried.is_empty() {
            true => "nothing names it".to_owned(),
            false => format!("tried were {}", self.tried.join(", ")),
        };
        let advice = "say how the API pages: --paging '{ by: page, param: NAME }', or by: offset, \
                      cursor, next_url, link, keyset, or by: none if this is the whole set";
        if first.evidence.says_more(first.rows) {
            let by = says_more_by(&first);
            return Stage::Over(Err(DiscoverError::new(
                format!(
                    "more rows follow the {} of the first page, as {by} says, but the way to them was not found: {tried}",
                    first.rows
                ),
                advice,
            )));
        }
        if let Some(name) = revealed {
            return Stage::Over(Err(DiscoverError::new(
                format!(
                    "with `{name}` a page has {} of the rows, and the way to the others was not found: {tried}",
                    first.rows
                ),
                advice,
            )));
        }
        if is_usual_size(first.rows) {
            return Stage::Over(Err(DiscoverError::new(
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
}

/// Whether a range is the one that was asked for.
fn is_of_range(candidate: &Candidate, second: Option<&Seen>, rows: u64) -> bool {
    let Way::Range { .. } = candidate.way else { return true };
    let range = second.and_then(|second| second.evidence.range.as_ref());
    range.is_some_and(|(_, first, _)| *first == rows)
}
