//! [pure] What the URL of a next page shows when it is held against the URL of the page itself.

use url::Url;

use crate::{names, way::Way};

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The way in which pages can be computed, if the URLs differ like that.
    pub(super) computed: Option<Way>,
    /// The only parameter that differs besides the size.
    pub(super) place: Option<String>,
    /// A parameter that came along, whose value is the number of rows of the page.
    pub(super) size: Option<(String, u64)>,
}

/// Compares the URL of a page of `rows` rows with that of the next one.
pub(super) fn difference(page: &Url, next: &Url, rows: u64) -> Difference {
    let (had, has) = (parameters(page), parameters(next));
    let is_kept = had.iter().all(|(name, _)| has.iter().any(|(other, _)| other == name));
    let mut changed: Vec<_> =
        has.into_iter().filter(|parameter| !had.contains(parameter)).collect();
    let is_size = |(name, value): &(String, String)| {
        names::is_one(name, names::SIZE) && value.parse() == Ok(rows)
    };
    // `first` is both.
    let size = match changed.len() {
        0 | 1 => None,
        _ => changed.iter().position(is_size).map(|at| changed.remove(at)),
    };
    let size = size.map(|(name, _)| (name, rows));
    let is_same_place = page.path() == next.path() && page.origin() == next.origin();
    let computed = match changed.as_slice() {
        [(name, value)] if is_kept && is_same_place => way(name, value, &had, rows),
        _ => None,
    };
    let place = match changed.as_slice() {
        [(name, _)] => Some(name.clone()),
        _ => None,
    };
    Difference { computed, place, size }
}

/// The way of pages whose URLs differ in this parameter.
fn way(name: &str, value: &str, had: &[(String, String)], rows: u64) -> Option<Way> {
    let value: u64 = value.parse().ok()?;
    let before = had.iter().find(|(other, _)| other == name);
    let before = before.and_then(|(_, value)| value.parse::<u64>().ok());
    let param = name.to_owned();
    if is_page(name) && (value == 1 || value == 2) && before.is_none_or(|page| page + 1 == value) {
        return Some(Way::Page { param, first: value - 1 });
    }
    let is_next = value == rows && before.is_none_or(|offset| offset == 0);
    (names::is_one(name, names::OFFSET_PARAM) && is_next).then_some(Way::Offset { param })
}

/// Whether a parameter is called like one of a page's number: also `page[number]` or `_page`.
pub(super) fn is_page(name: &str) -> bool {
    names::is_one(name, names::PAGE_PARAM)
}

/// The parameter by which a URL is that of a page after the first one.
pub(super) fn later_page(url: &Url) -> Option<String> {
    let is_later = |(name, value): &(String, String)| match value.parse::<u64>() {
        Ok(page) if is_page(name) => page > 1,
        Ok(offset) => {
            offset > 0 && names::is_one(name, &["offset", "skip", "start", "startat", "pageoffset"])
        }
        Err(_) => false,
    };
    parameters(url).into_iter().find(is_later).map(|(name, _)| name)
}

pub(super) fn parameters(url: &Url) -> Vec<(String, String)> {
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// The URL with a parameter that has this value alone.
pub(super) fn with(url: &Url, name: &str, value: &str) -> Url {
    let mut url = without(url, name);
    url.query_pairs_mut().append_pair(name, value);
    url
}

/// The URL without a parameter. The others stay as they are spelled.
pub(super) fn without(url: &Url, name: &str) -> Url {
    let mut url = url.clone();
    let query = url.query().unwrap_or_default().to_owned();
    let is_kept = |pair: &&str| {
        let mut read = url::form_urlencoded::parse(pair.as_bytes());
        !pair.is_empty() && read.next().is_none_or(|(held, _)| held != name)
    };
    let kept: Vec<_> = query.split('&').filter(is_kept).collect();
    url.set_query(Some(kept.join("&").as_str()).filter(|query| !query.is_empty()));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(page: &str, next: &str) -> (Option<Way>, Option<String>) {
        let url = |text: &str| Url::parse("https://h/v1/").unwrap().join(text).unwrap();
        let found = difference(&url(page), &url(next), 50);
        (found.computed, found.size.map(|(name, _)| name))
    }

    fn page(param: &str, first: u64) -> Option<Way> {
        Some(Way::Page { param: param.into(), first })
    }

    #[test]
    fn one_parameter_tells_how_pages_are_asked_for() {
        let offset = |param: &str| Some(Way::Offset { param: param.into() });
        let size = |name: &str| Some(name.to_owned());
        for (before, next, expected) in [
            ("rows", "rows?page=2", (page("page", 1), None)),
            ("rows?page=1", "rows?page=2", (page("page", 1), None)),
            ("rows?page=0", "rows?page=1", (page("page", 0), None)),
            ("rows?a=b", "rows?a=b&page%5Bnumber%5D=2", (page("page[number]", 1), None)),
            ("rows", "rows?limit=50&offset=50", (offset("offset"), size("limit"))),
            ("rows", "rows?per_page=50&page=2", (page("page", 1), size("per_page"))),
            ("rows", "rows?_page=2", (page("_page", 1), None)),
            // What is not a number, or another one, is nothing that can be computed.
            ("rows", "rows?cursor=cD0z", (None, None)),
            ("rows", "rows?_next=50", (None, None)),
            ("rows", "rows?page=abc", (None, None)),
            ("rows?page=7", "rows?page=2", (None, None)),
            ("rows", "rows?offset=51", (None, None)),
            ("rows?status=any", "rows?page=2", (None, None)),
            ("rows", "other?page=2", (None, None)),
            ("rows", "https://other/v1/rows?page=2", (None, None)),
            ("rows", "rows?page=2&token=x", (None, None)),
        ] {
            assert_eq!(of(before, next), expected, "{before} {next}");
        }
    }

    #[test]
    fn parameters_are_set_and_taken_away() {
        let url = Url::parse("https://h/a?b=1&page%5Bsize%5D=2&c=%2F").unwrap();
        assert_eq!(with(&url, "page[size]", "3").query(), Some("b=1&c=%2F&page%5Bsize%5D=3"));
        let bare = without(&without(&without(&url, "b"), "c"), "page[size]");
        assert_eq!(bare.as_str(), "https://h/a");
    }
}
