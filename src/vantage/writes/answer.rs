//! [pure] What the response to a write says about the row.

use std::collections::BTreeMap;

use http::{StatusCode, header};
use percent_encoding::percent_decode;
use serde_json::{Value as Json, value::RawValue};

use crate::{
    pager::{Envelope, ItemDecoder, decode_item},
    path::{Gaps, Path},
    response::Response,
    vantage::{
        path::ItemPath,
        record::{Row, RowDecoder},
    },
};

/// The rows that a response may contain.
#[derive(Debug)]
pub(super) struct WriteAnswer {
    /// Where rows belong: at their path in bodies, or as an item endpoint returns them.
    told: Vec<Row>,
    /// Objects elsewhere: the only element of a list, or values under any key of an object.
    found: Vec<Row>,
    /// Whether it may describe a job instead of the row (RFC 9110 section 15.3.3).
    is_of_job: bool,
}

impl WriteAnswer {
    /// The rows of a response whose body has the row at `place`, keys from the top.
    pub(super) fn of(
        decoder: &RowDecoder,
        envelope: &Envelope,
        place: &[String],
        response: &Response,
    ) -> Self {
        let read = |json: &RawValue| decoder.decode_whole(json.get()).ok();
        let body: Option<&RawValue> = serde_json::from_slice(response.body()).ok();
        let at_place = body.filter(|_| !place.is_empty()).and_then(|body| under(body, place));
        let mut told: Vec<Row> = at_place.and_then(read).into_iter().collect();
        told.extend(decode_item(decoder, envelope, response).ok());
        let found = body.map(objects_in).unwrap_or_default();
        let found = found.into_iter().filter_map(read).collect();
        Self { told, found, is_of_job: response.status() == StatusCode::ACCEPTED }
    }

    /// The row `id`, or else the one where rows belong.
    pub(super) fn row_of(self, id: &str) -> Option<Row> {
        let mut rows: Vec<Row> = self.told.into_iter().chain(self.found).collect();
        let own = rows.iter().position(|row| row.id.as_deref() == Some(id));
        (!rows.is_empty()).then(|| rows.swap_remove(own.unwrap_or_default()))
    }

    /// The row `id`, if the response has all of its `columns`. If there are several objects, none
    /// is certain to be the row: one may be its earlier state.
    pub(super) fn whole_row(self, id: &str, columns: &[String]) -> Option<Row> {
        let is_whole = |row: &Row| row.id.as_deref() == Some(id) && has_all(row, columns);
        let told = self.told.into_iter().find(is_whole);
        told.or_else(|| {
            let mut found = self.found.into_iter().filter(is_whole);
            found.next().filter(|_| found.next().is_none())
        })
    }

    /// The id that the response gives the row with these columns.
    pub(super) fn id(&self, columns: &[String]) -> Option<&str> {
        let is_whole = |row: &&Row| row.id.is_some() && has_all(row, columns);
        let told = self.told.iter().find(is_whole);
        let whole = || only_id(self.found.iter().filter(is_whole));
        let partly = || self.told.iter().find_map(|row| row.id.as_deref());
        let id = told.and_then(|row| row.id.as_deref());
        let id = id.or_else(whole);
        if self.is_of_job {
            return id;
        }
        id.or_else(partly).or_else(|| only_id(self.found.iter()))
    }

    /// The id under which the response has all of the columns, if that is not `id`.
    pub(super) fn other_id(&self, id: &str, columns: &[String]) -> Option<&str> {
        let mut rows = self.told.iter().chain(&self.found).filter(|row| row.id.is_some());
        let whole = rows.find(|row| has_all(row, columns));
        whole.filter(|_| !self.has(id))?.id.as_deref()
    }

    /// Whether a row of the response has this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.told.iter().chain(&self.found).any(|row| row.id.as_deref() == Some(id))
    }
}

/// The id of these objects, if they all have the same.
fn only_id<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<&'a str> {
    let mut ids = rows.filter_map(|row| row.id.as_deref());
    let id = ids.next()?;
    ids.all(|other| other == id).then_some(id)
}

fn has_all(row: &Row, columns: &[String]) -> bool {
    columns.iter().all(|column| row.record.contains_key(column))
}

/// The value at `place`, keys from the top.
fn under<'a>(json: &'a RawValue, place: &[String]) -> Option<&'a RawValue> {
    place.iter().try_fold(json, |json, key| {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json.get()).ok()?;
        fields.get(key.as_str()).copied()
    })
}

/// The value at the path `place` of a body.
pub(super) fn at(body: &[u8], place: &str) -> Option<Json> {
    let found = Path::parse(place).find(str::from_utf8(body).ok()?, Gaps::Refused).ok()??;
    serde_json::from_str(found.first()?).ok()
}

