//! [pure] One walk through the JSON of a page, along every path of keys at once: collects the
//! values at their ends, and counts the lists of items.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::pagination::Pagination;
use crate::{
    pager::{
        envelope::Envelope,
        facts::{Fact, HINTS, Location, PageInfo},
    },
    path::{Key, Path, Step},
};

/// The targets of a walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Items,
    /// The reference to the next page.
    Pointer,
    /// A place that the envelope names.
    Named(usize),
    /// The `pagination` object.
    Pagination,
    /// A value in the `pagination` object.
    Hint(Fact),
}

/// The keys that lead to a target.
pub(super) struct Lookup<'a> {
    pub(super) target: Target,
    pub(super) steps: &'a [Step],
}

/// All paths of keys in the envelope, for each target those with the longest keys first.
pub(super) fn lookups<'a>(envelope: &'a Envelope, pointer: Option<&'a Path>) -> Vec<Lookup<'a>> {
    let named = envelope.named.iter().enumerate().filter_map(|(index, (_, place))| match place {
        Location::Body(path) => Some((Target::Named(index), path)),
        Location::Header(_) => None,
    });
    // If its values are among other keys, each is looked up separately.
    let object = envelope.has_pagination_object();
    let pagination = object.then_some((Target::Pagination, &envelope.pagination));
    let hints = if object { &[] } else { envelope.hints.as_slice() };
    let hints = hints.iter().zip(HINTS).map(|(path, (_, fact))| (Target::Hint(fact), path));
    let all = [(Target::Items, &envelope.items)].into_iter().chain(pagination);
    let all = all.chain(pointer.map(|path| (Target::Pointer, path))).chain(named).chain(hints);
    let mut lookups = Vec::with_capacity(8);
    for (target, path) in all.filter(|(_, path)| path.is_plain()) {
        lookups.extend(path.readings().map(|steps| Lookup { target, steps }));
    }
    lookups.truncate(MOST_LOOKUPS);
    lookups
}

/// The number of bits in a mask.
const MOST_LOOKUPS: usize = 128;

#[derive(Default)]
pub(super) struct Found<'p> {
    /// The page itself, for paths that the walk does not cover.
    pub(super) page: &'p str,
    pub(super) stops_at_item: bool,
    pub(super) is_at_item: bool,
    pub(super) lists: usize,
    /// The lookup that has led to the items.
    pub(super) items_by: Option<usize>,
    /// The facts in the `pagination` object.
    pub(super) hints: PageInfo,
    /// The values at the ends of lookups.
    pub(super) values: Vec<(usize, &'p str)>,
}

impl<'p> Found<'p> {
    /// Adds the value at the end of these lookups.
    fn take(&mut self, mut ending: u128, value: &'p str) {
        while ending != 0 {
            self.values.push((ending.trailing_zeros() as usize, value));
            ending &= ending - 1;
        }
    }
}

/// One level of the walk from the root to the targets.
pub(super) struct Walk<'a, 'p> {
    lookups: &'a [Lookup<'a>],
    envelope: &'a Envelope,
    found: &'a mut Found<'p>,
    /// One bit for each lookup that has led here so far.
    live: u128,
    depth: usize,
}

