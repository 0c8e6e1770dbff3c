//! [pure] Paths to values in a JSON text: keys joined by dots, JSON Pointers, and ways through
//! lists. Values beside them are not built.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::response::Mismatch;

mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

pub(crate) use fields::{Key, each_field};

/// The most ways in which a path is read.
const MOST_READINGS: usize = 8;

/// The place of a value in a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Path {
    text: String,
    /// The ways to read it, the one with the longest keys first: a key that exists exactly as
    /// written wins.
    readings: Vec<Vec<Step>>,
    /// Whether it consists of keys alone, none of which may be a list index.
    is_plain: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A key of an object, or of a list if it is a number.
    Key(String),
    /// An element of a list, from its end if negative.
    At(i64),
    /// Every element of a list.
    Each,
    /// Every element of a list, or every value of an object.
    Every,
    /// The first element of a list that is an object with this value at this key.
    Where(String, String),
}

/// How to handle an element of a list that lacks the next step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gaps {
    Refused,
    /// A `null` has no elements; anything else is refused.
    NullIsEmpty,
    /// It is skipped. Each value of an object counts as an element too, and if a key occurs several
    /// times, each of its values is read.
    PassedOver,
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.text
    }
}

impl Path {
    /// Parses a path. An empty one is the text itself, and anything invalid is read as a key.
    pub(crate) fn parse(text: &str) -> Self {
        Self::of(text.to_owned(), readings(text))
    }

