//! [pure] Texts that PostgreSQL cannot hold.

/// PostgreSQL reads JSON with a stack of a fixed size, some thousand levels deep.
const MAX_DEPTH: usize = 1000;
/// A number in JSON has at most 16,383 digits after its point there.
const MAX_EXPONENT: u32 = 16_000;
const MAX_DIGITS: usize = 16_000;

const NUL: &str = "contains U+0000, which PostgreSQL cannot hold";
const SURROGATE: &str = "contains half a surrogate pair, which PostgreSQL cannot hold in JSON";
const NUMBER: &str = "contains a number with more digits than PostgreSQL holds in JSON";
const DEEP: &str = "is nested deeper than PostgreSQL reads JSON";

/// Why a text cannot be held: a string, or the JSON of an object or list.
pub(super) fn refuses(text: &str) -> Option<&'static str> {
    if text.as_bytes().contains(&0) {
        return Some(NUL);
    }
    match text.as_bytes().first() {
        Some(b'{' | b'[') => Json::new(text).refuses(),
        _ => None,
    }
}

/// Why JSON cannot be held. That it is JSON is not checked.
pub(super) fn refuses_json(text: &str) -> Option<&'static str> {
    Json::new(text).refuses()
}

/// Goes through JSON without building it.
struct Json<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Json<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), depth: 0 }
    }

    fn refuses(mut self) -> Option<&'static str> {
        while let Some((byte, rest)) = self.rest.split_first() {
            let problem = match byte {
                b'-' | b'0'..=b'9' => self.number(),
                b'"' => {
                    self.rest = rest;
                    self.string()
                }
                _ => {
                    self.rest = rest;
                    self.bracket(*byte)
                }
            };
            if problem.is_some() {
                return problem;
            }
        }
        None
    }

    fn bracket(&mut self, byte: u8) -> Option<&'static str> {
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            0 => return Some(NUL),
            _ => {}
        }
        (self.depth > MAX_DEPTH).then_some(DEEP)
    }

    fn number(&mut self) -> Option<&'static str> {
        let is_of_number =
            |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest.iter().take_while(is_of_number).count();
        let (number, rest) = self.rest.split_at(length);
        self.rest = rest;
        let at = number.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(length);
        let exponent = number.get(at + 1..).unwrap_or_default();
        let exponent = exponent.iter().filter(|byte| byte.is_ascii_digit());
        let exponent = exponent.fold(0_u32, |sum, digit| {
            sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
        });
        (at > MAX_DIGITS || exponent > MAX_EXPONENT).then_some(NUMBER)
    }

    /// The rest of a string, and the quote at its end.
    fn string(&mut self) -> Option<&'static str> {
        let mut waits_for_low = false;
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let unit = match byte {
                b'\\' => self.escape(),
                _ => None,
            };
            let is_low = unit.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
            if is_low != waits_for_low {
                return Some(SURROGATE);
            }
            waits_for_low = unit.is_some_and(|unit| (0xd800..0xdc00).contains(&unit));
            match (byte, unit) {
                (_, Some(0)) | (0, _) => return Some(NUL),
                (b'"', _) => return None,
                _ => {}
            }
        }
    }

    /// What is after a backslash; the number of a `\u`.
    fn escape(&mut self) -> Option<u16> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *byte != b'u' {
            return None;
        }
        let digits = rest.get(..4)?;
        self.rest = rest.get(4..)?;
        u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_without_nul_are_held() {
        for text in ["", "a", "\\u0000", "\u{10ffff}", "\"\\u0000\"", "e99999999"] {
            assert_eq!(refuses(text), None, "{text}");
        }
        assert_eq!(refuses("a\0b"), Some(NUL));
    }

    #[test]
    fn json_is_held_unless_its_values_are_not() {
        for text in [
            r#"{"a": "\\u0000", "b": ["\ud83d\ude00", "\"", "é"], "c": -1.5e+300}"#,
            "[123456789012345678901234567890.123456789]",
            r#"{"e99999999": "1e99999999"}"#,
            "[",
            r#"["\u00"#,
        ] {
            assert_eq!(refuses(text), None, "{text}");
        }
        for (text, reason) in [
            (r#"{"a": "\u0000"}"#, NUL),
            (r#"{"\u0000": 1}"#, NUL),
            (r#"["\\\u0000"]"#, NUL),
            (r#"["\ud83d"]"#, SURROGATE),
            (r#"["\ud83dx"]"#, SURROGATE),
            (r#"["\ude00"]"#, SURROGATE),
            (r#"["\ud83d\ud83d\ude00"]"#, SURROGATE),
            ("[1e99999999999]", NUMBER),
            ("[1E-20000]", NUMBER),
        ] {
            assert_eq!(refuses(text), Some(reason), "{text}");
        }
        assert_eq!(refuses(&format!("[{}]", "1".repeat(20_000))), Some(NUMBER));
        assert_eq!(refuses(&"[".repeat(1001)), Some(DEEP));
        assert_eq!(refuses(&"[]".repeat(2000)), None);
        assert_eq!(refuses_json(r#""\u0000""#), Some(NUL));
    }
}
