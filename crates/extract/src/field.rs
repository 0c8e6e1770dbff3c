//! [pure] One field of an item: where its value is, what type it has, and what its text becomes in
//! JSON.

use std::borrow::Cow;

use chrono::NaiveDate;
use regex::Regex;
use serde_json::Value;

use crate::{
    error::ExtractError,
    limits::Limits,
    text::{compiled, first_group},
};

/// One field of an item, as a text that says where it is: a CSS selector, the path of an XML
/// element, the name of a column or of a group. What that text means, the kind of extractor says.
///
/// A field that is not there is `null`. The value is the text of the first match, unless set
/// otherwise.
///
/// ```
/// use vantage_api_extract::Field;
///
/// let url = Field::new("td.name a").attr("href").required();
/// let population = Field::new("td.population").integer();
/// let founded = Field::new("td.founded").date("%d.%m.%Y");
/// let tags = Field::new("span.tag").list();
/// let source = Field::constant("census");
/// # let _ = (url, population, founded, tags, source);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Field {
    pub(crate) at: String,
    pub(crate) attr: Option<String>,
    kind: Kind,
    is_required: bool,
    is_list: bool,
    constant: Option<Value>,
    pattern: Option<String>,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Number,
    Bool,
    Date(String),
}

impl From<&str> for Field {
    fn from(at: &str) -> Self {
        Self::new(at)
    }
}

impl Field {
    /// The field at this place.
    pub fn new(at: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            attr: None,
            kind: Kind::Text,
            is_required: false,
            is_list: false,
            constant: None,
            pattern: None,
        }
    }

    /// The same value in every item.
    pub fn constant(value: impl Into<Value>) -> Self {
        Self { constant: Some(value.into()), ..Self::new("") }
    }

    /// The value of this attribute, of the first match that has it, instead of the text.
    pub fn attr(mut self, name: impl Into<String>) -> Self {
        self.attr = Some(name.into());
        self
    }

    /// A whole number of 64 bits.
    pub fn integer(mut self) -> Self {
        self.kind = Kind::Integer;
        self
    }

    /// A number: `1.5`, `-2`, `3e8`. Not a number and infinity are none.
    pub fn number(mut self) -> Self {
        self.kind = Kind::Number;
        self
    }

    /// `true`, `yes` and `1`, or `false`, `no` and `0`, in any case.
    pub fn boolean(mut self) -> Self {
        self.kind = Kind::Bool;
        self
    }

    /// A date in this format of [`chrono`](chrono::format::strftime), such as `%d.%m.%Y`. It
    /// becomes `YYYY-MM-DD`.
    pub fn date(mut self, format: impl Into<String>) -> Self {
        self.kind = Kind::Date(format.into());
        self
    }

    /// An item without it is an [`ExtractError::Missing`]. So is one whose text is empty, if it
    /// has another type than text.
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// The list of all matches in the item, in order, instead of the first one.
    pub fn list(mut self) -> Self {
        self.is_list = true;
        self
    }

    /// What the first group of this [pattern](regex) finds in the text, or the whole match if it
    /// has no group: `of (\d+)` finds `95` in `1 to 10 of 95`. A text that it does not match is
    /// missing.
    pub fn matching(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// # Errors
    /// [`ExtractError::Setting`] for a pattern or a format of dates that is invalid, and for a
    /// constant with a place.
    pub(crate) fn compiled(self, name: &str) -> Result<Column, ExtractError> {
        let setting = || format!("field {name}");
        if let Kind::Date(format) = &self.kind {
            let mut items = chrono::format::StrftimeItems::new(format);
            if items.any(|item| matches!(item, chrono::format::Item::Error)) {
                return Err(ExtractError::setting(setting(), "the format of the date is invalid"));
            }
        }
        let pattern = self.pattern.as_deref().map(|pattern| compiled(&setting(), pattern));
        Ok(Column {
            key: format!("{}:", Value::from(name)),
            name: name.to_owned(),
            kind: self.kind,
            is_required: self.is_required,
            is_list: self.is_list,
            constant: self.constant.map(|value| value.to_string()),
            pattern: pattern.transpose()?,
        })
    }

    /// Whether it has the same value in every item.
    pub(crate) fn is_constant(&self) -> bool {
        self.constant.is_some()
    }
}

