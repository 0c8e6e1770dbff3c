//! XML: the elements at a path are items. `path` says which elements are meant, `walk` what
//! happens at each event.

mod path;
mod walk;

use crate::{
    charset::Declared,
    error::ExtractError,
    extract::{Body, Extract},
    extraction::Extraction,
    field::{Column, Field},
    fields::{Fields, field_setters},
    items::Items,
    told::{CURSOR, NEXT, TOTAL, Told},
};
use path::{ElementPath, ValuePath};
use walk::Walk;

/// Items of XML: the elements at a path.
///
/// A path is the names of elements joined by `/`: `/catalog/book` from the root, and `book` or
/// `shelf/book` anywhere. `*` is any element. A name without a prefix means elements of that name
/// in any namespace, and one with a prefix those that are written with it.
///
/// The paths of fields are relative to the item: `title`, `author/name`, `//name` for an element
/// anywhere in the item, `@id` and `price/@currency` for attributes, `.` for the item itself. A
/// field is the text of its element with what is inside it, without white space at its ends.
///
/// A path may end with a condition on an attribute of its element: `link[@rel='next']/@href` is the
/// next page of an Atom feed (RFC 4287, section 4.2.7).
///
/// No entity of a document type is expanded: one that XML itself does not define is an error, so
/// no page grows while it is read. So is a document that ends before its root does.
///
/// ```
/// use vantage_api_extract::{Field, Xml};
///
/// let books = Xml::new("/catalog/book")
///     .field("id", "@id")
///     .field("title", "title")
///     .field("price", Field::new("price").number())
///     .field("authors", Field::new("author/name").list())
///     .build()?;
/// let xml = br#"<catalog><book id="7"><title>Sea &amp; sky</title><price>9.5</price>
///     <author><name>A</name></author><author><name>B</name></author></book></catalog>"#;
/// let page = books.page(xml, Some("application/xml"), None)?;
/// let book = r#"{"id":"7","title":"Sea & sky","price":9.5,"authors":["A","B"]}"#;
/// assert_eq!(page, format!(r#"{{"data":[{book}]}}"#));
/// # Ok::<(), vantage_api_extract::ExtractError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Xml {
    items: String,
    fields: Fields,
    next: Option<Field>,
    total: Option<Field>,
    cursor: Option<Field>,
}

impl Xml {
    /// The elements at this path.
    pub fn new(items: impl Into<String>) -> Self {
        let items = items.into();
        Self { items, fields: Fields::default(), next: None, total: None, cursor: None }
    }

    field_setters!();

    /// Where the next page is: the text or the attribute at this path from the root, such as
    /// `/feed/next`, `/list/@next` or `/feed/link[@rel='next']/@href`. It is a URL, relative to that of
    /// the page. Streams and tables follow it.
    pub fn next(mut self, link: impl Into<Field>) -> Self {
        self.next = Some(link.into());
        self
    }

    /// The cursor of the next page, which is no URL: the text at this path from the root, such as
    /// `/ListBucketResult/NextContinuationToken`. The page has it as `next_cursor`, which
    /// `Paging::cursor("continuation-token", "next_cursor")` follows.
    pub fn cursor(mut self, cursor: impl Into<Field>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// How many items the whole set has: the number at this path from the root.
    pub fn total(mut self, total: impl Into<Field>) -> Self {
        self.total = Some(total.into());
        self
    }

    /// The extractor.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for a path that is invalid, an invalid field, and if there is no
    /// field.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        Ok(Extraction::new(Compiled::new(self)?))
    }
}

struct Compiled {
    identity: String,
    items_by: String,
    items: ElementPath,
    columns: Vec<Column>,
    fields: Vec<(usize, ValuePath)>,
    of_page: Vec<(usize, ValuePath)>,
    told: Told,
}

impl Compiled {
    fn new(xml: Xml) -> Result<Self, ExtractError> {
        let identity = format!("{xml:?}");
        if xml.fields.is_empty() {
            return Err(ExtractError::setting("xml", "there is no field"));
        }
        let (columns, places) = xml.fields.compiled()?;
        let mut fields = Vec::with_capacity(places.len());
        for place in places {
            let name = columns.get(place.column).map_or("", |column| column.name.as_str());
            let setting = format!("field {name}");
            let path = ValuePath::of_field(&setting, &place.place, place.attr.as_deref())?;
            fields.push((place.column, path));
        }
        let mut of_page = Vec::new();
        let told = Told::new("XML", [xml.next, xml.total, xml.cursor], |place, name, field| {
            // A path from the root, whether it says so or not.
            let path = match field.at.trim() {
                path if path.starts_with("//") => path,
                path => path.strip_prefix('/').unwrap_or(path),
            };
            of_page.push((place, ValuePath::of_field(name, path, field.attr.as_deref())?));
            Ok(())
        })?;
        Ok(Self {
            identity,
            items_by: format!("the path `{}`", xml.items),
            items: ElementPath::of_items(&xml.items)?,
            columns,
            fields,
            of_page,
            told,
        })
    }
}

impl Extract for Compiled {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn content_types(&self) -> &[&str] {
        &["text/xml", "application/xml", "*/*+xml"]
    }

    fn items_by(&self) -> String {
        self.items_by.clone()
    }

    fn names_next(&self) -> bool {
        self.told.names_next()
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        let text = body.text_declared(Declared::Xml)?;
        let mut walk = Walk::new(&self.items, &self.fields, &self.of_page, &self.columns, items);
        walk.read(text)?;
        let texts = walk.into_page_texts();
        let text = |place: usize| Some(texts.get(place)?.first()?.as_str());
        self.told.tell_cursor(items, text(CURSOR));
        self.told.tell(items, self.told.next_in(text(NEXT)), text(TOTAL))
    }
}
