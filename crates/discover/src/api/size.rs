//! [pure] Which parameter sets the size of pages.

use super::{
    evidence::Evidence,
    http::Request,
    next::{self, with},
};
use crate::{names, way::Way};

/// How many names are tried.
pub(super) const SIZE_TRIES: usize = 3;

/// The names to try, the likeliest first: parameters that came along with the URL of a next page,
/// keys of the page that repeat the number of its rows, and what is usual beside the parameter of
/// the place.
pub(super) fn names(
    hint: Option<&str>,
    place: Option<&str>,
    evidence: &Evidence,
    rows: u64,
    way: &Way,
    url: &url::Url,
) -> Vec<String> {
    let mut found: Vec<String> = hint.into_iter().map(str::to_owned).collect();
    let given = next::parameters(url).into_iter();
    found.extend(given.filter(|(name, _)| names::is_one(name, names::SIZE)).map(|(name, _)| name));
    let echo = evidence.sizes.iter().filter(|(spot, size)| {
        *size == rows && !spot.key().starts_with("x-") && !names::is_one(spot.key(), names::COUNT)
    });
    found.extend(echo.map(|(spot, _)| spot.key().to_owned()));
    found.extend(usual(way, place).iter().map(|name| (*name).to_owned()));
    let mut seen = Vec::new();
    found.retain(|name| {
        let is_new = !seen.contains(name) && way.param() != Some(name);
        seen.push(name.clone());
        is_new
    });
    found
}

fn usual(way: &Way, place: Option<&str>) -> &'static [&'static str] {
    match way {
        Way::None => &["limit", "per_page", "page_size"],
        Way::Range { .. } | Way::Given(_) => &[],
        Way::Page { .. }
        | Way::Offset { .. }
        | Way::Cursor { .. }
        | Way::Keyset { .. }
        | Way::Link { .. }
        | Way::HeaderUrl { .. }
        | Way::NextUrl { .. } => match way.param().or(place).unwrap_or_default() {
            "_next" => &["_size"],
            "$skiptoken" => &["$top"],
            "page_info" => &["limit"],
            "page[number]" | "page[after]" | "page[cursor]" => &["page[size]"],
            "page[offset]" => &["page[limit]"],
            "_page" | "_start" => &["_limit", "_per_page"],
            "pageToken" => &["pageSize", "maxResults"],
            "pageNumber" | "pageIndex" => &["pageSize", "size"],
            "startAt" => &["maxResults"],
            "page_token" => &["page_size", "max_results"],
            "skip" => &["limit", "take"],
            "$skip" => &["$top"],
            "page" => &["per_page", "page_size", "limit", "size"],
            _ => &["limit", "size", "page_size", "per_page"],
        },
    }
}

/// Asks for a first page of this size.
pub(super) fn small_page(url: &url::Url, name: &str, size: u64) -> Request {
    Request::new(with(url, name, &size.to_string()), format!("{size} rows by `{name}`"))
}
