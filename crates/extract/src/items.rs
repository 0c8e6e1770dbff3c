//! The page that an extractor writes: items as JSON, where the next page is, and how many
//! items there are in all, within the limits of the page.

use std::{borrow::Cow, io, sync::Arc, time::Instant};

use serde::Serialize;

use crate::{
    error::ExtractError,
    field::{Column, OpenItem, write_text},
    limits::{Budget, Limits},
    text::count_in,
};

/// The page that an [`Extract`](crate::Extract) writes.
#[derive(Debug)]
pub struct Items {
    json: Vec<u8>,
    budget: Budget,
    count: u64,
    /// The memory that the extractor holds besides what it has written.
    held: usize,
    next: Option<String>,
    names_next: bool,
    /// The cursor of the next page, if pages have such: none on the last one.
    cursor: Option<Option<String>>,
    total: Option<u64>,
}

impl Items {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            json: b"{\"data\":[".to_vec(),
            budget,
            count: 0,
            held: 0,
            next: None,
            names_next: false,
            cursor: None,
            total: None,
        }
    }

    /// A page that takes nothing, in place of one that is elsewhere.
    pub(crate) fn none() -> Self {
        Self::new(Budget::begin(Limits::default(), Instant::now(), Arc::default()))
    }

    /// Adds an item.
    ///
    /// # Errors
    /// [`ExtractError::Limit`], and [`ExtractError::Malformed`] for what has no form in JSON. The
    /// extractor returns it.
    pub fn item(&mut self, item: &impl Serialize) -> Result<(), ExtractError> {
        let start = self.begin()?;
        let left = self.limits().item_bytes;
        let written = serde_json::to_writer(Bounded { json: &mut self.json, left }, item);
        written.map_err(|error| match error.is_io() {
            true => self.limits().exceeded("item_bytes"),
            false => ExtractError::malformed("JSON", "an item has no form in it"),
        })?;
        self.end(start)
    }

    /// Adds an item that is JSON already.
    ///
    /// # Errors
    /// [`ExtractError::Limit`], and [`ExtractError::Malformed`] for what is not one JSON value. The
    /// extractor returns it.
    pub fn json(&mut self, item: &str) -> Result<(), ExtractError> {
        let item = item.trim();
        if item.len() > self.limits().item_bytes {
            return Err(self.limits().exceeded("item_bytes"));
        }
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(item).is_ok();
        if !is_json {
            let reason = format!("item {} is not one value", self.count + 1);
            return Err(ExtractError::malformed("JSON", reason));
        }
        let start = self.begin()?;
        self.json.extend_from_slice(item.as_bytes());
        self.end(start)
    }

    /// Adds an item with what was found of its fields.
    pub(crate) fn row(
        &mut self,
        columns: &[Column],
        texts: &[Vec<Cow<'_, str>>],
    ) -> Result<(), ExtractError> {
        let start = self.begin()?;
        let (number, limits) = (self.count, &self.budget.limits);
        let mut item = OpenItem { json: &mut self.json, start, number, limits };
        item.json.push(b'{');
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                item.json.push(b',');
            }
            let texts = texts.get(at).map_or(&[][..], Vec::as_slice);
            column.write(texts, &mut item)?;
        }
        item.json.push(b'}');
        self.end(start)
    }

    fn begin(&mut self) -> Result<usize, ExtractError> {
        if self.count >= self.budget.limits.items {
            return Err(self.limits().exceeded("items"));
        }
        self.count += 1;
        if self.count > 1 {
            self.json.push(b',');
        }
        Ok(self.json.len())
    }

    fn end(&mut self, start: usize) -> Result<(), ExtractError> {
        if self.json.len() - start > self.limits().item_bytes {
            return Err(self.limits().exceeded("item_bytes"));
        }
        self.check_memory()?;
        self.budget.step()
    }

    /// Says that the extractor holds this much memory now, besides what it has written.
    ///
    /// # Errors
    /// The limit `memory`.
    pub fn hold(&mut self, bytes: usize) -> Result<(), ExtractError> {
        self.held = bytes;
        self.check_memory()
    }

    fn check_memory(&self) -> Result<(), ExtractError> {
        let used = self.json.len().saturating_add(self.held);
        if used > self.limits().memory { Err(self.limits().exceeded("memory")) } else { Ok(()) }
    }

    /// A small step of the work was done. To be called often: it is how time limits are held, and
    /// how a page that nobody waits for any more ends.
    ///
    /// # Errors
    /// The limit `time`, and [`ExtractError::Cancelled`]. The extractor returns it.
    pub fn step(&mut self) -> Result<(), ExtractError> {
        self.budget.step()
    }

    /// As [`step`](Self::step), after a longer piece of work.
    ///
    /// # Errors
    /// As there.
    pub fn check_time(&self) -> Result<(), ExtractError> {
        self.budget.check()
    }

    /// The limits of the page.
    pub fn limits(&self) -> &Limits {
        &self.budget.limits
    }

    /// What is left of the limits, for work that holds them by itself.
    #[cfg(feature = "wasm")]
    pub(crate) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// How many items were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Says where the next page is, as the page writes it; `None` on the last one. A URL that is
    /// empty, or a mere fragment such as `#`, means the page itself (RFC 3986, section 4.4): that is
    /// no next one.
    pub fn next(&mut self, url: Option<String>) {
        self.names_next = true;
        self.next = url.filter(|url| !is_own(url));
    }

    /// Says which cursor the next page has; `None` or an empty one on the last one.
    pub(crate) fn cursor(&mut self, cursor: Option<String>) {
        self.cursor = Some(cursor.filter(|cursor| !cursor.is_empty()));
    }

    /// Says how many items the whole set has, if a text was found that should be a number.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] for one that is invalid.
    pub(crate) fn total_in(
        &mut self,
        format: &'static str,
        text: Option<&str>,
    ) -> Result<(), ExtractError> {
        let wanted = || ExtractError::malformed(format, "the total is not one number");
        if let Some(text) = text {
            self.total(count_in(text).ok_or_else(wanted)?);
        }
        Ok(())
    }

    /// Says how many items the whole set has.
    pub fn total(&mut self, items: u64) {
        self.total = Some(items);
    }

    /// Where the next page is.
    pub(crate) fn next_url(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The whole page.
    pub(crate) fn into_page(mut self) -> Vec<u8> {
        self.json.push(b']');
        if let Some(total) = self.total {
            self.json
                .extend_from_slice(format!(",\"pagination\":{{\"total\":{total}}}").as_bytes());
        }
        if self.names_next {
            self.json.extend_from_slice(b",\"next\":");
            match &self.next {
                Some(next) => write_text(next, &mut self.json),
                None => self.json.extend_from_slice(b"null"),
            }
        }
        if let Some(cursor) = &self.cursor {
            self.json.extend_from_slice(b",\"next_cursor\":");
            match cursor {
                Some(cursor) => write_text(cursor, &mut self.json),
                None => self.json.extend_from_slice(b"null"),
            }
        }
        self.json.push(b'}');
        self.json
    }
}

/// Whether a URL means the page that it is written in.
pub(crate) fn is_own(url: &str) -> bool {
    matches!(url.trim_start().as_bytes().first(), None | Some(b'#'))
}

/// Takes so many bytes and no more.
struct Bounded<'j> {
    json: &'j mut Vec<u8>,
    left: usize,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len());
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        self.json.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_is_too_long_is_refused_before_all_of_it_is_written() {
        let limits = Limits::default().item_bytes(100);
        let items = || Items::new(Budget::begin(limits, Instant::now(), Arc::default()));
        for is_text in [false, true] {
            let mut items = items();
            let before = items.json.len();
            let written = match is_text {
                false => items.item(&vec!["x"; 1_000]),
                true => items.json(&"1".repeat(1_000)),
            };
            assert_eq!(written.unwrap_err().limit(), Some("item_bytes"));
            assert!(items.json.len() <= before + 100);
        }
        items().item(&"x".repeat(98)).unwrap();
        items().json(&"1".repeat(100)).unwrap();
        let no_text = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = items().item(&no_text).unwrap_err();
        assert!(matches!(error, ExtractError::Malformed { .. }), "{error}");
    }
}
