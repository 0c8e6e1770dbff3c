//! [pure] Paths to what a page holds: keys joined by dots, JSON Pointers, and ways through
//! lists.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::envelope::Key;
use crate::http::Mismatch;

/// A path is read in so many ways at most.
const MOST_READINGS: usize = 8;

/// Where something is in a page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    text: String,
    /// The ways to read it, the one with the longest keys first: a key that exists as it is
    /// written wins.
    readings: Vec<Vec<Step>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// A key of an object, or of a list if it is a number.
    Key(String),
    /// An element of a list, from its end if negative.
    At(i64),
    /// Every element of a list.
    Each,
    /// The first element of a list that is an object with this value at this key.
    Where(String, String),
}

impl Path {
    /// Reads a path. An empty one is the page itself.
    pub(super) fn parse(text: &str) -> Self {
        Self { readings: readings(text), text: text.to_owned() }
    }

    /// The path of a key, whatever is in it.
    pub(super) fn key(key: &str) -> Self {
        Self { readings: vec![vec![Step::Key(key.to_owned())]], text: key.to_owned() }
    }

    /// The path of `key` in what is at this one.
    pub(super) fn join(&self, key: &str) -> Self {
        let text = if self.text.is_empty() { key.to_owned() } else { format!("{self}.{key}") };
        let with_key = |steps: &Vec<Step>| [steps, [Step::Key(key.to_owned())].as_slice()].concat();
        Self { readings: self.readings.iter().map(with_key).collect(), text }
    }

    pub(super) fn is_root(&self) -> bool {
        self.readings.iter().all(Vec::is_empty)
    }

    /// Whether it leads through keys alone.
    pub(super) fn is_plain(&self) -> bool {
        let is_plain = |step: &Step| matches!(step, Step::Key(key) if !self.is_pointer() || index(key).is_none());
        self.readings.iter().flatten().all(is_plain)
    }

    /// Whether it may lead to several places.
    pub(super) fn is_spread(&self) -> bool {
        self.readings.iter().flatten().any(|step| *step == Step::Each)
    }

    pub(super) fn readings(&self) -> impl Iterator<Item = &[Step]> {
        self.readings.iter().map(Vec::as_slice)
    }

