//! [pure] Decides from its first page how an API pages, and how sure that is. On doubt it decides
//! nothing: it says what the page has, and what to write.

use http::{HeaderMap, header::LINK};
use serde_json::{Map, Value};

use super::{Mode, Paging, link};
use crate::{pager::facts::PageInfo, path::Path};

/// How deep in a page is looked.
const MOST_DEPTH: usize = 3;

/// Keys of the URL of a next page, of a cursor, and of an offset, without case and marks.
const URLS: [&str; 10] = [
    "next",
    "nextpage",
    "nextpageurl",
    "nextpageuri",
    "nextpagelink",
    "nexturl",
    "nexturi",
    "nextlink",
    "odatanextlink",
    "nextrecordsurl",
];
const CURSORS: [&str; 10] = [
    "nextcursor",
    "nextpagetoken",
    "nextpagecursor",
    "nexttoken",
    "continuationtoken",
    "continue",
    "endcursor",
    "startingafter",
    "after",
    "cursor",
];
const OFFSETS: [&str; 5] = ["offset", "start", "startat", "startindex", "skip"];
const PAGES: [&str; 4] = ["page", "pagenumber", "currentpage", "pageno"];
const TOTAL_PAGES: [&str; 5] = ["totalpages", "pagecount", "lastpage", "pages", "numpages"];
const TOTALS: [&str; 5] = ["total", "totalcount", "totalresults", "totalitems", "totalsize"];
/// It may be that of the page alone.
const COUNTS: [&str; 1] = ["count"];
const FLAGS: [&str; 5] = ["hasmore", "hasnext", "hasnextpage", "hasmorepages", "more"];
const LAST_FLAGS: [&str; 4] = ["islast", "done", "endofstream", "last"];

/// The first page of an endpoint.
pub(in crate::pager) struct FirstPage<'a> {
    /// Its JSON, without its items where that can be.
    pub(in crate::pager) json: &'a str,
    pub(in crate::pager) headers: &'a HeaderMap,
    pub(in crate::pager) rows: usize,
    /// What the envelope finds in it.
    pub(in crate::pager) info: &'a PageInfo,
    /// The query that it was requested with.
    pub(in crate::pager) query: Vec<(String, String)>,
}

/// Something on a page, and where it is.
struct Found<'a> {
    path: String,
    key: String,
    own: &'a str,
    value: &'a Value,
}

impl Paging {
    /// How pages follow the first one, and that in words; or why that cannot be decided.
    pub(in crate::pager) fn decided_from(
        &self,
        page: &FirstPage<'_>,
    ) -> Result<(Self, String), String> {
        let json = serde_json::from_str(page.json).unwrap_or(Value::Null);
        let mut found = Vec::new();
        collect(&json, "", 0, &mut found);
        let (mode, why) = decide(page, &found)?;
        let mut decided = Self { mode, ..self.clone() };
        if decided.is_link() && decided.ends.link.is_none() {
            decided.ends.link = Some(("results".into(), "false".into()));
        }
        Ok((decided, format!("paging `auto`: {why}")))
    }
}

fn decide(page: &FirstPage<'_>, found: &[Found<'_>]) -> Result<(Mode, String), String> {
    let fields = || page.headers.get_all(LINK).into_iter().map(http::HeaderValue::as_bytes);
    if let Ok(Some(_)) = link::find(fields(), "next", None, None) {
        return Ok((
            Mode::Link {},
            "`by: link`, as the header `Link` names a next page (sure)".into(),
        ));
    }
    if let Some(url) = only(found, |one| is_named(one, &URLS) && is_url(one.value))? {
        let why = format!("`by: next_url`, `next: {}`, as that is a URL (sure)", url.path);
        return Ok((Mode::NextUrl { next: Path::parse(&url.path) }, why));
    }
    let pages = number(found, &TOTAL_PAGES).or(page.info.total_pages);
    let total = page.info.total.or_else(|| number(found, &TOTALS));
    let flag = flag(found).or(page.info.has_next);
    let is_beyond = |count: Option<u64>| count.is_some_and(|count| count > page.rows as u64);
    let more = flag == Some(true)
        || pages.is_some_and(|pages| pages > 1)
        || is_beyond(total)
        || is_beyond(number(found, &COUNTS));
    if let Some(mode) = numbered(page, found, more) {
        return Ok(mode);
    }
    let is_offset = |one: &Found<'_>| is_named(one, &OFFSETS) && one.value.as_u64() == Some(0);
    if let Some(offset) = only(found, is_offset)?.filter(|_| more) {
        let param = offset.own.to_owned();
        let why = format!("`by: offset`, `param: {param}`, as the page repeats it (likely)");
        return Ok((Mode::Offset { param }, why));
    }
    let is_cursor = |one: &Found<'_>| is_named(one, &CURSORS) && is_cursor(one.value);
    if let Some(cursor) = only(found, is_cursor)? {
        let param = param_of(cursor);
        let why = format!(
            "`by: cursor`, `param: {param}`, `next: {}`, by their names (likely)",
            cursor.path
        );
        return Ok((Mode::Cursor { param, next: Path::parse(&cursor.path) }, why));
    }
    alone(page, found, more, (flag, total, pages))
}

