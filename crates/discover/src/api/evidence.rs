//! [pure] What a page says beside its rows: what follows it, and how large the set is.

use serde_json::Value;
use url::Url;

use super::{link, page::Page, rows::Place};
use crate::{json_path::JsonPath, names};

/// How deep is looked.
const DEPTH: usize = 4;

/// Where a page says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    Body(JsonPath),
    Header(String),
}

impl Spot {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Body(path) => path.last().unwrap_or_default(),
            Self::Header(name) => name,
        }
    }
}

/// A value that names the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    /// Its place, as a description writes it.
    pub(super) at: String,
    pub(super) key: String,
    pub(super) is: Named,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Url(Url),
    Text(String),
    Number(u64),
    /// The key is there and says that nothing follows.
    Nothing,
}

/// What a page says beside its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub(super) link_next: Option<link::Link>,
    pub(super) link_last: Option<Url>,
    /// The name of another header that has the URL of the next page, and that URL.
    pub(super) header_next: Option<(String, Url)>,
    pub(super) pointers: Vec<Pointer>,
    pub(super) totals: Vec<(Spot, u64)>,
    pub(super) pages: Vec<(Spot, u64)>,
    pub(super) page: Vec<(Spot, u64)>,
    pub(super) sizes: Vec<(Spot, u64)>,
    pub(super) offsets: Vec<(Spot, u64)>,
    /// Flags, and whether each says that more follow.
    pub(super) more: Vec<(JsonPath, bool)>,
    pub(super) last: Vec<(JsonPath, bool)>,
    /// The unit, the first row and the total of `Content-Range`.
    pub(super) range: Option<(String, u64, Option<u64>)>,
}

impl Evidence {
    pub(super) fn of(page: &Page, place: &Place) -> Self {
        let mut found = Self {
            link_next: link::link(&page.answer, "next", &page.url),
            link_last: link::link(&page.answer, "last", &page.url).map(|link| link.url),
            header_next: header_next(page),
            range: page.answer.header("content-range").and_then(range),
            ..Self::default()
        };
        for (name, value) in &page.answer.headers {
            if let Ok(number) = value.trim().parse() {
                found.count(&Spot::Header(name.clone()), name, number);
            }
        }
        if let Some((_, _, Some(total))) = found.range {
            found.totals.push((Spot::Header("content-range".to_owned()), total));
        }
        found.look(page, &page.body, &JsonPath::default(), place);
        found
    }

    fn look(&mut self, page: &Page, value: &Value, path: &JsonPath, place: &Place) {
        let Value::Object(fields) = value else { return };
        for (key, value) in fields {
            let at = path.child(key);
            if at == place.list {
                continue;
            }
            self.read(page, key, value, &at);
            if at.depth() < DEPTH {
                self.look(page, value, &at, place);
            }
        }
    }

    fn read(&mut self, page: &Page, key: &str, value: &Value, at: &JsonPath) {
        match value {
            Value::String(text) => {
                if let Some(is) = named(text, key, page) {
                    self.point(at.to_string(), key, is);
                }
                if let Ok(number) = text.parse() {
                    self.count(&Spot::Body(at.clone()), key, number);
                }
            }
            Value::Number(number) => {
                let Some(number) = number.as_u64() else { return };
                if names::is_one(key, names::NEXT) {
                    let is = Named::Number(number);
                    self.point(at.to_string(), key, is);
                }
                self.count(&Spot::Body(at.clone()), key, number);
            }
            Value::Bool(flag) if names::is_one(key, names::MORE) => {
                self.more.push((at.clone(), *flag));
            }
            Value::Bool(flag) if names::is_one(key, names::LAST) => {
                self.last.push((at.clone(), *flag));
            }
            Value::Bool(false) | Value::Null if names::is_one(key, names::NEXT) => {
                self.point(at.to_string(), key, Named::Nothing);
            }
            Value::Object(link) if names::is_one(key, names::NEXT) => {
                // `next: { href: URL }`
                let href =
                    ["href", "url", "link"].iter().find_map(|key| Some((*key, link.get(*key)?)));
                let Some((key, Value::String(text))) = href else { return };
                if let Ok(url) = page.url.join(text) {
                    self.point(at.child(key).to_string(), "next", Named::Url(url));
                }
            }
            Value::Array(links) if names::is_one(key, &["link", "links"]) => {
                self.in_list(page, links, at);
            }
            _ => {}
        }
    }

    fn point(&mut self, at: String, key: &str, is: Named) {
        self.pointers.push(Pointer { at, key: key.to_owned(), is });
    }

    /// `links: [{ rel: next, href: URL }]`, where the last page has no such element.
    fn in_list(&mut self, page: &Page, links: &[Value], at: &JsonPath) {
        for (link, relation) in links.iter().flat_map(|link| [(link, "rel"), (link, "relation")]) {
            let is_next = link.get(relation).and_then(Value::as_str) == Some("next");
            let target =
                ["href", "url"].iter().find_map(|key| Some((key, link.get(*key)?.as_str()?)));
            if let (true, Some((key, target))) = (is_next, target)
                && let Ok(url) = page.url.join(target)
            {
                self.point(format!("{at}[{relation}=next].{key}"), "next", Named::Url(url));
            }
        }
    }

