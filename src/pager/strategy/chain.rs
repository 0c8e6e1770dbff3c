//! [pure] What a page says about the one after it: a cursor, a URL in its body or in its
//! `Link` header, or what a user's strategy makes of it.

use http::{
    HeaderMap, Uri,
    header::{HeaderName, LINK},
};
use serde_json::value::RawValue;
use url::Url;

use super::{Address, Mode, PageView, Paging, link};
use crate::{
    error::{Error, ErrorKind},
    pager::envelope::Meta,
};

/// What stands in a page where the next one is to be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pager) enum Pointer {
    /// Nothing: there is no next page.
    #[default]
    Absent,
    /// Text, or a number as it was written.
    Name(String),
    /// Something that is no name.
    Other,
}

impl Pointer {
    pub(in crate::pager) fn read(raw: &RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<String>(text) {
                Ok(name) if name.is_empty() => Self::Absent,
                Ok(name) => Self::Name(name),
                Err(_) => Self::Other,
            },
            Some(b'-' | b'0'..=b'9') => Self::Name(text.to_owned()),
            _ if text == "null" || text == "false" => Self::Absent,
            _ => Self::Other,
        }
    }
}

/// Everything by which a page can tell where the next one is.
pub(in crate::pager) struct Foot<'a> {
    /// Where the page itself is.
    pub(in crate::pager) url: &'a Uri,
    pub(in crate::pager) meta: &'a Meta,
    pub(in crate::pager) pointer: Pointer,
    pub(in crate::pager) view: PageView<'a>,
}

impl Paging {
    /// Where in a page the next one is named; empty where it is not in the body.
    pub(in crate::pager) fn pointer(&self) -> &[String] {
        match &self.mode {
            Mode::Cursor(_, path) | Mode::NextUrl(path) => path,
            _ => &[],
        }
    }

    /// Where the page after this one is; `None` after the last.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when the page names the next one in a way that makes no sense:
    /// what is left out here would be missing at the end of the set.
    pub(in crate::pager) fn follow(&self, foot: &Foot<'_>) -> Result<Option<Address>, Error> {
        if foot.meta.has_next == Some(false) {
            return Ok(None);
        }
        match &self.mode {
            Mode::Cursor(..) => Ok(foot.name()?.map(|cursor| Address::Cursor(cursor.to_owned()))),
            Mode::NextUrl(_) => foot.name()?.map(|url| foot.resolve(url)).transpose(),
            Mode::Link => {
                let next = link::target(fields(foot.view.headers(), &LINK), "next");
                next.map(|url| foot.resolve(url)).transpose()
            }
            Mode::Custom(custom) => Ok(custom.next(&foot.view)?.map(Address::Custom)),
            Mode::Number(_) | Mode::Offset(_) | Mode::None => Ok(None),
        }
    }

    /// Adds to what a page says about the set what only its headers say.
    pub(in crate::pager) fn read_headers(&self, headers: &HeaderMap, meta: &mut Meta) {
        let Mode::Number(param) = &self.mode else { return };
        if meta.total.is_some() || meta.total_pages.is_some() {
            return;
        }
        let Some(last) = link::target(fields(headers, &LINK), "last") else { return };
        let query = last.split_once('?').map_or("", |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let number = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == param)
            .and_then(|(_, number)| number.parse::<u64>().ok());
        meta.total_pages =
            number.and_then(|last| last.saturating_add(1).checked_sub(self.number(0)));
    }
}

impl Foot<'_> {
    fn name(&self) -> Result<Option<&str>, Error> {
        match &self.pointer {
            Pointer::Absent => Ok(None),
            Pointer::Name(name) => Ok(Some(name)),
            Pointer::Other => {
                Err(self.strange("what names the next page is neither text nor a number"))
            }
        }
    }

    /// The absolute form of a URL that the page holds (RFC 3986 section 5).
    fn resolve(&self, reference: &str) -> Result<Address, Error> {
        let resolved = Url::parse(&self.url.to_string()).and_then(|url| url.join(reference));
        let mut url = resolved
            .map_err(|source| self.strange("the next page has no valid URL").with_source(source))?;
        url.set_fragment(None);
        Ok(Address::Url(url.into()))
    }

    fn strange(&self, what: &'static str) -> Error {
        Error::new(ErrorKind::Decode, what).with_response(self.view.response.clone())
    }
}