    /// What is at the path in `json`: the first reading that leads anywhere counts.
    ///
    /// # Errors
    /// When `json` is no JSON, or one of several elements lacks what each of them should have:
    /// a `null` where each is to have a list, unless that `is_empty`.
    pub(super) fn find<'a>(
        &self,
        json: &'a str,
        null_is_empty: bool,
    ) -> Result<Option<Vec<&'a str>>, Mismatch> {
        for steps in self.readings() {
            let mut found = Vec::new();
            if walk(steps, json.trim(), null_is_empty, &mut found)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn is_pointer(&self) -> bool {
        self.text.starts_with('/')
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
    let Some(parts) = parts(text) else { return vec![as_written] };
    let is_plain = !text.contains(['\\', '[']);
    let steps = |parts: &[(String, Vec<Step>)]| {
        let steps = |(key, ways): &(String, Vec<Step>)| {
            let key = (!key.is_empty()).then(|| Step::Key(key.clone()));
            key.into_iter().chain(ways.iter().cloned()).collect::<Vec<_>>()
        };
        parts.iter().flat_map(steps).collect::<Vec<_>>()
    };
    let apart = steps(&parts);
    if !is_plain {
        let is_new = text.contains('[') && apart != as_written;
        return if is_new { vec![as_written, apart] } else { vec![apart] };
    }
    // Each dot either joins or parts; with fewer steps, the keys are longer.
    let keys: Vec<&str> = parts.iter().map(|(key, _)| key.as_str()).collect();
    let gaps = u32::try_from(keys.len() - 1).unwrap_or(u32::MAX).min(16);
    let mut masks: Vec<u32> = (0..1_u32 << gaps).collect();
    masks.sort_by_key(|mask| mask.count_ones());
    masks.truncate(MOST_READINGS - 1);
    let mut readings: Vec<Vec<Step>> = masks.into_iter().map(|mask| joined(&keys, mask)).collect();
    if !readings.contains(&apart) {
        readings.push(apart);
    }
    readings
}

/// The keys with those gaps joined by dots whose bit in `parted` is not set.
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

/// The parts between dots: a key and the ways through the list at it. `None` for what is no
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
                let (way, after) = rest.as_str().split_once(']')?;
                ways.push(way_of(way)?);
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

fn way_of(text: &str) -> Option<Step> {
    if text.is_empty() || text == "*" {
        return Some(Step::Each);
    }
    if let Ok(at) = text.parse() {
        return Some(Step::At(at));
    }
    let (key, value) = text.split_once('=')?;
    let value = value.trim_matches(['"', '\'']);
    (!key.is_empty()).then(|| Step::Where(key.to_owned(), value.to_owned()))
}

fn index(key: &str) -> Option<i64> {
    key.bytes().all(|byte| byte.is_ascii_digit()).then(|| key.parse().ok())?
}

/// Goes on along `steps` from `json`, and returns whether they lead anywhere.
fn walk<'a>(
    steps: &[Step],
    json: &'a str,
    null_is_empty: bool,
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
            return match value_of(json, key)? {
                Some(value) => walk(rest, value, null_is_empty, found),
                None => Ok(false),
            };
        }
        Step::Each if is_list => {
            for (number, element) in elements(json)?.into_iter().enumerate() {
                if !walk(rest, element, null_is_empty, found)? {
                    let lacks =
                        Mismatch::from("an element lacks what each of the list should have");
                    return Err(lacks.in_item(number));
                }
            }
            return Ok(true);
        }
        Step::Each if json == "null" && !null_is_empty => {
            return Err(Mismatch::from("null stands where a list should"));
        }
        Step::Each => return Ok(json == "null"),
        Step::Where(key, value) if is_list => {
            for element in elements(json)? {
                let held = element.starts_with('{').then(|| value_of(element, key)).transpose()?;
                if held.flatten().is_some_and(|held| holds(held, value)) {
                    return walk(rest, element, null_is_empty, found);
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
        Some(element) => walk(rest, element, null_is_empty, found),
        None => Ok(false),
    }
}

/// Whether a JSON text is this value, or, of several with spaces between them, as relations
/// are written, one is.
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

/// The value of a key of an object. Of several the first one counts.
fn value_of<'a>(json: &'a str, key: &str) -> Result<Option<&'a str>, Mismatch> {
    struct Field<'k>(&'k str);

    impl<'de> Visitor<'de> for Field<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut found = None;
            while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &RawValue>()? {
                if found.is_none() && key == self.0 {
                    found = Some(value);
                }
            }
            Ok(found)
        }
    }

    let mut json = serde_json::Deserializer::from_str(json);
    Ok(json.deserialize_map(Field(key))?.map(RawValue::get))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, json: &str) -> Vec<String> {
        let found = Path::parse(path).find(json, false).unwrap().unwrap_or_default();
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
    fn lists_are_gone_through() {
        let json =
            r#"{"g":[{"m":[1,2]},{"m":[]},{"m":[3]}],"l":[{"rel":"self next","href":"/2"}]}"#;
        assert_eq!(found("g[].m[]", json), ["1", "2", "3"]);
        assert_eq!(found("g[-1].m[0]", json), ["3"]);
        assert_eq!(found("l[rel=next].href", json), [r#""/2""#]);
        assert!(found("l[rel=prev].href", json).is_empty());
        assert!(found("g[9].m", json).is_empty());
        assert_eq!(found("[].a", r#"[{"a":1},{"a":2}]"#), ["1", "2"]);
        assert!(Path::parse("g[].n").find(json, false).is_err());
        let json = r#"{"g":[{"m":null},{"m":[1]}]}"#;
        assert!(Path::parse("g[].m[]").find(json, false).is_err());
        assert_eq!(Path::parse("g[].m[]").find(json, true).unwrap().unwrap(), ["1"]);
    }

    #[test]
    fn what_is_no_path_is_a_key() {
        for key in ["a..b", ".", "a.", "[", "a[b]", "a]", "a[0]b"] {
            let json = format!("{{{key:?}:1}}");
            assert_eq!(found(key, &json), ["1"], "{key}");
        }
    }

    #[test]
    fn a_long_path_is_read_in_few_ways() {
        let path = vec!["k"; 40].join(".");
        assert_eq!(Path::parse(&path).readings().count(), MOST_READINGS);
    }
}
