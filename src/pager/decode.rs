//! [pure] Takes a page apart in one pass over its bytes: each item is built as what
//! the consumer asked for, with no tree in between. Knows nothing of requests or order.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use bytes::Bytes;
use http::StatusCode;
use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::envelope::{Count, Envelope, Lenient, Meta};
use crate::{
    error::{Error, ErrorKind},
    http::Response,
};

/// One decoded page.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) meta: Meta,
    /// The bytes it came from, to recognise a page that repeats.
    pub(crate) body: Bytes,
}

/// Builds one item from its place in the page, without a tree in between.
pub(crate) trait ItemDecoder: Send + Sync + 'static {
    type Item: Send + 'static;

    fn item<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Self::Item, D::Error>;
}

/// Items of any type that serde can build.
pub(crate) struct Typed<T>(PhantomData<fn() -> T>);

impl<T> Typed<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: DeserializeOwned + Send + 'static> ItemDecoder for Typed<T> {
    type Item = T;

    fn item<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// [`ItemDecoder`] with its method that is generic over the input hidden.
pub(crate) trait PageDecoder<T>: Send + Sync {
    fn page(&self, envelope: &Envelope, response: &Response) -> Result<Page<T>, Error>;
}

impl<D: ItemDecoder> PageDecoder<D::Item> for D {
    fn page(&self, envelope: &Envelope, response: &Response) -> Result<Page<D::Item>, Error> {
        decode_page(self, envelope, response)
    }
}

/// Takes a page apart in one pass over its bytes.
pub(crate) fn decode_page<D: ItemDecoder>(
    decoder: &D,
    envelope: &Envelope,
    response: &Response,
) -> Result<Page<D::Item>, Error> {
    let body = response.body();
    let mut draft = Draft { items: None, meta: Meta::default(), total: None };
    let is_empty = response.status() == StatusCode::NO_CONTENT || body.is_empty();
    if is_empty && envelope.no_content_is_empty {
        draft.items = Some(Vec::new());
    } else {
        let mut json = serde_json::Deserializer::from_slice(body);
        let walk =
            Walk { decoder, envelope, draft: &mut draft, matching: [true; TARGETS], depth: 0 };
        walk.deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|source| mismatch(response, source))?;
    }
    let Some(items) = draft.items else {
        let path = envelope.items.join(".");
        return Err(mismatch(response, format!("there is no list at `{path}`")));
    };
    let mut meta = draft.meta;
    let in_header = envelope
        .total_header
        .as_ref()
        .and_then(|name| response.headers().get(name)?.to_str().ok()?.trim().parse().ok());
    meta.total = draft.total.or(in_header).or(meta.total);
    Ok(Page { items, meta, body: body.clone() })
}

/// What may stand beside an item that is wrapped in `data`.
const BESIDE_DATA: [&str; 7] =
    ["included", "jsonapi", "links", "message", "meta", "status", "success"];

/// Decodes the answer of an item endpoint: the object itself, or the object under
/// `data` where lists are under that key and nothing but remarks stands beside it.
pub(crate) fn decode_item<D: ItemDecoder>(
    decoder: &D,
    envelope: &Envelope,
    response: &Response,
) -> Result<D::Item, Error> {
    let body = response.body();
    let whole = std::str::from_utf8(body).map_err(|source| mismatch(response, source))?;
    let wrapped = || {
        let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(whole).ok()?;
        let data = fields.remove("data").filter(|data| data.get().starts_with('{'))?;
        let is_wrapper = envelope.items == ["data"]
            && fields.keys().all(|key| BESIDE_DATA.contains(&key.as_str()));
        is_wrapper.then(|| data.get())
    };
    let mut json = serde_json::Deserializer::from_str(wrapped().unwrap_or(whole));
    decoder
        .item(&mut json)
        .and_then(|item| json.end().map(|()| item))
        .map_err(|source| mismatch(response, source))
}

/// The most bytes that two pages with the same items may differ in, from the first
/// to the last: what they say of themselves, such as their number and links.
const MAX_REMARKS: usize = 1024;

/// Whether two pages hold the same list of items, whatever else differs.
pub(crate) fn same_items(envelope: &Envelope, one: &Bytes, other: &Bytes) -> bool {
    if one == other {
        return true;
    }
    // Honest pages differ at both ends of their items, which shows at once.
    let head = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let tail = one.iter().rev().zip(other.iter().rev());
    let tail = tail.take_while(|(one, other)| one == other).count();
    if head + tail + MAX_REMARKS < one.len().max(other.len()) {
        return false;
    }
    let raw = |body: &Bytes| {
        let response = Response::new(StatusCode::OK, body.clone());
        decode_page(&Typed::<Box<RawValue>>::new(), envelope, &response)
            .map(|page| page.items.iter().map(|item| item.get().to_owned()).collect::<Vec<_>>())
    };
    matches!((raw(one), raw(other)), (Ok(one), Ok(other)) if one == other)
}

fn mismatch(
    response: &Response,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(ErrorKind::Decode, "the body is not the page that was asked for")
        .with_source(source)
        .with_response(response.clone())
}

// What a walk looks for: the index of each path in `paths`.
const ITEMS: usize = 0;
const PAGINATION: usize = 1;
const TOTAL: usize = 2;
const TARGETS: usize = 3;

fn paths(envelope: &Envelope) -> [&[String]; TARGETS] {
    [&envelope.items, &envelope.pagination, envelope.total.as_deref().unwrap_or_default()]
}

