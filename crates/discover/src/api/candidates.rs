//! [pure] The ways to page that a first page suggests, the surest first, each with the request that
//! proves it.

use serde_json::Value;
use url::Url;

use super::{
    evidence::{Evidence, Named, is_none},
    http::Request,
    next::{difference, is_page, parameters, with},
};
use crate::{names, way::Way};

/// How many names of parameters are tried for one cursor or id.
const TRIES: usize = 4;

/// A way to page that is not proven yet.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) way: Way,
    /// Asks for the second page.
    pub(super) second: Request,
    /// What suggests it.
    pub(super) why: String,
    /// The parameter that says which page, where a URL does.
    pub(super) place: Option<String>,
    /// The parameter of the size that came along.
    pub(super) size: Option<String>,
}

impl Candidate {
    /// The way that is open unless this candidate has brought the first page again: page 1 was asked
    /// for, and if it is not the first page, page 2 may be the third.
    pub(super) fn makes_unsure(&self) -> Option<Way> {
        let Way::Page { param, first: 0 } = &self.way else { return None };
        let is_page_1 = parameters(&self.second.url).contains(&(param.clone(), "1".to_owned()));
        is_page_1.then(|| Way::Page { param: param.clone(), first: 1 })
    }
}

/// What is known of a first page.
pub(super) struct First<'p> {
    pub(super) url: &'p Url,
    pub(super) evidence: &'p Evidence,
    pub(super) rows: u64,
    /// The name of the id column, and its value in the last row.
    pub(super) last_id: Option<(&'p str, &'p Value)>,
}

