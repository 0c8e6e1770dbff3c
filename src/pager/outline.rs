//! [pure] Where the list of items is in a page, and what stands around it: one walk along
//! the paths that the envelope names. Builds no item.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    envelope::{Envelope, Hint, Key, Meta},
    strategy::Pointer,
};

/// What a page is but its items.
#[derive(Default)]
pub(super) struct Outline {
    /// How many lists are at the place of the items.
    pub(super) lists: usize,
    /// How many items they have.
    pub(super) items: usize,
    /// What its object with the place in the set says.
    pub(super) meta: Meta,
    /// The total at a place of its own.
    pub(super) total: Option<u64>,
    /// What names the next page.
    pub(super) pointer: Pointer,
}

/// Walks through `page`, which may have been relieved of its items, and counts those it has.
/// The next page is named at `pointer`, or nowhere if that is empty.
pub(super) fn outline(
    envelope: &Envelope,
    pointer: &[String],
    page: &str,
) -> serde_json::Result<Outline> {
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_str(page);
    Walk::new(envelope, pointer, &mut found).deserialize(&mut json)?;
    json.end()?;
    let Found { lists, items, mut meta, total, has_next, pointer, .. } = found;
    meta.has_next = has_next.or(meta.has_next);
    Ok(Outline { lists, items, meta, total, pointer })
}

/// The offset of the first item in `page`. `None` where there is none, whatever the reason.
pub(super) fn first_item(envelope: &Envelope, page: &str) -> Option<usize> {
    let mut found = Found { stops_at_item: true, ..Found::default() };
    let mut json = serde_json::Deserializer::from_str(page);
    let paths = [&envelope.items, [].as_slice(), &[], &[], &[]];
    // Ends with an error when it is found, since nothing is taken of it.
    let _ = Walk::along(paths, envelope, &mut found).deserialize(&mut json);
    let at = json.into_iter::<IgnoredAny>().byte_offset();
    // What cannot begin an item may have been taken for the end of something.
    let before = page.get(..at).filter(|_| found.is_at_item)?;
    before.trim_end().ends_with('[').then_some(at)
}

// What a walk looks for: the index of each path.
const ITEMS: usize = 0;
const PAGINATION: usize = 1;
const TOTAL: usize = 2;
const HAS_NEXT: usize = 3;
const POINTER: usize = 4;
const TARGETS: usize = 5;

#[derive(Default)]
struct Found {
    stops_at_item: bool,
    is_at_item: bool,
    lists: usize,
    items: usize,
    meta: Meta,
    total: Option<u64>,
    has_next: Option<bool>,
    pointer: Pointer,
}

/// One level of the way from the root to what the envelope names.
struct Walk<'a> {
    envelope: &'a Envelope,
    paths: [&'a [String]; TARGETS],
    found: &'a mut Found,
    /// Which paths have led here so far.
    matching: [bool; TARGETS],
    depth: usize,
}

impl<'a> Walk<'a> {
    fn new(envelope: &'a Envelope, pointer: &'a [String], found: &'a mut Found) -> Self {
        let total = envelope.total.as_deref().unwrap_or_default();
        let paths = [&envelope.items, &envelope.pagination, total, &envelope.has_next, pointer];
        Self::along(paths, envelope, found)
    }

    fn along(paths: [&'a [String]; TARGETS], envelope: &'a Envelope, found: &'a mut Found) -> Self {
        Self { envelope, paths, found, matching: [true; TARGETS], depth: 0 }
    }

    /// The way ends before its goal: an error on the way to the items, and otherwise a hint
    /// that is not there.
    fn end<E: de::Error>(&self, at: de::Unexpected<'_>) -> Result<(), E> {
        if self.matching[ITEMS] { Err(E::invalid_type(at, self)) } else { Ok(()) }
    }

    /// The next level, where these paths lead to.
    fn deeper(&mut self, matching: [bool; TARGETS]) -> Walk<'_> {
        let Self { envelope, paths, depth, .. } = *self;
        Walk { envelope, paths, found: &mut *self.found, matching, depth: depth + 1 }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<(), I::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.envelope.items.join(".") {
            path if path.is_empty() => f.write_str("a list of items"),
            path => write!(f, "an object with a list at `{path}`"),
        }
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<(), S::Error> {
        if self.depth == 0 && self.envelope.accepts_bare_array {
            return List(self.found).visit_seq(seq);
        }
        self.end(de::Unexpected::Seq)?;
        IgnoredAny.visit_seq(seq).map(drop)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.end(de::Unexpected::Unit)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.end(de::Unexpected::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.end(de::Unexpected::Unsigned(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.end(de::Unexpected::Signed(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.end(de::Unexpected::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.end(de::Unexpected::Str(value))
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let mut matching = self.matching;
            let mut leaf = None;
            for (target, path) in self.paths.iter().enumerate() {
                matching[target] &= path.get(self.depth).is_some_and(|wanted| *wanted == key);
                if matching[target] && path.len() == self.depth + 1 {
                    leaf = Some(target);
                    matching[target] = false;
                }
            }
            match leaf {
                Some(ITEMS) => map.next_value_seed(List(self.found))?,
                // Something else that is wanted may lie within it.
                Some(PAGINATION) if matching.contains(&true) => {
                    let pagination = map.next_value::<&RawValue>()?.get();
                    self.found.meta = serde_json::from_str::<Hint>(pagination)
                        .map_err(de::Error::custom)?
                        .set()
                        .unwrap_or_default();
                    if pagination.starts_with('{') {
                        let mut within = serde_json::Deserializer::from_str(pagination);
                        let walk = self.deeper(matching);
                        walk.deserialize(&mut within).map_err(de::Error::custom)?;
                    }
                }
                Some(PAGINATION) => {
                    self.found.meta = map.next_value::<Hint>()?.set().unwrap_or_default()
                }
                Some(TOTAL) => self.found.total = map.next_value::<Hint>()?.count(),
                Some(HAS_NEXT) => self.found.has_next = map.next_value::<Hint>()?.flag(),
                Some(POINTER) => self.found.pointer = Pointer::read(map.next_value()?),
                _ if matching.contains(&true) => map.next_value_seed(self.deeper(matching))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The list of items.
struct List<'a>(&'a mut Found);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<(), I::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        self.0.lists += 1;
        if self.0.stops_at_item {
            return seq.next_element_seed(Untouched(&mut self.0.is_at_item)).map(drop);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            self.0.items += 1;
        }
        Ok(())
    }
}

/// What is left where it is, when it is noted that it is there.
struct Untouched<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for Untouched<'_> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, _: I) -> Result<(), I::Error> {
        *self.0 = true;
        Ok(())
    }
}
