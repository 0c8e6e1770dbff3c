//! [pure] The items of a page, taken one after another from its text.

use std::{borrow::Cow, fmt, iter, ops::Range, sync::Arc};

use bytestring::ByteString;
use serde::{
    Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    content::content_of,
    decode::{ItemDecoder, Typed},
    envelope::Envelope,
    lines,
    outline::{first_item, items_along},
};
use crate::response::Mismatch;

/// What may stand between the items of a list: the white space of JSON (RFC 8259 section 2).
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Where the items of a page are.
#[derive(Clone)]
pub(super) struct List {
    text: ByteString,
    /// Where the first item is, if there is one.
    first: Option<usize>,
    is_lines: bool,
    /// Where each item is, from where to where, if they are not one list.
    places: Option<Arc<[Range<usize>]>>,
}

/// What was taken of a list.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken {
    /// How many items.
    pub(super) count: usize,
    /// Where to go on: at an item, or at the end of the list.
    pub(super) at: usize,
}

impl List {
    /// Finds the items in the text of a page. What is wrong with the page is told when it is
    /// read.
    pub(super) fn find(envelope: &Envelope, text: ByteString) -> Self {
        let is_lines = envelope.is_lines;
        let (first, places) = if is_lines {
            (lines::first(&text), None)
        } else if envelope.items.is_plain() {
            (first_item(envelope, &text), None)
        } else {
            let items = items_along(envelope, &text).ok().flatten().unwrap_or_default();
            let places: Arc<[_]> = items.into_iter().map(|item| place(&text, item)).collect();
            (places.first().map(|place| place.start), Some(places))
        };
        Self { text, first, is_lines, places }
    }

    /// The text of the whole page.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Nothing yet.
    pub(super) fn start(&self) -> Taken {
        Taken { count: 0, at: self.first.unwrap_or_default() }
    }

    /// Builds the next item, or returns `None` at the end of the list. What fails is not taken.
    pub(super) fn next<D: ItemDecoder>(
        &self,
        taken: &mut Taken,
        decoder: &D,
    ) -> Option<Result<D::Item, Mismatch>> {
        self.first?;
        let decoded = if self.is_lines {
            self.next_line(*taken, decoder)?
        } else if let Some(places) = &self.places {
            let place = places.get(taken.count)?;
            let text = self.text.get(place.clone()).unwrap_or_default();
            let decoded = decoder.decode_whole(text);
            let in_item = |source| Mismatch::from(source).in_item(taken.count);
            decoded.map(|item| (item, place.end)).map_err(in_item)
        } else {
            self.next_listed(*taken, decoder)?
        };
        Some(decoded.map(|(item, at)| {
            *taken = Taken { count: taken.count + 1, at };
            item
        }))
    }

    fn next_listed<D: ItemDecoder>(
        &self,
        taken: Taken,
        decoder: &D,
    ) -> Option<Result<(D::Item, usize), Mismatch>> {
        let rest = self.text.get(taken.at..).unwrap_or_default();
        let rest = match (taken.count, rest.bytes().next()) {
            (0, _) => rest,
            (_, Some(b',')) => &rest[1..],
            (_, Some(b']')) => return None,
            _ => return Some(Err("an item is followed by neither `,` nor `]`".into())),
        };
        Some(match decoder.decode_text(rest) {
            Ok((item, end)) => {
                let rest = rest[end..].trim_start_matches(WHITE_SPACE);
                Ok((item, self.text.len() - rest.len()))
            }
            Err(source) => Err(Mismatch::from(source).in_item(taken.count)),
        })
    }

    fn next_line<D: ItemDecoder>(
        &self,
        taken: Taken,
        decoder: &D,
    ) -> Option<Result<(D::Item, usize), Mismatch>> {
        let (line, end) = lines::line(&self.text, taken.at)?;
        let on_line = |source| Mismatch::from(source).on_line(lines::number(&self.text, end));
        Some(decoder.decode_whole(line).map(|item| (item, end)).map_err(on_line))
    }

