//! [pure] What a page says about the one after it: a cursor in its body or in a header, a URL in
//! its body or in its `Link` header, or the result of a user's strategy.

use http::{
    HeaderMap, Uri,
    header::{HeaderValue, LINK},
};
use secrecy::ExposeSecret;
use url::Url;

use super::{Mode, PageAddress, PageView, Paging, link};
use crate::{
    error::{Error, ErrorKind},
    header_value::header_text,
    pager::{
        envelope::Envelope,
        facts::{PageInfo, Remarks, Unreadable},
    },
    path::{Gaps, Path},
    response::{Mismatch, Response},
};

/// Reads the JSON text of the value that names the next page: text, a number, or a list. `None` if
/// there is no next page.
///
/// # Errors
/// If it is a value that names nothing.
pub(in crate::pager) fn read_pointer(text: &str) -> Result<Option<String>, Unreadable> {
    match text.as_bytes().first() {
        Some(b'"') => Ok(Some(text.to_owned()).filter(|text| text != "\"\"")),
        Some(b'-' | b'0'..=b'9' | b'[') => Ok(Some(text.to_owned())),
        _ if text == "null" || text == "false" => Ok(None),
        _ => Err(Unreadable),
    }
}

/// What such a text says, if it is text or a number, as it is sent in a URL.
fn in_url(json: &str) -> Result<String, Unreadable> {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map_err(|_| Unreadable),
        Some(b'[') | None => Err(Unreadable),
        Some(_) => Ok(json.to_owned()),
    }
}

/// The content of a page besides its items.
pub(in crate::pager) struct PageMetadata {
    /// How many lists are at the path of the items.
    pub(in crate::pager) lists: usize,
    /// The metadata about the set.
    pub(in crate::pager) info: PageInfo,
    /// The reference to the next page, if it has one.
    pub(in crate::pager) pointer: Result<Option<String>, Unreadable>,
}

impl PageMetadata {
    /// That of a page that consists of its items alone.
    ///
    /// # Errors
    /// If a header field that the envelope names cannot be read.
    pub(in crate::pager) fn of_headers(
        envelope: &Envelope,
        headers: &HeaderMap,
    ) -> Result<Self, Mismatch> {
        let mut info = PageInfo::default();
        envelope.read_headers(headers, &mut info)?;
        Ok(Self { lists: 1, info, pointer: Ok(None) })
    }
}

impl Paging {
    /// Where a page names the next one, if that is in the body.
    pub(in crate::pager) fn pointer(&self) -> Option<&Path> {
        match &self.mode {
            Mode::Cursor { next, .. } | Mode::NextUrl { next } => Some(next),
            Mode::Number { .. }
            | Mode::Offset { .. }
            | Mode::Range { .. }
            | Mode::HeaderCursor { .. }
            | Mode::Keyset { .. }
            | Mode::HeaderUrl { .. }
            | Mode::Link {}
            | Mode::Export(_)
            | Mode::Auto {}
            | Mode::Custom(_)
            | Mode::None {} => None,
        }
    }

    /// The place where pages name the next one, if settings name it.
    pub(in crate::pager) fn pointer_place(&self) -> Option<String> {
        match &self.mode {
            Mode::HeaderCursor { header, .. } | Mode::HeaderUrl { header } => Some(header.clone()),
            _ => self.pointer().map(Path::to_string),
        }
    }

