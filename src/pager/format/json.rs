//! [pure] Pages of JSON: finds the list of items, and the metadata around it, in one walk along the
//! paths that the envelope names. Builds no item.

use std::{ops::Range, sync::Arc};

use bytestring::ByteString;
use http::HeaderMap;
use serde::de::{DeserializeSeed, IgnoredAny};

use super::{
    items::{ItemList, PageFormat, Taken},
    pagination::{Pagination, take_hint},
    walk::{Found, Lookup, Target, Walk, lookups},
};
use crate::{
    pager::{
        envelope::Envelope,
        facts::{HINTS, Location, PageInfo, Remarks, unreadable},
        strategy::{PageMetadata, read_pointer},
    },
    path::{Gaps, Path, Step},
    response::Mismatch,
};

/// One document, with the items in one list, or at separate places.
#[derive(Debug)]
pub(super) struct Json;

impl PageFormat for Json {
    fn find(&self, envelope: &Envelope, text: ByteString) -> ItemList {
        if envelope.items.is_plain() {
            let first = first_item(envelope, &text);
            return ItemList { text, first, is_one_piece: true, places: None, format: &Self };
        }
        let items = items_along(envelope, &text).ok().flatten().unwrap_or_default();
        let places: Arc<[_]> = items.into_iter().map(|item| place(&text, item)).collect();
        let first = places.first().map(|place| place.start);
        ItemList { text, first, is_one_piece: false, places: Some(places), format: &Self }
    }

    fn next(
        &self,
        items: &ItemList,
        taken: Taken,
    ) -> Option<Result<(usize, Option<usize>), Mismatch>> {
        if taken.count == 0 {
            return Some(Ok((taken.at, None)));
        }
        match items.text.as_bytes().get(taken.at) {
            Some(b',') => Some(Ok((taken.at + 1, None))),
            Some(b']') => None,
            _ => Some(Err("an item is followed by neither `,` nor `]`".into())),
        }
    }

    fn locate(&self, mismatch: Mismatch, _: &ItemList, taken: Taken) -> Mismatch {
        mismatch.in_item(taken.count)
    }

    fn metadata(
        &self,
        envelope: &Envelope,
        pointer: Option<&Path>,
        headers: &HeaderMap,
        items: &ItemList,
        taken: Taken,
    ) -> Result<PageMetadata, Mismatch> {
        outline(envelope, pointer, headers, &items.without(taken))
    }
}

/// The position of a part of `text`.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

/// Walks through `page`, whose items may have been cut out. The next page is named at `pointer`,
/// if anywhere. Header fields take precedence over the `pagination` object.
///
/// # Errors
/// If the page is not JSON, or a place that the envelope names holds something else.
fn outline(
    envelope: &Envelope,
    pointer: Option<&Path>,
    headers: &HeaderMap,
    page: &str,
) -> Result<PageMetadata, Mismatch> {
    let lookups = lookups(envelope, pointer);
    let mut found = Found { page, ..Found::default() };
    let mut json = serde_json::Deserializer::from_str(page);
    Walk::new(&lookups, envelope, &mut found).deserialize(&mut json)?;
    json.end()?;
    let lists = match envelope.items.is_plain() {
        true => found.lists,
        false => usize::from(items_along(envelope, page)?.is_some()),
    };
    // Known facts are kept, so the order is by trust: configured places, header fields, the
    // `pagination` object.
    let mut info = PageInfo::default();
    for (index, (fact, place)) in envelope.named.iter().enumerate() {
        let Location::Body(path) = place else { continue };
        found.texts(&lookups, Target::Named(index), path, &mut info, |info, text| {
            info.remarks.add(Remarks::place(index));
            let said = fact.read(text).map_err(|_| unreadable(*fact, &place.name()))?;
            info.take(*fact, said);
            Ok(())
        })?;
    }
    envelope.read_headers(headers, &mut info)?;
    let mut next = Ok(None);
    if let Some(path) = pointer {
        found.texts(&lookups, Target::Pointer, path, &mut info, |info, text| {
            info.remarks.add(Remarks::POINTER);
            if matches!(next, Ok(None)) {
                next = read_pointer(text);
            }
            Ok(())
        })?;
    }
    if envelope.has_pagination_object() {
        info.fill_up(&found.hints);
        let path = &envelope.pagination;
        found.texts(&lookups, Target::Pagination, path, &mut info, |info, text| {
            Ok(Pagination(info).deserialize(&mut serde_json::Deserializer::from_str(text))?)
        })?;
    } else {
        for (path, (_, fact)) in envelope.hints.iter().zip(HINTS) {
            found.texts(&lookups, Target::Hint(fact), path, &mut info, |info, text| {
                take_hint(info, fact, text);
                Ok(())
            })?;
        }
    }
    Ok(PageMetadata { lists, info, pointer: next })
}

