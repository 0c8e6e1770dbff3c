//! [pure] Extractors as data, for YAML and the like.

mod field;
mod wasm;

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    css::Css,
    csv::Csv,
    error::ExtractError,
    extraction::Extraction,
    field::Field,
    limits::Limits,
    lines::{Lines, Text},
    regex::Regex,
    xml::Xml,
};
use field::{FieldData, fields};
use wasm::WasmData;

/// An extractor as data: one kind, by its name, and what surrounds it.
///
/// | key | value |
/// |---|---|
/// | `css`, `xml` | `items`, `fields`, `next`, `total`, as in [`Css`] and [`Xml`]; `xml` has `cursor` too |
/// | `tree` | as `css`, over a tree, if the crate has the feature `tree`: see `Css::tree` |
/// | `csv` | `fields`, `names`, `delimiter`, `quote`, `comment`, `trims`, as in [`Csv`] |
/// | `regex` | `pattern`, `fields`, `next`, `total`, as in [`Regex`] |
/// | `lines` | `matching`, `fields`, as in [`Lines`] |
/// | `text` | `fields`, as in [`Text`] |
/// | `wasm` | the file of a WebAssembly component, or a map of `file` and `memory` (bytes), as in `Wasm`; with the feature `wasm` |
/// | `limits` | `time` (seconds, or a text such as `2s`), `memory`, `items`, `item_bytes`, `depth`, `attributes`, as in [`Limits`] |
/// | `empty` | the pages that may have no item: `none` (the default), `after_first` or `any` |
/// | `charset`, `lossy_text`, `content_types` | as the methods of [`Extraction`] |
///
/// A field is its place as a text, or a map of `at`, `attr`, `type` (`text`, `integer`, `number`,
/// `boolean`, `date`), `format` (of a date), `required`, `list` and `matching`; or `const` with a
/// value.
///
/// ```
/// use vantage_api_extract::Settings;
///
/// let settings: Settings = serde_json::from_str(
///     r#"{
///         "css": {
///             "items": "tr.row",
///             "fields": {
///                 "name": "td.name",
///                 "url": { "at": "td.name a", "attr": "href" },
///                 "population": { "at": "td.pop", "type": "integer", "required": true },
///                 "source": { "const": "census" }
///             },
///             "next": "a[rel=next]"
///         },
///         "limits": { "time": "500ms" }
///     }"#,
/// )?;
/// let rows = settings.build()?;
/// # let _ = rows;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a map of an extractor: css, tree, xml, csv, regex, lines, text or wasm"
)]
pub struct Settings {
    css: Option<Elements>,
    tree: Option<Elements>,
    xml: Option<XmlData>,
    csv: Option<CsvData>,
    regex: Option<RegexData>,
    lines: Option<LinesData>,
    text: Option<TextData>,
    wasm: Option<WasmData>,
    #[serde(default)]
    limits: LimitsData,
    #[serde(default)]
    empty: Empty,
    charset: Option<String>,
    #[serde(default)]
    lossy_text: bool,
    content_types: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Empty {
    #[default]
    None,
    AfterFirst,
    Any,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Elements {
    items: String,
    #[serde(deserialize_with = "fields")]
    fields: Vec<(String, FieldData)>,
    next: Option<FieldData>,
    total: Option<FieldData>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct XmlData {
    items: String,
    #[serde(deserialize_with = "fields")]
    fields: Vec<(String, FieldData)>,
    next: Option<FieldData>,
    total: Option<FieldData>,
    cursor: Option<FieldData>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvData {
    #[serde(default, deserialize_with = "fields")]
    fields: Vec<(String, FieldData)>,
    names: Option<Vec<String>>,
    #[serde(default, deserialize_with = "byte")]
    delimiter: Option<u8>,
    #[serde(default, deserialize_with = "byte")]
    quote: Option<u8>,
    #[serde(default, deserialize_with = "byte")]
    comment: Option<u8>,
    #[serde(default)]
    trims: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegexData {
    pattern: String,
    #[serde(default, deserialize_with = "fields")]
    fields: Vec<(String, FieldData)>,
    next: Option<String>,
    total: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinesData {
    matching: Option<String>,
    #[serde(default, deserialize_with = "fields")]
    fields: Vec<(String, FieldData)>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextData {
    #[serde(default, deserialize_with = "fields")]
    fields: Vec<(String, FieldData)>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsData {
    #[serde(deserialize_with = "duration")]
    time: Option<Duration>,
    memory: Option<usize>,
    items: Option<u64>,
    item_bytes: Option<usize>,
    depth: Option<usize>,
    attributes: Option<usize>,
}

fn byte<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "\\t" | "tab" => Ok(Some(b'\t')),
        text => match text.as_bytes() {
            [byte] => Ok(Some(*byte)),
            _ => Err(D::Error::custom("one ASCII character, or `tab`")),
        },
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number of seconds, or a text such as `2s`")]
    enum Form {
        Seconds(f64),
        Text(String),
    }

    let refused = |reason: String| D::Error::custom(format!("time: {reason}"));
    match Form::deserialize(deserializer)? {
        Form::Seconds(seconds) => Duration::try_from_secs_f64(seconds)
            .map(Some)
            .map_err(|error| refused(error.to_string())),
        Form::Text(text) => {
            humantime::parse_duration(&text).map(Some).map_err(|error| refused(error.to_string()))
        }
    }
}

/// Adds fields to a builder.
fn with_fields<B>(
    builder: B,
    fields: Vec<(String, FieldData)>,
    add: impl Fn(B, String, Field) -> B,
) -> Result<B, ExtractError> {
    fields.into_iter().try_fold(builder, |builder, (name, field)| {
        let field = field.field(&name)?;
        Ok(add(builder, name, field))
    })
}

impl Settings {
    /// The extractor.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] that names what is wrong, also if there is not exactly one kind.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        let Self { css, tree, xml, csv, regex, lines, text, wasm, limits, .. } = self;
        let (empty, charset) = (self.empty, self.charset);
        let kinds = [
            css.map(|css| css.css()?.build()).transpose()?,
            tree.map(Elements::tree).transpose()?,
            xml.map(XmlData::build).transpose()?,
            csv.map(CsvData::build).transpose()?,
            regex.map(RegexData::build).transpose()?,
            lines.map(LinesData::build).transpose()?,
            text.map(TextData::build).transpose()?,
            wasm.map(WasmData::build).transpose()?,
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(extraction), None) = (kinds.next(), kinds.next()) else {
            let reason = "it has one of css, tree, xml, csv, regex, lines, text and wasm";
            return Err(ExtractError::setting("extract", reason));
        };
        let mut extraction = extraction.limits(limits.limits())?.lossy_text(self.lossy_text);
        extraction = match empty {
            Empty::None => extraction,
            Empty::AfterFirst => extraction.allow_empty_after_first(),
            Empty::Any => extraction.allow_empty(),
        };
        if let Some(label) = charset {
            extraction = extraction.charset(&label)?;
        }
        Ok(match self.content_types {
            Some(types) => extraction.content_types(types),
            None => extraction,
        })
    }
}

impl LimitsData {
    fn limits(self) -> Limits {
        let usual = Limits::default();
        usual
            .time(self.time.unwrap_or(usual.time))
            .memory(self.memory.unwrap_or(usual.memory))
            .items(self.items.unwrap_or(usual.items))
            .item_bytes(self.item_bytes.unwrap_or(usual.item_bytes))
            .depth(self.depth.unwrap_or(usual.depth))
            .attributes(self.attributes.unwrap_or(usual.attributes))
    }
}

impl Elements {
    fn css(self) -> Result<Css, ExtractError> {
        let mut css = with_fields(Css::new(self.items), self.fields, Css::field)?;
        if let Some(next) = self.next {
            css = css.next(next.field("next")?);
        }
        if let Some(total) = self.total {
            css = css.total(total.field("total")?);
        }
        Ok(css)
    }

    #[cfg(feature = "tree")]
    fn tree(self) -> Result<Extraction, ExtractError> {
        self.css()?.tree().build()
    }

    #[cfg(not(feature = "tree"))]
    fn tree(self) -> Result<Extraction, ExtractError> {
        Err(ExtractError::setting("tree", "this program was built without the feature `tree`"))
    }
}

impl XmlData {
    fn build(self) -> Result<Extraction, ExtractError> {
        let mut xml = with_fields(Xml::new(self.items), self.fields, Xml::field)?;
        if let Some(next) = self.next {
            xml = xml.next(next.field("next")?);
        }
        if let Some(cursor) = self.cursor {
            xml = xml.cursor(cursor.field("cursor")?);
        }
        if let Some(total) = self.total {
            xml = xml.total(total.field("total")?);
        }
        xml.build()
    }
}

impl CsvData {
    fn build(self) -> Result<Extraction, ExtractError> {
        let mut csv = with_fields(Csv::new().trims(self.trims), self.fields, Csv::field)?;
        if let Some(names) = self.names {
            csv = csv.names(names);
        }
        if let Some(delimiter) = self.delimiter {
            csv = csv.delimiter(delimiter);
        }
        if let Some(quote) = self.quote {
            csv = csv.quote(quote);
        }
        if let Some(comment) = self.comment {
            csv = csv.comment(comment);
        }
        csv.build()
    }
}

impl RegexData {
    fn build(self) -> Result<Extraction, ExtractError> {
        let mut regex = with_fields(Regex::new(self.pattern), self.fields, Regex::field)?;
        if let Some(next) = self.next {
            regex = regex.next(next);
        }
        if let Some(total) = self.total {
            regex = regex.total(total);
        }
        regex.build()
    }
}

impl LinesData {
    fn build(self) -> Result<Extraction, ExtractError> {
        let lines = match self.matching {
            Some(pattern) => Lines::new().matching(pattern),
            None => Lines::new(),
        };
        with_fields(lines, self.fields, Lines::field)?.build()
    }
}

impl TextData {
    fn build(self) -> Result<Extraction, ExtractError> {
        with_fields(Text::new(), self.fields, Text::field)?.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(json: &str) -> Result<Extraction, String> {
        let settings: Settings = serde_json::from_str(json).map_err(|error| error.to_string())?;
        settings.build().map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_has_a_form_as_data() {
        for json in [
            r#"{"css": {"items": "tr", "fields": {"a": {"at": "td", "type": "int", "required": true}}, "total": {"at": ".n", "matching": "of (.*)"}}}"#,
            r#"{"xml": {"items": "/a/b", "fields": {"c": {"at": "c/@d", "list": true}}, "next": "/a/next"}, "empty": "after_first"}"#,
            r#"{"csv": {"delimiter": "tab", "quote": "'", "comment": "\#", "trims": true, "names": ["a"]}, "charset": "latin1"}"#,
            r#"{"regex": {"pattern": "(?<a>.)", "next": "next=(.)"}, "content_types": ["*/*"], "lossy_text": true}"#,
            r#"{"lines": {"matching": "(?<a>.)"}, "limits": {"time": 0.5, "memory": 7, "depth": 3}}"#,
            r#"{"text": {"fields": {"when": {"at": "x", "type": "date", "format": "%Y"}, "n": {"const": null}}}, "empty": "any"}"#,
        ] {
            let json = json.replace("\\#", "#");
            assert!(built(&json).is_ok(), "{json}: {:?}", built(&json));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, named) in [
            ("{}", "one of css"),
            (r#"{"text": {}, "lines": {}}"#, "one of css"),
            (r#"{"htlm": {}}"#, "htlm"),
            (r#"{"css": {"items": "tr"}}"#, "fields"),
            (r#"{"css": {"items": "tr + td", "fields": {"a": "b"}}}"#, "tr + td"),
            (r#"{"css": {"items": "tr", "fields": {"name": ":has(a)"}}}"#, "field name"),
            (
                r#"{"css": {"items": "tr", "fields": {"a": {"at": "b", "format": "%Y"}}}}"#,
                "field a",
            ),
            (r#"{"css": {"items": "tr", "fields": {"a": {"const": 1, "at": "b"}}}}"#, "`const`"),
            (r#"{"css": {"items": "tr", "fields": {"a": {"type": "int"}}}}"#, "`at`"),
            (r#"{"css": {"items": "tr", "fields": {"a": "b", "a": "c"}}}"#, "twice"),
            (r#"{"regex": {"pattern": "("}}"#, "pattern"),
            (r#"{"regex": {"pattern": "a"}}"#, "named group"),
            (r#"{"regex": {"pattern": "(?<a>.)", "fields": {"x": "b"}}}"#, "`b`"),
            (r#"{"csv": {"delimiter": "::"}}"#, "one ASCII character"),
            (r#"{"csv": {"delimiter": "\""}}"#, "delimiter"),
            (r#"{"csv": {"names": ["a", "a"]}}"#, "`a` occurs twice"),
            (r#"{"csv": {"names": ["a"], "fields": {"x": "b"}}}"#, "no `b`"),
            (r#"{"xml": {"items": "a[1]", "fields": {"a": "b"}}}"#, "a[1]"),
            (r#"{"lines": {}, "charset": "utf-9"}"#, "utf-9"),
            (r#"{"lines": {}, "limits": {"time": 0}}"#, "time"),
            (r#"{"lines": {}, "limits": {"time": "soon"}}"#, "time"),
            (r#"{"lines": {}, "empty": "never"}"#, "never"),
            (r#"{"wasm": 7}"#, "the file of a component"),
            (r#"{"wasm": {"memory": 7}}"#, "file"),
            (r#"{"wasm": {"file": "a.wasm", "time": 7}}"#, "time"),
            (r#"{"wasm": "no/such.wasm"}"#, "such.wasm"),
        ] {
            let error = built(json).unwrap_err();
            assert!(error.contains(named), "{json}: {error}");
        }
    }
}
