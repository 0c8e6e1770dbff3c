//! [pure] Where the list of items is in a page, and what stands around it: one walk along
//! the paths that the envelope names. Builds no item.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::envelope::{Envelope, Hint, Meta};

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
}

/// Walks through `page`, which may have been relieved of its items, and counts those it has.
pub(super) fn outline(envelope: &Envelope, page: &str) -> serde_json::Result<Outline> {
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_str(page);
    Walk::new(envelope, &mut found).deserialize(&mut json)?;
    json.end()?;
    let Found { lists, items, meta, total, .. } = found;
    Ok(Outline { lists, items, meta, total })
}

/// The offset of the first item in `page`. `None` where there is none, whatever the reason.
pub(super) fn first_item(envelope: &Envelope, page: &str) -> Option<usize> {
    let mut found = Found { stops_at_item: true, ..Found::default() };
    let mut json = serde_json::Deserializer::from_str(page);
    // Ends with an error when it is found.
    let _ = Walk::new(envelope, &mut found).deserialize(&mut json);
    Some(found.item?.get().as_ptr().addr() - page.as_ptr().addr())
}

// What a walk looks for: the index of each path in `paths`.
const ITEMS: usize = 0;
const PAGINATION: usize = 1;
const TOTAL: usize = 2;
const TARGETS: usize = 3;

fn paths(envelope: &Envelope) -> [&[String]; TARGETS] {
    [&envelope.items, &envelope.pagination, envelope.total.as_deref().unwrap_or_default()]
}

#[derive(Default)]
struct Found<'de> {
    stops_at_item: bool,
    item: Option<&'de RawValue>,
    lists: usize,
    items: usize,
    meta: Meta,
    total: Option<u64>,
}

/// One level of the way from the root to what the envelope names.
struct Walk<'a, 'de> {
    envelope: &'a Envelope,
    found: &'a mut Found<'de>,
    /// Which paths have led here so far.
    matching: [bool; TARGETS],
    depth: usize,
}

impl<'a, 'de> Walk<'a, 'de> {
    fn new(envelope: &'a Envelope, found: &'a mut Found<'de>) -> Self {
        Self { envelope, found, matching: [true; TARGETS], depth: 0 }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<(), I::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.envelope.items.join(".") {
            path if path.is_empty() => f.write_str("a list of items"),
            path => write!(f, "an object with a list at `{path}`"),
        }
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<(), S::Error> {
        if self.depth > 0 || !self.envelope.accepts_bare_array {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        List(self.found).visit_seq(seq)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let paths = paths(self.envelope);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let mut matching = self.matching;
            let mut leaf = None;
            for (target, path) in paths.iter().enumerate() {
                matching[target] &= path.get(self.depth).is_some_and(|wanted| *wanted == key);
                if matching[target] && path.len() == self.depth + 1 {
                    leaf = Some(target);
                }
            }
            match leaf {
                Some(ITEMS) => map.next_value_seed(List(self.found))?,
                Some(PAGINATION) => {
                    self.found.meta = map.next_value::<Hint>()?.set().unwrap_or_default()
                }
                Some(TOTAL) => self.found.total = map.next_value::<Hint>()?.count(),
                _ if matching.contains(&true) => map.next_value_seed(Walk {
                    envelope: self.envelope,
                    found: &mut *self.found,
                    matching,
                    depth: self.depth + 1,
                })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The list of items.
struct List<'a, 'de>(&'a mut Found<'de>);

impl<'de> DeserializeSeed<'de> for List<'_, 'de> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<(), I::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        self.0.lists += 1;
        if self.0.stops_at_item {
            self.0.item = seq.next_element()?;
            return match self.0.item {
                Some(_) => Err(de::Error::custom("the first item is found")),
                None => Ok(()),
            };
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            self.0.items += 1;
        }
        Ok(())
    }
}