/// The decision for a page that names no place of another one.
fn alone(
    page: &FirstPage<'_>,
    found: &[Found<'_>],
    more: bool,
    (flag, total, pages): (Option<bool>, Option<u64>, Option<u64>),
) -> Result<(Mode, String), String> {
    let is_place = |one: &&Found<'_>| is_named(one, &URLS) || is_named(one, &CURSORS);
    let place = found.iter().find(is_place);
    if let Some(place) = place.filter(|place| is_cursor(place.value)) {
        return Err(format!(
            "`{}` names a next page, and nothing says how that is requested: write `by: cursor`, \
             `next: {}` and its `param`",
            place.path, place.path
        ));
    }
    let is_last = flag == Some(false)
        || pages == Some(1)
        || total == Some(page.rows as u64)
        || place.is_some()
        || page.rows == 0;
    match (more, is_last) {
        (false, true) => {
            Ok((Mode::Auto {}, "the first page is the last one, as it says (sure)".into()))
        }
        (true, _) => Err("the first page says that more follow, and nothing says how they are \
                          requested: write `by: page`, `by: offset`, `by: keyset` or `by: cursor`, \
                          with the `param`"
            .into()),
        (false, false) => Err(format!(
            "nothing on the first page, of {} rows, says whether more follow: write `by: none` if \
             the API does not page, or else `by: page` or another way",
            page.rows
        )),
    }
}

fn numbered(page: &FirstPage<'_>, found: &[Found<'_>], more: bool) -> Option<(Mode, String)> {
    let echo = found.iter().find(|one| is_named(one, &PAGES) && one.value.is_u64());
    let asked = page.query.iter().find(|(name, _)| PAGES.contains(&plain(name).as_str()));
    let first = echo.and_then(|one| one.value.as_u64()).or(page.info.page);
    let first = first.or_else(|| asked.and_then(|(_, number)| number.parse().ok()));
    // Without the number of this page it is not known whether they count from 0.
    if !more || first.is_none_or(|first| first > 1) {
        return None;
    }
    let param = asked.map_or("page", |(name, _)| name.as_str()).to_owned();
    let why = format!("`by: page`, `param: {param}`, as the page is numbered (likely)");
    Some((Mode::Number { param, first }, why))
}

/// The only thing that is so, or several that are the same.
fn only<'f, 'a>(
    found: &'f [Found<'a>],
    is_so: impl Fn(&Found<'a>) -> bool,
) -> Result<Option<&'f Found<'a>>, String> {
    let mut all = found.iter().filter(|one| is_so(one));
    let Some(first) = all.next() else { return Ok(None) };
    match all.find(|other| other.value != first.value) {
        None => Ok(Some(first)),
        Some(other) => Err(format!(
            "both `{}` and `{}` may name the next page: write `by` with one of them",
            first.path, other.path
        )),
    }
}

fn is_named(one: &Found<'_>, names: &[&str]) -> bool {
    names.contains(&one.key.as_str())
}

fn is_url(value: &Value) -> bool {
    let starts = ["http://", "https://", "/", "?"];
    value.as_str().is_some_and(|text| starts.iter().any(|start| text.starts_with(start)))
}

fn is_cursor(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_u64() != Some(0),
        _ => false,
    }
}