impl First<'_> {
    /// The candidates.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        self.by_first_page(&mut found);
        self.by_links(&mut found);
        self.by_own_parameters(&mut found);
        self.by_echo(&mut found);
        self.by_cursor(&mut found);
        self.by_range(&mut found);
        self.by_last_row(&mut found);
        let is_told = self.evidence.says_more(self.rows) || found.is_empty();
        if is_told && !found.iter().any(|candidate| candidate.way.is_computed()) {
            self.by_usual_names(&mut found);
        }
        let mut seen: Vec<Way> = Vec::new();
        found.retain(|candidate| {
            let is_new = !seen.contains(&candidate.way);
            seen.push(candidate.way.clone());
            is_new
        });
        found
    }

    /// The URL of the next page is named. Where it can be computed as well, and it is known how far
    /// the set goes, pages can be read side by side.
    fn by_links(&self, found: &mut Vec<Candidate>) {
        let evidence = self.evidence;
        let mut add = |url: &Url, chain: Way, why: &str, is_known: bool| {
            let request = Request::new(url.clone(), "the second page, by its URL");
            let differs = difference(self.url, url, self.rows);
            let (size, place) = (differs.size.map(|(name, _)| name), differs.place);
            let add = |way: Way, why: String| Candidate {
                way,
                second: request.clone(),
                why,
                place: place.clone(),
                size: size.clone(),
            };
            if let Some(way) = differs.computed.filter(|_| is_known) {
                found.push(add(way, format!("{why}, which differs in this parameter")));
            }
            found.push(add(chain, why.to_owned()));
        };
        let has_total = evidence.total(self.rows).is_some() || !evidence.pages.is_empty();
        if let Some(link) = &evidence.link_next
            && !is_none(&link.attributes)
        {
            let but = link.attributes.iter().find(|(name, _)| name == "results");
            let but = but.map(|(name, _)| (name.clone(), "false".to_owned()));
            let is_known = (has_total || evidence.link_last.is_some()) && but.is_none();
            add(&link.url, Way::Link { but }, "the header `Link` has the next page", is_known);
        }
        if let Some((header, url)) = &evidence.header_next {
            let chain = Way::HeaderUrl { header: header.clone() };
            add(
                url,
                chain,
                &format!("the header `{header}` is the URL of the next page"),
                has_total,
            );
        }
        for pointer in &evidence.pointers {
            if let Named::Url(url) = &pointer.is {
                let chain = Way::NextUrl { next: pointer.at.clone() };
                add(
                    url,
                    chain,
                    &format!("`{}` has the URL of the next page", pointer.at),
                    has_total,
                );
            }
        }
    }

    /// The URL that was given has page 1, before which there may be a page 0.
    fn by_first_page(&self, found: &mut Vec<Candidate>) {
        let pages = parameters(self.url).into_iter();
        for (param, _) in pages.filter(|(name, value)| value == "1" && is_page(name)) {
            let url = with(self.url, &param, "0");
            let second = Request::new(url, format!("the page before, by `{param}=0`"));
            let why = format!("the URL has `{param}=1`, page 0 is before it");
            let way = Way::Page { param, first: 0 };
            found.push(Candidate { way, second, why, place: None, size: None });
        }
    }

    /// The URL that was given says which page it is.
    fn by_own_parameters(&self, found: &mut Vec<Candidate>) {
        for (name, value) in parameters(self.url) {
            let Ok(value) = value.parse::<u64>() else { continue };
            let way = match value {
                0 | 1 if is_page(&name) => {
                    let page = |first| Way::Page { param: name.clone(), first };
                    let why = || format!("the URL has `{name}`");
                    // Page 0 may be another name for page 1.
                    found.extend((value..=1).map(|first| self.computed(page(first), why())));
                    continue;
                }
                0 if names::is_one(&name, names::OFFSET_PARAM) => {
                    Way::Offset { param: name.clone() }
                }
                _ => continue,
            };
            found.push(self.computed(way, format!("the URL has `{name}`")));
        }
    }

    /// The page repeats its number or its offset.
    fn by_echo(&self, found: &mut Vec<Candidate>) {
        let pages = self.evidence.page.iter().filter(|(_, page)| *page <= 1);
        for (spot, page) in pages {
            let name = match spot.key().strip_prefix("x-") {
                // `number` is what Spring calls it.
                Some(_) => "page",
                None if ["currentpage", "number"].contains(&&*names::plain(spot.key())) => "page",
                None => spot.key(),
            };
            let way = Way::Page { param: name.to_owned(), first: *page };
            found.push(self.computed(way, format!("`{}` is the number of the page", spot.key())));
        }
        for (spot, _) in self.evidence.offsets.iter().filter(|(_, offset)| *offset == 0) {
            let way = Way::Offset { param: spot.key().to_owned() };
            found.push(self.computed(way, format!("`{}` is an offset", spot.key())));
        }
        for pointer in &self.evidence.pointers {
            let Named::Number(number) = pointer.is else { continue };
            let name = pointer.key.to_ascii_lowercase().replace("next", "");
            let name = name.trim_matches(['_', '-']);
            let way = match number {
                1 | 2 if name.is_empty() || is_page(name) => {
                    let param = if name.is_empty() { "page" } else { name };
                    Way::Page { param: param.to_owned(), first: number - 1 }
                }
                number if number == self.rows => {
                    let param = if name.is_empty() { "offset" } else { name };
                    Way::Offset { param: param.to_owned() }
                }
                _ => {
                    let param = if name.is_empty() { "cursor" } else { name };
                    self.cursor(pointer.at.clone(), param, &number.to_string(), found);
                    continue;
                }
            };
            found.push(self.computed(way, format!("`{}` is that of the next page", pointer.at)));
        }
    }

    fn by_cursor(&self, found: &mut Vec<Candidate>) {
        for pointer in &self.evidence.pointers {
            if let Named::Text(cursor) = &pointer.is {
                let own = parameters(self.url).into_iter().map(|(name, _)| name);
                let own = own.filter(|name| names::is_one(name, names::CURSOR_PARAM));
                for param in own.chain(cursor_params(&pointer.key)).take(TRIES) {
                    self.cursor(pointer.at.clone(), &param, cursor, found);
                    found.iter_mut().rev().take(1).for_each(|candidate| {
                        candidate.second.text = Some(param.clone());
                    });
                }
            }
        }
    }

    fn cursor(&self, next: String, param: &str, cursor: &str, found: &mut Vec<Candidate>) {
        let request =
            Request::new(with(self.url, param, cursor), format!("the second page, by `{param}`"));
        let why = format!("`{next}` is a cursor");
        let way = Way::Cursor { param: param.to_owned(), next };
        found.push(Candidate { way, second: request, why, place: None, size: None });
    }

    fn by_range(&self, found: &mut Vec<Candidate>) {
        if let Some((unit, 0, _)) = &self.evidence.range {
            let (from, to) = (self.rows, (self.rows * 2).saturating_sub(1));
            let request = Request::new(self.url.clone(), "the second page, by a range")
                .header("range", format!("{unit}={from}-{to}"));
            let way = Way::Range { unit: unit.clone(), size: self.rows };
            let why = "the header `Content-Range` tells which rows came".to_owned();
            found.push(Candidate { way, second: request, why, place: None, size: None });
        }
    }

    /// More follow, nothing names them, and rows have ids: after the last one.
    fn by_last_row(&self, found: &mut Vec<Candidate>) {
        let is_named = !self.evidence.pointers.is_empty() || self.evidence.link_next.is_some();
        let (Some((field, id)), false) = (self.last_id, is_named) else { return };
        if !self.evidence.more.iter().any(|(_, more)| *more) {
            return;
        }
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        for param in ["starting_after", "after", "after_id", "since_id"].into_iter().take(TRIES) {
            let request =
                Request::new(with(self.url, param, &id), format!("the second page, by `{param}`"));
            let way = Way::Keyset { param: param.to_owned(), field: field.to_owned() };
            let why = format!("a flag says that more follow, and rows have the id `{field}`");
            found.push(Candidate { way, second: request, why, place: None, size: None });
        }
    }

    fn by_usual_names(&self, found: &mut Vec<Candidate>) {
        let page = |param: &str, first| Way::Page { param: param.to_owned(), first };
        let offset = |param: &str| Way::Offset { param: param.to_owned() };
        // The first one asks for page 1: if pages count from 1, that is the first page again.
        let ways =
            [page("page", 0), page("page", 1), offset("offset"), page("_page", 1), offset("skip")];
        let why = || "the name is a usual one".to_owned();
        found.extend(ways.into_iter().map(|way| self.computed(way, why())));
    }

    /// A way whose second page is at a place that can be computed.
    fn computed(&self, way: Way, why: String) -> Candidate {
        let (param, place) = match &way {
            Way::Page { param, first } => (param.as_str(), first + 1),
            way => (way.param().unwrap_or_default(), self.rows),
        };
        let url = with(self.url, param, &place.to_string());
        let second = Request::new(url, format!("the second page, by `{param}={place}`"));
        Candidate { way, second, why, place: None, size: None }
    }
}