impl<'a, 'p> Walk<'a, 'p> {
    pub(super) fn new(
        lookups: &'a [Lookup<'a>],
        envelope: &'a Envelope,
        found: &'a mut Found<'p>,
    ) -> Self {
        let live = lookups.iter().enumerate().fold(0, |live, (index, lookup)| {
            if lookup.steps.is_empty() { live } else { live | 1 << index }
        });
        Self { lookups, envelope, found, live, depth: 0 }
    }

    /// The path ends before its target: an error on the only path to the items, and otherwise a
    /// missing value.
    fn end<E: de::Error>(&self, at: de::Unexpected<'_>) -> Result<(), E> {
        let mut ways = self.lookups.iter().enumerate().filter(|(_, r)| r.target == Target::Items);
        let is_only_way = match (ways.next(), ways.next()) {
            (Some((index, lookup)), None) => {
                self.live & (1 << index) != 0 || self.depth == 0 && lookup.steps.is_empty()
            }
            _ => false,
        };
        if is_only_way { Err(E::invalid_type(at, self)) } else { Ok(()) }
    }

    /// The next level, where these lookups lead to.
    fn deeper(&mut self, live: u128) -> Walk<'_, 'p> {
        let Self { lookups, envelope, depth, .. } = *self;
        Walk { lookups, envelope, found: &mut *self.found, live, depth: depth + 1 }
    }

    /// The lookups that end at a key, and those that continue below it.
    fn along(&self, key: &str) -> (u128, u128) {
        let (mut ending, mut going_on) = (0, 0);
        let mut live = self.live;
        while live != 0 {
            let index = live.trailing_zeros() as usize;
            live &= live - 1;
            let Some(lookup) = self.lookups.get(index) else { continue };
            if matches!(lookup.steps.get(self.depth), Some(Step::Key(wanted)) if wanted == key) {
                let mask =
                    if lookup.steps.len() == self.depth + 1 { &mut ending } else { &mut going_on };
                *mask |= 1 << index;
            }
        }
        (ending, going_on)
    }

    /// Whether a single lookup ends here, and leads to the `pagination` object.
    fn is_pagination(&self, ending: u128) -> bool {
        let lookup = self.lookups.get(ending.trailing_zeros() as usize);
        ending.is_power_of_two() && lookup.is_some_and(|r| r.target == Target::Pagination)
    }

    /// The list of items at which the lookups in `ending` end, unless one with longer keys was
    /// found.
    fn list(&mut self, ending: u128) -> Option<ListVisitor<'_, 'p>> {
        let is_items = |index: &usize| {
            ending & (1 << index) != 0 && self.lookups[*index].target == Target::Items
        };
        let index = (0..self.lookups.len()).find(is_items)?;
        let found = &mut *self.found;
        if found.items_by.is_none_or(|by| index < by) {
            (found.lists, found.items_by) = (0, Some(index));
        }
        let is_beaten = found.items_by != Some(index);
        Some(ListVisitor { found, null_is_empty: self.envelope.null_is_empty, is_beaten })
    }
}

impl<'p> DeserializeSeed<'p> for Walk<'_, 'p> {
    type Value = ();

    fn deserialize<I: Deserializer<'p>>(self, input: I) -> Result<(), I::Error> {
        input.deserialize_any(self)
    }
}

impl<'p> Visitor<'p> for Walk<'_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.envelope.items.is_root() {
            f.write_str("a list of items")
        } else {
            write!(f, "an object with a list at `{}`", self.envelope.items)
        }
    }

    fn visit_seq<S: SeqAccess<'p>>(self, seq: S) -> Result<(), S::Error> {
        if self.depth == 0 && self.envelope.accepts_bare_array {
            let list = ListVisitor { found: self.found, null_is_empty: false, is_beaten: false };
            return list.visit_seq(seq);
        }
        self.end(de::Unexpected::Seq)?;
        IgnoredAny.visit_seq(seq).map(drop)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if self.depth == 0 && self.envelope.accepts_bare_array && self.envelope.null_is_empty {
            self.found.lists += 1;
            return Ok(());
        }
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

    fn visit_map<M: MapAccess<'p>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let (ending, going_on) = self.along(&key);
            if ending == 0 {
                if going_on == 0 {
                    map.next_value::<IgnoredAny>()?;
                } else {
                    map.next_value_seed(self.deeper(going_on))?;
                }
                continue;
            }
            if let Some(list) = self.list(ending) {
                map.next_value_seed(list)?;
                continue;
            }
            if going_on == 0 && self.is_pagination(ending) {
                map.next_value_seed(Pagination(&mut self.found.hints))?;
                continue;
            }
            let value = map.next_value::<&RawValue>()?.get();
            self.found.take(ending, value);
            // Another target may be inside it.
            if going_on != 0 && value.starts_with('{') {
                let mut within = serde_json::Deserializer::from_str(value);
                self.deeper(going_on).deserialize(&mut within).map_err(de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// The list of items.
struct ListVisitor<'a, 'p> {
    found: &'a mut Found<'p>,
    null_is_empty: bool,
    /// Another list, under longer keys, takes precedence.
    is_beaten: bool,
}

impl<'p> DeserializeSeed<'p> for ListVisitor<'_, 'p> {
    type Value = ();

    fn deserialize<I: Deserializer<'p>>(self, input: I) -> Result<(), I::Error> {
        if self.is_beaten {
            return input.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        input.deserialize_any(self)
    }
}

impl<'p> Visitor<'p> for ListVisitor<'_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if !self.null_is_empty {
            return Err(E::invalid_type(de::Unexpected::Unit, &self));
        }
        self.found.lists += 1;
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'p>>(self, mut seq: S) -> Result<(), S::Error> {
        let found = self.found;
        found.lists += 1;
        if found.stops_at_item {
            return seq.next_element_seed(PresenceOnly(&mut found.is_at_item)).map(drop);
        }
        IgnoredAny.visit_seq(seq).map(drop)
    }
}

/// Records that there is an item, and leaves it unread.
struct PresenceOnly<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for PresenceOnly<'_> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, _: I) -> Result<(), I::Error> {
        *self.0 = true;
        Ok(())
    }
}
