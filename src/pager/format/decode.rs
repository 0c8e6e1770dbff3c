//! [pure] Decodes a page in one pass over its bytes: each item is built as the type that the
//! consumer requested, with no tree in between, and only when it is needed. Knows nothing of
//! requests or order.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use serde_json::value::RawValue;

use super::{
    decoder::ItemDecoder,
    items::{ItemList, PageFormat, Taken},
    json::Json,
    ndjson::{self, Ndjson},
    text::text,
    unread::instead_of_page,
};
use crate::{
    error::{Error, ErrorKind, without_secret},
    pager::{envelope::Envelope, strategy::PageMetadata},
    path::Path,
    response::{Mismatch, Response},
};

/// Builds the next item of the page in a response; `None` after the last.
pub(in crate::pager) type Decode<T> =
    Arc<dyn Fn(&Response, &ItemList, &mut Taken) -> Option<Result<T, Error>> + Send + Sync>;

pub(in crate::pager) fn decode_by<D: ItemDecoder>(decoder: D) -> Decode<D::Item> {
    Arc::new(move |response, items, taken| {
        let item = items.next(taken, &decoder)?;
        Some(item.map_err(|source| mismatch(response, source)))
    })
}

impl ItemList {
    /// Finds the items of a response.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if its body is not text.
    pub(in crate::pager) fn of(envelope: &Envelope, response: &Response) -> Result<Self, Error> {
        let format = format_of(envelope, response);
        let text = format.text(envelope, response);
        Ok(format.find(envelope, text.map_err(|source| no_page(envelope, response, source))?))
    }

    /// The extent of its items, without building them, and the metadata of the page. Where each
    /// item is is known then.
    ///
    /// # Errors
    /// Those of [`survey`](Self::survey), and if an item is invalid.
    pub(in crate::pager) fn survey_all(
        &mut self,
        response: &Response,
        envelope: &Envelope,
        pointer: Option<&Path>,
    ) -> Result<(Taken, PageMetadata), Error> {
        let taken = self.pass_over().map_err(|source| no_page(envelope, response, source))?;
        Ok((taken, self.survey(response, envelope, pointer, taken)?))
    }

    /// The text of each item of the page in `response`. Ends after an error.
    pub(in crate::pager) fn texts_of(
        &self,
        response: &Response,
    ) -> impl Iterator<Item = Result<&str, Error>> {
        self.texts().map(|text| text.map_err(|source| mismatch(response, source)))
    }

    /// The metadata of the page, and the value at `pointer`, besides its items, which were
    /// `taken`.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if there is no list of items, or more than one, or anything is
    /// invalid.
    pub(in crate::pager) fn survey(
        &self,
        response: &Response,
        envelope: &Envelope,
        pointer: Option<&Path>,
        taken: Taken,
    ) -> Result<PageMetadata, Error> {
        let status = response.counts_as();
        if self.is_empty() && status == StatusCode::ACCEPTED {
            return Err(no_page(envelope, response, "a 202 (Accepted) has no items yet"));
        }
        let is_blank =
            status == StatusCode::NO_CONTENT || status == StatusCode::OK && self.text.is_empty();
        let headers = response.headers();
        let metadata = match is_blank && envelope.no_content_is_empty {
            true => PageMetadata::of_headers(envelope, headers),
            false => self.format.metadata(envelope, pointer, headers, self, taken),
        };
        let mut metadata = metadata.map_err(|source| no_page(envelope, response, source))?;
        if metadata.lists != 1 {
            let number = if metadata.lists == 0 { "no" } else { "more than one" };
            let path = &envelope.items;
            let what = match path.is_root() {
                true => format!("there is {number} list"),
                false => format!("there is {number} list at `{path}`"),
            };
            return Err(no_page(envelope, response, what));
        }
        metadata.info.take_part(response.status(), headers);
        Ok(metadata)
    }
}

/// The format of a response. If its content type is lines, it is read as lines if items may be in a
/// body with nothing around them.
pub(super) fn format_of(envelope: &Envelope, response: &Response) -> &'static dyn PageFormat {
    let is_lines =
        envelope.is_lines || envelope.accepts_bare_array && ndjson::is_named_by(response.headers());
    if is_lines { &Ndjson } else { &Json }
}

/// Keys that may be beside an item that is wrapped in `data`.
const BESIDE_DATA: [&str; 7] =
    ["included", "jsonapi", "links", "message", "meta", "status", "success"];

/// Decodes the response of an item endpoint: the object itself, or the object under
/// `data` if lists are under that key and only known keys are beside it.
pub(crate) fn decode_item<D: ItemDecoder>(
    decoder: &D,
    envelope: &Envelope,
    response: &Response,
) -> Result<D::Item, Error> {
    let whole = text(response.body(), envelope.lossy_text);
    let whole = &*whole.map_err(|source| no_page(envelope, response, source))?;
    let wrapped = || {
        let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(whole).ok()?;
        let data = fields.remove("data").filter(|data| data.get().starts_with('{'))?;
        let is_wrapper = envelope.items == Path::key("data")
            && fields.keys().all(|key| BESIDE_DATA.contains(&key.as_str()));
        is_wrapper.then(|| data.get())
    };
    let item = decoder.decode_whole(wrapped().unwrap_or(whole));
    item.map_err(|source| mismatch(&response.without_body(), source))
}

