//! [pure] Texts in YAML, from names and values that others chose.

use serde_json::Value;

/// A value as a scalar of YAML: as it is if that is read as this very text everywhere in a
/// description, else in quotes. Nothing in it is a variable.
pub(crate) fn text(value: &str) -> String {
    let is_plain = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./+".contains(c));
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = WORDS.contains(&value.to_ascii_lowercase().as_str());
    if is_plain && !is_word {
        return value.to_owned();
    }
    let is_special = value.contains("$$") || value.contains("${");
    match is_special {
        true => quoted(&without_variables(value)),
        false => quoted(value),
    }
}

/// A text in which nothing is a variable: `$$` stands for `$`.
pub(crate) fn without_variables(value: &str) -> String {
    value.replace('$', "$$")
}

/// A text with variables as a scalar in quotes.
pub(crate) fn quoted(template: &str) -> String {
    // JSON is YAML, but for the characters that YAML does not print.
    let json = Value::from(template).to_string();
    json.chars().map(|c| if is_unprintable(c) { escape(c) } else { c.to_string() }).collect()
}

fn is_unprintable(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        // They turn the direction of what is read.
        | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

fn escape(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

/// A value as YAML on one line, with nothing in it a variable.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::String(word) => text(word),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", text(key), flow(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A text for a comment: on one line, and of at most 200 characters.
pub(crate) fn comment(said: &str) -> String {
    line(said, 200)
}

/// A text on one line, of at most so many characters and `…` if it has more. A terminal obeys
/// nothing in it.
pub(crate) fn line(said: &str, width: usize) -> String {
    let printable = |c: char| if c.is_control() || is_unprintable(c) { ' ' } else { c };
    let mut rest = said.chars();
    let mut line: String = rest.by_ref().take(width).map(printable).collect();
    if rest.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_as_they_are() {
        for (value, written) in [
            ("per_page", "per_page"),
            ("a/b.json", "a/b.json"),
            ("page[size]", "\"page[size]\""),
            ("@odata.nextLink", "\"@odata.nextLink\""),
            ("true", "\"true\""),
            ("7", "\"7\""),
            ("", "\"\""),
            ("a: b # c", "\"a: b # c\""),
            ("${HOME}", "\"$${HOME}\""),
            ("$${HOME}", "\"$$$${HOME}\""),
            ("$a$${HOME}", "\"$$a$$$${HOME}\""),
            ("$skip", "\"$skip\""),
            (".", "\".\""),
        ] {
            assert_eq!(text(value), written);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(value in "\\PC{0,20}|[ -~]{0,20}|(?s:.){0,10}") {
            let yaml = format!("a: {}\nb: 1\n", text(&value));
            let read: std::collections::BTreeMap<String, serde_json::Value> =
                serde_saphyr::from_str(&yaml).unwrap();
            let is_special = value.contains("$$") || value.contains("${");
            let expected = if is_special { value.replace('$', "$$") } else { value.clone() };
            prop_assert_eq!(read["a"].as_str(), Some(expected.as_str()), "{}", yaml);
        }

        // A description reads `$$` as `$`, from the left.
        #[test]
        fn nothing_is_a_variable(value in "[${}A]{0,12}") {
            let yaml = format!("a: {}\n", text(&value));
            let read: std::collections::BTreeMap<String, String> =
                serde_saphyr::from_str(&yaml).unwrap();
            let read = read["a"].replace("$$", "\0");
            prop_assert!(!read.contains("${"), "{}", yaml);
            prop_assert_eq!(read.replace('\0', "$"), value);
        }

        #[test]
        fn a_comment_is_one_line(said in "(?s:.){0,40}") {
            let is_one = !comment(&said).contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{1b}']);
            prop_assert!(is_one);
        }
    }
}