/// An item while it is written.
pub(crate) struct OpenItem<'i> {
    /// What is written, with all before it.
    pub(crate) json: &'i mut Vec<u8>,
    /// Where it begins there.
    pub(crate) start: usize,
    /// On its page, from 1.
    pub(crate) number: u64,
    pub(crate) limits: &'i Limits,
}

impl OpenItem<'_> {
    /// # Errors
    /// The limit `item_bytes`, if the item has no room for so many bytes more.
    fn check_room(&self, bytes: usize) -> Result<(), ExtractError> {
        let all = (self.json.len() - self.start).saturating_add(bytes);
        if all > self.limits.item_bytes {
            return Err(self.limits.exceeded("item_bytes"));
        }
        Ok(())
    }
}

/// A field that is ready to be written.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The name as JSON, with the colon after it.
    key: String,
    kind: Kind,
    is_required: bool,
    pub(crate) is_list: bool,
    constant: Option<String>,
    pattern: Option<Regex>,
}

impl Column {
    /// Writes the field of an item with what was found of it.
    ///
    /// # Errors
    /// If it is required and missing, has not its type, or is too long.
    pub(crate) fn write(
        &self,
        texts: &[Cow<'_, str>],
        item: &mut OpenItem<'_>,
    ) -> Result<(), ExtractError> {
        item.json.extend_from_slice(self.key.as_bytes());
        if let Some(constant) = &self.constant {
            item.json.extend_from_slice(constant.as_bytes());
            return Ok(());
        }
        let mut texts = texts.iter().filter_map(|text| self.found_in(text)).peekable();
        if self.is_required && texts.peek().is_none() {
            return Err(ExtractError::Missing { item: item.number, field: self.name.clone() });
        }
        if !self.is_list {
            return match texts.next() {
                Some(text) => self.write_one(text, item),
                None => {
                    item.json.extend_from_slice(b"null");
                    Ok(())
                }
            };
        }
        item.json.push(b'[');
        let mut is_first = true;
        for text in texts {
            if !std::mem::take(&mut is_first) {
                item.json.push(b',');
            }
            self.write_one(text, item)?;
        }
        item.json.push(b']');
        Ok(())
    }

    /// The part of a text that is the value, if there is one.
    pub(crate) fn found_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        let text = match &self.pattern {
            None => text,
            Some(pattern) => first_group(pattern, text)?,
        };
        let is_text = self.kind == Kind::Text;
        let text = if is_text { text } else { text.trim() };
        (is_text || !text.is_empty()).then_some(text)
    }

    fn write_one(&self, text: &str, item: &mut OpenItem<'_>) -> Result<(), ExtractError> {
        item.check_room(text.len())?;
        let number = item.number;
        let wrong = |wanted: &str| ExtractError::Type {
            item: number,
            field: self.name.clone(),
            wanted: wanted.to_owned(),
        };
        let value = match &self.kind {
            Kind::Text => {
                write_text(text, item.json);
                return Ok(());
            }
            Kind::Integer => {
                let wanted = || wrong("an integer of 64 bits");
                match text.parse::<i64>() {
                    Ok(number) => number.to_string(),
                    Err(_) => text.parse::<u64>().map_err(|_| wanted())?.to_string(),
                }
            }
            Kind::Number => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                Value::from(number.ok_or_else(|| wrong("a number"))?).to_string()
            }
            Kind::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => "true".to_owned(),
                "false" | "no" | "0" => "false".to_owned(),
                _ => return Err(wrong("true or false")),
            },
            Kind::Date(format) => {
                let date = NaiveDate::parse_from_str(text, format);
                let date = date.map_err(|_| wrong(&format!("a date of the form {format}")))?;
                format!("\"{}\"", date.format("%Y-%m-%d"))
            }
        };
        item.json.extend_from_slice(value.as_bytes());
        Ok(())
    }
}