/// Decodes the only item of a response that is a page of a list.
pub(crate) fn decode_only_item<D: ItemDecoder>(
    decoder: &D,
    envelope: &Envelope,
    response: &Response,
) -> Option<D::Item> {
    let items = ItemList::of(envelope, response).ok()?;
    let mut taken = items.start();
    let item = items.next(&mut taken, decoder)?.ok()?;
    items.next(&mut taken, decoder).is_none().then_some(item)
}

/// The error of a body that is not a page of `envelope`: says what it is instead.
fn no_page(envelope: &Envelope, response: &Response, source: impl Into<Mismatch>) -> Error {
    let source = source.into();
    let form = match source.is_in_item() {
        true => None,
        false => instead_of_page(envelope, response),
    };
    error_of(response, source, form)
}

fn mismatch(response: &Response, source: impl Into<Mismatch>) -> Error {
    error_of(response, source.into(), None)
}

fn error_of(response: &Response, source: Mismatch, form: Option<String>) -> Error {
    // The body is data, and not part of the error, if it is a page.
    let response = if source.is_in_item() { response.without_body() } else { response.clone() };
    let form = form.map_or_else(String::new, |form| format!("; {form}"));
    let what = format!("the body is not the page that was asked for: {source}{form}");
    Error::new(ErrorKind::Decode, without_secret(&response, what))
        .with_source(source)
        .with_response(response)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{
        super::decoder::{DecodedPage, Typed},
        *,
    };
    use crate::pager::facts::PageInfo;

    fn read(envelope: &Envelope, response: &Response) -> Result<DecodedPage<Value>, Error> {
        let list = ItemList::of(envelope, response)?;
        let (mut taken, mut items) = (list.start(), Vec::new());
        while let Some(item) = list.next(&mut taken, &Typed::new()) {
            items.push(item.map_err(|source| mismatch(response, source))?);
        }
        Ok(DecodedPage { items, info: list.survey(response, envelope, None, taken)?.info })
    }

    fn page(envelope: &Envelope, body: impl Into<Bytes>) -> Result<DecodedPage<Value>, Error> {
        read(envelope, &Response::new(StatusCode::OK, body))
    }

    #[test]
    fn what_cannot_begin_an_item_is_no_item() {
        for list in ["[,1]", "[,", "[}", "[ , 1]", "[:1]", "[,]", "[", "[,[1]]", "[],[1]"] {
            for body in [list.to_owned(), format!(r#"{{"data":{list}}}"#)] {
                let error = page(&Envelope::default(), body.clone()).err().unwrap();
                assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
            }
        }
    }

    #[test]
    fn items_may_lie_beside_what_is_said_of_them() {
        let envelope = Envelope::items_at("pagination.rows").total_at("pagination.count");
        let body = r#"{ "pagination": { "page": 3, "none": [], "rows": [ 7, 8 ], "count": 9 } }"#;
        let page = page(&envelope, body).unwrap();
        assert_eq!(page.items, [7, 8]);
        assert_eq!((page.info.page, page.info.total), (Some(3), Some(9)));
    }

    #[test]
    fn the_standard_envelope_gives_items_and_totals() {
        let body = json!({ "pagination": { "page": 2, "per_page": "10", "total": 95, "total_pages": 10, "has_next": true },
                           "data": [1, { "a": [] }], "other": { "data": [7] } });
        let page = page(&Envelope::default(), body.to_string()).unwrap();
        assert_eq!(page.items, [json!(1), json!({ "a": [] })]);
        let info = PageInfo {
            page: Some(2),
            per_page: Some(10),
            total: Some(95),
            total_pages: Some(10),
            has_next: Some(true),
            ..PageInfo::default()
        };
        assert_eq!(page.info, info);
    }

    #[test]
    fn a_bare_array_is_a_page() {
        for envelope in [Envelope::default(), Envelope::bare_array()] {
            assert_eq!(page(&envelope, "[1,2]").unwrap().items, [json!(1), json!(2)]);
        }
    }

    #[test]
    fn items_and_total_are_found_at_nested_paths_that_share_a_prefix() {
        let envelope = Envelope::items_at("result.rows").total_at("result.meta.count");
        let body = r#"{"result":{"meta":{"count":"7"},"rows":[1]},"rows":[9]}"#;
        let page = page(&envelope, body).unwrap();
        assert_eq!((page.items, page.info.total), (vec![json!(1)], Some(7)));
    }

    #[test]
    fn a_total_is_read_from_a_header() {
        let mut response = Response::new(StatusCode::OK, "[1]");
        response.headers_mut().insert("x-total-count", "42".parse().unwrap());
        let envelope = Envelope::bare_array().total_in_header("X-Total-Count");
        assert_eq!(read(&envelope, &response).unwrap().info.total, Some(42));
    }

    #[test]
    fn a_total_in_the_body_outweighs_the_header_and_that_the_hint_among_others() {
        let mut response =
            Response::new(StatusCode::OK, r#"{"data":[1],"count":3,"pagination":{"total":1}}"#);
        let envelope = Envelope::default().total_in_header("x-total");
        assert_eq!(read(&envelope, &response).unwrap().info.total, Some(1));
        response.headers_mut().insert("x-total", "2".parse().unwrap());
        assert_eq!(read(&envelope, &response).unwrap().info.total, Some(2));
        assert_eq!(read(&envelope.total_at("count"), &response).unwrap().info.total, Some(3));
    }

    #[test]
    fn two_lists_where_one_should_be_are_an_error() {
        for body in [r#"{"data":[1],"data":[2]}"#, r#"{"data":[],"data":[2]}"#] {
            assert!(page(&Envelope::default(), body).is_err(), "{body}");
        }
    }

    #[test]
    fn between_items_stands_a_comma_and_the_white_space_of_json() {
        let items = |body: &str| page(&Envelope::default(), body.to_owned()).map(|page| page.items);
        assert_eq!(items("[1 ,\t2\r\n]").unwrap(), [json!(1), json!(2)]);
        for body in ["[1\x0c,2]", "[1\u{a0},2]", "[1 2]", "[1,]", "[1,,2]", "[1,", "[1,2"] {
            assert!(items(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_survey_tells_what_reading_would() {
        let body = r#"{"data":[1,{"a":[2]},"x"],"pagination":{"total":9}}"#;
        let response = Response::new(StatusCode::OK, body);
        let envelope = Envelope::default();
        let mut list = ItemList::of(&envelope, &response).unwrap();
        let (taken, metadata) = list.survey_all(&response, &envelope, None).unwrap();
        let read = read(&envelope, &response).unwrap();
        assert_eq!((taken.count, metadata.info), (read.items.len(), read.info));
    }

    #[test]
    fn hints_of_a_strange_type_are_ignored() {
        for pagination in
            ["7", "null", "[]", "[1,10,95]", r#"{"total":-1,"page":{},"has_next":"yes"}"#]
        {
            let body = format!(r#"{{"data":[],"pagination":{pagination}}}"#);
            assert!(page(&Envelope::default(), body).unwrap().info.is_silent(), "{pagination}");
        }
    }

    #[test]
    fn a_body_of_another_shape_is_an_error_and_never_rows() {
        let standard = Envelope::default();
        for body in [
            "",
            "<html>",
            "7",
            "null",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            r#"{"error":"no"}"#,
            "[1",
            "[1]]",
        ] {
            let error = page(&standard, body.to_owned())
                .err()
                .unwrap_or_else(|| panic!("{body} was read as rows"));
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_eq!(error.body_start().unwrap(), body);
        }
        assert!(page(&Envelope::items_at("data"), "[1]").is_err());
    }

    #[test]
    fn no_content_is_empty_only_when_configured() {
        let response = Response::new(StatusCode::NO_CONTENT, "");
        assert!(read(&Envelope::default(), &response).is_err());
        let envelope = Envelope::default().no_content_is_empty(true);
        assert!(read(&envelope, &response).unwrap().items.is_empty());
    }

    #[test]
    fn numbers_beyond_two_to_the_53_keep_their_digits() {
        let page = page(&Envelope::default(), "[18446744073709551615,9007199254740993]").unwrap();
        assert_eq!(page.items, [json!(u64::MAX), json!(9_007_199_254_740_993_u64)]);
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let body = format!(r#"{{"data":[{}"#, "[".repeat(100_000));
        assert_eq!(page(&Envelope::default(), body).err().unwrap().kind(), ErrorKind::Decode);
    }

    #[test]
    fn an_item_is_read_bare_or_under_data() {
        let item = |body: &str| {
            let response = Response::new(StatusCode::OK, body.to_owned());
            decode_item(&Typed::<Value>::new(), &Envelope::default(), &response).unwrap()
        };
        assert_eq!(item(r#"{"id":1}"#), json!({ "id": 1 }));
        assert_eq!(item(r#"{"data":{"id":1}}"#), json!({ "id": 1 }));
        assert_eq!(item(r#"{"meta":{},"data":{"id":1}}"#), json!({ "id": 1 }));
        for bare in [r#"{"id":1,"data":"x"}"#, r#"{"id":1,"data":{"a":1}}"#] {
            assert_eq!(item(bare), serde_json::from_str::<Value>(bare).unwrap());
        }
    }
}
