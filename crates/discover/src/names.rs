//! [pure] What keys and parameters are usually called. Names are compared without case and marks,
//! so that `perPage`, `per_page` and `page[per-page]` meet.

/// A name in small letters, without anything else than letters and digits.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a plain name, or the last key of a path, is one of these.
pub(crate) fn is_one(name: &str, of: &[&str]) -> bool {
    let last = || name.rsplit_once('.').map(|(_, last)| plain(last));
    of.contains(&plain(name).as_str()) || last().is_some_and(|last| of.contains(&last.as_str()))
}

/// Lists of rows.
pub(crate) const ROWS: &[&str] = &[
    "data",
    "items",
    "results",
    "records",
    "rows",
    "entries",
    "value",
    "values",
    "result",
    "list",
    "nodes",
    "edges",
    "elements",
    "hits",
    "objects",
    "entities",
    "content",
    "payload",
    "docs",
    "collection",
    "hydramember",
    "member",
    "features",
    "embedded",
];

/// References to the next page: a URL, a cursor or a number.
pub(crate) const NEXT: &[&str] = &[
    "next",
    "nextpage",
    "nextpageurl",
    "nextpageuri",
    "nexturl",
    "nexturi",
    "nextlink",
    "odatanextlink",
    "nextrecordsurl",
    "nextpagelink",
    "hydranext",
    "nexthref",
    "afterurl",
    "nextcursor",
    "nextpagetoken",
    "nexttoken",
    "nextpagecursor",
    "nextoffset",
    "nextstart",
    "nextmarker",
    "nextkey",
    "nextid",
    "aftercursor",
    "endcursor",
    "continuationtoken",
    "continuation",
    "continue",
    "scrollid",
    "startingafter",
];

/// References to the next page only if their value is a text.
pub(crate) const NEXT_TEXT: &[&str] = &["cursor", "after", "offset", "marker", "pagetoken"];

/// The number of rows in the whole set.
pub(crate) const TOTAL: &[&str] = &[
    "total",
    "totalcount",
    "count",
    "totalitems",
    "totalrecords",
    "totalresults",
    "totalrows",
    "totalelements",
    "totalhits",
    "totalsize",
    "totalentries",
    "numfound",
    "odatacount",
    "hydratotalitems",
    "recordcount",
    "filteredtablerowscount",
    "totalobjects",
    "itemcount",
    "xtotalcount",
    "xtotal",
    "xwptotal",
    "xpaginationtotalcount",
    "xhits",
];

/// Of these, those that are often the number of rows on a page.
pub(crate) const COUNT: &[&str] = &["count", "itemcount", "recordcount"];

/// The number of pages.
pub(crate) const PAGES: &[&str] = &[
    "totalpages",
    "pages",
    "pagecount",
    "lastpage",
    "numpages",
    "totalpage",
    "maxpage",
    "numberofpages",
    "totalpagecount",
    "xtotalpages",
    "xwptotalpages",
    "xpaginationpagecount",
];

/// The number of this page.
pub(crate) const PAGE: &[&str] = &[
    "page",
    "currentpage",
    "pagenumber",
    "pageno",
    "pagenum",
    "pageindex",
    "number",
    "xpage",
    "xpaginationcurrentpage",
];

/// How many rows a page has.
pub(crate) const SIZE: &[&str] = &[
    "perpage",
    "pagesize",
    "limit",
    "size",
    "itemsperpage",
    "maxresults",
    "pagelimit",
    "take",
    "top",
    "first",
    "rowsperpage",
    "resultsperpage",
    "maxitems",
    "max",
    "count",
    "xperpage",
    "rows",
    "maxpagesize",
    "pagesizelimit",
];

/// The parameter of a page's number.
pub(crate) const PAGE_PARAM: &[&str] =
    &["page", "pagenumber", "pagenum", "pageno", "p", "pageindex", "currentpage"];

/// The parameter of an offset.
pub(crate) const OFFSET_PARAM: &[&str] =
    &["offset", "skip", "start", "startat", "from", "startindex", "startrow", "pageoffset"];

/// The parameter of a cursor, the most frequent first.
pub(crate) const CURSOR_PARAM: &[&str] = &[
    "cursor",
    "pagetoken",
    "after",
    "nexttoken",
    "nextpagetoken",
    "startingafter",
    "startcursor",
    "pagecursor",
    "pageafter",
    "continuationtoken",
    "nextcursor",
    "continue",
    "pageid",
    "marker",
    "scrollid",
    "next",
];

