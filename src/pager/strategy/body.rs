//! [pure] The JSON body of the requests for pages, in which paging sets its parameters.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::path::{Path, Step};

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
    ) -> Result<String, &'a str> {
        let mut body = self.0.clone();
        for (place, value) in values {
            put(&mut body, place, value).ok_or(place)?;
        }
        Ok(body.to_string())
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
        Step::Each | Step::Where(..) => return None,
    };
    list.get_mut(index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parameter_is_set_where_its_path_leads() {
        let set = |body: Value, place| {
            let set = PageBody(body).with([(place, json!(7))]);
            set.map(|text| serde_json::from_str::<Value>(&text).unwrap())
        };
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
    fn a_body_is_not_shown_and_two_are_told_apart() {
        let shown = |body: Value| format!("{:?}", PageBody(body));
        assert!(!shown(json!({ "key": "canary" })).contains("canary"));
        assert_eq!(shown(json!({ "a": 1, "b": 2 })), shown(json!({ "b": 2, "a": 1 })));
        assert_ne!(shown(json!({ "a": 1 })), shown(json!({ "a": 2 })));
    }
}
