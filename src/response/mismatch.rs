//! [pure] Why a body could not be decoded, without any value of the body: serde's own messages
//! quote values, and errors are printed.

use std::{borrow::Cow, error::Error as StdError, fmt};

use serde_json::error::Category;

/// The source of a decode error: what was expected and where.
#[derive(Debug)]
pub(crate) struct Mismatch {
    what: Cow<'static, str>,
    /// The line and the column, both from 1; in an item of a list, from its start.
    at: Option<(usize, usize)>,
    /// The index of the list item it is in, from 0.
    item: Option<usize>,
}

impl Mismatch {
    pub(crate) fn in_item(self, index: usize) -> Self {
        Self { item: Some(index), ..self }
    }

    pub(crate) fn is_in_item(&self) -> bool {
        self.item.is_some()
    }
}

impl From<&'static str> for Mismatch {
    fn from(what: &'static str) -> Self {
        Self { what: what.into(), at: None, item: None }
    }
}

impl From<String> for Mismatch {
    fn from(what: String) -> Self {
        Self { what: what.into(), at: None, item: None }
    }
}

impl From<std::str::Utf8Error> for Mismatch {
    fn from(error: std::str::Utf8Error) -> Self {
        Self::from(format!("the body is not UTF-8 after byte {}", error.valid_up_to()))
    }
}

impl From<serde_json::Error> for Mismatch {
    fn from(error: serde_json::Error) -> Self {
        let at = (error.line() > 0).then(|| (error.line(), error.column()));
        let said = error.to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        let what = match error.classify() {
            Category::Data => without_values(said),
            Category::Syntax | Category::Eof | Category::Io => said.to_owned().into(),
        };
        Self { what, at, item: None }
    }
}

impl Mismatch {
    /// The same mismatch in a text of which this text is one line.
    pub(crate) fn on_line(mut self, line: usize) -> Self {
        self.at = Some((line, self.at.map_or(1, |(_, column)| column)));
        self
    }
}

/// Keeps the part of serde's message that comes from the type alone.
fn without_values(said: &str) -> Cow<'static, str> {
    // The name of a field of the type.
    if said.starts_with("missing field ") || said.starts_with("duplicate field ") {
        return said.to_owned().into();
    }
    let kinds = [
        "invalid type: null",
        "invalid type: map",
        "invalid type: sequence",
        "invalid type: string",
        "invalid type: integer",
        "invalid type: floating point",
        "invalid type: boolean",
        "invalid type",
        "invalid value",
        "invalid length",
        "unknown field",
        "unknown variant",
    ];
    let kind = kinds.into_iter().find(|kind| said.starts_with(kind));
    match (kind, said.rsplit_once(", expected ")) {
        (Some(kind), Some((_, expected))) => format!("{kind}, expected {expected}").into(),
        (Some(kind), None) => kind.into(),
        (None, _) => "a value is not of the type that it is read as".into(),
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some((line, column)) = self.at {
            write!(f, " at line {line} column {column}")?;
        }
        match self.item {
            Some(index) => write!(f, " of item {index} of the list, counted from 0"),
            None => Ok(()),
        }
    }
}

impl StdError for Mismatch {}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde::{Deserialize, de::DeserializeOwned};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Row {
        n: u8,
        color: Option<Color>,
    }

    #[derive(Debug, Deserialize)]
    enum Color {
        Red,
    }

    fn said<T: DeserializeOwned + fmt::Debug>(json: &str) -> String {
        let mismatch = Mismatch::from(serde_json::from_str::<T>(json).unwrap_err());
        assert!(!format!("{mismatch:?}").contains("canary"));
        mismatch.to_string()
    }

    #[test]
    fn it_says_what_was_expected_and_where() {
        assert_eq!(said::<Row>(r#"{"n":7"#), "EOF while parsing an object at line 1 column 6");
        assert_eq!(
            said::<Row>("{\n\"n\":\"canary\"}"),
            "invalid type: string, expected u8 at line 2 column 12"
        );
        assert_eq!(said::<Row>("{}"), "missing field `n` at line 1 column 2");
    }

    #[test]
    fn it_quotes_no_value() {
        for json in [
            r#"{"n":"canary, expected canary"}"#,
            r#"{"n":[1,"canary at line 1"]}"#,
            r#"{"n":1,"canary":2}"#,
            r#"{"n":1,"color":"canary"}"#,
            r#""canary""#,
        ] {
            assert!(!said::<Row>(json).contains("canary"), "{json}: {}", said::<Row>(json));
        }
        assert!(!said::<IpAddr>(r#""canary""#).contains("canary"));
        assert!(said::<u8>("333").starts_with("invalid value, expected u8"));
    }
}
