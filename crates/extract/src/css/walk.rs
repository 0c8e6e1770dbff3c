//! What is known of a page of HTML while its tags and texts pass by: the items that have begun,
//! their fields, and which of them are open.

use std::{collections::VecDeque, sync::Arc};

use lol_html::html_content::TextType;

use super::elements::{MAY_STAY_OPEN, RAW};
use crate::{error::ExtractError, field::Column, fields::Place, items::Items, text::folded};

/// An item, from its start tag until it is written.
struct Item {
    number: u64,
    tag: String,
    /// How many containers it is in.
    containers: usize,
    texts: Vec<Vec<String>>,
    open: Vec<OpenText>,
    has_ended: bool,
}

/// A field whose element is open.
struct OpenText {
    /// Names the element, for its end tag.
    id: u64,
    column: usize,
    /// Its text is as it is, as that of a script.
    is_raw: bool,
    text: String,
}

/// The state of one page.
pub(super) struct Walk {
    items: Items,
    columns: Arc<Vec<Column>>,
    /// Those that are not written, in the order of their start tags.
    begun: VecDeque<Item>,
    /// The numbers of those that are open, the innermost last.
    open: Vec<u64>,
    pub(super) containers: usize,
    /// What the page says of itself.
    page: Item,
    /// The fields that are of the item's own element.
    pub(super) own: Vec<Place>,
    /// How many fields are open.
    pub(super) texts: usize,
    /// The text of the node that is being read.
    node: String,
    ids: u64,
    held: usize,
}

impl Walk {
    pub(super) fn new(items: Items, columns: Arc<Vec<Column>>) -> Self {
        Self {
            items,
            columns,
            begun: VecDeque::new(),
            open: Vec::new(),
            containers: 0,
            page: Item {
                number: 0,
                tag: String::new(),
                containers: 0,
                texts: vec![Vec::new(); 3],
                open: Vec::new(),
                has_ended: false,
            },
            own: Vec::new(),
            texts: 0,
            node: String::new(),
            ids: 0,
            held: 0,
        }
    }

    pub(super) fn take_items(&mut self) -> Items {
        std::mem::replace(&mut self.items, Items::none())
    }

