//! What is known of a document while its events pass by: the elements that are open, the items
//! among them, and their fields.

use std::{borrow::Cow, collections::VecDeque};

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::path::{ElementPath, ValuePath, is_attribute};
use crate::{error::ExtractError, field::Column, items::Items, told::PLACES};

/// An item, from its start tag until it is written.
struct Item {
    number: usize,
    /// How many elements are open with it.
    depth: usize,
    texts: Vec<Vec<String>>,
    has_ended: bool,
}

/// A field whose element is open.
struct OpenText {
    /// The number of its item; `None` for one of the document.
    item: Option<usize>,
    column: usize,
    depth: usize,
    text: String,
}

/// The state of one document.
pub(super) struct Walk<'w> {
    path: &'w ElementPath,
    fields: &'w [(usize, ValuePath)],
    of_page: &'w [(usize, ValuePath)],
    columns: &'w [Column],
    items: &'w mut Items,
    /// The names of the elements that are open.
    open: Vec<String>,
    /// The items that are not written, in the order of their start tags.
    begun: VecDeque<Item>,
    /// The numbers of those that are open, the innermost last.
    open_items: Vec<usize>,
    open_texts: Vec<OpenText>,
    page: Vec<Vec<String>>,
    numbers: usize,
    has_root: bool,
    held: usize,
}

impl<'w> Walk<'w> {
    pub(super) fn new(
        path: &'w ElementPath,
        fields: &'w [(usize, ValuePath)],
        of_page: &'w [(usize, ValuePath)],
        columns: &'w [Column],
        items: &'w mut Items,
    ) -> Self {
        Self {
            path,
            fields,
            of_page,
            columns,
            items,
            open: Vec::new(),
            begun: VecDeque::new(),
            open_items: Vec::new(),
            open_texts: Vec::new(),
            page: vec![Vec::new(); PLACES],
            numbers: 0,
            has_root: false,
            held: 0,
        }
    }

    pub(super) fn into_page_texts(self) -> Vec<Vec<String>> {
        self.page
    }