    /// Parses a path, and refuses invalid ones.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse_strictly(text: &str) -> Result<Self, &'static str> {
        let is_escape = |rest: &str| rest.starts_with(['0', '1']);
        match text.strip_prefix('/') {
            Some(pointer) if !pointer.split('~').skip(1).all(is_escape) => {
                Err("`~` is followed by neither 0 nor 1")
            }
            None if !from_root(text).is_empty() && parts(from_root(text)).is_none() => {
                Err("it is neither keys joined by dots, with `[n]` or `[]` for elements, nor a \
                     JSON Pointer")
            }
            _ => Ok(Self::parse(text)),
        }
    }

    /// The path of a key, whatever characters it has.
    pub(crate) fn key(key: &str) -> Self {
        Self::of(key.to_owned(), vec![vec![Step::Key(key.to_owned())]])
    }

    fn of(text: String, readings: Vec<Vec<Step>>) -> Self {
        let is_key = |step: &Step| matches!(step, Step::Key(key) if index(key).is_none());
        let is_plain = readings.iter().flatten().all(is_key);
        Self { text, readings, is_plain }
    }

    /// The path of `key` in the value at this path.
    pub(crate) fn join(&self, key: &str) -> Self {
        let text = if self.text.is_empty() { key.to_owned() } else { format!("{self}.{key}") };
        let with_key = |steps: &Vec<Step>| [steps, [Step::Key(key.to_owned())].as_slice()].concat();
        Self::of(text, self.readings.iter().map(with_key).collect())
    }

    pub(crate) fn is_root(&self) -> bool {
        self.readings.iter().all(Vec::is_empty)
    }

    /// Whether it consists of keys alone.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether it may lead to several values.
    pub(crate) fn is_spread(&self) -> bool {
        self.readings.iter().flatten().any(|step| matches!(step, Step::Each | Step::Every))
    }

    pub(crate) fn readings(&self) -> impl DoubleEndedIterator<Item = &[Step]> {
        self.readings.iter().map(Vec::as_slice)
    }

    /// The values at the path in `json`: the first reading that leads anywhere counts.
    ///
    /// # Errors
    /// If `json` is not JSON, or has `gaps` that are refused.
    pub(crate) fn find<'a>(
        &self,
        json: &'a str,
        gaps: Gaps,
    ) -> Result<Option<Vec<&'a str>>, Mismatch> {
        for steps in self.readings() {
            let mut found = Vec::new();
            if walk(steps, json.trim(), gaps, &mut found)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether `test` holds for any value at this path in `text`. In a text of several values,
    /// such as NDJSON, each is checked, up to the first that cannot be read.
    pub(crate) fn any(&self, text: &str, mut test: impl FnMut(&str) -> bool) -> bool {
        let values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        values.map_while(Result::ok).any(|value| {
            let found = self.find(value.get(), Gaps::PassedOver).ok().flatten();
            found.unwrap_or_default().into_iter().any(&mut test)
        })
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn readings(text: &str) -> Vec<Vec<Step>> {
    if text.is_empty() {
        return vec![Vec::new()];
    }
    // RFC 6901.
    if let Some(pointer) = text.strip_prefix('/') {
        let key = |token: &str| Step::Key(token.replace("~1", "/").replace("~0", "~"));
        return vec![pointer.split('/').map(key).collect()];
    }
    let as_written = vec![Step::Key(text.to_owned())];
    let rooted = from_root(text);
    if rooted.is_empty() {
        return vec![as_written, Vec::new()];
    }
    let Some(parts) = parts(rooted) else { return vec![as_written] };
    let is_plain = !rooted.contains(['\\', '[']);
    let steps = |parts: &[(String, Vec<Step>)]| {
        let steps = |(key, ways): &(String, Vec<Step>)| {
            let key = (!key.is_empty()).then(|| Step::Key(key.clone()));
            key.into_iter().chain(ways.iter().cloned()).collect::<Vec<_>>()
        };
        parts.iter().flat_map(steps).collect::<Vec<_>>()
    };
    let apart = steps(&parts);
    if !is_plain {
        let is_new = rooted.contains('[') && apart != as_written;
        return if is_new { vec![as_written, apart] } else { vec![apart] };
    }
    // Each dot either joins or separates; with fewer steps, the keys are longer.
    let keys: Vec<&str> = parts.iter().map(|(key, _)| key.as_str()).collect();
    let gaps = u32::try_from(keys.len() - 1).unwrap_or(u32::MAX).min(16);
    let mut masks: Vec<u32> = (0..1_u32 << gaps).collect();
    masks.sort_by_key(|mask| mask.count_ones());
    masks.truncate(MOST_READINGS - 1);
    let mut readings: Vec<Vec<Step>> = masks.into_iter().map(|mask| joined(&keys, mask)).collect();
    if !readings.contains(&apart) {
        readings.push(apart);
    }
    if rooted != text {
        readings.insert(0, as_written);
    }
    readings
}

/// A path without the leading sign of the root (RFC 9535 section 2.2).
fn from_root(text: &str) -> &str {
    match text.strip_prefix('$') {
        Some(rest) if rest.is_empty() || rest.starts_with('[') => rest,
        Some(rest) => rest.strip_prefix('.').filter(|rest| !rest.is_empty()).unwrap_or(text),
        None => text,
    }
}

/// The keys, with those gaps joined by dots whose bit in `parted` is not set.
fn joined(keys: &[&str], parted: u32) -> Vec<Step> {
    let mut steps: Vec<String> = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let is_parted = at == 0 || parted.checked_shr(at as u32 - 1).is_some_and(|m| m & 1 == 1);
        match steps.last_mut() {
            Some(last) if !is_parted => {
                last.push('.');
                last.push_str(key);
            }
            _ => steps.push((*key).to_owned()),
        }
    }
    steps.into_iter().map(Step::Key).collect()
}

/// The parts between dots: a key and the steps through the list at it. `None` for an invalid
/// path.
fn parts(text: &str) -> Option<Vec<(String, Vec<Step>)>> {
    let mut parts = vec![(String::new(), Vec::new())];
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        let (key, ways) = parts.last_mut()?;
        match next {
            '\\' => key.push(rest.next()?),
            '.' => {
                if key.is_empty() && ways.is_empty() {
                    return None;
                }
                parts.push((String::new(), Vec::new()));
            }
            '[' => {
                let (way, after) = way(rest.as_str())?;
                ways.push(way);
                rest = after.chars();
                if !matches!(after.chars().next(), None | Some('.' | '[')) {
                    return None;
                }
            }
            next => key.push(next),
        }
    }
    let (key, ways) = parts.last()?;
    (!key.is_empty() || !ways.is_empty()).then_some(parts)
}