/// Writes a text as JSON.
pub(crate) fn write_text(text: &str, json: &mut Vec<u8>) {
    // Writing text into memory does not fail.
    let _ = serde_json::to_writer(json, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_into(
        json: &mut Vec<u8>,
        field: Field,
        texts: &[&str],
        limits: &Limits,
    ) -> Result<(), ExtractError> {
        let column = field.compiled("f")?;
        let texts: Vec<_> = texts.iter().map(|text| Cow::Borrowed(*text)).collect();
        let start = json.len();
        column.write(&texts, &mut OpenItem { json, start, number: 3, limits })
    }

    fn written(field: Field, texts: &[&str]) -> Result<String, ExtractError> {
        let mut json = Vec::new();
        write_into(&mut json, field, texts, &Limits::default())?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn what_is_too_long_for_an_item_is_not_written() {
        let limits = Limits::default().item_bytes(100);
        let (long, zeros) = ("x".repeat(97), "0".repeat(97));
        for (field, texts) in [
            (Field::new("x"), &[long.as_str()][..]),
            (Field::new("x").integer(), &[zeros.as_str()]),
            (Field::new("x").list(), &[&long[..40], &long[..40], &long[..40]]),
        ] {
            let mut json = b"an item before it".to_vec();
            let error = write_into(&mut json, field, texts, &limits).unwrap_err();
            assert_eq!(error.limit(), Some("item_bytes"));
            assert!(json.len() <= 17 + 100, "{}", json.len());
        }
        let mut json = Vec::new();
        write_into(&mut json, Field::new("x"), &[&long[..94]], &limits).unwrap();
        assert_eq!(json.len(), 100);
    }

    #[test]
    fn a_text_becomes_a_value_of_its_type() {
        let field = || Field::new("x");
        for (field, text, json) in [
            (field(), " a\"b\n", r#"" a\"b\n""#),
            (field(), "", r#""""#),
            (field().integer(), " -7 ", "-7"),
            (field().integer(), "18446744073709551615", "18446744073709551615"),
            (field().integer(), "+5", "5"),
            (field().integer(), "  ", "null"),
            (field().number(), "1e3", "1000.0"),
            (field().boolean(), "YES", "true"),
            (field().boolean(), "0", "false"),
            (field().date("%d.%m.%Y"), "24.12.2025", "\"2025-12-24\""),
            (field().matching(r"of (\d+)").integer(), "1 of 95", "95"),
            (field().matching(r"\d+"), "a 12 b", "\"12\""),
            (field().matching(r"\d+"), "none", "null"),
            (Field::constant(7), "x", "7"),
        ] {
            assert_eq!(written(field, &[text]).unwrap(), format!("\"f\":{json}"));
        }
        assert_eq!(written(field().list().integer(), &["1", "", "3"]).unwrap(), "\"f\":[1,3]");
        assert_eq!(written(field(), &[]).unwrap(), "\"f\":null");
    }

    #[test]
    fn what_is_not_of_the_type_or_missing_is_named_without_its_value() {
        let field = || Field::new("x");
        for (field, text) in [
            (field().integer(), "secret"),
            (field().integer(), "1.0"),
            (field().integer(), "1,000"),
            (field().integer(), "99999999999999999999"),
            (field().number(), "NaN"),
            (field().number(), "inf"),
            (field().boolean(), "maybe"),
            (field().date("%Y"), "2025-99"),
        ] {
            let error = written(field, &[text]).unwrap_err();
            assert!(matches!(&error, ExtractError::Type { item: 3, .. }), "{error}");
            assert!(!error.to_string().contains(text), "{error}");
        }
        let missing = written(field().integer().required(), &[" "]).unwrap_err();
        assert_eq!(missing, ExtractError::Missing { item: 3, field: "f".into() });
        assert!(written(field().date("%!"), &[]).is_err());
        assert!(written(field().matching("("), &[]).is_err());
    }
}