    /// Takes all items without building any.
    ///
    /// # Errors
    /// When one of them is none.
    pub(super) fn pass_over(&self) -> Result<Taken, Mismatch> {
        if let Some(taken) = self.pass_over_at_once() {
            return Ok(taken);
        }
        let mut taken = self.start();
        while let Some(item) = self.next(&mut taken, &Typed::<IgnoredAny>::new()) {
            item?;
        }
        Ok(taken)
    }

    /// The same for one list in which nothing is wrong.
    fn pass_over_at_once(&self) -> Option<Taken> {
        let is_list = !self.is_lines && self.places.is_none();
        let before = self.text.get(..self.first.filter(|_| is_list)?)?;
        let bracket = before.trim_end_matches(WHITE_SPACE).len().checked_sub(1)?;
        let mut json = serde_json::Deserializer::from_str(self.text.get(bracket..)?);
        let count = json.deserialize_seq(Count).ok()?;
        let length = json.into_iter::<IgnoredAny>().byte_offset();
        Some(Taken { count, at: bracket + length.checked_sub(1)? })
    }

    /// The page without what was `taken` of it, where that is one piece.
    pub(super) fn without(&self, taken: Taken) -> Cow<'_, str> {
        match self.first {
            Some(first) if self.places.is_none() => {
                [&self.text[..first], &self.text[taken.at..]].concat().into()
            }
            _ => Cow::Borrowed(&self.text),
        }
    }

    /// What the items are that were `taken`, as one number.
    pub(super) fn content(&self, taken: Taken) -> u64 {
        let listed = self.first.map(|first| first..taken.at);
        let places = match &self.places {
            Some(places) => &**places,
            None => listed.as_slice(),
        };
        content_of(places.iter().filter_map(|place| self.text.get(place.clone())))
    }

    /// The text of the page from its first item on.
    pub(super) fn text_of_items(&self) -> Option<&str> {
        Some(self.text.get(self.first?..)?.trim_start_matches(WHITE_SPACE))
    }

    /// The text of each item.
    pub(super) fn items(&self) -> impl Iterator<Item = Option<Box<RawValue>>> {
        let mut taken = self.start();
        let decoder = Typed::new();
        iter::from_fn(move || self.next(&mut taken, &decoder).map(Result::ok))
    }
}

/// Counts the items of a list.
struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<usize, S::Error> {
        let mut count = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

/// Where a part of `text` is in it.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass_over(lines: &str) -> Result<Taken, Mismatch> {
        List::find(&Envelope::ndjson(), lines.to_owned().into()).pass_over()
    }

    #[test]
    fn blank_lines_are_skipped_and_the_last_line_may_lack_its_end() {
        for (text, items) in [
            ("", 0),
            ("\n \r\n", 0),
            ("{}", 1),
            ("{}\n", 1),
            ("\n{}\r\n\n\n[1]\n  7", 3),
            ("{\"a\":\"\\n\"}\n{}", 2),
            ("\u{feff}{}\n\u{feff}{}\n\u{feff}", 2),
        ] {
            assert_eq!(pass_over(text).unwrap().count, items, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_cut_or_holds_more_than_an_item_is_named() {
        for (text, line) in [("{}\n{\"a\":", 2), ("{}\n\n{} {}\n", 3), ("<html>", 1), ("{\n}", 1)] {
            let error = pass_over(text).err().unwrap().to_string();
            assert!(error.contains(&format!("line {line} ")), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_content_is_that_of_the_items_alone() {
        let content = |envelope: &Envelope, text: &str| {
            let list = List::find(envelope, text.to_owned().into());
            list.content(list.pass_over().unwrap())
        };
        let spread = Envelope::items_at("data[].rows[]");
        for (envelope, before, behind) in
            [(Envelope::default(), "", ""), (spread, "{\"rows\":[", "]}")]
        {
            let page = |page: u32, items: &str| {
                format!("{{\"data\":[{before}{items}{behind}],\"page\":{page}}}")
            };
            let of = |number, items| content(&envelope, &page(number, items));
            assert_eq!(of(1, "1,{}"), of(2, "1,{}"));
            assert_eq!(of(1, ""), of(2, ""));
            assert_ne!(of(1, "1,{}"), of(1, "2,{}"));
            assert_ne!(of(1, "1"), of(1, "1,1"));
        }
    }
}