/// The step before the next `]`, and what follows it.
fn way(text: &str) -> Option<(Step, &str)> {
    for (quote, end) in [("'", "']"), ("\"", "\"]")] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (key, after) = quoted.split_once(end)?;
            return Some((Step::Key(key.to_owned()), after));
        }
    }
    let (way, after) = text.split_once(']')?;
    if way.is_empty() {
        return Some((Step::Each, after));
    }
    if way == "*" {
        return Some((Step::Every, after));
    }
    if let Ok(at) = way.parse() {
        return Some((Step::At(at), after));
    }
    let (key, value) = way.split_once('=').filter(|(key, _)| !key.is_empty())?;
    let value = value.trim_matches(['"', '\'']);
    Some((Step::Where(key.to_owned(), value.to_owned()), after))
}

/// A list index: digits without a leading zero (RFC 6901 section 4).
fn index(key: &str) -> Option<i64> {
    let is_number = key.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && (key == "0" || !key.starts_with('0'))).then(|| key.parse().ok())?
}

/// Follows `steps` from `json`, and returns whether they lead anywhere.
fn walk<'a>(
    steps: &[Step],
    json: &'a str,
    gaps: Gaps,
    found: &mut Vec<&'a str>,
) -> Result<bool, Mismatch> {
    let Some((step, rest)) = steps.split_first() else {
        found.push(json);
        return Ok(true);
    };
    let is_list = json.starts_with('[');
    let at = match step {
        Step::Key(key) if is_list => index(key),
        Step::At(at) if is_list => Some(*at),
        Step::Key(key) if json.starts_with('{') => {
            let mut leads = false;
            // Of several values of one key the first one counts.
            let most = if gaps == Gaps::PassedOver { usize::MAX } else { 1 };
            for value in fields(json, Some(key))?.into_iter().take(most) {
                leads |= walk(rest, value, gaps, found)?;
            }
            return Ok(leads);
        }
        Step::Each | Step::Every if is_list => {
            return walk_each(rest, &elements(json)?, gaps, found);
        }
        Step::Every if json.starts_with('{') => {
            return walk_each(rest, &fields(json, None)?, gaps, found);
        }
        Step::Each if json.starts_with('{') && gaps == Gaps::PassedOver => {
            return walk_each(rest, &fields(json, None)?, gaps, found);
        }
        Step::Each | Step::Every if json == "null" && gaps == Gaps::Refused => {
            return Err(Mismatch::from("null stands where a list should"));
        }
        Step::Each | Step::Every => return Ok(json == "null"),
        Step::Where(key, value) if is_list => {
            for element in elements(json)? {
                let is_object = element.starts_with('{');
                let held = is_object.then(|| fields(element, Some(key))).transpose()?;
                if held.unwrap_or_default().first().is_some_and(|held| holds(held, value)) {
                    return walk(rest, element, gaps, found);
                }
            }
            return Ok(false);
        }
        _ => None,
    };
    let Some(at) = at else { return Ok(false) };
    let elements = elements(json)?;
    let from_end = |at: i64| elements.len().checked_sub(usize::try_from(at.unsigned_abs()).ok()?);
    let at = if at < 0 { from_end(at) } else { usize::try_from(at).ok() };
    match at.and_then(|at| elements.get(at)) {
        Some(element) => walk(rest, element, gaps, found),
        None => Ok(false),
    }
}

/// Continues from each element of a list.
fn walk_each<'a>(
    steps: &[Step],
    elements: &[&'a str],
    gaps: Gaps,
    found: &mut Vec<&'a str>,
) -> Result<bool, Mismatch> {
    for (number, element) in elements.iter().enumerate() {
        if !walk(steps, element, gaps, found)? && gaps != Gaps::PassedOver {
            let lacks = Mismatch::from("an element lacks what each of the list should have");
            return Err(lacks.in_item(number));
        }
    }
    Ok(true)
}

