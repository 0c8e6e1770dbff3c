//! HTML by CSS selectors, in one pass and with bounded memory. `walk` is what is known at each tag
//! and text, `handlers` how it learns of them, `selectors` what the selectors of items and fields make together.

mod handlers;
mod selectors;
mod walk;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use lol_html::{HtmlRewriter, MemorySettings, Selector, Settings, errors::RewritingError};

use url::Url;

use crate::{
    charset::Declared,
    error::ExtractError,
    extract::{Body, Extract},
    extraction::Extraction,
    field::{Column, Field, count_in},
    fields::{Fields, Place, field_setters},
    items::{Items, is_own},
};
use handlers::Handlers;
use selectors::within;
use walk::Walk;

/// How much is parsed between two looks at the clock.
const PIECE: usize = 4096;
/// The most memory of the parser itself: it is for elements that are open, and tags that are not
/// complete.
const PARSER_MEMORY: usize = 1 << 20;
/// With less, the parser does not begin.
const LEAST_MEMORY: usize = 4096;

/// Items of HTML: the elements that a CSS selector matches.
///
/// The page is read in one pass, without a tree: fast, in bounded memory, and whatever the page
/// does. So selectors are those that can be decided at a start tag: elements, `*`, `#id`,
/// `.class`, `[attribute]` with its operators, descendants and children (`a b`, `a > b`), lists
/// (`a, b`), `:nth-child`, `:nth-of-type`, `:first-child`, `:not(…)`. Siblings (`a + b`), `:has`,
/// `:is` and `:empty` need a tree.
///
/// The selectors of fields are relative to the item; `.` is the item itself. A field is the text
/// of its element, as a browser shows it: entities decoded, white space folded, without scripts
/// and styles. An element that is an item inside another item has its fields for itself.
///
/// Tags that HTML allows to be left out are understood of items (`<tr>`, `<li>`, `<option>` …). A
/// field whose element is left open is an [`ExtractError::Malformed`] that names it.
///
/// ```
/// use vantage_api_extract::{Css, Field};
///
/// let rows = Css::new("tr.row")
///     .field("name", "td.name a")
///     .field("url", Field::new("td.name a").attr("href"))
///     .field("population", Field::new("td.pop").integer())
///     .next("a[rel=next]")
///     .build()?;
/// let html = b"<table><tr class=row>
///     <td class=name><a href='/gh'>Ghana</a></td><td class=pop>34000000</td>
/// </tr></table>";
/// let page = rows.page(html, Some("text/html"), None)?;
/// assert_eq!(
///     page,
///     r#"{"data":[{"name":"Ghana","url":"/gh","population":34000000}],"next":null}"#
/// );
/// # Ok::<(), vantage_api_extract::ExtractError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Css {
    items: String,
    fields: Fields,
    next: Option<Field>,
    total: Option<Field>,
}

impl Css {
    /// The elements that `items` matches.
    pub fn new(items: impl Into<String>) -> Self {
        Self { items: items.into(), fields: Fields::default(), next: None, total: None }
    }

    field_setters!();

    /// Where the next page is: an attribute of the first element that matches, `href` unless set
    /// otherwise, relative to the page or to its `<base>`. Streams and tables follow it.
    pub fn next(mut self, link: impl Into<Field>) -> Self {
        self.next = Some(link.into());
        self
    }

    /// How many items the whole set has: the number in the text of the first element that matches.
    pub fn total(mut self, total: impl Into<Field>) -> Self {
        self.total = Some(total.into());
        self
    }

    /// The extractor.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] that names an invalid selector, or what else is invalid, and if
    /// there is no field.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        Ok(Extraction::new(Compiled::new(self)?))
    }
}

/// The same with its selectors parsed.
struct Compiled {
    identity: String,
    items_by: String,
    items: Selector,
    columns: Arc<Vec<Column>>,
    /// The element of each field, if it is not the item itself.
    fields: Vec<(Place, Option<Selector>)>,
    /// The next page and the total.
    of_page: Vec<(Place, Selector)>,
    page_columns: Vec<Column>,
    names_next: bool,
}