fn fields<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{super::PageRequest, *};
    use crate::http::Response;

    /// Where `paging` goes on after a page at `/v1/rows` with this pointer, in JSON, and these
    /// fields.
    fn after(
        paging: &Paging,
        pointer: Option<&str>,
        links: &[&str],
        meta: Meta,
    ) -> Result<Option<Address>, Error> {
        let mut response = Response::new(StatusCode::OK, "");
        for link in links {
            response.headers_mut().append(LINK, link.parse().unwrap());
        }
        let pointer = pointer.map_or(Pointer::Absent, |json| {
            Pointer::read(&RawValue::from_string(json.to_owned()).unwrap())
        });
        let request = PageRequest::new();
        let (request, response) = (&request, &response);
        let view = PageView { index: 0, rows: 1, total: None, request, response };
        let url = &Uri::from_static("https://api.example/v1/rows?page=1");
        paging.follow(&Foot { url, meta: &meta, pointer, view })
    }

    fn url(text: &str) -> Option<Address> {
        Some(Address::Url(text.into()))
    }

    #[test]
    fn a_cursor_is_text_or_a_number_as_it_stands() {
        let paging = Paging::cursor("after", "next");
        let next = |json| after(&paging, Some(json), &[], Meta::default());
        for (json, cursor) in [
            (r#""abc""#, "abc"),
            (r#""a\u00e9\n""#, "a\u{e9}\n"),
            ("17", "17"),
            ("18446744073709551616", "18446744073709551616"),
            ("-1.50", "-1.50"),
        ] {
            assert_eq!(next(json).unwrap(), Some(Address::Cursor(cursor.into())), "{json}");
        }
        for json in ["null", "false", r#""""#] {
            assert_eq!(next(json).unwrap(), None, "{json}");
        }
        for json in ["true", "[]", r#"{"a":1}"#] {
            assert_eq!(next(json).unwrap_err().kind(), ErrorKind::Decode, "{json}");
        }
        assert_eq!(after(&paging, None, &[], Meta::default()).unwrap(), None);
        let last = Meta { has_next: Some(false), ..Meta::default() };
        assert_eq!(after(&paging, Some(r#""abc""#), &[], last).unwrap(), None);
    }

    #[test]
    fn a_next_url_is_read_from_where_the_page_is() {
        let paging = Paging::next_url("next");
        let next = |text: &str| {
            let json = serde_json::to_string(text).unwrap();
            after(&paging, Some(&json), &[], Meta::default()).unwrap()
        };
        for (reference, absolute) in [
            ("https://api.example/v1/rows?page=2", "https://api.example/v1/rows?page=2"),
            ("?page=2", "https://api.example/v1/rows?page=2"),
            ("rows?page=2#top", "https://api.example/v1/rows?page=2"),
            ("/v1/rows/2", "https://api.example/v1/rows/2"),
            ("//other.example/x", "https://other.example/x"),
            ("../../x", "https://api.example/x"),
        ] {
            assert_eq!(next(reference), url(absolute), "{reference}");
        }
        let bad = after(&paging, Some(r#""http://[""#), &[], Meta::default());
        assert_eq!(bad.unwrap_err().kind(), ErrorKind::Decode);
    }

    #[test]
    fn a_link_header_leads_to_the_next_page() {
        let next =
            |links: &[&str]| after(&Paging::link_header(), None, links, Meta::default()).unwrap();
        let second = url("https://api.example/v1/rows?page=2");
        assert_eq!(next(&["<?page=1>; rel=first, <?page=2>; rel=next"]), second);
        assert_eq!(next(&["<?page=1>; rel=first", "<?page=2>; rel=\"x next\""]), second);
        assert_eq!(next(&["<?page=1>; rel=prev"]), None);
        assert_eq!(next(&[]), None);
    }

    #[test]
    fn a_link_to_the_last_page_tells_how_many_there_are() {
        let pages = |paging: Paging, link: &str, total| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, link.parse().unwrap());
            let mut meta = Meta { total, ..Meta::default() };
            paging.read_headers(&headers, &mut meta);
            meta.total_pages
        };
        let last = "</rows?per_page=9&page=34#x>; rel=\"last\"";
        assert_eq!(pages(Paging::page_number(), last, None), Some(34));
        assert_eq!(pages(Paging::page_number().first_page(0), last, None), Some(35));
        assert_eq!(pages(Paging::page_number(), last, Some(7)), None);
        assert_eq!(pages(Paging::page_number().page_param("p"), last, None), None);
        assert_eq!(pages(Paging::page_number(), "</rows?page=x>; rel=last", None), None);
        assert_eq!(pages(Paging::link_header(), last, None), None);
    }
}