/// The object that is the only element of a list, or the objects one level down in an object.
fn objects_in(json: &RawValue) -> Vec<&RawValue> {
    if let Some(item) = only_object(json) {
        return vec![item];
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json.get()).unwrap_or_default();
    let object = |json| if is_object(json) { Some(json) } else { only_object(json) };
    fields.into_values().filter_map(object).collect()
}

fn only_object(json: &RawValue) -> Option<&RawValue> {
    let items: Vec<&RawValue> = serde_json::from_str(json.get()).ok()?;
    match items.as_slice() {
        [item] if is_object(item) => Some(item),
        _ => None,
    }
}

fn is_object(json: &RawValue) -> bool {
    json.get().starts_with('{')
}

/// The id in the `Location` of a response (RFC 9110 section 10.2.2), decoded: the part that
/// stands for it in the path of an item, or else the last segment. In a query on the table at
/// `table`, it is the value that `id_field` equals, as PostgREST writes it: `?id=eq.7`. `None` for
/// the URL of the table itself and for that of a job (RFC 9110 section 15.3.3).
pub(super) fn located(
    response: &Response,
    item: Option<&ItemPath>,
    table: &str,
    id_field: Option<&str>,
) -> Option<String> {
    let (path, query) = location_of(response)?;
    if let Some(id) = item.and_then(|item| id_in(path, item)) {
        return Some(id);
    }
    let table: Vec<_> = segments(table.as_bytes()).map(decoded).collect();
    let own: Vec<_> = segments(path).map(decoded).collect();
    if own.ends_with(&table) {
        let mut parameters = url::form_urlencoded::parse(query);
        let (_, value) = parameters.find(|(name, _)| Some(&**name) == id_field)?;
        return value.strip_prefix("eq.").filter(|id| !id.is_empty()).map(str::to_owned);
    }
    String::from_utf8(own.last()?.clone()).ok().filter(|id| !id.is_empty())
}

/// The id in the `Location` of a response, if that is the path of an item.
pub(super) fn located_as(response: &Response, item: &ItemPath) -> Option<String> {
    id_in(location_of(response)?.0, item)
}

/// The path and the query of a `Location`. Field values are octets (RFC 9110 section 5.5).
fn location_of(response: &Response) -> Option<(&[u8], &[u8])> {
    if response.status() == StatusCode::ACCEPTED {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.as_bytes();
    let location = location.split(|octet| *octet == b'#').next()?;
    let end = location.iter().position(|octet| *octet == b'?').unwrap_or(location.len());
    let (path, query) = location.split_at(end);
    let authority = path.windows(3).position(|three| three == b"://").map(|at| at + 3);
    let authority = authority.or_else(|| path.starts_with(b"//").then_some(2));
    let path = match authority.map(|at| &path[at..]) {
        // The authority of a URL without a path is not an id.
        Some(rest) => &rest[rest.iter().position(|octet| *octet == b'/')?..],
        None => path,
    };
    Some((path, query.get(1..).unwrap_or_default()))
}

/// The part that stands for the id in a path that ends like that of an item.
fn id_in(path: &[u8], item: &ItemPath) -> Option<String> {
    let (before, after) = (item.before.as_str(), item.after.as_str());
    let after = after.split('?').next().unwrap_or_default().trim_end_matches('/');
    let path = path.strip_suffix(b"/").unwrap_or(path).strip_suffix(after.as_bytes())?;
    let (folder, name) = before.rsplit_once('/').unwrap_or(("", before));
    let mut own: Vec<_> = segments(path).collect();
    let id = own.pop()?.strip_prefix(name.as_bytes())?;
    let own: Vec<_> = own.into_iter().map(decoded).collect();
    let folder: Vec<_> = segments(folder.as_bytes()).map(decoded).collect();
    let id = String::from_utf8(decoded(id)).ok()?;
    (own.ends_with(&folder) && !id.is_empty()).then_some(id)
}

fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let path = path.split(|octet| *octet == b'?').next().unwrap_or_default();
    path.split(|octet| *octet == b'/').filter(|segment| !segment.is_empty())
}

