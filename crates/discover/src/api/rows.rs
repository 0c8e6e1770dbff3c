//! [pure] Where the rows of a page are.

use serde_json::Value;

use super::error::DiscoverError;
use crate::{json_path::JsonPath, names};

/// How deep lists are looked for.
const DEPTH: usize = 4;
/// How many lists a question names.
const MOST_NAMED: usize = 10;

/// Where the rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) list: JsonPath,
    /// The key of the row within each element of the list.
    pub(super) wrapper: Option<String>,
    /// Why it was chosen.
    pub(super) why: &'static str,
    /// The path as the user gave it, if it was given.
    given: Option<String>,
}

impl Place {
    pub(super) fn rows<'v>(&self, body: &'v Value) -> Vec<&'v Value> {
        let list = self.list.in_value(body).and_then(Value::as_array);
        let elements = list.into_iter().flatten();
        match &self.wrapper {
            None => elements.collect(),
            Some(key) => elements.filter_map(|element| element.get(key)).collect(),
        }
    }

    /// As a description writes it.
    pub(crate) fn written(&self) -> String {
        match (&self.given, &self.wrapper) {
            (Some(given), _) => given.clone(),
            (None, None) => self.list.to_string(),
            (None, Some(key)) if self.list.depth() == 0 => format!("[].{key}"),
            (None, Some(key)) => format!("{}[].{key}", self.list),
        }
    }

    pub(crate) fn why(&self) -> &'static str {
        self.why
    }
}

/// A list in the body.
struct Found<'v> {
    path: JsonPath,
    list: &'v [Value],
}

/// Chooses the list of rows: the body itself; the list that is named as the table; one with a usual
/// name; the only one.
///
/// # Errors
/// If there is none, or several are alike.
pub(super) fn find(body: &Value, table: &str) -> Result<Place, DiscoverError> {
    let mut found = Vec::new();
    look(body, &JsonPath::default(), &mut found);
    let has_objects = |found: &Found<'_>| found.list.iter().all(Value::is_object);
    let lists: Vec<Found<'_>> = found.into_iter().filter(has_objects).collect();
    if let Some(root) = lists.iter().find(|found| found.path.depth() == 0) {
        return Ok(place(root, "the body is a list"));
    }
    if looks_like_a_row(body) && !lists.iter().any(|found| is_of(found, table)) {
        return Err(DiscoverError::new(
            "the answer looks like one row and not like a list: it has an id of its own",
            "give the URL of the list, or say which list in it has the rows: --items PATH",
        ));
    }
    let filled = |found: &&Found<'_>| !found.list.is_empty();
    let by_table: Vec<_> = lists.iter().filter(|found| is_of(found, table)).collect();
    let usual =
        |found: &&Found<'_>| found.path.last().is_some_and(|key| names::is_one(key, names::ROWS));
    let by_name: Vec<_> = lists.iter().filter(usual).collect();
    let any: Vec<_> = lists.iter().filter(filled).collect();
    for (some, why) in [
        (by_table, "it is named as the table"),
        (by_name, "its name is a usual one"),
        (any, "it is the only list of objects"),
    ] {
        if let Some(found) = one_of(&some)? {
            return Ok(place(found, why));
        }
    }
    Err(none(body))
}

/// The place that the user names.
pub(super) fn given(body: &Value, path: &str) -> Result<Place, DiscoverError> {
    let (list, wrapper) = match path.split_once("[].") {
        Some((list, key)) => (list, Some(key.to_owned())),
        None => (path, None),
    };
    let pointer = list.strip_prefix('/').map(|keys| keys.split('/').collect::<Vec<_>>());
    let keys = pointer.unwrap_or_else(|| list.split('.').filter(|key| !key.is_empty()).collect());
    let place = Place { list: JsonPath::of(keys), wrapper, why: "", given: Some(path.to_owned()) };
    match place.list.in_value(body) {
        Some(Value::Array(_)) => Ok(place),
        _ => Err(DiscoverError::new(
            format!("the answer has no list at `{path}`"),
            "see --items, or leave it out to have the rows looked for",
        )),
    }
}

fn look<'v>(value: &'v Value, path: &JsonPath, found: &mut Vec<Found<'v>>) {
    match value {
        Value::Array(list) => found.push(Found { path: path.clone(), list }),
        Value::Object(fields) if path.depth() < DEPTH => {
            for (key, value) in fields {
                look(value, &path.child(key), found);
            }
        }
        _ => {}
    }
}

fn is_of(found: &Found<'_>, table: &str) -> bool {
    found.path.last().is_some_and(|key| names::is_same_thing(key, table))
}

/// The only one, or the least deep, or the one beside which the others are as good as empty.
///
/// # Errors
/// If two are alike.
fn one_of<'f, 'v>(some: &[&'f Found<'v>]) -> Result<Option<&'f Found<'v>>, DiscoverError> {
    let mut some = some.to_vec();
    some.sort_by_key(|found| std::cmp::Reverse(found.list.len()));
    match some.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [one, other, ..] if other.list.len().saturating_mul(4) <= one.list.len() => Ok(Some(one)),
        several => {
            let names = several.iter().take(MOST_NAMED);
            let names: Vec<_> = names.map(|found| format!("`{}`", found.path)).collect();
            let more = match several.len() - names.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Err(DiscoverError::new(
                format!("several lists may be the rows: {}{more}", names.join(", ")),
                "say which one: --items PATH",
            ))
        }
    }
}

