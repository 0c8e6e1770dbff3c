//! Text by a pattern: each match is an item.

use ::regex::Regex as Pattern;

use crate::{
    error::ExtractError,
    extract::{Body, Extract},
    extraction::Extraction,
    field::{Column, Field},
    fields::{Fields, Place, field_setters},
    items::Items,
    text::{compiled, first_group},
};

/// Items of any text: the matches of a pattern of the crate [`regex`](::regex), one after the
/// other. Its named groups are the fields, as text, in the order of the pattern; a field with the
/// name of a group in its place has another name or type.
///
/// A pattern takes time in proportion to the text, but compiling one with large counted
/// repetitions takes much: one of more than 1 MiB, compiled, is refused.
///
/// ```
/// use vantage_api_extract::{Field, Regex};
///
/// let log = Regex::new(r"(?m)^(?<level>INFO|WARN) +(?<code>\d+) (?<text>.*)$")
///     .field("number", Field::new("code").integer())
///     .build()?;
/// let page = log.page(b"INFO 7 started\n?\nWARN  12 slow\n", None, None)?;
/// let rows = r#"{"level":"INFO","text":"started","number":7},{"level":"WARN","text":"slow","number":12}"#;
/// assert_eq!(page, format!(r#"{{"data":[{rows}]}}"#));
/// # Ok::<(), vantage_api_extract::ExtractError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Regex {
    pattern: String,
    fields: Fields,
    next: Option<String>,
    total: Option<String>,
}

impl Regex {
    /// The matches of `pattern`.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), fields: Fields::default(), next: None, total: None }
    }

    field_setters!();

    /// Where the next page is: the first group of the first match of this pattern, or the whole
    /// match if it has no group. Streams and tables follow it.
    pub fn next(mut self, pattern: impl Into<String>) -> Self {
        self.next = Some(pattern.into());
        self
    }

    /// How many items the whole set has: the number in the first group, or match, of this pattern.
    pub fn total(mut self, pattern: impl Into<String>) -> Self {
        self.total = Some(pattern.into());
        self
    }

    /// The extractor.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for a pattern that is invalid or too large, a field whose group the
    /// pattern does not have, and if there is no field.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        Ok(Extraction::new(Compiled::new(self)?))
    }
}

struct Compiled {
    identity: String,
    items_by: String,
    groups: Groups,
    next: Option<Pattern>,
    total: Option<Pattern>,
}

impl Compiled {
    fn new(own: Regex) -> Result<Self, ExtractError> {
        let identity = format!("{own:?}");
        let items_by = format!("the pattern `{}`", own.pattern);
        let optional = |name: &str, pattern: Option<String>| {
            pattern.map(|pattern| compiled(name, &pattern)).transpose()
        };
        Ok(Self {
            identity,
            items_by,
            groups: Groups::new("pattern", &own.pattern, own.fields)?,
            next: optional("next", own.next)?,
            total: optional("total", own.total)?,
        })
    }
}

impl Extract for Compiled {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn content_types(&self) -> &[&str] {
        &["text/*", "application/xml", "*/*+xml", "application/json", "application/javascript"]
    }

    fn items_by(&self) -> String {
        self.items_by.clone()
    }

    fn names_next(&self) -> bool {
        self.next.is_some()
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        let text = body.text_declared(crate::charset::Declared::Html)?;
        let mut at = 0;
        while let Some(end) = self.groups.write_next(text, at, items)? {
            at = end;
            // Each match may have gone through the rest of the text.
            items.check_time()?;
        }
        if let Some(next) = &self.next {
            items.next(first_group(next, text).map(str::to_owned));
        }
        items.total_in("text", self.total.as_ref().and_then(|total| first_group(total, text)))
    }
}

/// A pattern whose groups are fields.
pub(crate) struct Groups {
    pattern: Pattern,
    columns: Vec<Column>,
    places: Vec<Place>,
}

impl Groups {
    /// The named groups are fields, but for those that a field has as its place.
    pub(crate) fn new(setting: &str, pattern: &str, own: Fields) -> Result<Self, ExtractError> {
        let pattern = compiled(setting, pattern)?;
        let names: Vec<&str> = pattern.capture_names().flatten().collect();
        let mut fields = Fields::default();
        let is_taken = |name: &str| own.places().any(|place| place == name);
        for name in names.iter().filter(|name| !is_taken(name)) {
            fields.push((*name).to_owned(), Field::new(*name));
        }
        let unknown = own.places().find(|place| !names.contains(place));
        if let Some(place) = unknown {
            let reason = format!("the pattern has no group `{place}`");
            return Err(ExtractError::setting(setting, reason));
        }
        fields.extend(own);
        if fields.is_empty() {
            return Err(ExtractError::setting(
                setting,
                "it has no named group, such as (?<name>…)",
            ));
        }
        let (columns, places) = fields.compiled()?;
        Ok(Self { pattern, columns, places })
    }

    /// Writes the first match from `at` on as an item, and returns where to go on.
    pub(crate) fn write_next(
        &self,
        text: &str,
        at: usize,
        items: &mut Items,
    ) -> Result<Option<usize>, ExtractError> {
        if at > text.len() {
            return Ok(None);
        }
        let Some(found) = self.pattern.captures_at(text, at) else { return Ok(None) };
        let mut texts: Vec<Vec<std::borrow::Cow<'_, str>>> = vec![Vec::new(); self.columns.len()];
        for place in &self.places {
            let group = found.name(&place.place);
            if let (Some(texts), Some(group)) = (texts.get_mut(place.column), group) {
                texts.push(group.as_str().into());
            }
        }
        items.row(&self.columns, &texts)?;
        let Some(whole) = found.get(0) else { return Ok(None) };
        // After an empty match, the next one begins behind the next character.
        let is_empty = whole.end() == whole.start();
        let next = text.get(whole.end()..).and_then(|rest| rest.chars().next());
        Ok(Some(whole.end() + if is_empty { next.map_or(1, char::len_utf8) } else { 0 }))
    }
}
