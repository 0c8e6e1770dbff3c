//! [pure] A place in a JSON text, and what is found there. The text is passed through once
//! and nothing is built of what lies beside the place.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Where to look in a JSON text.
#[derive(Clone, Debug)]
pub(super) struct Place(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Key {
        name: String,
        /// What the name is in a list.
        index: Option<usize>,
        /// The rest of the path as it is written, from this name on: a key of this name is
        /// the place, too.
        rest: Option<String>,
    },
    /// In a list; counted from its end where it is negative.
    Index(i64),
    /// Each element of a list, or value of an object.
    Each,
}

impl Place {
    /// Reads a JSON Pointer (RFC 6901), which is empty or starts with `/`, or else keys that
    /// are joined by dots, with `$` for the root before them or not (RFC 9535).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(path: &str) -> Result<Self, &'static str> {
        match path.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(token).collect::<Result<_, _>>().map(Self),
            None if path.is_empty() || path == "$" => Ok(Self(Vec::new())),
            None => dotted(match path.strip_prefix('$') {
                Some(rest) if rest.starts_with('[') => rest,
                Some(rest) => rest.strip_prefix('.').unwrap_or(path),
                None => path,
            })
            .map(Self),
        }
    }

    /// Whether `test` holds for anything at this place in `text`, as JSON. In a text of
    /// several values, such as NDJSON, each is looked at; what cannot be read ends the search.
    pub(super) fn any(&self, text: &str, mut test: impl FnMut(&str) -> bool) -> bool {
        let mut is_found = false;
        let mut json = serde_json::Deserializer::from_str(text);
        loop {
            let search = Search { steps: &self.0, test: &mut test, is_found: &mut is_found };
            if search.deserialize(&mut json).is_err() || json.end().is_ok() {
                return is_found;
            }
        }
    }
}

/// One token of a JSON Pointer.
fn token(token: &str) -> Result<Step, &'static str> {
    let is_escape = |rest: &str| rest.starts_with(['0', '1']);
    if token.split('~').skip(1).any(|rest| !is_escape(rest)) {
        return Err("`~` is followed by neither 0 nor 1");
    }
    let name = token.replace("~1", "/").replace("~0", "~");
    Ok(Step::Key { index: index(&name), name, rest: None })
}

/// The number of an element: digits without a leading zero.
fn index(name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && (name == "0" || !name.starts_with('0'))).then(|| name.parse().ok()).flatten()
}

/// Keys joined by dots, `\` before a character that is meant as it is, `[n]` and `[]`.
fn dotted(path: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    let mut rest = path;
    let mut needs_key = !path.starts_with('[');
    loop {
        if needs_key {
            let (name, length) = key(rest)?;
            let tail = (length < rest.len()).then(|| rest.to_owned());
            steps.push(Step::Key { index: index(&name), name, rest: tail });
            rest = &rest[length..];
        }
        if let Some(after) = rest.strip_prefix('[') {
            let (step, after) = bracketed(after)?;
            steps.push(step);
            rest = after;
            needs_key = false;
        } else if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            needs_key = true;
        } else if rest.is_empty() {
            return Ok(steps);
        } else {
            return Err("`]` is followed by neither `.` nor `[`");
        }
    }
}

/// What stands between `[` and `]`, and what follows: a number, a key in quotes, or all.
fn bracketed(text: &str) -> Result<(Step, &str), &'static str> {
    for (quote, end) in [("'", "']"), ("\"", "\"]")] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (name, after) = quoted.split_once(end).ok_or("a quote is not closed")?;
            return Ok((Step::Key { name: name.to_owned(), index: None, rest: None }, after));
        }
    }
    let (number, after) = text.split_once(']').ok_or("`[` is not closed")?;
    let step = match number {
        "" | "*" => Step::Each,
        number => Step::Index(number.parse().map_err(|_| "`[` is followed by no number")?),
    };
    Ok((step, after))
}

/// The key at the start of a dotted path, and how long it is there.
fn key(path: &str) -> Result<(String, usize), &'static str> {
    let mut name = String::new();
    let mut chars = path.char_indices();
    let mut length = path.len();
    while let Some((at, char)) = chars.next() {
        match char {
            '.' | '[' => {
                length = at;
                break;
            }
            '\\' => name.push(chars.next().ok_or("nothing follows the last `\\`")?.1),
            char => name.push(char),
        }
    }
    if name.is_empty() { Err("a key is empty") } else { Ok((name, length)) }
}