    /// Reads the whole document.
    pub(super) fn read(&mut self, text: &str) -> Result<(), ExtractError> {
        let mut reader = Reader::from_str(text);
        loop {
            let event = reader.read_event().map_err(|error| {
                let reason = format!("at byte {}: {}", reader.error_position(), told(&error));
                ExtractError::malformed("XML", reason)
            })?;
            self.items.step()?;
            match event {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::Text(text) => self.text(&text.xml10_content())?,
                Event::CData(text) => self.text(&text.xml10_content())?,
                Event::GeneralRef(entity) => {
                    let text = resolved(&entity).ok_or_else(|| {
                        let at = reader.buffer_position();
                        let reason = format!("at byte {at}: an entity that is not defined");
                        ExtractError::malformed("XML", reason)
                    })?;
                    self.text(&text)?;
                }
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        if !self.open.is_empty() {
            let reason = format!("it ends inside {} elements", self.open.len());
            return Err(ExtractError::malformed("XML", reason));
        }
        if !self.has_root {
            return Err(ExtractError::malformed("XML", "there is no element"));
        }
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), ExtractError> {
        self.held += bytes;
        self.items.hold(self.held)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), ExtractError> {
        if self.open.is_empty() && std::mem::replace(&mut self.has_root, true) {
            return Err(ExtractError::malformed("XML", "there are two roots"));
        }
        let limits = *self.items.limits();
        if self.open.len() >= limits.depth {
            return Err(limits.exceeded("depth"));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute
                .map_err(|_| ExtractError::malformed("XML", "an attribute has no quoted value"))?;
            if attributes.len() >= limits.attributes {
                return Err(limits.exceeded("attributes"));
            }
            attributes.push(attribute);
        }
        self.open.push(start.name().0.to_owned());
        if self.path.ends(&self.open) {
            self.begin_item()?;
        }
        let find = |name: &str| {
            let mut named = attributes.iter();
            let attribute = named.find(|attribute| is_attribute(attribute.key.0, name))?;
            Some(unescaped(&attribute.value))
        };
        let item = self.open_items.last().copied();
        let depth = item.and_then(|number| self.item(number)).map_or(0, |item| item.depth);
        for (column, path) in self.fields {
            // Only fields of the innermost item: another one inside it has its own.
            if item.is_some() && path.is_at(&self.open, depth) {
                self.found(item, *column, path, &find)?;
            }
        }
        for (column, path) in self.of_page {
            if path.is_at(&self.open, 0) {
                self.found(None, *column, path, &find)?;
            }
        }
        Ok(())
    }

    /// The element at hand is that of a field.
    fn found(
        &mut self,
        item: Option<usize>,
        column: usize,
        path: &ValuePath,
        find: &impl Fn(&str) -> Option<Result<String, ExtractError>>,
    ) -> Result<(), ExtractError> {
        if let Some((name, wanted)) = &path.condition {
            match find(name).transpose()? {
                Some(value) if value == *wanted => {}
                _ => return Ok(()),
            }
        }
        let is_list = item.is_some() && self.columns.get(column).is_some_and(|c| c.is_list);
        let is_open = self.open_texts.iter().any(|open| open.item == item && open.column == column);
        let has_some = self.texts(item, column).is_none_or(|texts| !texts.is_empty());
        if !is_list && (has_some || is_open) {
            return Ok(());
        }
        if let Some(name) = &path.attr {
            let Some(value) = find(name) else { return Ok(()) };
            let value = value?;
            self.hold(size_of::<String>() + value.len())?;
            self.texts(item, column).into_iter().for_each(|texts| texts.push(value.clone()));
            return Ok(());
        }
        self.hold(size_of::<OpenText>())?;
        let depth = self.open.len();
        self.open_texts.push(OpenText { item, column, depth, text: String::new() });
        Ok(())
    }

    fn texts(&mut self, item: Option<usize>, column: usize) -> Option<&mut Vec<String>> {
        match item {
            None => self.page.get_mut(column),
            Some(number) => self.item(number)?.texts.get_mut(column),
        }
    }

    fn item(&mut self, number: usize) -> Option<&mut Item> {
        let first = self.begun.front()?.number;
        self.begun.get_mut(number.checked_sub(first)?)
    }

    fn begin_item(&mut self) -> Result<(), ExtractError> {
        self.hold(size_of::<Item>() + self.columns.len() * size_of::<Vec<String>>())?;
        let texts = vec![Vec::new(); self.columns.len()];
        let (number, depth) = (self.numbers, self.open.len());
        self.numbers += 1;
        self.open_items.push(number);
        self.begun.push_back(Item { number, depth, texts, has_ended: false });
        Ok(())
    }

    /// Adds a text to the fields that are open.
    fn text(&mut self, text: &str) -> Result<(), ExtractError> {
        if self.open.is_empty() {
            let is_blank = text.trim().is_empty();
            let beside = || ExtractError::malformed("XML", "there is text beside the root");
            return if is_blank { Ok(()) } else { Err(beside()) };
        }
        self.hold(text.len() * self.open_texts.len())?;
        self.open_texts.iter_mut().for_each(|open| open.text.push_str(text));
        Ok(())
    }

    /// The element at hand ends.
    fn end(&mut self) -> Result<(), ExtractError> {
        let depth = self.open.len();
        while self.open_texts.last().is_some_and(|open| open.depth == depth) {
            let Some(OpenText { item, column, text, .. }) = self.open_texts.pop() else { break };
            let text = text.trim().to_owned();
            self.texts(item, column).into_iter().for_each(|texts| texts.push(text.clone()));
        }
        self.open.pop();
        let innermost = self.open_items.last().copied();
        let Some(item) = innermost.and_then(|number| self.item(number)) else { return Ok(()) };
        if item.depth != depth {
            return Ok(());
        }
        item.has_ended = true;
        self.open_items.pop();
        while self.begun.front().is_some_and(|item| item.has_ended) {
            let Some(item) = self.begun.pop_front() else { break };
            let texts = item.texts.into_iter();
            let texts = texts.map(|texts| texts.into_iter().map(Cow::Owned).collect());
            let texts: Vec<Vec<Cow<'_, str>>> = texts.collect();
            self.items.row(self.columns, &texts)?;
        }
        if self.begun.is_empty() {
            self.held = self.open_texts.iter().map(|open| open.text.len()).sum();
            self.items.hold(self.held)?;
        }
        Ok(())
    }
}

/// The text of an entity that XML defines, or of a character.
fn resolved(entity: &BytesRef<'_>) -> Option<Cow<'static, str>> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return Some(character.to_string().into());
    }
    let name = entity.xml10_content();
    quick_xml::escape::resolve_xml_entity(&name).map(Cow::Borrowed)
}

/// The value of an attribute.
fn unescaped(value: &str) -> Result<String, ExtractError> {
    let value = quick_xml::escape::unescape(value);
    let value = value.map_err(|_| {
        ExtractError::malformed("XML", "an attribute has an entity that is not defined")
    })?;
    Ok(value.into_owned())
}

/// What is wrong, without any text of the document.
fn told(error: &quick_xml::Error) -> &'static str {
    match error {
        quick_xml::Error::Syntax(_) => "it ends inside markup, or markup is not closed",
        quick_xml::Error::IllFormed(_) => "tags do not fit together",
        quick_xml::Error::InvalidAttr(_) => "an attribute has no quoted value",
        quick_xml::Error::Escape(_) => "an entity is not defined",
        _ => "it cannot be read",
    }
}
