//! What lol_html calls at the elements and texts of a page, and what that means to the walk.

use std::{borrow::Cow, cell::RefCell, rc::Rc};

use lol_html::{
    DocumentContentHandlers, ElementContentHandlers, HandlerResult, Selector, Settings,
    html_content::{Element, TextChunk},
};

use super::{
    elements::{BLOCKS, CONTAINERS},
    walk::Walk,
};
use crate::fields::Place;

/// Makes the handlers of one page.
pub(super) struct Handlers<'w>(&'w Rc<RefCell<Walk>>);

type OfPage<'h> = Settings<'h, 'h>;

impl<'w> Handlers<'w> {
    pub(super) fn new(walk: &'w Rc<RefCell<Walk>>) -> Self {
        Self(walk)
    }

    /// Those of texts, blocks and containers.
    pub(super) fn of_text<'h>(&self, settings: OfPage<'h>) -> OfPage<'h> {
        let walk = Rc::clone(self.0);
        let text = move |chunk: &mut TextChunk<'_>| -> HandlerResult {
            let (kind, is_last) = (chunk.text_type(), chunk.last_in_text_node());
            Ok(walk.borrow_mut().text(chunk.as_str(), kind, is_last)?)
        };
        let settings =
            settings.append_document_content_handler(DocumentContentHandlers::default().text(text));
        let walk = Rc::clone(self.0);
        let block = move |element: &mut Element<'_, '_>| -> HandlerResult {
            let mut state = walk.borrow_mut();
            if state.texts == 0 {
                return Ok(());
            }
            state.separate()?;
            if let Some(handlers) = element.end_tag_handlers() {
                let walk = Rc::clone(&walk);
                handlers.push(Box::new(move |_| Ok(walk.borrow_mut().separate()?)));
            }
            Ok(())
        };
        let walk = Rc::clone(self.0);
        let container = move |element: &mut Element<'_, '_>| -> HandlerResult {
            let Some(handlers) = element.end_tag_handlers() else { return Ok(()) };
            let outside = walk.borrow().containers;
            walk.borrow_mut().containers += 1;
            let walk = Rc::clone(&walk);
            // One that was left open inside it ends with it.
            handlers.push(Box::new(move |_| {
                walk.borrow_mut().containers = outside;
                Ok(())
            }));
            Ok(())
        };
        [
            (&BLOCKS[..], Box::new(block) as lol_html::ElementHandler<'h>),
            (&CONTAINERS, Box::new(container)),
        ]
        .into_iter()
        .fold(settings, |settings, (names, handler)| {
            // They are known to be selectors.
            let Ok(selector) = names.join(", ").parse::<Selector>() else { return settings };
            let handlers = ElementContentHandlers::default().element(handler);
            settings.append_element_content_handler((Cow::Owned(selector), handlers))
        })
    }

    pub(super) fn of_item<'h>(&self, settings: OfPage<'h>, items: &'h Selector) -> OfPage<'h> {
        let walk = Rc::clone(self.0);
        let begin = move |element: &mut Element<'_, '_>| -> HandlerResult {
            let tag = element.tag_name();
            let number = walk.borrow_mut().begin_item(&tag)?;
            let own = walk.borrow().own.clone();
            for place in &own {
                found(&walk, element, place, false)?;
            }
            let ends = Rc::clone(&walk);
            match element.end_tag_handlers() {
                Some(handlers) => {
                    handlers.push(Box::new(move |_| Ok(ends.borrow_mut().end_item(number)?)));
                }
                // It cannot have any content.
                None => walk.borrow_mut().end_item(number)?,
            }
            Ok(())
        };
        let handlers = ElementContentHandlers::default().element(begin);
        settings.append_element_content_handler((Cow::Borrowed(items), handlers))
    }

    pub(super) fn of_field<'h>(
        &self,
        settings: OfPage<'h>,
        selector: &'h Selector,
        place: &Place,
    ) -> OfPage<'h> {
        self.element(settings, selector, place, false)
    }

    pub(super) fn of_page<'h>(
        &self,
        settings: OfPage<'h>,
        selector: &'h Selector,
        place: &Place,
    ) -> OfPage<'h> {
        self.element(settings, selector, place, true)
    }

    fn element<'h>(
        &self,
        settings: OfPage<'h>,
        selector: &'h Selector,
        place: &Place,
        is_of_page: bool,
    ) -> OfPage<'h> {
        let (walk, place) = (Rc::clone(self.0), place.clone());
        let handlers =
            ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                found(&walk, element, &place, is_of_page)
            });
        settings.append_element_content_handler((Cow::Borrowed(selector), handlers))
    }
}

/// The element of a field was found.
fn found(
    walk: &Rc<RefCell<Walk>>,
    element: &mut Element<'_, '_>,
    place: &Place,
    is_of_page: bool,
) -> HandlerResult {
    let mut state = walk.borrow_mut();
    if !state.wants(place, is_of_page) {
        return Ok(());
    }
    if let Some(name) = &place.attr {
        if let Some(value) = element.get_attribute(name) {
            let value = htmlize::unescape_attribute(value).into_owned();
            state.add(place, is_of_page, value)?;
        }
        return Ok(());
    }
    let tag = element.tag_name();
    let Some(handlers) = element.end_tag_handlers() else {
        return Ok(state.add(place, is_of_page, String::new())?);
    };
    let id = state.begin_text(place, is_of_page, &tag)?;
    let ends = Rc::clone(walk);
    handlers.push(Box::new(move |_| {
        ends.borrow_mut().end_text(id);
        Ok(())
    }));
    Ok(())
}
