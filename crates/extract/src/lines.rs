//! Text line by line, and text as a whole.

use std::borrow::Cow;

use crate::{
    error::ExtractError,
    extract::{Body, Extract},
    extraction::Extraction,
    field::{Column, Field},
    fields::{Fields, field_setters},
    items::Items,
    regex::Groups,
};

/// Items of text: its lines. Without a pattern an item is `{"line": "…"}`; with one, its named
/// groups are the fields, and every line must match. Lines of white space are skipped.
///
/// ```
/// use vantage_api_extract::Lines;
///
/// let lines = Lines::new().build()?;
/// let page = lines.page(b"one\r\n\ntwo", Some("text/plain"), None)?;
/// assert_eq!(page, r#"{"data":[{"line":"one"},{"line":"two"}]}"#);
///
/// let pairs = Lines::new().matching(r"^(?<key>\w+)=(?<value>.*)$").build()?;
/// let page = pairs.page(b"a=1\nb=2\n", None, None)?;
/// assert_eq!(page, r#"{"data":[{"key":"a","value":"1"},{"key":"b","value":"2"}]}"#);
/// assert!(pairs.page(b"a=1\n?\n", None, None).is_err());
/// # Ok::<(), vantage_api_extract::ExtractError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Lines {
    pattern: Option<String>,
    fields: Fields,
}

impl Lines {
    /// Lines as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields of a line are the named groups of this pattern, as of
    /// [`Regex`](crate::Regex).
    pub fn matching(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    field_setters!();

    /// The extractor. Without a pattern, the place of a field is `line`.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] as of [`Regex::build`](crate::Regex::build).
    pub fn build(self) -> Result<Extraction, ExtractError> {
        let identity = format!("{self:?}");
        let pattern = self.pattern.as_deref().unwrap_or("(?s)^(?<line>.*)$");
        let groups = Groups::new("matching", pattern, self.fields)?;
        Ok(Extraction::new(CompiledLines { identity, groups }))
    }
}

struct CompiledLines {
    identity: String,
    groups: Groups,
}

/// What texts are called.
const TEXT_TYPES: &[&str] = &[
    "text/*",
    "application/json",
    "application/xml",
    "*/*+xml",
    "application/octet-stream",
    "binary/octet-stream",
];

impl Extract for CompiledLines {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn content_types(&self) -> &[&str] {
        TEXT_TYPES
    }

    fn items_by(&self) -> String {
        "a line".to_owned()
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        for (number, line) in (1..).zip(body.text()?.lines()) {
            items.step()?;
            if line.trim().is_empty() {
                continue;
            }
            if line.len() > items.limits().item_bytes {
                return Err(items.limits().exceeded("item_bytes"));
            }
            if self.groups.write_next(line, 0, items)?.is_none() {
                let reason = format!("line {number} does not match the pattern");
                return Err(ExtractError::malformed("text", reason));
            }
        }
        Ok(())
    }
}

/// One item: the whole text of the page, as `{"text": "…"}`.
///
/// ```
/// use vantage_api_extract::{Field, Text};
///
/// let text = Text::new().field("language", Field::constant("en")).build()?;
/// let page = text.page(b"Hello.", Some("text/plain"), None)?;
/// assert_eq!(page, r#"{"data":[{"text":"Hello.","language":"en"}]}"#);
/// # Ok::<(), vantage_api_extract::ExtractError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Text {
    fields: Fields,
}

impl Text {
    /// The text as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field besides `text`: a constant, or a part of the text by
    /// [`Field::matching`](crate::Field::matching), with any place.
    pub fn field(mut self, name: impl Into<String>, field: impl Into<Field>) -> Self {
        self.fields.push(name.into(), field.into());
        self
    }

    /// The extractor.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for an invalid field.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        let identity = format!("{self:?}");
        let mut fields = Fields::default();
        fields.push("text".to_owned(), Field::new("text"));
        fields.extend(self.fields);
        let (columns, _) = fields.compiled()?;
        Ok(Extraction::new(CompiledText { identity, columns }))
    }
}

struct CompiledText {
    identity: String,
    columns: Vec<Column>,
}

impl Extract for CompiledText {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn content_types(&self) -> &[&str] {
        TEXT_TYPES
    }

    fn items_by(&self) -> String {
        "any text".to_owned()
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        let text = body.text()?;
        if text.is_empty() {
            return Ok(());
        }
        let texts = vec![vec![Cow::Borrowed(text)]; self.columns.len()];
        items.row(&self.columns, &texts)
    }
}
