//! [pure] Texts in YAML, from names and values that others chose.

/// A value as a scalar of YAML: as it is if that is read as this very text everywhere in a
/// description, else in quotes. A `${` in it is no variable.
pub(crate) fn text(value: &str) -> String {
    let is_plain = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./+".contains(c));
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = WORDS.contains(&value.to_ascii_lowercase().as_str());
    if is_plain && !is_word {
        return value.to_owned();
    }
    let escaped = value.replace("$$", "$$$$").replace("${", "$${");
    // JSON is YAML, but for the characters that YAML does not print.
    let json = serde_json::Value::from(escaped).to_string();
    json.chars().map(|c| if is_unprintable(c) { escape(c) } else { c.to_string() }).collect()
}

fn is_unprintable(c: char) -> bool {
    matches!(
        c,
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

fn escape(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

/// A text for a comment: on one line, and of at most 200 characters.
pub(crate) fn comment(said: &str) -> String {
    let printable = said.chars().map(|c| if c.is_control() || is_unprintable(c) { ' ' } else { c });
    printable.take(200).collect()
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
            let expected = value.replace("$$", "$$$$").replace("${", "$${");
            prop_assert_eq!(read["a"].as_str(), Some(expected.as_str()), "{}", yaml);
        }

        #[test]
        fn a_comment_is_one_line(said in "(?s:.){0,40}") {
            let is_one = !comment(&said).contains(['\n', '\r', '\u{85}', '\u{2028}']);
            prop_assert!(is_one);
        }
    }
}