/// The place of the next URL among what a page says of itself, and of the total.
const NEXT: usize = 0;
const TOTAL: usize = 1;
/// The place of the URL that the URLs of the page are relative to.
const BASE: usize = 2;

impl Compiled {
    fn new(css: Css) -> Result<Self, ExtractError> {
        let identity = format!("{css:?}");
        if css.fields.is_empty() {
            return Err(ExtractError::setting("css", "there is no field"));
        }
        let (columns, places) = css.fields.compiled()?;
        let mut fields = Vec::with_capacity(places.len());
        for place in places {
            let name = columns.get(place.column).map_or("", |column| column.name.as_str());
            let own = place.place.trim();
            let selector = match own {
                "" | "." => None,
                own => Some(parsed(&format!("field {name}"), &within(&css.items, own))?),
            };
            fields.push((place, selector));
        }
        let names_next = css.next.is_some();
        let next = css.next.map(|next| match next.attr {
            Some(_) => next,
            None => next.attr("href"),
        });
        let (mut of_page, mut page_columns) = (Vec::new(), Vec::new());
        let base = names_next.then(|| Field::new("base[href]").attr("href"));
        let told = [(NEXT, "next", next), (TOTAL, "total", css.total), (BASE, "base", base)];
        for (column, name, field) in told {
            let field = field.unwrap_or_else(|| Field::constant(()));
            if !field.is_constant() {
                let place = Place { column, place: field.at.clone(), attr: field.attr.clone() };
                of_page.push((place, parsed(name, &field.at)?));
            }
            page_columns.push(field.compiled(name)?);
        }
        Ok(Self {
            identity,
            items: parsed("items", &css.items)?,
            items_by: format!("the selector `{}`", css.items),
            columns: columns.into(),
            fields,
            of_page,
            page_columns,
            names_next,
        })
    }

    /// What a page says of itself.
    fn told(&self, column: usize, texts: &[String]) -> Option<String> {
        let text = texts.first()?;
        self.page_columns.get(column)?.found_in(text).map(str::to_owned)
    }
}

/// # Errors
/// [`ExtractError::Setting`] that names the setting and the selector.
fn parsed(setting: &str, selector: &str) -> Result<Selector, ExtractError> {
    selector.parse().map_err(|error| {
        ExtractError::setting(setting, format!("the selector `{selector}`: {error}"))
    })
}

impl Extract for Compiled {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn content_types(&self) -> &[&str] {
        &["text/html", "application/xhtml+xml"]
    }

    fn items_by(&self) -> String {
        self.items_by.clone()
    }

    fn names_next(&self) -> bool {
        self.names_next
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        let html = body.text_declared(Declared::Html)?;
        let memory = PARSER_MEMORY.min(items.limits().memory).max(LEAST_MEMORY);
        let walk = Walk::new(std::mem::replace(items, Items::none()), Arc::clone(&self.columns));
        let walk = Rc::new(RefCell::new(walk));
        let outcome = self.read(html, memory, &walk);
        let mut walk = walk.borrow_mut();
        let outcome = outcome.and_then(|()| walk.finish());
        *items = walk.take_items();
        outcome?;
        if self.names_next {
            let next = self.told(NEXT, walk.of_page(NEXT));
            let base = self.told(BASE, walk.of_page(BASE));
            items.next(next.map(|next| relative_to(base.as_deref(), body.url, next)));
        }
        if let Some(total) = self.told(TOTAL, walk.of_page(TOTAL)) {
            let wanted = || ExtractError::malformed("HTML", "the total is not one number");
            items.total(count_in(&total).ok_or_else(wanted)?);
        }
        Ok(())
    }
}

impl Compiled {
    fn read(
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

/// A URL, absolute if the page names a base for its URLs. Another one is relative to the page.
fn relative_to(base: Option<&str>, page: Option<&str>, url: String) -> String {
    if is_own(&url) {
        return url;
    }
    let absolute = || {
        let page = page.and_then(|page| Url::parse(page).ok());
        let base = Url::options().base_url(page.as_ref()).parse(base?).ok()?;
        base.join(url.trim()).ok()
    };
    match absolute() {
        Some(absolute) => absolute.into(),
        None => url,
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
