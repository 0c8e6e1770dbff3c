//! [pure] Where the list of items is in a page, and what stands around it: one walk along
//! the paths that the envelope names. Builds no item.

use std::fmt;

use http::HeaderMap;
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    content::ContentHash,
    envelope::{Envelope, Key},
    facts::{Fact, HINTS, Meta, Named, Place, Remarks, unreadable},
    path::{Path, Step},
    strategy::Pointer,
};
use crate::http::Mismatch;

/// What a page is but its items.
#[derive(Default)]
pub(super) struct Outline {
    /// How many lists are at the place of the items.
    pub(super) lists: usize,
    /// How many items they have.
    pub(super) items: usize,
    /// What it says about the set.
    pub(super) meta: Meta,
    /// What names the next page.
    pub(super) pointer: Pointer,
    /// What the items are, where that was asked for.
    pub(super) content: Option<ContentHash>,
}

/// Walks through `page`, which may have been relieved of its items, and counts those it has.
/// The next page is named at `pointer`, if anywhere. With `is_hashed`, what the items are is
/// told, too. What header fields say outweighs the `pagination` object.
///
/// # Errors
/// When the page is no JSON, or a place that the envelope names holds something else.
pub(super) fn outline(
    envelope: &Envelope,
    pointer: Option<&Path>,
    headers: &HeaderMap,
    page: &str,
    is_hashed: bool,
) -> Result<Outline, Mismatch> {
    let routes = routes(envelope, pointer);
    let content = is_hashed.then(ContentHash::default);
    let mut found = Found { content, ..Found::of(&routes) };
    let mut json = serde_json::Deserializer::from_str(page);
    Walk::new(&routes, envelope, &mut found).deserialize(&mut json)?;
    json.end()?;
    let Found { lists, items, content, .. } = &mut found;
    let mut outline =
        Outline { lists: *lists, items: *items, content: content.take(), ..Outline::default() };
    if envelope.items.is_spread() || !envelope.items.is_plain() {
        outline.take_items(envelope, page)?;
    }
    let mut meta = Meta::default();
    let sources = Sources { page, routes: &routes, found: &found };
    for (index, Named { fact, place }) in envelope.named.iter().enumerate() {
        let Place::Body(path) = place else { continue };
        sources.texts(Target::Named(index), path, &mut meta, |meta, text| {
            meta.remarks.add(Remarks::place(index));
            let said = fact.read(text).map_err(|_| unreadable(*fact, &place.name()))?;
            meta.take(*fact, said);
            Ok(())
        })?;
    }
    envelope.read_headers(headers, &mut meta)?;
    if let Some(path) = pointer {
        sources.texts(Target::Pointer, path, &mut meta, |meta, text| {
            meta.remarks.add(Remarks::POINTER);
            if outline.pointer == Pointer::Absent {
                outline.pointer = Pointer::read(text);
            }
            Ok(())
        })?;
    }
    for (path, (_, fact)) in envelope.hints.iter().zip(HINTS) {
        sources.texts(Target::Hint(fact), path, &mut meta, |meta, text| {
            match fact.read(text) {
                Ok(said) => meta.take(fact, said),
                Err(_) => meta.remarks.add(Remarks::UNREADABLE),
            }
            Ok(())
        })?;
    }
    outline.meta = meta;
    Ok(outline)
}

/// What a walk has found, and the page for those paths that it did not look for.
struct Sources<'a, 'p> {
    page: &'p str,
    routes: &'a [Route<'a>],
    found: &'a Found<'p>,
}

impl<'p> Sources<'_, 'p> {
    /// Hands out what is at the place of a target: what stands there under the longest keys,
    /// and what stands there once more. What says most comes first.
    fn texts(
        &self,
        target: Target,
        path: &Path,
        meta: &mut Meta,
        mut take: impl FnMut(&mut Meta, &'p str) -> Result<(), Mismatch>,
    ) -> Result<(), Mismatch> {
        if !path.is_plain() {
            let texts = path.find(self.page, true)?.unwrap_or_default();
            return texts.into_iter().try_for_each(|text| take(meta, text));
        }
        let mut values = self.routes.iter().zip(&self.found.values).enumerate();
        let found = values.find_map(|(index, (route, value))| {
            value.filter(|_| route.target == target).map(|value| (index, value))
        });
        let Some((index, value)) = found else { return Ok(()) };
        let again = self.found.doubles.iter().filter(|(of, _)| *of == index);
        let mut texts: Vec<&str> = again.map(|(_, text)| *text).collect();
        if texts.iter().all(|text| *text == value) {
            return take(meta, value);
        }
        meta.remarks.add(Remarks::TWICE);
        texts.push(value);
        // What says that more follow is heard first: a name, a larger number, a flag that is
        // set. Nothing, or no, is heard last.
        texts.sort_by_key(|text| {
            let is_little = matches!(*text, "null" | "false" | "0" | "\"\"");
            let count: u64 = text.trim_matches('"').parse().unwrap_or_default();
            (is_little, std::cmp::Reverse(count))
        });
        texts.into_iter().try_for_each(|text| take(meta, text))
    }
}