fn place(found: &Found<'_>, why: &'static str) -> Place {
    Place { list: found.path.clone(), wrapper: wrapper(found.list), why, given: None }
}

/// The key under which each element has its row: the only key, or one of those that are known to
/// have a row beside them what is about it.
fn wrapper(list: &[Value]) -> Option<String> {
    let first = list.first()?.as_object()?;
    let is_in_all = |key: &str| list.iter().all(|row| row.get(key).is_some_and(Value::is_object));
    let only = first.keys().next().filter(|_| first.len() == 1);
    let is_alone = |key: &&String| {
        list.iter().all(|row| row.as_object().is_some_and(|row| row.len() == 1))
            && is_in_all(key)
            && list.len() > 1
    };
    if let Some(key) = only.filter(is_alone) {
        return Some(key.clone());
    }
    let known = |key: &&&str| match **key {
        "node" => first.len() <= 2 && is_in_all("node"),
        key => is_in_all(key) && first.contains_key("_id"),
    };
    ["node", "_source"].iter().find(known).map(|key| (*key).to_owned())
}

/// Whether a body has an id of its own beside its other fields.
fn looks_like_a_row(body: &Value) -> bool {
    ["id", "_id", "uuid"]
        .iter()
        .any(|key| body.get(key).is_some_and(|id| id.is_i64() || id.is_string()))
}

fn none(body: &Value) -> DiscoverError {
    let said = ["error", "errors", "message", "detail"].iter().find(|key| body.get(key).is_some());
    let mut lists = Vec::new();
    look(body, &JsonPath::default(), &mut lists);
    let of_lists = lists.iter().find(|found| found.list.first().is_some_and(Value::is_array));
    let of_texts = lists.iter().find(|found| !found.list.is_empty());
    let what = match (said, of_lists, of_texts, body) {
        (Some(key), ..) => format!("the answer has no rows, but `{key}`"),
        (None, Some(found), ..) => {
            format!("the rows at `{}` are lists of values without names", found.path)
        }
        (None, None, Some(found), _) => {
            format!("what is in the list at `{}` are not objects", found.path)
        }
        (None, None, None, Value::Object(fields))
            if fields.len() > 1 && fields.values().all(Value::is_object) =>
        {
            "the answer is an object of objects, and no list".to_owned()
        }
        _ => "the answer has no list of objects".to_owned(),
    };
    DiscoverError::new(
        what,
        "give a URL that answers with a list of objects, or say where it is: --items PATH",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(body: &Value, table: &str) -> String {
        find(body, table).map_or_else(|error| error.what, |place| place.written())
    }

    #[test]
    fn rows_are_found_where_apis_have_them() {
        let row = json!([{"id": 1}, {"id": 2}]);
        for (body, table, path) in [
            (row.clone(), "cities", "."),
            (json!({"cities": row, "included": row}), "cities", "cities"),
            (json!({"city": row, "data": row}), "cities", "city"),
            (json!({"value": row, "@odata.nextLink": "x"}), "users", "value"),
            (json!({"data": row, "included": [{"id": 7}]}), "posts", "data"),
            (json!({"result": {"rows": row}, "x": [1]}), "posts", "result.rows"),
            (json!({"members": row, "ok": true}), "users.list", "members"),
            (
                json!({"hits": {"hits": [{"_id": "1", "_source": {"a": 1}}], "total": {"value": 1}}}),
                "x",
                "hits.hits[]._source",
            ),
            (
                json!({"data": {"rows": {"edges": [{"cursor": "a", "node": {"a": 1}}]}}}),
                "graphql",
                "data.rows.edges[].node",
            ),
            (
                json!({"records": [{"order": {"id": 1}}, {"order": {"id": 2}}]}),
                "x",
                "records[].order",
            ),
            (json!({"results": row, "facets": [["a", 1]], "columns": ["a"]}), "x", "results"),
            (json!({"data": []}), "x", "data"),
        ] {
            assert_eq!(found(&body, table), path);
        }
    }

    #[test]
    fn what_is_open_is_a_question() {
        let row = json!([{"id": 1}, {"id": 2}]);
        for (body, words) in [
            (
                json!({"users": row, "groups": row}),
                "several lists may be the rows: `groups`, `users`",
            ),
            (json!({"data": row, "items": row}), "`data`, `items`"),
            // A record's own lists are not rows.
            (json!({"id": 7, "lines": row}), "one row"),
            (json!({"ok": false, "error": "invalid_auth"}), "no rows, but `error`"),
            (json!({"rows": [[1, 2]], "columns": ["a", "b"]}), "lists of values"),
            (json!({"names": ["a"]}), "not objects"),
            (json!({"1": {"a": 1}, "2": {"a": 2}}), "object of objects"),
            (json!({}), "no list"),
            (json!(7), "no list"),
        ] {
            let what = found(&body, "search");
            assert!(what.contains(words), "{what}");
        }
    }

    #[test]
    fn a_place_that_is_given_must_be_there() {
        let body = json!({"a": {"b": [{"c": {"d": 1}}]}});
        assert_eq!(given(&body, "a.b").unwrap().rows(&body).len(), 1);
        assert_eq!(given(&body, "a.b[].c").unwrap().rows(&body), [&json!({"d": 1})]);
        assert!(given(&body, "a.x").unwrap_err().what.contains("`a.x`"));
    }
}
