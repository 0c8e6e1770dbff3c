//! [pure] The items of a page, taken one after another from its text, and [`PageFormat`], the trait
//! of the formats that find them there.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, Hasher},
    iter,
    ops::Range,
    sync::Arc,
};

use bytestring::ByteString;
use foldhash::fast::FixedState;
use http::HeaderMap;
use serde::de::{Deserialize, IgnoredAny};

use super::{
    decoder::{ItemDecoder, Typed},
    scan, text,
};
use crate::{
    coop::LONG_WORK,
    pager::{envelope::Envelope, strategy::PageMetadata},
    path::Path,
    response::{Mismatch, Response},
};

/// Allowed between the items of a list: the white space of JSON (RFC 8259 section 2).
pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Finds the items in a page, and the metadata beside them.
///
/// A format turns a body into a text in which each item is JSON, and says where the next one
/// begins. It builds no items, so it does not depend on their type, and nothing is read twice. A
/// format whose items are not JSON writes them as lines of JSON in [`text`](Self::text), and
/// leaves the rest to [`Ndjson`](super::ndjson::Ndjson).
pub(in crate::pager) trait PageFormat: fmt::Debug + Send + Sync {
    /// The text that contains the items: that of the body.
    ///
    /// # Errors
    /// If the response is not in this format, or is incomplete.
    fn text(&self, envelope: &Envelope, response: &Response) -> Result<ByteString, Mismatch> {
        text::text(response.body(), envelope.lossy_text)
    }

    /// Finds the items in such a text. Errors in it are reported when it is read.
    fn find(&self, envelope: &Envelope, text: ByteString) -> ItemList;

    /// Where the next item begins, and where it ends if that is known before it is read.
    /// `None` after the last.
    fn next(
        &self,
        items: &ItemList,
        taken: Taken,
    ) -> Option<Result<(usize, Option<usize>), Mismatch>>;

    /// Adds the place of the next item to a mismatch that is about it.
    fn locate(&self, mismatch: Mismatch, items: &ItemList, taken: Taken) -> Mismatch;

    /// The metadata beside the page's items, which were `taken`, in its text and in header
    /// fields. The next page is named at `pointer`, if anywhere.
    ///
    /// # Errors
    /// If it is not a page of the format, or a place that the envelope names holds something else.
    fn metadata(
        &self,
        envelope: &Envelope,
        pointer: Option<&Path>,
        headers: &HeaderMap,
        items: &ItemList,
        taken: Taken,
    ) -> Result<PageMetadata, Mismatch>;
}

/// Where the items of a page are.
#[derive(Clone)]
pub(in crate::pager) struct ItemList {
    /// The text of the whole page.
    pub(in crate::pager) text: ByteString,
    /// Where the first item is, if there is one.
    pub(super) first: Option<usize>,
    /// Whether the items are one piece of the text.
    pub(super) is_one_piece: bool,
    /// The range of each item, if that is known.
    pub(super) places: Option<Arc<[Range<usize>]>>,
    pub(super) format: &'static dyn PageFormat,
}

/// The progress through a list.
#[derive(Clone, Copy, Default)]
pub(in crate::pager) struct Taken {
    /// How many items.
    pub(in crate::pager) count: usize,
    /// Where to continue: at an item, or at the end of the list.
    pub(in crate::pager) at: usize,
}

impl ItemList {
    pub(in crate::pager) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The start: nothing was taken.
    pub(in crate::pager) fn start(&self) -> Taken {
        Taken { count: 0, at: self.first.unwrap_or_default() }
    }

    /// Builds the next item, or returns `None` at the end of the list. An item that fails is not
    /// taken.
    pub(in crate::pager) fn next<D: ItemDecoder>(
        &self,
        taken: &mut Taken,
        decoder: &D,
    ) -> Option<Result<D::Item, Mismatch>> {
        let (start, end) = match self.place(*taken)? {
            Ok(place) => place,
            Err(mismatch) => return Some(Err(mismatch)),
        };
        let text = self.text.get(start..end.unwrap_or(self.text.len())).unwrap_or_default();
        let built = match end {
            Some(end) => decoder.decode_whole(text).map(|item| (item, end)),
            None => decoder.decode_text(text).map(|(item, length)| {
                let rest = text[length..].trim_start_matches(WHITE_SPACE);
                (item, self.text.len() - rest.len())
            }),
        };
        Some(match built {
            Ok((item, at)) => {
                *taken = Taken { count: taken.count + 1, at };
                Ok(item)
            }
            Err(source) => Err(self.format.locate(source.into(), self, *taken)),
        })
    }