/// The rest of the way to a place.
struct Search<'a, T> {
    steps: &'a [Step],
    test: &'a mut T,
    is_found: &'a mut bool,
}

impl<T: FnMut(&str) -> bool> Search<'_, T> {
    fn after(&mut self, steps: usize) -> Search<'_, T> {
        let steps = self.steps.get(steps..).unwrap_or_default();
        Search { steps, test: self.test, is_found: self.is_found }
    }
}

/// What a key leads to.
enum Hit {
    /// The place of the next step, or the place itself.
    Step,
    Place,
    Nothing,
}

/// A key, compared where it is.
struct KeyIs<'a>(&'a Step);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = Hit;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Hit, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = Hit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Hit, E> {
        let Step::Key { name, rest, .. } = self.0 else { return Ok(Hit::Nothing) };
        Ok(match rest {
            _ if key == name => Hit::Step,
            Some(rest) if key == rest => Hit::Place,
            _ => Hit::Nothing,
        })
    }
}

impl<'de, T: FnMut(&str) -> bool> DeserializeSeed<'de> for Search<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if !self.steps.is_empty() {
            return json.deserialize_any(self);
        }
        let value = <&RawValue as serde::Deserialize>::deserialize(json)?;
        *self.is_found |= (self.test)(value.get());
        // An error ends the search.
        if *self.is_found { Err(D::Error::custom("found")) } else { Ok(()) }
    }
}

