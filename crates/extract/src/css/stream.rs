//! Reads HTML in one pass, without a tree.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use lol_html::{HtmlRewriter, MemorySettings, Selector, Settings, errors::RewritingError};

use super::{
    compiled::{Compiled, Engine, OfPage},
    handlers::Handlers,
    walk::Walk,
};
use crate::{error::ExtractError, items::Items};

/// How much is parsed between two looks at the clock.
const PIECE: usize = 4096;
/// The most memory of the parser itself: it is for elements that are open, and tags that are not
/// complete.
const PARSER_MEMORY: usize = 1 << 20;
/// With less, the parser does not begin.
const LEAST_MEMORY: usize = 4096;

impl Engine for Selector {
    const NAME: &str = "css";

    fn parsed(setting: &str, selector: &str) -> Result<Self, ExtractError> {
        selector.parse().map_err(|error| {
            ExtractError::setting(setting, format!("the selector `{selector}`: {error}"))
        })
    }

    fn read(
        compiled: &Compiled<Self>,
        html: &str,
        items: &mut Items,
    ) -> Result<OfPage, ExtractError> {
        let memory = PARSER_MEMORY.min(items.limits().memory).max(LEAST_MEMORY);
        let columns = Arc::clone(&compiled.columns);
        let walk = Walk::new(std::mem::replace(items, Items::none()), columns);
        let walk = Rc::new(RefCell::new(walk));
        let outcome = compiled.walk(html, memory, &walk);
        let mut walk = walk.borrow_mut();
        let outcome = outcome.and_then(|()| walk.finish());
        *items = walk.take_items();
        outcome?;
        Ok(std::array::from_fn(|place| walk.of_page(place).first().cloned()))
    }
}

impl Compiled<Selector> {
    fn walk(
        &self,
        html: &str,
        memory: usize,
        walk: &Rc<RefCell<Walk>>,
    ) -> Result<(), ExtractError> {
        let bounded = MemorySettings::new().with_max_allowed_memory_usage(memory);
        let settings = Settings::new().with_memory_settings(bounded);
        let handlers = Handlers::new(walk);
        let mut settings = handlers.of_text(settings);
        settings = handlers.of_item(settings, &self.items);
        for (place, selector) in &self.fields {
            settings = match selector {
                Some(selector) => handlers.of_field(settings, selector, place),
                None => {
                    walk.borrow_mut().of_item_itself(place.clone());
                    settings
                }
            };
        }
        for (place, selector) in &self.of_page {
            settings = handlers.of_page(settings, selector, place);
        }
        let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
        for piece in html.as_bytes().chunks(PIECE) {
            rewriter.write(piece).map_err(|error| failure(error, memory))?;
            walk.borrow().check_time()?;
        }
        rewriter.end().map_err(|error| failure(error, memory))
    }
}

fn failure(error: RewritingError, memory: usize) -> ExtractError {
    match error {
        RewritingError::MemoryLimitExceeded(_) => ExtractError::Limit {
            limit: "memory",
            allowed: format!("{memory} bytes of open elements and unfinished tags"),
        },
        RewritingError::ParsingAmbiguity(_) => {
            ExtractError::malformed("HTML", "without a tree it cannot be told where a text ends")
        }
        RewritingError::ContentHandlerError(error) => match error.downcast::<ExtractError>() {
            Ok(error) => *error,
            Err(_) => ExtractError::malformed("HTML", "it cannot be read"),
        },
        _ => ExtractError::malformed("HTML", "it cannot be read"),
    }
}
