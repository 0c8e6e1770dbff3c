//! Items of a tree of HTML: which elements they are, and what the fields of each find in it.

use std::{borrow::Cow, collections::HashSet};

use ego_tree::{NodeId, iter::Edge};
use scraper::{ElementRef, Html, Node, Selector, node::Element};

use super::{
    bounded::tree_of,
    compiled::{Compiled, Engine, OfPage},
    elements::{BLOCKS, RAW},
    selectors::has_nested_siblings,
};
use crate::{error::ExtractError, fields::Place, items::Items, text::folded};

impl Engine for Selector {
    const NAME: &str = "tree";

    fn parsed(setting: &str, selector: &str) -> Result<Self, ExtractError> {
        let refused = |reason: &str| {
            ExtractError::setting(setting, format!("the selector `{selector}`: {reason}"))
        };
        if has_nested_siblings(selector) {
            return Err(refused("`~` inside parentheses takes too long on some pages"));
        }
        Self::parse(selector).map_err(|error| refused(&error.to_string()))
    }

    fn read(
        compiled: &Compiled<Self>,
        html: &str,
        items: &mut Items,
    ) -> Result<OfPage, ExtractError> {
        let (tree, held) = tree_of(html, items)?;
        let mut reader = Reader { tree: &tree, held, found: HashSet::new() };
        let found = reader.all(&compiled.items, items)?;
        reader.found.extend(&found);
        for item in found {
            let texts = compiled.texts_of(item, &reader, items)?;
            items.row(&compiled.columns, &texts)?;
        }
        let mut of_page = OfPage::default();
        for (place, selector) in &compiled.of_page {
            if let (Some(element), Some(text)) =
                (reader.first(selector, items)?, of_page.get_mut(place.column))
            {
                *text = reader.value(element, place, items)?;
            }
        }
        Ok(of_page)
    }
}

impl Compiled<Selector> {
    /// What each field finds in an item.
    fn texts_of<'t>(
        &self,
        item: NodeId,
        reader: &Reader<'t>,
        items: &mut Items,
    ) -> Result<Vec<Vec<Cow<'t, str>>>, ExtractError> {
        let mut texts = vec![Vec::new(); self.columns.len()];
        let mut held = reader.held;
        let mut add = |place: &Place, element, items: &mut Items| {
            let is_list = self.columns.get(place.column).is_some_and(|column| column.is_list);
            let Some(texts) = texts.get_mut(place.column) else { return Ok(()) };
            if !is_list && !texts.is_empty() {
                return Ok(());
            }
            if let Some(text) = reader.value(element, place, items)? {
                held += size_of::<Cow<'_, str>>() + text.len();
                items.hold(held)?;
                texts.push(text.into());
            }
            Ok(())
        };
        let Some(own) = reader.tree.tree.get(item) else { return Ok(texts) };
        let mut next = Some(own);
        while let Some(node) = next {
            items.step()?;
            // Those of an item inside it are not its own.
            let is_other = node != own && reader.found.contains(&node.id());
            if let (Some(element), false) = (ElementRef::wrap(node), is_other) {
                for (place, selector) in &self.fields {
                    let is_it = match selector {
                        None => node == own,
                        Some(selector) => node != own && selector.matches(&element),
                    };
                    if is_it {
                        add(place, element, items)?;
                    }
                }
            }
            let goes_in = !is_other && !node.value().is_fragment();
            next = following(node, own, goes_in);
        }
        Ok(texts)
    }
}

/// Reads a tree.
struct Reader<'t> {
    tree: &'t Html,
    /// What the tree takes.
    held: usize,
    /// The items.
    found: HashSet<NodeId>,
}

type NodeRef<'t> = ego_tree::NodeRef<'t, Node>;

/// The node after another one in the order of their start tags, without those outside of `within`.
fn following<'t>(node: NodeRef<'t>, within: NodeRef<'t>, goes_in: bool) -> Option<NodeRef<'t>> {
    if goes_in && let Some(child) = node.first_child() {
        return Some(child);
    }
    let mut node = node;
    while node != within {
        if let Some(next) = node.next_sibling() {
            return Some(next);
        }
        node = node.parent()?;
    }
    None
}

impl<'t> Reader<'t> {
    /// All elements that a selector matches, in their order.
    fn all(&self, selector: &Selector, items: &mut Items) -> Result<Vec<NodeId>, ExtractError> {
        let mut all = Vec::new();
        self.each(selector, items, |element, items| {
            all.push(element.id());
            // Here and among those found.
            items.hold(self.held + all.len() * 4 * size_of::<NodeId>())?;
            Ok(true)
        })?;
        Ok(all)
    }

    fn first(
        &self,
        selector: &Selector,
        items: &mut Items,
    ) -> Result<Option<ElementRef<'t>>, ExtractError> {
        let mut first = None;
        self.each(selector, items, |element, _| {
            first = Some(element);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Calls `found` with each element that a selector matches, until it says that this is enough.
    fn each(
        &self,
        selector: &Selector,
        items: &mut Items,
        mut found: impl FnMut(ElementRef<'t>, &mut Items) -> Result<bool, ExtractError>,
    ) -> Result<(), ExtractError> {
        let root = self.tree.tree.root();
        let mut next = Some(root);
        while let Some(node) = next {
            items.step()?;
            let element = ElementRef::wrap(node);
            if let Some(element) = element.filter(|element| selector.matches(element))
                && !found(element, items)?
            {
                break;
            }
            // What is in a template is not part of the page.
            next = following(node, root, !node.value().is_fragment());
        }
        Ok(())
    }

    /// What a field has of its element.
    fn value(
        &self,
        element: ElementRef<'t>,
        place: &Place,
        items: &mut Items,
    ) -> Result<Option<String>, ExtractError> {
        match &place.attr {
            Some(name) => Ok(element.attr(name).map(str::to_owned)),
            None => text_of(element, items).map(Some),
        }
    }
}

/// The text of an element, as a browser shows it; that of a script and the like as it is.
fn text_of(element: ElementRef<'_>, items: &mut Items) -> Result<String, ExtractError> {
    let most = items.limits().memory;
    let is_raw = |element: &Element| RAW.contains(&element.name());
    let is_shown = !is_raw(element.value());
    let (mut text, mut skipped) = (String::new(), None);
    for edge in element.traverse() {
        items.step()?;
        let (node, is_end) = match edge {
            Edge::Open(node) => (node, false),
            Edge::Close(node) => (node, true),
        };
        if skipped.is_some() {
            if is_end && skipped == Some(node.id()) {
                skipped = None;
            }
            continue;
        }
        match node.value() {
            Node::Text(piece) if !is_end => {
                if text.len() + piece.len() > most {
                    return Err(items.limits().exceeded("memory"));
                }
                text.push_str(piece);
            }
            Node::Fragment => skipped = Some(node.id()),
            Node::Element(inner) if is_shown && is_raw(inner) => skipped = Some(node.id()),
            Node::Element(inner) if is_shown && BLOCKS.contains(&inner.name()) => text.push(' '),
            _ => {}
        }
    }
    Ok(if is_shown { folded(&text) } else { text })
}
