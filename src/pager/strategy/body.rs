//! [pure] The JSON body of the requests for pages, in which paging sets its parameters.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::path::{Path, Step};

/// How deep a parameter may be in the body.
const MOST_KEYS: usize = 64;

/// The body of each request, apart from the parameters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct PageBody(pub(super) Value);

impl PageBody {
    /// The body with these values at these places.
    ///
    /// # Errors
    /// The first place that the body cannot have.
    pub(super) fn with<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Self, &'a str> {
        let mut body = self.clone();
        for (place, value) in values {
            put(&mut body.0, place, value).ok_or(place)?;
        }
        Ok(body)
    }

    /// The names of its placeholders.
    pub(super) fn placeholders(&self) -> Vec<&str> {
        let mut names = Vec::new();
        collect(&self.0, &mut names);
        names
    }

    /// The body with the parameters of these names in place of its placeholders.
    ///
    /// # Errors
    /// What is wrong with a placeholder.
    pub(super) fn filled(mut self, params: &[(String, String)]) -> Result<Self, String> {
        fill(&mut self.0, params)?;
        Ok(self)
    }

    /// The body as a form: a field for each member, and for each item of a list. `None` if a member
    /// is none.
    pub(super) fn form(&self) -> Option<String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.0.as_object()? {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values {
                match value {
                    Value::String(text) => form.append_pair(name, text),
                    Value::Number(_) | Value::Bool(_) => form.append_pair(name, &value.to_string()),
                    Value::Null => &mut form,
                    Value::Array(_) | Value::Object(_) => return None,
                };
            }
        }
        Some(form.finish())
    }
}

/// The name in a placeholder, and whether it stands for a number. A placeholder is a text of its own,
/// since braces are common within the text of a query.
fn placeholder(text: &str) -> Option<(&str, bool)> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    let (name, is_number) = match name.strip_suffix(":number") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let is_of_name = |letter: char| letter.is_alphanumeric() || "_-.$[]".contains(letter);
    (!name.is_empty() && name.chars().all(is_of_name)).then_some((name, is_number))
}

fn collect<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => names.extend(placeholder(text).map(|(name, _)| name)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fill(value: &mut Value, params: &[(String, String)]) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let Some((name, is_number)) = placeholder(text) else { return Ok(()) };
            let mut found = params.iter().filter(|(own, _)| own == name).map(|(_, value)| value);
            let filled = match (found.next(), found.next()) {
                (Some(value), None) if is_number => Value::Number(
                    value
                        .parse()
                        .map_err(|_| format!("what fills `{{{name}}}` is not a number"))?,
                ),
                (Some(value), None) => Value::String(value.clone()),
                (Some(_), Some(_)) => return Err(format!("`{{{name}}}` takes one value")),
                (None, _) => return Err(format!("nothing fills `{{{name}}}`")),
            };
            *value = filled;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, params)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| fill(field, params)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// It may hold secrets, so only a hash is shown, by which a read is told from another one.
impl fmt::Debug for PageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = digest(&SHA256, self.0.to_string().as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(hash))
    }
}

/// Sets a value. Objects on the way to it are made where they are missing.
fn put(body: &mut Value, place: &str, value: Value) -> Option<()> {
    let path = Path::parse(place);
    // A key that exists as it is written wins, as where a path is read.
    let existing = path.readings().find(|steps| find(body, steps).is_some());
    let steps = existing.or_else(|| path.readings().next_back())?;
    if steps.len() > MOST_KEYS {
        return None;
    }
    let mut at = body;
    for step in steps {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match (step, at) {
            (Step::Key(key), Value::Object(map)) => map.entry(key).or_insert(Value::Null),
            (step, list) => element(list, step)?,
        };
    }
    *at = value;
    Some(())
}

fn find<'v>(body: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(body, |at, step| match (step, at) {
        (Step::Key(key), Value::Object(map)) => map.get_mut(key),
        (step, list) => element(list, step),
    })
}