/// Whether a key is called like a cursor, and not like a URL.
pub(super) fn is_cursor(key: &str) -> bool {
    let plain = names::plain(key);
    ["cursor", "token", "marker", "after", "continu"].iter().any(|word| plain.contains(word))
        && !plain.contains("url")
}

/// The parameter that a cursor under this key most likely belongs to.
pub(super) fn cursor_param(key: &str) -> String {
    cursor_params(key).into_iter().next().unwrap_or_else(|| "cursor".to_owned())
}

/// The parameters that a cursor under this key may belong to.
fn cursor_params(key: &str) -> Vec<String> {
    let bare = key.strip_prefix("next").map(|rest| rest.trim_start_matches(['_', '-']));
    // `nextPageToken` is `pageToken`.
    let bare = bare.filter(|bare| !bare.is_empty()).map(|bare| {
        let mut letters = bare.chars();
        let first = letters.next().into_iter().flat_map(char::to_lowercase);
        first.chain(letters).collect::<String>()
    });
    let of_key: &[&str] = match names::plain(key).as_str() {
        "nextpagetoken" | "pagetoken" => &["pageToken", "page_token"],
        "nextcursor" | "cursor" | "endcursor" => &["cursor", "after", "start_cursor"],
        "nexttoken" => &["nextToken", "next_token", "token"],
        "nextpage" => &["cursor", "page", "next_page"],
        "after" | "aftercursor" => &["after", "page[after]"],
        "next" => &["next", "_next", "cursor", "after"],
        _ => &[],
    };
    let mut found: Vec<String> = match names::plain(key).as_str() {
        // A page is a number unless it is called a cursor.
        "nextpage" => Vec::new(),
        _ => bare.into_iter().collect(),
    };
    found.extend(of_key.iter().map(|name| (*name).to_owned()));
    if !key.to_ascii_lowercase().starts_with("next") {
        found.insert(0, key.to_owned());
    }
    if of_key.is_empty() {
        found.push(key.to_owned());
        found.push("cursor".to_owned());
    }
    let mut seen = Vec::new();
    found.retain(|name| {
        let is_new = !seen.contains(name);
        seen.push(name.clone());
        is_new
    });
    found
}

#[cfg(test)]
mod tests {
    use super::cursor_params;

    #[test]
    fn the_parameter_of_a_cursor_is_called_like_its_key() {
        for (key, first) in [
            ("nextPageToken", "pageToken"),
            ("next_page_token", "page_token"),
            ("next_cursor", "cursor"),
            ("starting_after", "starting_after"),
            ("after", "after"),
            ("continue", "continue"),
            ("offset", "offset"),
            ("nextToken", "token"),
            ("next_page", "cursor"),
            ("next", "next"),
        ] {
            assert_eq!(cursor_params(key)[0], first, "{key}");
        }
        assert!(cursor_params("nextToken").contains(&"nextToken".to_owned()));
    }
}