    /// The address of the page after this one, if it has one.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the page names the next one in an invalid way: ignoring it could
    /// lose rows at the end of the set.
    pub(in crate::pager) fn follow(
        &self,
        pointer: &Result<Option<String>, Unreadable>,
        page: &PageView<'_>,
    ) -> Result<Option<PageAddress>, Error> {
        match &self.mode {
            Mode::Cursor { .. } => {
                let cursor = match self.has_cursor_in_body() {
                    true => page.pointer(pointer)?.map(str::to_owned),
                    false => page.name(pointer)?,
                };
                Ok(self.cursor_to(cursor))
            }
            Mode::HeaderCursor { header, .. } => {
                let cursor = page.cursor_in(header)?;
                let cursor = cursor.map(|cursor| match self.has_cursor_in_body() {
                    true => serde_json::Value::from(cursor).to_string(),
                    false => cursor,
                });
                Ok(self.cursor_to(cursor))
            }
            Mode::NextUrl { .. } => page.name(pointer)?.map(|url| page.resolve(&url)).transpose(),
            Mode::HeaderUrl { header } => {
                page.cursor_in(header)?.map(|url| page.resolve(&url)).transpose()
            }
            Mode::Link {} => {
                let own = page.url().ok();
                let next =
                    self.link(page.headers(), "next", own.as_ref()).map_err(|Unreadable| {
                        page.strange("the `Link` header that may name the next page is malformed")
                    })?;
                next.map(|url| page.resolve(&url)).transpose()
            }
            Mode::Custom(custom) => Ok(custom.next(page)?.map(PageAddress::Custom)),
            Mode::Number { .. }
            | Mode::Offset { .. }
            | Mode::Range { .. }
            | Mode::Keyset { .. }
            | Mode::Export(_)
            | Mode::Auto {}
            | Mode::None {} => Ok(None),
        }
    }

    /// The place that the body of an answer names which says that a cursor has expired.
    pub(in crate::pager) fn next_in_place_of_expired(&self, body: &[u8]) -> Option<PageAddress> {
        let path = self.ends.expired_next.as_ref()?;
        let found = path.find(std::str::from_utf8(body).ok()?, Gaps::PassedOver).ok()??;
        let cursor = read_pointer(found.first()?).ok()??;
        let is_json = self.has_cursor_in_body();
        let cursor = if is_json { cursor } else { in_url(&cursor).ok()? };
        self.cursor_to(Some(cursor))
    }

    fn cursor_to(&self, cursor: Option<String>) -> Option<PageAddress> {
        let cursor = cursor.filter(|cursor| !self.ends.zero_cursor_ends || !is_zero(cursor));
        cursor.map(PageAddress::Cursor)
    }

    /// Adds metadata that only the page's headers have, at places of the paging.
    pub(in crate::pager) fn read_headers(&self, headers: &HeaderMap, info: &mut PageInfo) {
        if let Mode::HeaderCursor { header, .. } | Mode::HeaderUrl { header } = &self.mode
            && headers.contains_key(header)
        {
            info.remarks.add(Remarks::POINTER);
        }
        if !headers.contains_key(LINK) {
            return;
        }
        let next = self.link(headers, "next", None);
        info.has_next_link = match &next {
            Ok(next) => next.is_some(),
            // A link that cannot be read does not mean that the set ends.
            Err(Unreadable) => self.is_addressable(),
        };
        let Mode::Number { param, .. } = &self.mode else { return };
        if info.total.is_some() || info.total_pages.is_some() {
            return;
        }
        let Ok(Some(last)) = self.link(headers, "last", None) else { return };
        let Some(last) = number_in(&last, param) else { return };
        // A parameter that only repeats the requested value says nothing about the last page.
        let is_echo = matches!(&next, Ok(Some(next)) if number_in(next, param)
            .is_none_or(|next| next <= self.number(0) || next > last));
        if !is_echo {
            info.total_pages = last.saturating_add(1).checked_sub(self.number(0));
        }
    }

    fn link(
        &self,
        headers: &HeaderMap,
        relation: &str,
        page: Option<&Url>,
    ) -> Result<Option<String>, Unreadable> {
        let fields = headers.get_all(LINK).into_iter().map(HeaderValue::as_bytes);
        link::find(fields, relation, page, self.ends.link.as_ref())
    }
}

/// Shorter texts may be the value of another parameter.
const LEAST_SECRET: usize = 8;

/// Drops the parameters of `url` that repeat the token of the request, as a server does that names
/// the next page by the URL it was asked for. The next request gets its own token, and addresses
/// go to users in resume tokens.
fn drop_secret(url: &mut Url, secret: &str) {
    let Some(query) = url.query().filter(|_| secret.len() >= LEAST_SECRET) else { return };
    let is_secret = |field: &str| {
        url::form_urlencoded::parse(field.as_bytes()).any(|(_, value)| value == secret)
    };
    if !query.split('&').any(is_secret) {
        return;
    }
    let kept: Vec<_> = query.split('&').filter(|field| !is_secret(field)).collect();
    let kept = kept.join("&");
    url.set_query(Some(kept.as_str()).filter(|query| !query.is_empty()));
}

