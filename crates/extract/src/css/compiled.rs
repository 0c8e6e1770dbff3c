//! An extractor of HTML with its selectors parsed, whichever engine finds what they match.

use std::sync::Arc;

use url::Url;

use super::{Css, selectors::within};
use crate::{
    charset::Declared,
    error::ExtractError,
    extract::{Body, Extract},
    field::{Column, Field},
    fields::Place,
    items::{Items, is_own},
    told::{NEXT, TOTAL, Told},
};

/// The place of the URL that the URLs of the page are relative to, after those of the next page
/// and of the total.
const BASE: usize = 2;

/// What a page says of itself, as texts by their places.
pub(super) type OfPage = [Option<String>; 3];

/// A parsed selector, and how the elements are found that it matches.
pub(super) trait Engine: Sized + Send + Sync + 'static {
    /// What it is called in the identity of an extractor.
    const NAME: &str;

    /// # Errors
    /// [`ExtractError::Setting`] that names the setting and the selector.
    fn parsed(setting: &str, selector: &str) -> Result<Self, ExtractError>;

    /// Writes the items of a page.
    fn read(
        compiled: &Compiled<Self>,
        html: &str,
        items: &mut Items,
    ) -> Result<OfPage, ExtractError>;
}

pub(super) struct Compiled<S> {
    identity: String,
    items_by: String,
    pub(super) items: S,
    pub(super) columns: Arc<Vec<Column>>,
    /// The element of each field, if it is not the item itself.
    pub(super) fields: Vec<(Place, Option<S>)>,
    /// Of what the page says of itself.
    pub(super) of_page: Vec<(Place, S)>,
    told: Told,
}

impl<S: Engine> Compiled<S> {
    pub(super) fn new(css: Css) -> Result<Self, ExtractError> {
        let Css { items, fields, next, total, .. } = &css;
        let identity = format!("{} {items:?} {fields:?} {next:?} {total:?}", S::NAME);
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
                own => Some(S::parsed(&format!("field {name}"), &within(&css.items, own))?),
            };
            fields.push((place, selector));
        }
        let next = css.next.map(|next| match next.attr {
            Some(_) => next,
            None => next.attr("href"),
        });
        let mut of_page = Vec::new();
        let mut add = |column: usize, name: &str, field: &Field| {
            let place = Place { column, place: field.at.clone(), attr: field.attr.clone() };
            of_page.push((place, S::parsed(name, &field.at)?));
            Ok(())
        };
        if next.is_some() {
            add(BASE, "base", &Field::new("base[href]").attr("href"))?;
        }
        let told = Told::new("HTML", [next, css.total, None], add)?;
        Ok(Self {
            identity,
            items: S::parsed("items", &css.items)?,
            items_by: format!("the selector `{}`", css.items),
            columns: columns.into(),
            fields,
            of_page,
            told,
        })
    }
}

impl<S: Engine> Extract for Compiled<S> {
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
        self.told.names_next()
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        let texts = S::read(self, body.text_declared(Declared::Html)?, items)?;
        let text = |place: usize| texts.get(place).and_then(Option::as_deref);
        let next = self.told.next_in(text(NEXT));
        let next = next.map(|next| relative_to(text(BASE), body.url, next));
        self.told.tell(items, next, text(TOTAL))
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