    pub(super) fn of_page(&self, column: usize) -> &[String] {
        self.page.texts.get(column).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of_item_itself(&mut self, place: Place) {
        self.own.push(place);
    }

    pub(super) fn check_time(&self) -> Result<(), ExtractError> {
        self.items.check_time()
    }

    pub(super) fn exceeded(&self, limit: &'static str) -> ExtractError {
        self.items.limits().exceeded(limit)
    }

    /// Ends what is still open, and writes it.
    pub(super) fn finish(&mut self) -> Result<(), ExtractError> {
        self.end_node();
        while let Some(number) = self.open.last().copied() {
            self.end_item(number)?;
        }
        self.write_ended()
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Holds this many bytes more.
    fn hold(&mut self, bytes: usize) -> Result<(), ExtractError> {
        self.held += bytes;
        self.items.hold(self.held)
    }

    /// How many elements of fields and items are open.
    fn depth(&self) -> usize {
        self.open.len() + self.texts
    }

    fn item(&mut self, number: u64) -> Option<&mut Item> {
        let first = self.begun.front()?.number;
        self.begun.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// An item begins with this element. Returns its number.
    pub(super) fn begin_item(&mut self, tag: &str) -> Result<u64, ExtractError> {
        self.items.step()?;
        let containers = self.containers;
        while let Some(number) = self.open.last().copied() {
            let is_left_open = MAY_STAY_OPEN.contains(&tag)
                && self
                    .item(number)
                    .is_some_and(|item| item.tag == tag && item.containers == containers);
            if !is_left_open {
                break;
            }
            self.end_item(number)?;
        }
        if self.depth() >= self.items.limits().depth {
            return Err(self.exceeded("depth"));
        }
        let number = self.id();
        // Numbers of items follow each other without a gap.
        let number = self.begun.back().map_or(number, |last| last.number + 1);
        self.hold(size_of::<Item>() + self.columns.len() * size_of::<Vec<String>>())?;
        self.begun.push_back(Item {
            number,
            tag: tag.to_owned(),
            containers,
            texts: vec![Vec::new(); self.columns.len()],
            open: Vec::new(),
            has_ended: false,
        });
        self.open.push(number);
        Ok(number)
    }

    pub(super) fn end_item(&mut self, number: u64) -> Result<(), ExtractError> {
        self.end_node();
        // Those inside it end with it.
        let at = self.open.iter().position(|open| *open == number);
        let ended = at.map_or_else(Vec::new, |at| self.open.split_off(at));
        for number in ended {
            let Some(item) = self.item(number) else { continue };
            item.has_ended = true;
            let Some(column) = item.open.first().map(|field| field.column) else { continue };
            let name = self.columns.get(column).map_or("", |column| column.name.as_str());
            let reason = format!("the element of the field `{name}` has no end tag");
            return Err(ExtractError::malformed("HTML", reason));
        }
        self.write_ended()
    }

    /// Writes the items before the first one that is open.
    fn write_ended(&mut self) -> Result<(), ExtractError> {
        while self.begun.front().is_some_and(|item| item.has_ended) {
            let Some(item) = self.begun.pop_front() else { break };
            let texts = item.texts.into_iter();
            let texts = texts.map(|texts| texts.into_iter().map(Into::into).collect());
            let texts: Vec<Vec<_>> = texts.collect();
            self.items.row(&self.columns, &texts)?;
            if self.begun.is_empty() {
                self.held = 0;
                self.items.hold(0)?;
            }
        }
        Ok(())
    }

    /// Whether a field of the innermost item, or of the page, is wanted.
    pub(super) fn wants(&mut self, place: &Place, is_of_page: bool) -> bool {
        let is_list = |columns: &[Column]| columns.get(place.column).is_some_and(|c| c.is_list);
        let is_list = !is_of_page && is_list(&self.columns);
        let Some(item) = self.target(is_of_page) else { return false };
        let has_some = item.texts.get(place.column).is_none_or(|texts| !texts.is_empty());
        let is_open = item.open.iter().any(|open| open.column == place.column);
        is_list || !has_some && !is_open
    }

    fn target(&mut self, is_of_page: bool) -> Option<&mut Item> {
        if is_of_page {
            return Some(&mut self.page);
        }
        let innermost = self.open.last().copied()?;
        self.item(innermost)
    }

    pub(super) fn add(
        &mut self,
        place: &Place,
        is_of_page: bool,
        text: String,
    ) -> Result<(), ExtractError> {
        self.hold(size_of::<String>() + text.len())?;
        let column = place.column;
        if let Some(texts) = self.target(is_of_page).and_then(|item| item.texts.get_mut(column)) {
            texts.push(text);
        }
        Ok(())
    }

    /// The element of a field begins. Returns what names it at its end tag.
    pub(super) fn begin_text(
        &mut self,
        place: &Place,
        is_of_page: bool,
        tag: &str,
    ) -> Result<u64, ExtractError> {
        self.end_node();
        if self.depth() >= self.items.limits().depth {
            return Err(self.exceeded("depth"));
        }
        self.hold(size_of::<OpenText>())?;
        let (id, column) = (self.id(), place.column);
        let is_raw = RAW.contains(&tag);
        if let Some(item) = self.target(is_of_page) {
            item.open.push(OpenText { id, column, is_raw, text: String::new() });
            self.texts += 1;
        }
        Ok(id)
    }

    /// The element of a field ends.
    pub(super) fn end_text(&mut self, id: u64) {
        self.end_node();
        let mut ended = false;
        self.each_open(|item| {
            let Some(at) = item.open.iter().position(|open| open.id == id) else { return };
            let OpenText { column, is_raw, text, .. } = item.open.remove(at);
            let text = if is_raw { text } else { folded(&text) };
            if let Some(texts) = item.texts.get_mut(column) {
                texts.push(text);
            }
            ended = true;
        });
        self.texts -= usize::from(ended);
    }

    /// Adds a piece of the text of a node.
    pub(super) fn text(
        &mut self,
        piece: &str,
        kind: TextType,
        is_last: bool,
    ) -> Result<(), ExtractError> {
        self.items.step()?;
        if self.texts == 0 {
            return Ok(());
        }
        if matches!(kind, TextType::ScriptData | TextType::RawText) {
            return self.add_text(piece, true);
        }
        self.hold(piece.len() * self.texts)?;
        self.node.push_str(piece);
        if is_last {
            self.end_node();
        }
        Ok(())
    }

    /// Adds the node to all that it is in.
    fn end_node(&mut self) {
        if self.node.is_empty() {
            return;
        }
        let node = std::mem::take(&mut self.node);
        let text = htmlize::unescape(node.as_str());
        self.each_open(|item| {
            item.open.iter_mut().filter(|open| !open.is_raw).for_each(|open| {
                open.text.push_str(&text);
            });
        });
    }

    fn add_text(&mut self, text: &str, is_raw: bool) -> Result<(), ExtractError> {
        let mut times = 0;
        self.each_open(|item| {
            for open in item.open.iter_mut().filter(|open| open.is_raw == is_raw) {
                open.text.push_str(text);
                times += 1;
            }
        });
        self.hold(text.len() * times)
    }

    /// Every item that is open, and the page.
    fn each_open(&mut self, mut change: impl FnMut(&mut Item)) {
        let first = self.begun.front().map_or(0, |first| first.number);
        for number in &self.open {
            let at = usize::try_from(number - first).unwrap_or(usize::MAX);
            if let Some(item) = self.begun.get_mut(at) {
                change(item);
            }
        }
        change(&mut self.page);
    }

    /// A block begins or ends.
    pub(super) fn separate(&mut self) -> Result<(), ExtractError> {
        self.end_node();
        self.add_text(" ", false)
    }
}