struct Draft<T> {
    items: Option<Vec<T>>,
    meta: Meta,
    total: Option<u64>,
}

/// One level of the way from the root to what the envelope names.
struct Walk<'a, D: ItemDecoder> {
    decoder: &'a D,
    envelope: &'a Envelope,
    draft: &'a mut Draft<D::Item>,
    /// Which paths have led here so far.
    matching: [bool; TARGETS],
    depth: usize,
}

impl<'de, D: ItemDecoder> DeserializeSeed<'de> for Walk<'_, D> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<(), I::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, D: ItemDecoder> Visitor<'de> for Walk<'_, D> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.envelope.items.join(".") {
            path if path.is_empty() => f.write_str("a list of items"),
            path => write!(f, "an object with a list at `{path}`"),
        }
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<(), S::Error> {
        if self.depth > 0 || !self.envelope.accepts_bare_array {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        self.draft.items = Some(Items(self.decoder).visit_seq(seq)?);
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let paths = paths(self.envelope);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let mut matching = self.matching;
            let mut leaf = None;
            for (target, path) in paths.iter().enumerate() {
                matching[target] &= path.get(self.depth).is_some_and(|wanted| *wanted == key);
                if matching[target] && path.len() == self.depth + 1 {
                    leaf = Some(target);
                }
            }
            match leaf {
                Some(ITEMS) => self.draft.items = Some(map.next_value_seed(Items(self.decoder))?),
                Some(PAGINATION) => {
                    self.draft.meta = map.next_value::<Lenient<Meta>>()?.0.unwrap_or_default()
                }
                Some(TOTAL) => {
                    self.draft.total =
                        map.next_value::<Lenient<Count>>()?.0.and_then(|count| count.0)
                }
                _ if matching.contains(&true) => map.next_value_seed(Walk {
                    decoder: self.decoder,
                    envelope: self.envelope,
                    draft: &mut *self.draft,
                    matching,
                    depth: self.depth + 1,
                })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Items<'a, D>(&'a D);

impl<'de, D: ItemDecoder> DeserializeSeed<'de> for Items<'_, D> {
    type Value = Vec<D::Item>;

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<Self::Value, I::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de, D: ItemDecoder> Visitor<'de> for Items<'_, D> {
    type Value = Vec<D::Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Item(self.0))? {
            items.push(item);
        }
        Ok(items)
    }
}

struct Item<'a, D>(&'a D);

impl<'de, D: ItemDecoder> DeserializeSeed<'de> for Item<'_, D> {
    type Value = D::Item;

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<D::Item, I::Error> {
        self.0.item(input)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(envelope: &Envelope, body: impl Into<Bytes>) -> Result<Page<Value>, Error> {
        decode_page(&Typed::new(), envelope, &Response::new(StatusCode::OK, body))
    }

    #[test]
    fn the_standard_envelope_gives_items_and_totals() {
        let body = json!({ "pagination": { "page": 2, "per_page": "10", "total": 95, "total_pages": 10, "has_next": true },
                           "data": [1, { "a": [] }], "other": { "data": [7] } });
        let page = page(&Envelope::default(), body.to_string()).unwrap();
        assert_eq!(page.items, [json!(1), json!({ "a": [] })]);
        let meta = Meta {
            page: Some(2),
            per_page: Some(10),
            total: Some(95),
            total_pages: Some(10),
            has_next: Some(true),
        };
        assert_eq!(page.meta, meta);
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
        assert_eq!((page.items, page.meta.total), (vec![json!(1)], Some(7)));
    }

    #[test]
    fn a_total_is_read_from_a_header() {
        let mut response = Response::new(StatusCode::OK, "[1]");
        response.headers_mut().insert("x-total-count", "42".parse().unwrap());
        let envelope = Envelope::bare_array().total_in_header("X-Total-Count");
        let page = decode_page(&Typed::<Value>::new(), &envelope, &response).unwrap();
        assert_eq!(page.meta.total, Some(42));
    }

    #[test]
    fn hints_of_a_strange_type_are_ignored() {
        for pagination in
            ["7", "null", "[]", "[1,10,95]", r#"{"total":-1,"page":{},"has_next":"yes"}"#]
        {
            let body = format!(r#"{{"data":[],"pagination":{pagination}}}"#);
            assert_eq!(
                page(&Envelope::default(), body).unwrap().meta,
                Meta::default(),
                "{pagination}"
            );
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
        let decoder = Typed::<Value>::new();
        assert!(decode_page(&decoder, &Envelope::default(), &response).is_err());
        let envelope = Envelope::default().no_content_is_empty(true);
        assert!(decode_page(&decoder, &envelope, &response).unwrap().items.is_empty());
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
    fn pages_with_the_same_items_are_recognised_whatever_their_page_number() {
        let body = |page: u32, id: u32| {
            Bytes::from(
                json!({ "data": [{ "id": id }], "pagination": { "page": page } }).to_string(),
            )
        };
        let envelope = Envelope::default();
        assert!(same_items(&envelope, &body(1, 7), &body(1, 7)));
        assert!(same_items(&envelope, &body(9, 7), &body(10, 7)));
        assert!(!same_items(&envelope, &body(1, 7), &body(1, 8)));
        let long = |id: u32| Bytes::from(json!([id, "x".repeat(5000), id]).to_string());
        assert!(!same_items(&envelope, &long(7), &long(8)));
        assert!(same_items(&envelope, &long(7), &long(7)));
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
