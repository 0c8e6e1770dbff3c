//! [pure] Texts: white space, patterns and their groups, lists of selectors.

use regex::{Captures, Regex, RegexBuilder};

use crate::error::ExtractError;

/// The most bytes of a compiled pattern. Counted repetitions of large classes take megabytes and
/// much time to compile.
const PATTERN_BYTES: usize = 1 << 20;
/// The most bytes of the cache of its automaton.
const CACHE_BYTES: usize = 2 << 20;
/// The deepest nesting of a pattern.
const NESTING: u32 = 50;

/// The pattern, compiled.
///
/// # Errors
/// [`ExtractError::Setting`] with the name of the setting.
pub(crate) fn compiled(setting: &str, pattern: &str) -> Result<Regex, ExtractError> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(PATTERN_BYTES).dfa_size_limit(CACHE_BYTES).nest_limit(NESTING);
    builder.build().map_err(|error| ExtractError::setting(setting, error))
}

/// The first group of the first match, if the match has it; the whole match of a pattern without
/// groups.
pub(crate) fn first_group<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    first_group_of(&pattern.captures(text)?)
}

/// The same of one match.
pub(crate) fn first_group_of<'t>(found: &Captures<'t>) -> Option<&'t str> {
    let group = if found.len() > 1 { found.get(1) } else { found.get(0) };
    group.map(|group| group.as_str())
}

/// The text without white space at its ends, and one space for each white space within, which is
/// how HTML shows it.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(256));
    // The no-break space is not white space of HTML, and often stands for nothing but a space.
    for word in text.split(|c: char| c.is_ascii_whitespace() || c == '\u{a0}') {
        if word.is_empty() {
            continue;
        }
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// The number in a text such as `1,234`, `1 234` or `1.234 results`.
pub(crate) fn count_in(text: &str) -> Option<u64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = text.get(start..)?;
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, ',' | '.' | '\'' | '\u{a0}' | ' ');
    let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
    let digits: String = rest.get(..end)?.chars().filter(char::is_ascii_digit).collect();
    let after = rest.get(end..)?;
    // Of several numbers, none is meant.
    let is_only = !after.contains(|c: char| c.is_ascii_digit());
    is_only.then(|| digits.parse().ok()).flatten()
}

/// The parts of a list of selectors between its commas.
pub(crate) fn alternatives(selectors: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0u32, None);
    let mut chars = selectors.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (_, '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(selectors.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(selectors.get(start..).unwrap_or_default().trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_folded() {
        for (text, shown) in [
            ("", ""),
            (" \n ", ""),
            ("a", "a"),
            ("\t a \r\n b\u{a0}c ", "a b c"),
            ("ä\u{2003}b", "ä\u{2003}b"),
        ] {
            assert_eq!(folded(text), shown);
        }
    }

    #[test]
    fn a_list_of_selectors_is_split_at_its_own_commas() {
        for (list, parts) in [
            ("a", vec!["a"]),
            ("a, b.c", vec!["a", "b.c"]),
            (":not(a, b), [x=\",\"]", vec![":not(a, b)", "[x=\",\"]"]),
            (r"[x='\',']", vec![r"[x='\',']"]),
            ("a\\,b,", vec!["a\\,b", ""]),
        ] {
            assert_eq!(alternatives(list), parts);
        }
    }

    #[test]
    fn a_pattern_that_would_take_megabytes_is_refused() {
        for pattern in [r"(\w{1,200})@(\w{1,200})", "(a{1000}){1000}", &"(".repeat(100)] {
            assert!(compiled("pattern", pattern).is_err(), "{pattern}");
        }
        assert!(compiled("pattern", r"(?P<year>\d{4})-\d\d").is_ok());
    }

    #[test]
    fn a_count_is_read_however_its_digits_are_grouped() {
        for (text, count) in [
            ("95", Some(95)),
            ("1,234 results", Some(1234)),
            ("about 12\u{a0}345", Some(12345)),
            ("1 to 10 of 95", None),
            ("none", None),
        ] {
            assert_eq!(count_in(text), count, "{text}");
        }
    }
}