    /// Whether the next item has [`LONG_WORK`] bytes or more.
    pub(in crate::pager) fn is_next_long(&self, taken: Taken) -> bool {
        if self.is_empty() || self.text.len().saturating_sub(taken.at) < LONG_WORK {
            return false;
        }
        let Some(Ok((start, end))) = self.place(taken) else { return false };
        let bytes = self.text.as_bytes().get(start..end.unwrap_or(self.text.len()));
        let Some(beginning) = bytes.and_then(|bytes| bytes.get(..LONG_WORK)) else { return false };
        let mut json = serde_json::Deserializer::from_slice(beginning);
        IgnoredAny::deserialize(&mut json).is_err_and(|error| error.is_eof())
    }

    /// Where the next item begins, and where it ends if that is known.
    fn place(&self, taken: Taken) -> Option<Result<(usize, Option<usize>), Mismatch>> {
        self.first?;
        match &self.places {
            Some(places) => places.get(taken.count).map(|place| Ok((place.start, Some(place.end)))),
            None => self.format.next(self, taken),
        }
    }

    /// Takes the next item without building it, and returns where it is.
    fn take(&self, taken: &mut Taken) -> Option<Result<Range<usize>, Mismatch>> {
        let (start, end) = match self.place(*taken)? {
            Ok(place) => place,
            Err(mismatch) => return Some(Err(mismatch)),
        };
        if let (Some(end), Some(_)) = (end, &self.places) {
            *taken = Taken { count: taken.count + 1, at: end };
            return Some(Ok(start..end));
        }
        let json = self.text.as_bytes().get(..end.unwrap_or(self.text.len())).unwrap_or_default();
        if let Some(own) = scan::end_of_value(json, start) {
            let at = scan::skip_blanks(json, own);
            if end.is_none_or(|end| end == at) {
                *taken = Taken { count: taken.count + 1, at };
                return Some(Ok(scan::skip_blanks(json, start)..own));
            }
        }
        // Too deep, or wrong in a way that the decoder puts into words.
        let item = self.next(taken, &Typed::<IgnoredAny>::new())?;
        Some(item.map(|IgnoredAny| {
            let text = self.text.get(start..taken.at).unwrap_or_default();
            let start = taken.at - text.trim_start_matches(WHITE_SPACE).len();
            start..start + text.trim_matches(WHITE_SPACE).len()
        }))
    }

    /// Takes all items without building any, and learns where each is.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub(in crate::pager) fn pass_over(&mut self) -> Result<Taken, Mismatch> {
        let (mut taken, mut places) = (self.start(), Vec::new());
        while let Some(place) = self.take(&mut taken) {
            places.push(place?);
        }
        self.places = Some(places.into());
        Ok(taken)
    }

    /// Leaves out the items with these indexes, once it is known where each is. Returns what
    /// passes over the rest.
    pub(in crate::pager) fn leave_out(&mut self, indexes: &[usize]) -> Taken {
        let places = self.places.iter().flat_map(|places| places.iter()).enumerate();
        let rest = places.filter(|(index, _)| !indexes.contains(index));
        let rest: Arc<[_]> = rest.map(|(_, place)| place.clone()).collect();
        self.first = rest.first().map(|place| place.start);
        self.is_one_piece = false;
        let taken = Taken { count: rest.len(), at: rest.last().map_or(0, |place| place.end) };
        self.places = Some(rest);
        taken
    }

    /// The page with the `taken` items cut out, if they are one piece.
    pub(in crate::pager) fn without(&self, taken: Taken) -> Cow<'_, str> {
        match self.first {
            Some(first) if self.is_one_piece => {
                [&self.text[..first], &self.text[taken.at..]].concat().into()
            }
            _ => Cow::Borrowed(&self.text),
        }
    }

    /// A hash of the `taken` items.
    pub(in crate::pager) fn content(&self, taken: Taken) -> u64 {
        let piece = self.first.map(|first| first..taken.at);
        let places = match &self.places {
            Some(places) if !self.is_one_piece => &**places,
            _ => piece.as_slice(),
        };
        content_of(places.iter().filter_map(|place| self.text.get(place.clone())))
    }

    /// The text of the page from its first item on.
    pub(in crate::pager) fn text_of_items(&self) -> Option<&str> {
        Some(self.text.get(self.first?..)?.trim_start_matches(WHITE_SPACE))
    }

    /// The text of each item. Ends after one that is invalid.
    pub(in crate::pager) fn texts(&self) -> impl Iterator<Item = Result<&str, Mismatch>> {
        let (mut taken, mut has_failed) = (self.start(), false);
        iter::from_fn(move || {
            if has_failed {
                return None;
            }
            let place = self.take(&mut taken)?;
            has_failed = place.is_err();
            Some(place.map(|place| self.text.get(place).unwrap_or_default()))
        })
    }
}