/// The URL that a response was at last requested from.
fn own_url(response: &Response) -> Result<Url, url::ParseError> {
    Url::parse(&response.url().map(Uri::to_string).unwrap_or_default())
}

/// The absolute form of a URL in a response (RFC 3986 section 5), without its fragment and the token
/// of the request.
///
/// # Errors
/// If it is not a URL.
pub(in crate::pager) fn resolved(
    response: &Response,
    reference: &str,
) -> Result<Url, url::ParseError> {
    let mut url = own_url(response)?.join(reference)?;
    url.set_fragment(None);
    if let Some(secret) = response.secret() {
        drop_secret(&mut url, secret.expose_secret());
    }
    Ok(url)
}

/// The number in a parameter of the query of `url`.
fn number_in(url: &str, param: &str) -> Option<u64> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == param).and_then(|(_, number)| number.parse().ok())
}

/// Whether a cursor is the number 0.
pub(in crate::pager) fn is_zero(cursor: &str) -> bool {
    matches!(cursor, "0" | "\"0\"")
}

impl PageView<'_> {
    fn pointer<'p>(
        &self,
        pointer: &'p Result<Option<String>, Unreadable>,
    ) -> Result<Option<&'p str>, Error> {
        pointer.as_ref().map(Option::as_deref).map_err(|Unreadable| self.nameless())
    }

    /// The same as it is sent in a URL.
    fn name(&self, pointer: &Result<Option<String>, Unreadable>) -> Result<Option<String>, Error> {
        let name = self.pointer(pointer)?.map(in_url).transpose();
        name.map_err(|Unreadable| self.nameless())
    }

    fn nameless(&self) -> Error {
        self.strange("what names the next page is neither text nor a number")
    }

    /// The cursor in a header field, if there is one.
    pub(super) fn cursor_in(&self, header: &str) -> Result<Option<String>, Error> {
        let values = self.headers().get_all(header).into_iter();
        let mut values = values.map(|value| header_text(value).trim().to_owned());
        let Some(first) = values.next() else { return Ok(None) };
        if values.any(|value| value != first) {
            return Err(self.strange("the header that names the next page says different things"));
        }
        Ok(Some(first).filter(|cursor| !cursor.is_empty() && cursor != "null"))
    }

    /// The URL of the page itself.
    fn url(&self) -> Result<Url, url::ParseError> {
        own_url(self.response)
    }

    /// The absolute form of a URL in the page (RFC 3986 section 5).
    fn resolve(&self, reference: &str) -> Result<PageAddress, Error> {
        let resolved = resolved(self.response, reference);
        let url = resolved
            .map_err(|source| self.strange("the next page has no valid URL").with_source(source))?;
        Ok(PageAddress::Url(url.into()))
    }

    fn strange(&self, what: &'static str) -> Error {
        Error::new(ErrorKind::Decode, what).with_response(self.response.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::{super::PageRequest, *};

    /// Where `paging` continues after a page at `/v1/rows` with this pointer, in JSON, and these
    /// fields.
    fn after(
        paging: &Paging,
        pointer: Option<&str>,
        links: &[&str],
    ) -> Result<Option<PageAddress>, Error> {
        let url = Arc::new(Uri::from_static("https://api.example/v1/rows?page=1"));
        let mut response =
            Response::new(StatusCode::OK, "").with_url(&url, &http::Method::GET, false);
        for link in links {
            response.headers_mut().append(LINK, link.parse().unwrap());
        }
        let pointer = pointer.map_or(Ok(None), read_pointer);
        let request = PageRequest::new();
        let (request, response) = (&request, &response);
        let view = PageView { index: 0, rows: 1, total: None, request, response };
        paging.follow(&pointer, &view)
    }

    fn url(text: &str) -> Option<PageAddress> {
        Some(PageAddress::Url(text.into()))
    }

    #[test]
    fn a_cursor_is_text_or_a_number_as_it_stands() {
        let paging = Paging::cursor("after", "next");
        let next = |json| after(&paging, Some(json), &[]);
        for (json, cursor) in [
            (r#""abc""#, "abc"),
            (r#""a\u00e9\n""#, "a\u{e9}\n"),
            ("17", "17"),
            ("18446744073709551616", "18446744073709551616"),
            ("-1.50", "-1.50"),
        ] {
            assert_eq!(next(json).unwrap(), Some(PageAddress::Cursor(cursor.into())), "{json}");
        }
        for json in ["null", "false", r#""""#] {
            assert_eq!(next(json).unwrap(), None, "{json}");
        }
        for json in ["true", "[]", r#"{"a":1}"#] {
            assert_eq!(next(json).unwrap_err().kind(), ErrorKind::Decode, "{json}");
        }
        assert_eq!(after(&paging, None, &[]).unwrap(), None);
        let zero = |paging: Paging| after(&paging, Some("0"), &[]).unwrap();
        assert_eq!(zero(paging.clone()), Some(PageAddress::Cursor("0".into())));
        assert_eq!(zero(paging.zero_cursor_ends(true)), None);
    }

    #[test]
    fn a_next_url_is_read_from_where_the_page_is() {
        let paging = Paging::next_url("next");
        let next = |text: &str| {
            let json = serde_json::to_string(text).unwrap();
            after(&paging, Some(&json), &[]).unwrap()
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
        let bad = after(&paging, Some(r#""http://[""#), &[]);
        assert_eq!(bad.unwrap_err().kind(), ErrorKind::Decode);
    }

    #[test]
    fn a_next_url_does_not_repeat_the_token_of_the_request() {
        let without = |url: &str, secret| {
            let mut url = Url::parse(url).unwrap();
            drop_secret(&mut url, secret);
            url.to_string()
        };
        for (url, kept) in [
            ("https://h/r?key=s3cret%2B+%26x&page=2&q=a+b", "https://h/r?page=2&q=a+b"),
            ("https://h/r?key=s3cret%2b%20%26x", "https://h/r"),
            ("https://h/r?q=s3cret&page=2", "https://h/r?q=s3cret&page=2"),
            ("https://h/r", "https://h/r"),
        ] {
            assert_eq!(without(url, "s3cret+ &x"), kept);
        }
        assert_eq!(without("https://h/r?page=1234", "1234"), "https://h/r?page=1234");
    }

    #[test]
    fn a_link_header_leads_to_the_next_page() {
        let next = |links: &[&str]| after(&Paging::link_header(), None, links).unwrap();
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
            let mut info = PageInfo { total, ..PageInfo::default() };
            paging.read_headers(&headers, &mut info);
            info.total_pages
        };
        let last = "</rows?per_page=9&page=34#x>; rel=\"last\"";
        assert_eq!(pages(Paging::page_number(), last, None), Some(34));
        assert_eq!(pages(Paging::page_number().first_page(0), last, None), Some(35));
        assert_eq!(pages(Paging::page_number(), last, Some(7)), None);
        assert_eq!(pages(Paging::page_number().page_param("p"), last, None), None);
        assert_eq!(pages(Paging::page_number(), "</rows?page=x>; rel=last", None), None);
        assert_eq!(pages(Paging::link_header(), last, None), None);
        for (links, told) in [
            ("<?page=2>; rel=next, <?page=9>; rel=last", Some(9)),
            ("<?page=9>; rel=next, <?page=9>; rel=last", Some(9)),
            // The API pages by another parameter, and repeats this one.
            ("<?page=1&p=2>; rel=next, <?page=1&p=9>; rel=last", None),
            ("<?after=x>; rel=next, <?page=1&p=9>; rel=last", None),
            ("<?page=3>; rel=next, <?page=2>; rel=last", None),
        ] {
            assert_eq!(pages(Paging::page_number(), links, None), told, "{links}");
        }
    }
}