impl Outline {
    /// Counts the items of an envelope whose path does more than to name keys.
    fn take_items(&mut self, envelope: &Envelope, page: &str) -> Result<(), Mismatch> {
        let Some(items) = items(envelope, page)? else { return Ok(()) };
        self.lists = 1;
        self.items = items.len();
        if let Some(content) = &mut self.content {
            items.iter().for_each(|item| content.add(item));
        }
        Ok(())
    }
}

/// The items of an envelope whose path does more than to name keys. `None` where it leads
/// nowhere.
///
/// # Errors
/// When the page is no JSON, or its path leads to something else than it should.
pub(super) fn items<'p>(
    envelope: &Envelope,
    page: &'p str,
) -> Result<Option<Vec<&'p str>>, Mismatch> {
    let path = &envelope.items;
    let found = path.find(page, envelope.null_is_empty)?;
    match found {
        Some(found) if !path.is_spread() => match found.as_slice() {
            ["null"] if envelope.null_is_empty => Ok(Some(Vec::new())),
            [list] => Path::parse("[]").find(list, false),
            _ => Ok(None),
        },
        found => Ok(found),
    }
}

/// The offset of the first item in `page`. `None` where there is none, whatever the reason.
pub(super) fn first_item(envelope: &Envelope, page: &str) -> Option<usize> {
    let readings: Vec<_> = envelope.items.readings().collect();
    // Longer keys win, if they are there at all.
    let (last, earlier) = readings.split_last()?;
    let exist = |steps: &[Step]| {
        steps.iter().all(|step| match step {
            Step::Key(key) => !key.contains('.') || page.contains(&format!("\"{key}\"")),
            _ => false,
        })
    };
    let earlier = earlier.iter().filter(|steps| exist(steps));
    earlier.chain([last]).find_map(|steps| match first_item_along(steps, envelope, page) {
        (true, at) => Some(at),
        (false, _) => None,
    })?
}

/// Whether there is a list along `steps`, and the offset of its first item.
fn first_item_along(steps: &[Step], envelope: &Envelope, page: &str) -> (bool, Option<usize>) {
    let routes = [Route { target: Target::Items, steps }];
    let mut found = Found { stops_at_item: true, ..Found::of(&routes) };
    let mut json = serde_json::Deserializer::from_str(page);
    // Ends with an error when it is found, since nothing is taken of it.
    let _ = Walk::new(&routes, envelope, &mut found).deserialize(&mut json);
    let at = json.into_iter::<IgnoredAny>().byte_offset();
    // What cannot begin an item may have been taken for the end of something.
    let before = page.get(..at).filter(|_| found.is_at_item);
    let at = before.and_then(|before| before.trim_end().ends_with('[').then_some(at));
    (found.lists > 0, at)
}

/// What a walk looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Items,
    /// What names the next page.
    Pointer,
    /// A place that the envelope names.
    Named(usize),
    /// Something in the `pagination` object.
    Hint(Fact),
}

/// The keys that lead to a target.
struct Route<'a> {
    target: Target,
    steps: &'a [Step],
}

/// All ways to what the envelope names through keys, for each target those with the longest
/// keys first.
fn routes<'a>(envelope: &'a Envelope, pointer: Option<&'a Path>) -> Vec<Route<'a>> {
    let named = envelope.named.iter().enumerate().filter_map(|(index, named)| match &named.place {
        Place::Body(path) => Some((Target::Named(index), path)),
        Place::Header(_) => None,
    });
    let hints =
        envelope.hints.iter().zip(HINTS).map(|(path, (_, fact))| (Target::Hint(fact), path));
    let all = [(Target::Items, &envelope.items)].into_iter();
    let all = all.chain(pointer.map(|path| (Target::Pointer, path))).chain(named).chain(hints);
    all.filter(|(_, path)| path.is_plain())
        .flat_map(|(target, path)| path.readings().map(move |steps| Route { target, steps }))
        .take(MOST_ROUTES)
        .collect()
}

/// As many as a mask has bits.
const MOST_ROUTES: usize = 128;

struct Found<'p> {
    stops_at_item: bool,
    is_at_item: bool,
    lists: usize,
    items: usize,
    /// The route that has led to the items.
    items_by: Option<usize>,
    content: Option<ContentHash>,
    /// What was found first at the end of each route.
    values: Vec<Option<&'p str>>,
    /// What was found there again.
    doubles: Vec<(usize, &'p str)>,
}