/// The greatest of the numbers under these names.
fn number(found: &[Found<'_>], names: &[&str]) -> Option<u64> {
    found.iter().filter(|one| is_named(one, names)).filter_map(|one| one.value.as_u64()).max()
}

fn flag(found: &[Found<'_>]) -> Option<bool> {
    let of = |names: &[&str]| {
        found.iter().filter(|one| is_named(one, names)).find_map(|one| one.value.as_bool())
    };
    of(&FLAGS).or_else(|| of(&LAST_FLAGS).map(|is_last| !is_last))
}

/// The parameter that a cursor of this name is sent in, as APIs name them.
fn param_of(cursor: &Found<'_>) -> String {
    if cursor.key == "endcursor" {
        return "after".into();
    }
    let own = cursor.own;
    let rest = own.strip_prefix("next_").or_else(|| own.strip_prefix("next-"));
    if let Some(rest) = rest.filter(|rest| *rest != "token") {
        return rest.to_owned();
    }
    match own.strip_prefix("next").filter(|rest| *rest != "Token" && !rest.starts_with('_')) {
        Some(rest) if !rest.is_empty() => {
            let mut letters = rest.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
        }
        _ => own.to_owned(),
    }
}

/// A key without its case and without marks.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// What objects have, those within objects included, and nothing within lists.
fn collect<'a>(value: &'a Value, path: &str, depth: usize, found: &mut Vec<Found<'a>>) {
    let Some(object) = value.as_object() else { return };
    for (own, value) in object {
        let key = own.replace('\\', "\\\\").replace('.', "\\.");
        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
        if let Some(url) = url_in(own, value) {
            let (inner, value) = url;
            found.push(Found { path: format!("{path}.{inner}"), key: plain(own), own, value });
        } else if depth < MOST_DEPTH {
            collect(value, &path, depth + 1, found);
        }
        found.push(Found { path, key: plain(own), own, value });
    }
}

/// The URL in an object under a key that names the next page.
fn url_in<'a>(key: &str, value: &'a Value) -> Option<(&'static str, &'a Value)> {
    let object: &Map<String, Value> = value.as_object()?;
    let is_next = URLS.contains(&plain(key).as_str());
    let mut inner = ["href", "url", "link"].into_iter().filter(|_| is_next);
    inner.find_map(|inner| object.get(inner).map(|url| (inner, url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(json: &str, rows: usize) -> Result<String, String> {
        let (info, headers) = (PageInfo::default(), HeaderMap::new());
        let page = FirstPage { json, headers: &headers, rows, info: &info, query: Vec::new() };
        Paging::auto().decided_from(&page).map(|(_, why)| why)
    }

    #[test]
    fn pages_that_name_the_next_one_are_recognised() {
        for (json, rows, expected) in [
            (r#"{"next":"https://h/r?page=2","results":[]}"#, 10, "`next: next`"),
            (r#"{"@odata.nextLink":"https://h/r?x"}"#, 10, r"`next: @odata\.nextLink`"),
            (r#"{"_links":{"next":{"href":"/r?p=2"}}}"#, 10, "`next: _links.next.href`"),
            (r#"{"nextRecordsUrl":"/q/1","done":false}"#, 10, "nextRecordsUrl"),
            (r#"{"page":1,"total_pages":3}"#, 10, "`by: page`, `param: page`"),
            (r#"{"meta":{"page":0,"totalPages":3}}"#, 10, "`by: page`"),
            (r#"{"startAt":0,"maxResults":50,"total":70}"#, 50, "`param: startAt`"),
            (r#"{"offset":0,"limit":20,"total":1562,"count":20}"#, 20, "`param: offset`"),
            (r#"{"offset":0,"count":30}"#, 20, "`param: offset`"),
            (r#"{"nextPageToken":"t"}"#, 10, "`param: pageToken`, `next: nextPageToken`"),
            (r#"{"response_metadata":{"next_cursor":"c"}}"#, 10, "`param: cursor`"),
            (r#"{"metadata":{"continue":"c"}}"#, 10, "`param: continue`"),
            (r#"{"paging":{"next":{"after":"5"}}}"#, 10, "`param: after`"),
            (r#"{"nextToken":"t"}"#, 10, "`param: nextToken`"),
            (r#"{"total":3}"#, 3, "the last one"),
            (r#"{"next":null}"#, 10, "the last one"),
            (r#"{"has_more":false}"#, 10, "the last one"),
        ] {
            let why = decided(json, rows).unwrap_or_else(|why| panic!("{json}: {why}"));
            assert!(why.contains(expected), "{json}: {why}");
        }
    }

    #[test]
    fn on_doubt_nothing_is_decided_and_what_to_write_is_told() {
        for (json, rows, says) in [
            ("[]", 20, "`by: none`"),
            ("{}", 7, "`by: none`"),
            (r#"{"has_more":true}"#, 10, "`by: keyset`"),
            (r#"{"total":50}"#, 10, "more follow"),
            (r#"{"next":"opaque"}"#, 10, "`param`"),
            (r#"{"totalPages":3}"#, 20, "more follow"),
            (r#"{"count":20,"total":1562}"#, 20, "more follow"),
            (r#"{"meta":{"total":20},"total":1562}"#, 20, "more follow"),
            (r#"{"count":20}"#, 20, "`by: none`"),
            (r#"{"next":"/a","links":{"next":"/b"}}"#, 10, "both `"),
        ] {
            let why = decided(json, rows).unwrap_err();
            assert!(why.contains(says), "{json}: {why}");
        }
    }
}