fn decoded(segment: &[u8]) -> Vec<u8> {
    percent_decode(segment).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use indexmap::IndexMap;

    use super::*;
    use crate::vantage::{columns::Columns, path};

    fn item(template: &str) -> ItemPath {
        path::fill_item(template, &IndexMap::new()).unwrap().0
    }

    #[test]
    fn an_id_is_what_stands_for_it_in_the_location() {
        for (location, template, id) in [
            ("/rows/7", "rows/{id}", Some("7")),
            ("http://host/v1/rows/a%2Fb%20c?x=1#y", "rows/{id}", Some("a/b c")),
            ("7", "rows/{id}", Some("7")),
            ("/rows/7/", "rows/{id}", Some("7")),
            ("/rows/7", "rows/{id}/", Some("7")),
            ("/v1/rows/7/full", "rows/{id}/full", Some("7")),
            ("/v1/a%20b/7", "a%20b/{id}?x=1", Some("7")),
            ("//host/rows/7", "rows/{id}", Some("7")),
            ("/elsewhere/7", "rows/{id}", Some("7")),
            ("http://host", "rows/{id}", None),
            ("http://host/", "rows/{id}", None),
            ("/", "rows/{id}", None),
            ("/rows", "rows/{id}", None),
            ("/v1/rows/?id=eq.7", "rows/{id}", Some("7")),
            ("/rows?a=b&id=eq.a%2Fb", "rows/{id}", Some("a/b")),
            ("/rows?id=7", "rows/{id}", None),
            ("/rows?key=eq.7", "rows/{id}", None),
            ("/rows/%ff", "rows/{id}", None),
        ] {
            let mut response = Response::new(StatusCode::CREATED, "");
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(location));
            let found = located(&response, Some(&item(template)), "rows", Some("id"));
            assert_eq!(found.as_deref(), id, "{location}");
            let as_item = located_as(&response, &item(template));
            assert!(as_item.is_none() || as_item.as_deref() == id, "{location}");
        }
        assert_eq!(located(&Response::new(StatusCode::CREATED, ""), None, "rows", None), None);
    }

    fn answer(place: &[&str], body: &'static str) -> WriteAnswer {
        let columns = Columns::new(Some("id".into()), [], &IndexMap::new()).unwrap();
        let place: Vec<String> = place.iter().map(|key| (*key).to_owned()).collect();
        let response = Response::new(StatusCode::OK, body);
        WriteAnswer::of(&RowDecoder::new(columns), &Envelope::default(), &place, &response)
    }

    #[test]
    fn a_row_is_found_bare_or_wrapped() {
        let id = |place: &[&str], body| answer(place, body).row_of("7")?.id;
        for (place, body) in [
            (&[][..], r#"{"id":7}"#),
            (&[], r#"{"data":{"id":7}}"#),
            (&["row"], r#"{"row":{"id":7}}"#),
            (&["row"], r#"{"id":7}"#),
            (&["a", "b"], r#"{"a":{"b":{"id":7}},"id":8}"#),
            (&[], r#"[{"id":7}]"#),
            (&[], r#"{"row":{"id":7}}"#),
            (&[], r#"{"rows":[{"id":7}],"id":9}"#),
        ] {
            assert_eq!(id(place, body).as_deref(), Some("7"), "{body}");
        }
        for none in ["", "OK", "[]", "{}", r#"{"rows":[{"id":7},{"id":8}]}"#] {
            assert_eq!(id(&[], none), None, "{none}");
        }
    }

    #[test]
    fn the_id_is_that_of_what_was_sent_or_of_the_only_object() {
        let columns = ["n".to_owned()];
        for (body, id) in [
            (r#"{"id":1,"n":2}"#, Some("1")),
            (r#"{"id":"request","row":{"id":1,"n":2}}"#, Some("1")),
            (r#"{"id":1,"row":{"id":2}}"#, Some("1")),
            (r#"{"row":{"id":1},"ok":true}"#, Some("1")),
            (r#"{"row":{"id":1},"user":{"id":2}}"#, None),
            (r#"{"row":{"id":1,"n":3},"user":{"id":2}}"#, Some("1")),
            (r#"{"user":{"id":2},"row":{"id":1,"n":3}}"#, Some("1")),
            (r#"{"new":{"id":1,"n":3},"old":{"id":1,"n":2}}"#, Some("1")),
            (r#"{"one":{"id":1,"n":3},"other":{"id":2,"n":3}}"#, None),
            ("[]", None),
        ] {
            assert_eq!(answer(&[], body).id(&columns), id, "{body}");
        }
        let whole = |body| answer(&[], body).whole_row("1", &columns).is_some();
        assert!(whole(r#"{"new":{"id":1,"n":3},"old":{"id":1}}"#));
        assert!(!whole(r#"{"new":{"id":1,"n":3},"old":{"id":1,"n":2}}"#));
        assert!(whole(r#"{"id":1,"n":3,"old":{"id":1,"n":2}}"#));
        let other = |body| answer(&[], body).other_id("0", &columns).map(str::to_owned);
        assert_eq!(other(r#"{"id":1,"n":2}"#).as_deref(), Some("1"));
        assert_eq!(other(r#"{"id":1,"user":{"id":2}}"#), None);
        assert_eq!(answer(&[], r#"{"id":1,"row":{"id":2,"n":1}}"#).other_id("1", &columns), None);
    }
}
