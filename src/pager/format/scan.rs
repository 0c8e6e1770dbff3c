//! [pure] Finds where a JSON value ends (RFC 8259), and checks it on the way. Builds nothing, and
//! looks at eight bytes of a string at a time.

/// Deeper values are left to a parser.
const MAX_DEPTH: u32 = u64::BITS;

/// Each byte of a word.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH_BITS: u64 = ONES << 7;

/// The end of the value at `at`, before which may be white space. `None` if it is not JSON, or too
/// deep to be looked through.
pub(super) fn end_of_value(json: &[u8], at: usize) -> Option<usize> {
    let mut at = skip_blanks(json, at);
    let mut open = Open::default();
    loop {
        at = match json.get(at)? {
            b'"' => end_of_string(json, at)?,
            b'{' => {
                let inner = skip_blanks(json, at + 1);
                if json.get(inner) != Some(&b'}') {
                    open.push(true)?;
                    at = end_of_key(json, inner)?;
                    continue;
                }
                inner + 1
            }
            b'[' => {
                let inner = skip_blanks(json, at + 1);
                if json.get(inner) != Some(&b']') {
                    open.push(false)?;
                    at = inner;
                    continue;
                }
                inner + 1
            }
            b't' => end_of_word(json, at, b"true")?,
            b'f' => end_of_word(json, at, b"false")?,
            b'n' => end_of_word(json, at, b"null")?,
            _ => end_of_number(json, at)?,
        };
        loop {
            let Some(is_object) = open.is_object() else { return Some(at) };
            at = skip_blanks(json, at);
            match (json.get(at)?, is_object) {
                (b',', _) => {
                    at = skip_blanks(json, at + 1);
                    if is_object {
                        at = end_of_key(json, at)?;
                    }
                    break;
                }
                (b'}', true) | (b']', false) => {
                    open.pop();
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

/// The objects and lists around a place.
#[derive(Default)]
struct Open {
    depth: u32,
    /// A bit for each, the innermost last: 1 for an object.
    are_objects: u64,
}

impl Open {
    fn push(&mut self, is_object: bool) -> Option<()> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        self.are_objects = self.are_objects << 1 | u64::from(is_object);
        Some(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.are_objects >>= 1;
    }

    /// Whether the innermost is an object; `None` outside of all.
    fn is_object(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.are_objects & 1 == 1)
    }
}

/// Where the white space ends that may be at `at`.
#[inline]
pub(super) fn skip_blanks(json: &[u8], mut at: usize) -> usize {
    // Most often there is none.
    if json.get(at).is_none_or(|byte| *byte > b' ') {
        return at;
    }
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = json.get(at) {
        at += 1;
    }
    at
}

/// Where the value begins whose key is at `at`.
fn end_of_key(json: &[u8], at: usize) -> Option<usize> {
    if json.get(at)? != &b'"' {
        return None;
    }
    let colon = skip_blanks(json, end_of_string(json, at)?);
    (json.get(colon)? == &b':').then(|| skip_blanks(json, colon + 1))
}

/// Where the string ends whose first quote is at `at`.
fn end_of_string(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let (words, _) = json.get(at..)?.as_chunks();
        for word in words {
            let special = special_in(u64::from_le_bytes(*word));
            at += special.trailing_zeros() as usize / 8;
            if special != 0 {
                break;
            }
        }
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = end_of_escape(json, at)?,
            0..b' ' => return None,
            _ => at += 1,
        }
    }
}

/// Where the first byte of a word is that may not stand in a string as it is: a quote, a backslash
/// or a control character, by the lowest bit that is set. Zero if there is none.
fn special_in(word: u64) -> u64 {
    let zeros_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros_in(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros_in(word ^ (ONES * u64::from(b'\\')));
    let controls = word.wrapping_sub(ONES * u64::from(b' ')) & !word;
    (quotes | backslashes | controls) & HIGH_BITS
}

fn end_of_escape(json: &[u8], at: usize) -> Option<usize> {
    match json.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => {
            let digits = json.get(at + 2..at + 6)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 6)
        }
        _ => None,
    }
}

fn end_of_word(json: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    json.get(at..)?.starts_with(word).then_some(at + word.len())
}

fn end_of_number(json: &[u8], at: usize) -> Option<usize> {
    let at = if json.get(at)? == &b'-' { at + 1 } else { at };
    let mut end = match json.get(at)? {
        b'0' => at + 1,
        _ => end_of_digits(json, at)?,
    };
    if json.get(end) == Some(&b'.') {
        end = end_of_digits(json, end + 1)?;
    }
    if let Some(b'e' | b'E') = json.get(end) {
        let is_signed = matches!(json.get(end + 1), Some(b'+' | b'-'));
        end = end_of_digits(json, end + 1 + usize::from(is_signed))?;
    }
    match json.get(end) {
        Some(b'0'..=b'9') => None,
        _ => Some(end),
    }
}

/// Where digits end, of which there is at least one.
fn end_of_digits(json: &[u8], at: usize) -> Option<usize> {
    let digits = json.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then_some(at + digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::{Deserialize, IgnoredAny};

    use super::*;

    fn end(json: &str) -> Option<usize> {
        end_of_value(json.as_bytes(), 0)
    }

    /// Where a parser finds the end.
    fn parsed(json: &str) -> Option<usize> {
        let mut parser = serde_json::Deserializer::from_str(json);
        IgnoredAny::deserialize(&mut parser).ok()?;
        Some(parser.into_iter::<IgnoredAny>().byte_offset())
    }

    #[test]
    fn a_value_ends_where_it_ends_whatever_follows() {
        for (json, expected) in [
            ("7", 1),
            (" \n7 ,8", 3),
            ("-0.5e+10]", 8),
            ("0 1", 1),
            ("true,", 4),
            ("null", 4),
            (r#""a\"b\u00e9",1"#, 12),
            (r#"{"a":[{},[]," } "],"b":null} {"#, 28),
            ("[ ] ]", 3),
        ] {
            assert_eq!(end(json), Some(expected), "{json}");
            assert_eq!(parsed(json), Some(expected), "{json}");
        }
    }

    /// From valyala/fastjson#5, cesanta/mjson#56, bytedance/sonic#974, apple/swift-protobuf#2112,
    /// simdjson/simdjson#1640: what validators have let pass.
    #[test]
    fn what_is_no_json_is_no_value() {
        let long = "x".repeat(40);
        for text in [
            "",
            " ",
            "-",
            "1e",
            "1e+",
            "03e+1",
            "1e.1",
            "00",
            "1.e3",
            "01e+6",
            "-01",
            "+1",
            ".5",
            "1.",
            "trrrue",
            "tru",
            "nul",
            r#""\uz""#,
            r#""\uazaa""#,
            "\" f\0o\"",
            "\"\u{1}\"",
            "\"a\nb\"",
            "\"unended",
            "\"ended by \\\"",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "{\"a\":}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{\"a\":1]",
            "[",
            "{",
            "]",
            ",",
        ] {
            assert_eq!((end(text), parsed(text)), (None, None), "{text:?}");
        }
        for escape in [r"\0", r"\v", r"\x", r"\ ", "\\\n", r"\u12g4", r"\U1234", "\u{1f}"] {
            let texts = [format!("\"{long}{escape}{long}\""), format!("{{\"{escape}\":1}}")];
            for text in texts {
                assert_eq!((end(&text), parsed(&text)), (None, None), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_too_deep_is_left_to_a_parser() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let most = MAX_DEPTH as usize + 1;
        assert_eq!(end(&nested(most)), Some(2 * most));
        assert_eq!(end(&nested(most + 1)), None);
        assert!(parsed(&nested(most + 1)).is_some());
    }

    #[test]
    fn a_string_is_read_wherever_its_special_bytes_are() {
        for length in 0..40 {
            let plain = "é".repeat(length / 2) + &"x".repeat(length % 2);
            for special in ["", "\\\"", "\\\\", "\\u0000", "\u{7f}", "\u{80}", "\u{10ffff}"] {
                for text in [format!("\"{plain}{special}\""), format!("\"{special}{plain}\"")] {
                    assert_eq!(end(&text), Some(text.len()), "{text:?}");
                    assert_eq!(end(&format!("{text}\"x")), Some(text.len()), "{text:?}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_parser_finds_the_same_end(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\\", "\\u00", "e9", "7", "0",
                    "-", ".", "e", "+", " ", "\n", "true", "null", "\u{1}", "é", "abcdefgh",
                    "{\"a\":", "[1,", "\"key\":",
                ]),
                0..12,
            ),
        ) {
            let text = parts.concat();
            prop_assert_eq!(end(&text), parsed(&text), "{}", text);
        }
    }
}