impl<'de, T: FnMut(&str) -> bool> Visitor<'de> for Search<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let Some(step) = self.steps.first() else { return Ok(()) };
        if matches!(step, Step::Each) {
            while map.next_key::<IgnoredAny>()?.is_some() {
                map.next_value_seed(self.after(1))?;
            }
            return Ok(());
        }
        while let Some(hit) = map.next_key_seed(KeyIs(step))? {
            match hit {
                Hit::Step => map.next_value_seed(self.after(1))?,
                Hit::Place => map.next_value_seed(self.after(usize::MAX))?,
                Hit::Nothing => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let wanted = match self.steps.first() {
            Some(Step::Each) => {
                while list.next_element_seed(self.after(1))?.is_some() {}
                return Ok(());
            }
            Some(Step::Key { index: Some(index), .. }) => Some(*index),
            Some(Step::Index(index)) => match usize::try_from(*index) {
                Ok(index) => Some(index),
                Err(_) => return self.back_from_the_end(list, index.unsigned_abs()),
            },
            _ => None,
        };
        for n in 0.. {
            let more = match wanted {
                Some(wanted) if wanted == n => list.next_element_seed(self.after(1))?.is_some(),
                _ => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

impl<T: FnMut(&str) -> bool> Search<'_, T> {
    fn back_from_the_end<'de, A: SeqAccess<'de>>(
        mut self,
        mut list: A,
        back: u64,
    ) -> Result<(), A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element::<&RawValue>()? {
            elements.push(element);
        }
        let back = usize::try_from(back).unwrap_or(usize::MAX);
        let wanted = elements.len().checked_sub(back).and_then(|at| elements.get(at));
        let Some(wanted) = wanted else { return Ok(()) };
        let mut json = serde_json::Deserializer::from_str(wanted.get());
        self.after(1).deserialize(&mut json).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Place::parse(path).unwrap().any(text, |value| {
            found.push(value.to_owned());
            false
        });
        found
    }

    #[test]
    fn a_place_is_found_by_pointer_and_by_dots() {
        let text = r#"{"a":{"b":[1,{"c":true}],"x.y":7,"":8},"@odata.error":"e","a/b":2,"m~n":3}"#;
        for (path, expected) in [
            ("a.b[0]", "1"),
            ("a.b.0", "1"),
            ("/a/b/0", "1"),
            ("a.b[1].c", "true"),
            ("a.b[-1].c", "true"),
            ("a.b[-2]", "1"),
            ("a.b[].c", "true"),
            ("/a/b/1/c", "true"),
            ("@odata.error", r#""e""#),
            (r"@odata\.error", r#""e""#),
            ("a.x.y", "7"),
            (r"a.x\.y", "7"),
            ("/a/x.y", "7"),
            ("/a/", "8"),
            ("/a~1b", "2"),
            ("/m~0n", "3"),
            ("$.a.b[0]", "1"),
            ("$['a'].b[0]", "1"),
            ("$.a['x.y']", "7"),
            (r#"["a/b"]"#, "2"),
            ("$['@odata.error']", r#""e""#),
        ] {
            assert_eq!(found(path, text), [expected], "{path}");
        }
        for path in ["a.b[2]", "a.b[-3]", "a.c", "a.b.c", "/a/b/01", "/a/b/-", "b", "[0]", "[].a"] {
            assert!(found(path, text).is_empty(), "{path}");
        }
        assert_eq!(found("", text), [text]);
        assert_eq!(found("$", text), [text]);
        assert_eq!(found("$skip", r#"{"$skip":1}"#), ["1"]);
        assert_eq!(
            found("e[][0]", r#"{"e":{"name":["taken"],"age":["odd"]}}"#),
            [r#""taken""#, r#""odd""#]
        );
        assert_eq!(found("[].e", r#"[{"e":1},2,[],{"e":3}]"#), ["1", "3"]);
        assert_eq!(found("a[][0]", r#"{"a":[[1,2],[3]]}"#), ["1", "3"]);
    }

    #[test]
    fn each_value_of_the_text_and_each_key_of_one_name_is_looked_at() {
        assert_eq!(found("e", "{\"a\":1}\n{\"e\":2}\n\n{\"e\":3}\n"), ["2", "3"]);
        assert_eq!(found("ok", r#"{"ok":true,"ok":false}"#), ["true", "false"]);
        // What came before something unreadable counts.
        assert_eq!(found("e", "{\"e\":1}<html>"), ["1"]);
        assert_eq!(found("e", "<html>"), [""; 0]);
        assert_eq!(found("e", ""), [""; 0]);
        // Whatever stands beside it.
        let beside =
            format!(r#"{{"n":1e999,"deep":{}{},"e":1}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(found("e", &beside), ["1"]);
    }

    #[test]
    fn the_search_ends_where_it_succeeds() {
        let place = Place::parse("[].a").unwrap();
        let mut looked_at = 0;
        assert!(place.any(r#"[{"a":1},{"a":2},{"a":3}]"#, |value| {
            looked_at += 1;
            value == "2"
        }));
        assert_eq!(looked_at, 2);
    }

    proptest! {
        #[test]
        fn what_a_pointer_leads_to_in_a_tree_is_found_in_the_text(
            depth in 0..4usize,
            keys in prop::collection::vec("[a-c/~.]{0,2}", 1..4),
            text in r#"[\[\]{}",:0-9a\\ ]{0,40}"#,
            path in r"[a\.\[\]\\/~0-9-]{0,12}",
        ) {
            // Nothing makes it panic.
            if let Ok(place) = Place::parse(&path) {
                place.any(&text, |_| false);
            }
            let mut tree = json!({ "leaf": [1, "two", null] });
            for level in 0..depth {
                let key = &keys[level % keys.len()];
                tree = if level % 2 == 0 { json!({ key: tree, "x": [] }) } else { json!([0, tree]) };
            }
            let mut pointer = String::new();
            for level in (0..depth).rev() {
                let key = keys[level % keys.len()].replace('~', "~0").replace('/', "~1");
                pointer += &if level % 2 == 0 { format!("/{key}") } else { "/1".to_owned() };
            }
            pointer += "/leaf/1";
            let expected = tree.pointer(&pointer).map(ToString::to_string);
            prop_assert_eq!(found(&pointer, &tree.to_string()).into_iter().next(), expected);
        }
    }

    #[test]
    fn a_path_that_cannot_be_read_says_why() {
        for path in [
            "$.", "$..a", "a['b", "a['b'", "a..b", ".a", "a.", "a[", "a[x]", "a[0]b", r"a\",
            "/a~2", "/a~", "[0].", ".",
        ] {
            assert!(Place::parse(path).is_err(), "{path}");
        }
    }
}