impl<'p> Found<'p> {
    /// Yields the values of a target: the one under the longest keys, and repetitions of it.
    /// Values that say that more pages follow come first.
    fn texts(
        &self,
        lookups: &[Lookup<'_>],
        target: Target,
        path: &Path,
        info: &mut PageInfo,
        mut take: impl FnMut(&mut PageInfo, &'p str) -> Result<(), Mismatch>,
    ) -> Result<(), Mismatch> {
        if !path.is_plain() {
            let texts = path.find(self.page, Gaps::NullIsEmpty)?.unwrap_or_default();
            return texts.into_iter().try_for_each(|text| take(info, text));
        }
        let of_target = |(index, _): &&(usize, &str)| {
            lookups.get(*index).is_some_and(|lookup| lookup.target == target)
        };
        let found = || self.values.iter().filter(of_target);
        // The first lookup is the one with the longest keys.
        let Some(index) = found().map(|(index, _)| *index).min() else { return Ok(()) };
        let found = || found().filter(|(of, _)| *of == index).map(|(_, text)| *text);
        let mut all = found();
        let first = all.next().unwrap_or_default();
        if all.all(|text| text == first) {
            return take(info, first);
        }
        info.remarks.add(Remarks::TWICE);
        let mut texts: Vec<&str> = found().collect();
        // Signs that more follow come first: a name, a larger number, a flag that is set.
        // Nothing, or no, comes last.
        texts.sort_by_key(|text| {
            let is_little = matches!(*text, "null" | "false" | "0" | "\"\"");
            let count: u64 = text.trim_matches('"').parse().unwrap_or_default();
            (is_little, std::cmp::Reverse(count))
        });
        texts.into_iter().try_for_each(|text| take(info, text))
    }
}

/// The items of an envelope whose path does more than to name keys. `None` if it leads nowhere.
///
/// # Errors
/// If the page is not JSON, or its path leads to something other than it should.
fn items_along<'p>(envelope: &Envelope, page: &'p str) -> Result<Option<Vec<&'p str>>, Mismatch> {
    let path = &envelope.items;
    let gaps = if envelope.null_is_empty { Gaps::NullIsEmpty } else { Gaps::Refused };
    let found = path.find(page, gaps)?;
    match found {
        Some(found) if !path.is_spread() => match found.as_slice() {
            ["null"] if envelope.null_is_empty => Ok(Some(Vec::new())),
            [list] => Path::parse("[]").find(list, Gaps::Refused),
            _ => Ok(None),
        },
        found => Ok(found),
    }
}

/// The offset of the first item in `page`. `None` if there is none, for any reason.
fn first_item(envelope: &Envelope, page: &str) -> Option<usize> {
    let mut readings = envelope.items.readings();
    // Longer keys win, if they exist at all.
    let last = readings.next_back()?;
    let exist = |steps: &[Step]| {
        steps.iter().all(|step| match step {
            Step::Key(key) => !key.contains('.') || page.contains(&format!("\"{key}\"")),
            _ => false,
        })
    };
    let earlier = readings.filter(|steps| exist(steps));
    earlier.chain([last]).find_map(|steps| match first_item_along(steps, envelope, page) {
        (true, at) => Some(at),
        (false, _) => None,
    })?
}

/// Whether there is a list along `steps`, and the offset of its first item.
fn first_item_along(steps: &[Step], envelope: &Envelope, page: &str) -> (bool, Option<usize>) {
    let lookups = [Lookup { target: Target::Items, steps }];
    let mut found = Found { stops_at_item: true, ..Found::default() };
    let mut json = serde_json::Deserializer::from_str(page);
    // Ends with an error when it is found, since nothing more is needed.
    let _ = Walk::new(&lookups, envelope, &mut found).deserialize(&mut json);
    let at = json.into_iter::<IgnoredAny>().byte_offset();
    // An invalid start of an item may have been confused with the end of something.
    let before = page.get(..at).filter(|_| found.is_at_item);
    let at = before.and_then(|before| before.trim_end().ends_with('[').then_some(at));
    (found.lists > 0, at)
}