/// Flags that more pages follow.
pub(crate) const MORE: &[&str] = &[
    "hasmore",
    "hasnext",
    "hasnextpage",
    "more",
    "morepages",
    "hasmorepages",
    "hasmoreitems",
    "moreresults",
    "hasmoreresults",
    "ismore",
    "moreavailable",
];

/// Flags that this page is the last.
pub(crate) const LAST: &[&str] = &["islast", "last", "done", "endofstream", "islastpage", "eof"];

/// Columns that name a row, the best first.
pub(crate) const ID: &[&str] =
    &["id", "uuid", "_id", "key", "code", "sid", "guid", "gid", "slug", "rowid"];

/// Columns with the time of the last change, the best first.
pub(crate) const CHANGED: &[&str] = &[
    "updatedat",
    "modifiedat",
    "lastmodified",
    "modified",
    "updated",
    "lastmodifieddate",
    "updatedon",
    "modifiedon",
    "lastupdated",
    "datemodified",
    "dateupdated",
    "changedat",
    "lasteditedtime",
    "systemmodstamp",
    "updatedtime",
    "modifiedtime",
    "lastmodifiedat",
    "createdat",
    "created",
    "createdon",
    "datecreated",
    "createdtime",
    "timestamp",
];

/// Parameters that ask for what is newer.
pub(crate) const SINCE_PARAM: &[&str] = &[
    "updatedsince",
    "modifiedsince",
    "updatedafter",
    "modifiedafter",
    "updatedatmin",
    "since",
    "updatedatgte",
    "changedsince",
    "updatedmin",
    "updatedatafter",
    "updatedgte",
    "modifiedgte",
    "lastmodifiedafter",
    "startdate",
    "starttime",
    "datefrom",
    "from",
    "createdafter",
    "createdsince",
    "createdgte",
    "start",
];

/// Parameters whose values are credentials.
pub(crate) fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 19] = [
        "apikey",
        "appid",
        "auth",
        "bearer",
        "clientkey",
        "credential",
        "functionskey",
        "hmac",
        "jwt",
        "licensekey",
        "passw",
        "privatekey",
        "pwd",
        "secret",
        "session",
        "signature",
        "subscriptionkey",
        "token",
        "userkey",
    ];
    const ALONE: [&str; 6] = ["key", "sig", "pass", "accesskey", "otp", "sas"];
    let name = plain(name);
    let is_place = is_one(&name, CURSOR_PARAM);
    !is_place && (WORDS.iter().any(|word| name.contains(word)) || ALONE.contains(&&*name))
}

/// Whether one name is the other in the singular or the plural, or the same.
pub(crate) fn is_same_thing(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    !one.is_empty() && singular(&one) == singular(&other)
}

/// A plain name in the singular, as far as its ending tells.
pub(crate) fn singular(name: &str) -> String {
    let stem = |end: &str| name.strip_suffix(end).filter(|stem| stem.len() > 1);
    if let Some(stem) = stem("ies") {
        return format!("{stem}y");
    }
    if ["ses", "xes", "ches", "shes"].iter().any(|end| stem(end).is_some()) {
        return stem("es").unwrap_or(name).to_owned();
    }
    match stem("s") {
        Some(stem) if !stem.ends_with('s') && !stem.ends_with('u') => stem.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_meet_whatever_their_spelling() {
        for (one, other) in [
            ("cities", "city"),
            ("Orders", "order"),
            ("boxes", "box"),
            ("status", "status"),
            ("address", "addresses"),
            ("page-views", "page_view"),
        ] {
            assert!(is_same_thing(one, other), "{one}, {other}");
        }
        assert!(!is_same_thing("users", "groups"));
        assert!(is_one("page[size]", SIZE) && is_one("@odata.nextLink", NEXT));
    }

    #[test]
    fn a_cursor_is_no_credential() {
        assert!(!is_secret("pageToken") && !is_secret("cursor") && !is_secret("page"));
        assert!(is_secret("api_key") && is_secret("X-Auth-Token") && is_secret("access_token"));
        assert!(!is_secret("laptop") && !is_secret("sort_key") && !is_secret("sass"));
        for name in [
            "subscription-key",
            "Ocp-Apim-Subscription-Key",
            "private_key",
            "clientKey",
            "x-functions-key",
            "license_key",
            "user_key",
            "bearer",
            "hmac",
            "hmac_sha256",
            "otp",
            "sas",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }
}
