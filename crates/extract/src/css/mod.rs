//! HTML by CSS selectors. `compiled` is an extractor with its selectors parsed, for either of two
//! engines: `stream` reads in one pass with bounded memory, where `walk` is what is known at each tag
//! and text and `handlers` how it learns of them; `tree` makes a tree first, which `bounded` keeps
//! within the limits. `selectors` is what the selectors of items and fields make together.

#[cfg(feature = "tree")]
mod bounded;
mod compiled;
mod elements;
mod handlers;
mod selectors;
mod stream;
#[cfg(feature = "tree")]
mod tree;
mod walk;

use crate::{
    error::ExtractError,
    extraction::Extraction,
    field::Field,
    fields::{Fields, field_setters},
};
use compiled::Compiled;

/// Items of HTML: the elements that a CSS selector matches.
///
/// The page is read in one pass, without a tree: fast, in bounded memory, and whatever the page
/// does. So selectors are those that can be decided at a start tag: elements, `*`, `#id`,
/// `.class`, `[attribute]` with its operators, descendants and children (`a b`, `a > b`), lists
/// (`a, b`), `:nth-child`, `:nth-of-type`, `:first-child`, `:not(…)`. Siblings (`a + b`), `:has`,
/// `:is` and `:empty` need a tree, which the feature `tree` has.
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
    #[cfg(feature = "tree")]
    is_tree: bool,
}

impl Css {
    /// The elements that `items` matches.
    pub fn new(items: impl Into<String>) -> Self {
        Self {
            items: items.into(),
            fields: Fields::default(),
            next: None,
            total: None,
            #[cfg(feature = "tree")]
            is_tree: false,
        }
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

    /// Makes a tree of the page first, as a browser does: for selectors that look at what comes
    /// before or after an element, or is inside it (`a + b`, `a ~ b`, `:has(…)`, `:is(…)`,
    /// `:where(…)`, `:empty`, `:last-child`, `:nth-last-child`), and for pages that leave tags
    /// open anywhere. It takes three times as long, and about 150 bytes of the limit `memory` for
    /// each element and each text, so that a page of 1 MB may need a higher limit.
    ///
    /// The tree is that of a browser, and not what is written: a `<table>` has a `<tbody>`, so that
    /// `table > tr` matches nothing; what stands between the cells of a table is before it; the
    /// content of a `<template>` is not part of the page; in a list, an element comes before those
    /// inside it, and not after them; no field is
    /// [`Malformed`](ExtractError::Malformed) for an end tag that is missing. `~` inside
    /// parentheses is refused, since there are pages on which it takes too long.
    ///
    /// ```
    /// use vantage_api_extract::Css;
    ///
    /// let terms = Css::new("dt:has(+ dd)").field("term", ".").tree().build()?;
    /// let page = terms.page(b"<dl><dt>a<dt>b<dd>of b</dl>", Some("text/html"), None)?;
    /// assert_eq!(page, r#"{"data":[{"term":"b"}]}"#);
    /// # Ok::<(), vantage_api_extract::ExtractError>(())
    /// ```
    #[cfg(feature = "tree")]
    pub fn tree(mut self) -> Self {
        self.is_tree = true;
        self
    }

    /// The extractor.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] that names an invalid selector, or what else is invalid, and if
    /// there is no field.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        #[cfg(feature = "tree")]
        if self.is_tree {
            return Ok(Extraction::new(Compiled::<scraper::Selector>::new(self)?));
        }
        Ok(Extraction::new(Compiled::<lol_html::Selector>::new(self)?))
    }
}
