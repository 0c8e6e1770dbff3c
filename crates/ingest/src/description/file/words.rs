//! [pure] What serde says, in plain words.

/// Of more names than these a message tells the nearest, if one is near.
const MOST_NAMES: usize = 12;

/// The message of a deserializer in plain words.
pub(super) fn plain(message: &str) -> String {
    let kind = ["invalid type: ", "invalid value: "];
    if let Some(rest) = kind.iter().find_map(|kind| message.strip_prefix(kind))
        && let Some((found, expected)) = rest.rsplit_once(", expected ")
    {
        if found == "unit variant" {
            return "needs a value, as in { NAME: VALUE }".to_owned();
        }
        return format!("expected {}, found {}", wanted(expected), present(found));
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown("key", rest);
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return unknown("value", rest);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("the key {name} is missing");
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return format!("the key {name} is there twice");
    }
    // What is read as a whole says first in which of its parts it is.
    if let Some((part, rest)) = message.split_once(": ")
        && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    {
        return format!("{part}: {}", plain(rest));
    }
    message.to_owned()
}

/// What a type expects, by the words of its visitor.
pub(super) fn wanted(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number",
        "f32" | "f64" => "a number",
        "a Decimal type representing a fixed-point number" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        number if number.starts_with("a nonzero ") => "a whole number above zero",
        name if name.starts_with("struct ") => "a map",
        name if name.starts_with("enum ") => "a name, or a map with one key",
        _ => expected,
    }
}

/// What serde found, which it names as Rust does.
fn present(found: &str) -> String {
    for (kind, word) in [
        ("string ", "the text "),
        ("integer ", "the number "),
        ("floating point ", "the number "),
        ("boolean ", "the value "),
    ] {
        if let Some(value) = found.strip_prefix(kind) {
            return format!("{word}{value}");
        }
    }
    let word = match found {
        "unit value" | "Option value" => "nothing",
        "map" => "a map",
        "sequence" => "a list",
        found => found,
    };
    word.to_owned()
}

/// What to say of an unknown name; `rest` has it, and the names that are known, in backticks.
fn unknown(what: &str, rest: &str) -> String {
    let mut names = rest.split('`').skip(1).step_by(2);
    let name = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    if known.is_empty() {
        return format!("unknown {what} `{name}`");
    }
    if known.len() <= MOST_NAMES {
        let known = known.join("`, `");
        return format!("unknown {what} `{name}`, expected one of `{known}`");
    }
    let nearest = known.iter().min_by_key(|known| distance(name, known));
    match nearest.filter(|known| distance(name, known) <= 3) {
        Some(nearest) => format!("unknown {what} `{name}`; did you mean `{nearest}`?"),
        None => {
            let is_part = |known: &&&str| name.len() > 2 && known.contains(name);
            let mut listed: Vec<&str> = known.iter().filter(is_part).copied().collect();
            if listed.is_empty() {
                listed = known;
            }
            listed.sort_unstable();
            let listed = listed.join("`, `");
            format!("unknown {what} `{name}`, expected one of `{listed}`")
        }
    }
}

/// How many characters must be added, taken away or changed to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, match_letter) in row.iter_mut().skip(1).zip(&other) {
            let changed = diagonal + usize::from(letter != *match_letter);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_file_and_not_of_rust() {
        for (said, meant) in [
            (
                "invalid type: string \"a\", expected u64",
                "expected a whole number, found the text \"a\"",
            ),
            ("invalid type: unit value, expected a sequence", "expected a list, found nothing"),
            ("invalid type: sequence, expected struct Job", "expected a map, found a list"),
            (
                "invalid value: integer `0`, expected a nonzero u64",
                "expected a whole number above zero, found the number `0`",
            ),
            (
                "invalid type: unit variant, expected newtype variant",
                "needs a value, as in { NAME: VALUE }",
            ),
            ("missing field `sink`", "the key `sink` is missing"),
            ("unknown variant `b`, expected `a`", "unknown value `b`, expected one of `a`"),
            ("unknown field `a`, there are no fields", "unknown key `a`"),
            ("oauth2: missing field `client_id`", "oauth2: the key `client_id` is missing"),
            ("a: unknown field `b`, expected `c`", "a: unknown key `b`, expected one of `c`"),
            ("something: else", "something: else"),
            ("something else", "something else"),
        ] {
            assert_eq!(plain(said), meant);
        }
    }

    #[test]
    fn of_many_names_the_nearest_is_told() {
        let many: Vec<String> = (0..20).map(|n| format!("`setting_{n}`")).collect();
        let said =
            format!("unknown field `workrs`, expected one of `workers`, {}", many.join(", "));
        assert_eq!(plain(&said), "unknown key `workrs`; did you mean `workers`?");
        let said = said.replace("`workrs`", "`elephants`");
        many.iter().for_each(|name| assert!(plain(&said).contains(name), "{}", plain(&said)));
        let said = plain(&said.replace("`elephants`", "`ting`"));
        assert!(said.contains("`setting_7`") && !said.contains("workers"), "{said}");
    }

    #[test]
    fn a_distance_counts_single_changes() {
        for (one, other, changes) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("wirte", "write", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), changes, "{one} {other}");
        }
    }
}