/// Whether a JSON text equals this value, or contains it in a space-separated list, as relations
/// are written.
fn holds(held: &str, wanted: &str) -> bool {
    match serde_json::from_str::<Cow<'_, str>>(held) {
        Ok(text) => text == wanted || text.split_ascii_whitespace().any(|word| word == wanted),
        Err(_) => held == wanted,
    }
}

fn elements(json: &str) -> Result<Vec<&str>, Mismatch> {
    let elements: Vec<&RawValue> = serde_json::from_str(json)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The values of the fields of an object that have this key, or of all fields.
fn fields<'a>(json: &'a str, key: Option<&str>) -> Result<Vec<&'a str>, Mismatch> {
    let mut found = Vec::new();
    each_field(json, |name, value| {
        if key.is_none_or(|wanted| name == wanted) {
            found.push(value);
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(path: &str, json: &str) -> Vec<String> {
        let found = Path::parse(path).find(json, Gaps::Refused).unwrap().unwrap_or_default();
        found.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_key_that_exists_as_it_is_written_wins() {
        assert_eq!(found("a.b", r#"{"a":{"b":1},"a.b":2}"#), ["2"]);
        assert_eq!(found("a.b", r#"{"a":{"b":1}}"#), ["1"]);
        assert_eq!(found("a.b.c", r#"{"a.b":{"c":1},"a":{"b":{"c":2}}}"#), ["1"]);
        assert_eq!(found("a.b.c", r#"{"a":{"b.c":3}}"#), ["3"]);
        assert_eq!(found("@odata.nextLink", r#"{"@odata.nextLink":4}"#), ["4"]);
        assert_eq!(found("a[0]", r#"{"a[0]":5,"a":[6]}"#), ["5"]);
    }

    #[test]
    fn dots_are_escaped_and_pointers_are_read() {
        assert_eq!(found(r"x.@odata\.count", r#"{"x":{"@odata.count":1}}"#), ["1"]);
        assert!(found(r"a\.b", r#"{"a":{"b":1}}"#).is_empty());
        assert_eq!(found("/a~1b/~0/1", r#"{"a/b":{"~":[1,2]}}"#), ["2"]);
        assert_eq!(found("/0", r#"{"0":7}"#), ["7"]);
        assert!(Path::parse("").is_root() && !Path::parse("/").is_root());
        assert!(Path::parse("a.b").is_plain() && Path::parse("/a/b").is_plain());
        assert!(!Path::parse("/links/0").is_plain() && !Path::parse("a[0]").is_plain());
    }

    #[test]
    fn objects_are_gone_through_only_where_that_is_said() {
        let json = r#"{"by_id":{"7":{"n":1},"5":{"n":2}},"list":[{"n":3}],"none":{}}"#;
        assert_eq!(found("by_id[*].n", json), ["1", "2"]);
        assert_eq!(found("list[*].n", json), ["3"]);
        assert_eq!(found("$[*].n", r#"{"a":{"n":1}}"#), ["1"]);
        assert_eq!(Path::parse("none[*]").find(json, Gaps::Refused).unwrap(), Some(Vec::new()));
        assert!(found("by_id[].n", json).is_empty());
        assert!(Path::parse("by_id[*]").find(r#"{"by_id":null}"#, Gaps::Refused).is_err());
        assert!(Path::parse("a[*]").is_spread());
    }

    #[test]
    fn lists_are_gone_through() {
        let json =
            r#"{"g":[{"m":[1,2]},{"m":[]},{"m":[3]}],"l":[{"rel":"self next","href":"/2"}]}"#;
        assert_eq!(found("g[].m[]", json), ["1", "2", "3"]);
        assert_eq!(found("g[-1].m[0]", json), ["3"]);
        assert_eq!(found("$.g[*]['m'][]", json), ["1", "2", "3"]);
        assert_eq!(found("l[rel=next].href", json), [r#""/2""#]);
        assert!(found("l[rel=prev].href", json).is_empty());
        assert!(found("g[9].m", json).is_empty());
        assert_eq!(found("[].a", r#"[{"a":1},{"a":2}]"#), ["1", "2"]);
        assert!(Path::parse("g[].n").find(json, Gaps::Refused).is_err());
        let json = r#"{"g":[{"m":null},{"m":[1]}]}"#;
        assert!(Path::parse("g[].m[]").find(json, Gaps::Refused).is_err());
        assert_eq!(Path::parse("g[].m[]").find(json, Gaps::NullIsEmpty).unwrap().unwrap(), ["1"]);
    }

    #[test]
    fn what_is_no_path_is_a_key() {
        for key in ["a..b", ".", "a.", "[", "a[b]", "a]", "a[0]b"] {
            let json = format!("{{{key:?}:1}}");
            assert_eq!(found(key, &json), ["1"], "{key}");
        }
    }

    /// The values read in `text`.
    fn seen(path: &str, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        Path::parse_strictly(path).unwrap().any(text, |value| {
            seen.push(value.to_owned());
            false
        });
        seen
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
            assert_eq!(seen(path, text), [expected], "{path}");
        }
        for path in ["a.b[2]", "a.b[-3]", "a.c", "a.b.c", "/a/b/01", "/a/b/-", "b", "[0]", "[].a"] {
            assert!(seen(path, text).is_empty(), "{path}");
        }
        assert_eq!(seen("", text), [text]);
        assert_eq!(seen("$", text), [text]);
        assert_eq!(seen("$skip", r#"{"$skip":1}"#), ["1"]);
        assert_eq!(
            seen("e[][0]", r#"{"e":{"name":["taken"],"age":["odd"]}}"#),
            [r#""taken""#, r#""odd""#]
        );
        assert_eq!(seen("[].e", r#"[{"e":1},2,[],{"e":3}]"#), ["1", "3"]);
        assert_eq!(seen("a[][0]", r#"{"a":[[1,2],[3]]}"#), ["1", "3"]);
    }

    #[test]
    fn each_value_of_the_text_and_each_key_of_one_name_is_looked_at() {
        assert_eq!(seen("e", "{\"a\":1}\n{\"e\":2}\n\n{\"e\":3}\n"), ["2", "3"]);
        assert_eq!(seen("ok", r#"{"ok":true,"ok":false}"#), ["true", "false"]);
        // Values before something unreadable count.
        assert_eq!(seen("e", "{\"e\":1}<html>"), ["1"]);
        assert_eq!(seen("e", "<html>"), [""; 0]);
        assert_eq!(seen("e", ""), [""; 0]);
        // Whatever is beside it.
        let beside =
            format!(r#"{{"n":1e999,"deep":{}{},"e":1}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(seen("e", &beside), ["1"]);
    }

    #[test]
    fn the_search_ends_where_it_succeeds() {
        let mut looked_at = 0;
        assert!(Path::parse("[].a").any(r#"[{"a":1},{"a":2},{"a":3}]"#, |value| {
            looked_at += 1;
            value == "2"
        }));
        assert_eq!(looked_at, 2);
    }

    #[test]
    fn a_path_that_cannot_be_read_says_so() {
        for path in [
            "$.", "$..a", "a['b", "a['b'", "a..b", ".a", "a.", "a[", "a[x]", "a[0]b", r"a\",
            "/a~2", "/a~", "[0].", ".",
        ] {
            assert!(Path::parse_strictly(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_a_pointer_leads_to_in_a_tree_is_found_in_the_text(
            depth in 0..4usize,
            keys in prop::collection::vec("[a-c/~.]{0,2}", 1..4),
            text in r#"[\[\]{}",:0-9a\\ ]{0,40}"#,
            path in r"[a\.\[\]\\/~0-9-]{0,12}",
        ) {
            // No input causes a panic.
            Path::parse(&path).any(&text, |_| false);
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
            prop_assert_eq!(seen(&pointer, &tree.to_string()).into_iter().next(), expected);
        }
    }

    #[test]
    fn a_long_path_is_read_in_few_ways() {
        let path = vec!["k"; 40].join(".");
        assert_eq!(Path::parse(&path).readings().count(), MOST_READINGS);
    }
}