/// A hash of these texts in order.
fn content_of<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = FixedState::with_seed(0x9e37_79b9).build_hasher();
    for text in texts {
        hasher.write(text.as_bytes());
        hasher.write_usize(text.len());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{super::decode::format_of, *};

    fn list(envelope: &Envelope, text: &str) -> ItemList {
        let response = Response::new(http::StatusCode::OK, text.to_owned());
        format_of(envelope, &response).find(envelope, text.to_owned().into())
    }

    fn pass_over(lines: &str) -> Result<Taken, Mismatch> {
        list(&Envelope::ndjson(), lines).pass_over()
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
    fn a_long_item_is_known_before_it_is_built() {
        let long = format!("[{}7]", "7,".repeat(LONG_WORK / 2));
        let text = "x".repeat(LONG_WORK - 1);
        let spread = Envelope::items_at("data[].rows[]");
        for (envelope, page) in [
            (Envelope::default(), format!("[7,{long},\"{text}\",7]")),
            (Envelope::default(), format!("{{\"data\":[7, {long} , \"{text}\", 7]}}")),
            (Envelope::ndjson(), format!("7\n{long}\n\"{text}\"\n7\n")),
            (spread, format!("{{\"data\":[{{\"rows\":[7,{long},\"{text}\",7]}}]}}")),
        ] {
            let list = list(&envelope, &page);
            let (mut taken, mut are_long) = (list.start(), Vec::new());
            loop {
                let is_long = list.is_next_long(taken);
                let Some(item) = list.next(&mut taken, &Typed::<IgnoredAny>::new()) else { break };
                item.unwrap();
                are_long.push(is_long);
            }
            assert_eq!(are_long, [false, true, true, false], "{envelope:?}");
        }
        let (many, none) = ("7,".repeat(LONG_WORK), "x".repeat(LONG_WORK));
        for page in [format!("[{many}7]"), format!("{{\"data\":[],\"x\":\"{none}\"}}")] {
            let list = list(&Envelope::default(), &page);
            assert!(!list.is_next_long(list.start()));
        }
    }

    #[test]
    fn the_texts_are_those_of_the_items_whether_or_not_they_were_passed_over() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let expected = ["7", "{\"a\": [1 , 2]}", "\" é]\\\"\"", "null", &deep];
        let listed = format!("[ {} ]", expected.join(" ,\n"));
        let spread = format!("{{\"data\":[{{\"rows\":{listed}}},{{\"rows\":[]}}]}}");
        let lines = expected.join(" \r\n\n\u{feff} ");
        for (envelope, page) in [
            (Envelope::default(), &listed),
            (Envelope::default(), &format!("{{\"data\":{listed},\"x\":1}}")),
            (Envelope::items_at("data[].rows[]"), &spread),
            (Envelope::ndjson(), &lines),
        ] {
            let mut list = list(&envelope, page);
            let texts = |list: &ItemList| {
                let texts = list.texts().map(|text| text.unwrap().to_owned());
                texts.collect::<Vec<_>>()
            };
            assert_eq!(texts(&list), expected, "{envelope:?}");
            let taken = list.pass_over().unwrap();
            assert_eq!(
                (taken.count, texts(&list)),
                (expected.len(), expected.map(str::to_owned).to_vec())
            );
        }
    }

    #[test]
    fn texts_end_after_an_item_that_is_none() {
        let list = list(&Envelope::default(), "[1,2 3]");
        let are_valid: Vec<_> = list.texts().map(|text| text.is_ok()).collect();
        assert_eq!(are_valid, [true, true, false]);
    }

    #[test]
    fn the_content_is_that_of_the_items_alone() {
        let content = |envelope: &Envelope, text: &str| {
            let mut list = list(envelope, text);
            let taken = list.pass_over().unwrap();
            list.content(taken)
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