impl Found<'_> {
    fn of(routes: &[Route<'_>]) -> Self {
        Self {
            stops_at_item: false,
            is_at_item: false,
            lists: 0,
            items: 0,
            items_by: None,
            content: None,
            values: vec![None; routes.len()],
            doubles: Vec::new(),
        }
    }
}

/// One level of the way from the root to what the envelope names.
struct Walk<'a, 'p> {
    routes: &'a [Route<'a>],
    envelope: &'a Envelope,
    found: &'a mut Found<'p>,
    /// One bit for each route that has led here so far.
    live: u128,
    depth: usize,
}

impl<'a, 'p> Walk<'a, 'p> {
    fn new(routes: &'a [Route<'a>], envelope: &'a Envelope, found: &'a mut Found<'p>) -> Self {
        let live = routes.iter().enumerate().fold(0, |live, (index, route)| {
            if route.steps.is_empty() { live } else { live | 1 << index }
        });
        Self { routes, envelope, found, live, depth: 0 }
    }

    /// The way ends before its goal: an error on the only way to the items, and otherwise
    /// something that is not there.
    fn end<E: de::Error>(&self, at: de::Unexpected<'_>) -> Result<(), E> {
        let mut ways = self.routes.iter().enumerate().filter(|(_, r)| r.target == Target::Items);
        let is_only_way = match (ways.next(), ways.next()) {
            (Some((index, route)), None) => {
                self.live & (1 << index) != 0 || self.depth == 0 && route.steps.is_empty()
            }
            _ => false,
        };
        if is_only_way { Err(E::invalid_type(at, self)) } else { Ok(()) }
    }

    /// The next level, where these routes lead to.
    fn deeper(&mut self, live: u128) -> Walk<'_, 'p> {
        let Self { routes, envelope, depth, .. } = *self;
        Walk { routes, envelope, found: &mut *self.found, live, depth: depth + 1 }
    }

    /// The routes that end at a key, and those that go on there.
    fn along(&self, key: &str) -> (u128, u128) {
        let (mut ending, mut going_on) = (0, 0);
        let mut live = self.live;
        while live != 0 {
            let index = live.trailing_zeros() as usize;
            live &= live - 1;
            let Some(route) = self.routes.get(index) else { continue };
            if matches!(route.steps.get(self.depth), Some(Step::Key(wanted)) if wanted == key) {
                let mask =
                    if route.steps.len() == self.depth + 1 { &mut ending } else { &mut going_on };
                *mask |= 1 << index;
            }
        }
        (ending, going_on)
    }

    /// The list of items by which the routes in `ending` end, unless one with longer keys was
    /// found.
    fn list(&mut self, ending: u128) -> Option<List<'_, 'p>> {
        let is_items = |index: &usize| {
            ending & (1 << index) != 0 && self.routes[*index].target == Target::Items
        };
        let index = (0..self.routes.len()).find(is_items)?;
        let found = &mut *self.found;
        if found.items_by.is_none_or(|by| index < by) {
            (found.lists, found.items, found.items_by) = (0, 0, Some(index));
            found.content = found.content.take().map(|_| ContentHash::default());
        }
        let is_beaten = found.items_by != Some(index);
        Some(List { found, null_is_empty: self.envelope.null_is_empty, is_beaten })
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
            let list = List { found: self.found, null_is_empty: false, is_beaten: false };
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
            let value = map.next_value::<&RawValue>()?.get();
            for index in (0..self.routes.len()).filter(|index| ending & (1 << index) != 0) {
                match self.found.values.get_mut(index) {
                    Some(first @ None) => *first = Some(value),
                    _ => self.found.doubles.push((index, value)),
                }
            }
            // Something else that is wanted may lie within it.
            if going_on != 0 && value.starts_with('{') {
                let mut within = serde_json::Deserializer::from_str(value);
                self.deeper(going_on).deserialize(&mut within).map_err(de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// The list of items.
struct List<'a, 'p> {
    found: &'a mut Found<'p>,
    null_is_empty: bool,
    /// Another list, under longer keys, is the one.
    is_beaten: bool,
}

impl<'p> DeserializeSeed<'p> for List<'_, 'p> {
    type Value = ();

    fn deserialize<I: Deserializer<'p>>(self, input: I) -> Result<(), I::Error> {
        if self.is_beaten {
            return input.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        input.deserialize_any(self)
    }
}

impl<'p> Visitor<'p> for List<'_, 'p> {
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
            return seq.next_element_seed(Untouched(&mut found.is_at_item)).map(drop);
        }
        let Some(content) = &mut found.content else {
            while seq.next_element::<IgnoredAny>()?.is_some() {
                found.items += 1;
            }
            return Ok(());
        };
        while let Some(item) = seq.next_element::<&RawValue>()? {
            content.add(item.get());
            found.items += 1;
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