/// An existing element of a list.
fn element<'v>(list: &'v mut Value, step: &Step) -> Option<&'v mut Value> {
    let Value::Array(list) = list else { return None };
    let index = match step {
        Step::Key(key) => key.parse().ok()?,
        Step::At(index) if *index < 0 => {
            list.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
        }
        Step::At(index) => usize::try_from(*index).ok()?,
        Step::Each | Step::Every | Step::Where(..) => return None,
    };
    list.get_mut(index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parameter_that_is_too_deep_has_no_place() {
        let deep = vec!["a"; 100_000].join(".");
        assert_eq!(PageBody(json!({})).with([(&*deep, json!(7))]).map(|_| ()), Err(&*deep));
    }

    #[test]
    fn a_parameter_is_set_where_its_path_leads() {
        let set = |body: Value, place| PageBody(body).with([(place, json!(7))]).map(|body| body.0);
        for (body, place, expected) in [
            (json!({}), "from", json!({ "from": 7 })),
            (json!({ "from": 0, "size": 5 }), "from", json!({ "from": 7, "size": 5 })),
            (json!({}), "variables.after", json!({ "variables": { "after": 7 } })),
            (
                json!({ "variables": { "first": 5 } }),
                "variables.after",
                json!({ "variables": { "first": 5, "after": 7 } }),
            ),
            (json!({ "page.size": 1 }), "page.size", json!({ "page.size": 7 })),
            (json!({ "page": null }), "page.size", json!({ "page": { "size": 7 } })),
            (json!({}), r"page\.size", json!({ "page.size": 7 })),
            // dlt-hub/dlt#2459: a key with dots.
            (json!({}), "['user.name']", json!({ "user.name": 7 })),
            (json!({}), "/page/size", json!({ "page": { "size": 7 } })),
            (
                json!({ "q": [{ "a": 1 }, {}] }),
                "q[-1].from",
                json!({ "q": [{ "a": 1 }, { "from": 7 }] }),
            ),
        ] {
            assert_eq!(set(body.clone(), place), Ok(expected), "{body} {place}");
        }
        for (body, place) in [
            (json!([]), "from"),
            (json!({ "page": 3 }), "page.size"),
            (json!({ "q": [] }), "q[0].from"),
            (json!({ "q": [{}] }), "q[].from"),
        ] {
            assert_eq!(set(body.clone(), place), Err(place), "{body}");
        }
    }

    #[test]
    fn a_placeholder_is_a_text_of_its_own() {
        let params = [("since", "2024-01-01"), ("at", "17"), ("a", "1"), ("a", "2"), ("f[x]", "y")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fill = |body: Value| PageBody(body).filled(&params).map(|body| body.0);
        for (body, expected) in [
            (json!({ "f": [{ "gte": "{since}" }] }), json!({ "f": [{ "gte": "2024-01-01" }] })),
            (json!(["{at}", "{at:number}", "{f[x]}"]), json!(["17", 17, "y"])),
            (json!("query { rows }"), json!("query { rows }")),
            (json!(["{ since }", "x{since}", "{}"]), json!(["{ since }", "x{since}", "{}"])),
        ] {
            assert_eq!(fill(body), Ok(expected));
        }
        for (body, says) in [
            ("{b}", "nothing fills `{b}`"),
            ("{a}", "one value"),
            ("{since:number}", "not a number"),
        ] {
            assert!(fill(json!(body)).unwrap_err().contains(says), "{body}");
        }
        assert_eq!(PageBody(json!({ "a": ["{x}"], "b": "{y:number}" })).placeholders(), ["x", "y"]);
    }

    #[test]
    fn a_form_has_a_field_for_each_value() {
        let form = |body: Value| PageBody(body).form();
        let body = json!({ "a": "x y&", "b": [1, "2"], "c": true, "d": null, "e": [] });
        assert_eq!(form(body).unwrap(), "a=x+y%26&b=1&b=2&c=true");
        assert_eq!(form(json!({ "a": { "b": 1 } })), None);
        assert_eq!(form(json!([])), None);
    }

    #[test]
    fn a_body_is_not_shown_and_two_are_told_apart() {
        let shown = |body: Value| format!("{:?}", PageBody(body));
        assert!(!shown(json!({ "key": "canary" })).contains("canary"));
        assert_eq!(shown(json!({ "a": 1, "b": 2 })), shown(json!({ "b": 2, "a": 1 })));
        assert_ne!(shown(json!({ "a": 1 })), shown(json!({ "a": 2 })));
    }
}