    fn count(&mut self, spot: &Spot, key: &str, number: u64) {
        for (of, list) in [
            (names::TOTAL, &mut self.totals),
            (names::PAGES, &mut self.pages),
            (names::PAGE, &mut self.page),
            (names::SIZE, &mut self.sizes),
            (names::OFFSET_PARAM, &mut self.offsets),
        ] {
            if names::is_one(key, of) {
                list.push((spot.clone(), number));
            }
        }
    }

    /// Whether something says that more rows follow the `rows` of a first page.
    pub(super) fn says_more(&self, rows: u64) -> bool {
        let points = |pointer: &Pointer| match &pointer.is {
            Named::Nothing => false,
            Named::Text(_) => names::is_one(&pointer.key, names::NEXT),
            Named::Url(_) | Named::Number(_) => true,
        };
        let is_over = self.last.iter().any(|(_, is_last)| *is_last);
        let has_link = self.link_next.as_ref().is_some_and(|link| !is_none(&link.attributes));
        !is_over
            && (has_link
                || self.header_next.is_some()
                || self.pointers.iter().any(points)
                || self.more.iter().any(|(_, more)| *more)
                || self.last.iter().any(|(_, is_last)| !*is_last)
                || self.totals.iter().any(|(_, total)| *total > rows)
                || self.pages.iter().any(|(_, pages)| *pages > 1))
    }

    /// Whether something says that the `rows` of a first page are all there are.
    pub(super) fn says_over(&self, rows: u64) -> bool {
        !self.says_more(rows)
            && (self.pointers.iter().any(|pointer| pointer.is == Named::Nothing)
                || self.more.iter().any(|(_, more)| !*more)
                || self.last.iter().any(|(_, is_last)| *is_last)
                || self.totals.iter().any(|(spot, total)| {
                    *total == rows && !names::is_one(spot.key(), names::COUNT)
                })
                || self.link_next.is_some())
    }

    /// The total, if one is above the rows of a page, or equal to them where nothing more follows.
    pub(super) fn total(&self, rows: u64) -> Option<&(Spot, u64)> {
        let above = self.totals.iter().filter(|(_, total)| *total > rows);
        // `count` is often the number of rows on the page.
        let best = above.max_by_key(|(spot, _)| usize::MAX - rank(spot));
        let equal = || self.totals.iter().find(|(_, total)| *total == rows);
        best.or_else(|| if self.says_more(rows) { None } else { equal() })
    }
}

/// How usual a name is, 0 for the most.
fn rank(spot: &Spot) -> usize {
    let name = names::plain(spot.key());
    names::TOTAL.iter().position(|known| *known == name).unwrap_or(usize::MAX)
}

/// Whether a link says of itself that it leads to nothing.
pub(super) fn is_none(attributes: &[(String, String)]) -> bool {
    attributes.iter().any(|(name, value)| name == "results" && value == "false")
}

/// The header with the URL of the next page that an answer has besides `Link`.
fn header_next(page: &Page) -> Option<(String, Url)> {
    const NAMES: [&str; 6] =
        ["nextpage", "xnextpage", "nexturl", "xnexturl", "nextpageurl", "xnextpageurl"];
    let mut named = page.answer.headers.iter().filter(|(name, value)| {
        let is_url = value.contains("://") || value.starts_with(['/', '?']);
        is_url && names::is_one(name, &NAMES)
    });
    named.find_map(|(name, value)| Some((name.clone(), page.url.join(value.trim()).ok()?)))
}

/// What a text under this key names, if it names a page.
fn named(text: &str, key: &str, page: &Page) -> Option<Named> {
    let is_next = names::is_one(key, names::NEXT);
    let is_url = text.contains("://") || text.starts_with(['/', '?']);
    if is_next && text.is_empty() {
        return Some(Named::Nothing);
    }
    if is_next && is_url {
        return page.url.join(text).ok().map(Named::Url);
    }
    let is_cursor = is_next || names::is_one(key, names::NEXT_TEXT);
    (is_cursor && !text.is_empty() && !is_url).then(|| Named::Text(text.to_owned()))
}

/// `items 0-49/1237`
fn range(field: &str) -> Option<(String, u64, Option<u64>)> {
    let (unit, rest) = match field.trim().split_once(' ') {
        Some((unit, rest)) => (unit, rest),
        None => ("items", field.trim()),
    };
    let (rows, total) = rest.split_once('/')?;
    let (first, _) = rows.split_once('-')?;
    if unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    Some((unit.to_owned(), first.trim().parse().ok()?, total.trim().parse().ok()))
}
