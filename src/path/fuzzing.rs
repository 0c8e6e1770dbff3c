//! What must hold for any path in any JSON text: a value that is found is part of the text, and a
//! path of keys leads to the same value as in a tree.

use serde_json::Value;

use super::{Gaps, Path, Step};

/// Looks up the path `text` in `json`.
///
/// # Panics
/// If the result is not a value in `json`, or if a tree of the same text has another one.
pub fn path(text: &str, json: &str) {
    let path = Path::parse(text);
    assert_eq!(path.to_string(), text);
    let _ = Path::parse_strictly(text);
    let Ok(tree) = serde_json::from_str::<Value>(json) else { return };
    for gaps in [Gaps::Refused, Gaps::NullIsEmpty, Gaps::PassedOver] {
        let Ok(Some(found)) = path.find(json, gaps) else { continue };
        for found in &found {
            assert!(json.contains(found) && serde_json::from_str::<Value>(found).is_ok());
        }
        if let ([found], true) = (found.as_slice(), path.is_plain() && is_clear(json)) {
            let found = serde_json::from_str::<Value>(found).ok();
            assert_eq!(found.as_ref(), led_to(&path, &tree), "another value than in the tree");
        }
    }
}

/// The result of the first reading that leads anywhere.
fn led_to<'a>(path: &Path, tree: &'a Value) -> Option<&'a Value> {
    let step = |value: &'a Value, step: &Step| match step {
        Step::Key(key) => value.as_object()?.get(key),
        _ => None,
    };
    path.readings().find_map(|steps| steps.iter().try_fold(tree, step))
}

/// Whether no key can occur twice in an object: its first value counts here, its last one in a
/// tree.
fn is_clear(json: &str) -> bool {
    let mut keys: Vec<&str> = json.split('"').skip(1).step_by(2).collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    keys.len() == all && !json.contains('\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_found_is_what_stands_there(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "b", "a.b", ".", "[0]", "[]", "[-1]", "[a=1]", "['a.b']", "/", "~0", "$", "\\",
                ]),
                0..6,
            ),
            json in prop::sample::select(vec![
                r#"{"a":{"b":[1,{"a.b":2}]},"c":null}"#,
                r#"{"a.b":1,"a":{"x":2}}"#,
                r#"[{"a":1,"b":2},{"a":2}]"#,
                r#"{"a":[[1],[2,3],null]}"#,
                "null",
            ]),
        ) {
            super::path(&parts.concat(), json);
        }
    }
}
