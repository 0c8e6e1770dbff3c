//! [pure] Places in a JSON document, and how a description writes them.

use std::fmt;

use serde_json::Value;

/// The keys that lead to a value, from the root of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<String>);

impl JsonPath {
    pub(crate) fn of<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self(keys.into_iter().map(str::to_owned).collect())
    }

    pub(crate) fn child(&self, key: &str) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.to_owned());
        Self(keys)
    }

    pub(crate) fn last(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn in_value<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, key| value.get(key))
    }
}

/// As a description writes it: `.` for the root, keys joined by dots, or a JSON Pointer where a key
/// has a character that means something between dots.
impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        let is_plain = |key: &String| {
            !key.is_empty() && !key.contains(['[', ']', '\\', '/']) && !key.starts_with('$')
        };
        if self.0.iter().all(is_plain) {
            let keys: Vec<_> = self.0.iter().map(|key| key.replace('.', "\\.")).collect();
            return f.write_str(&keys.join("."));
        }
        self.0.iter().try_for_each(|key| {
            let key = key.replace('~', "~0").replace('/', "~1");
            write!(f, "/{key}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_descriptions_read_it() {
        for (keys, written) in [
            (&[][..], "."),
            (&["result", "rows"], "result.rows"),
            (&["@odata.nextLink"], r"@odata\.nextLink"),
            (&["page[after]", "x"], "/page[after]/x"),
            (&["a/b", "c~d"], "/a~1b/c~0d"),
            (&["$skip"], "/$skip"),
        ] {
            assert_eq!(JsonPath::of(keys.iter().copied()).to_string(), written);
        }
    }
}
