//! [pure] Goes through the fields of a JSON object. The text was checked when its page was read, so that
//! only the ends of keys and values are looked for.

use std::borrow::Cow;

/// The keys of an object and the texts of their values, in the order of the text.
pub(super) struct Fields<'a> {
    text: &'a str,
    /// The end of the last value.
    at: usize,
}

impl<'a> Fields<'a> {
    /// Those of an object.
    ///
    /// # Errors
    /// If the text is that of another value.
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        match text.starts_with('{') {
            true => Ok(Self { text, at: 1 }),
            false => Err("it is not an object".to_owned()),
        }
    }

    /// The key and the value of the field at the place, where its quote is, and the end of it.
    fn field(&self, at: usize) -> Option<(&'a str, &'a str, usize)> {
        let bytes = self.text.as_bytes();
        let end_of_key = end_of_string(bytes, at)?;
        let colon = skip_blanks(bytes, end_of_key);
        let start = skip_blanks(bytes, colon + 1);
        let end = end_of_value(bytes, start)?;
        Some((self.text.get(at..end_of_key)?, self.text.get(start..end)?, end))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(Cow<'a, str>, &'a str), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let mut at = skip_blanks(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = skip_blanks(bytes, at + 1);
        }
        if bytes.get(at) == Some(&b'}') {
            return None;
        }
        let Some((key, value, end)) = self.field(at) else {
            // The rest of it is not read.
            self.text = "}";
            self.at = 0;
            return Some(Err("it is not valid JSON".to_owned()));
        };
        self.at = end;
        Some(unquoted(key).map(|key| (key, value)))
    }
}

/// The text of a JSON string.
fn unquoted(text: &str) -> Result<Cow<'_, str>, String> {
    let inner = text.get(1..text.len() - 1).unwrap_or_default();
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str(text).map(Cow::Owned).map_err(|error| error.to_string())
}

/// Where the white space ends that may be at a place.
#[inline]
pub(super) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    // Most often there is none.
    if bytes.get(at).is_none_or(|byte| *byte > b' ') {
        return at;
    }
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where a value ends that begins at a place.
pub(super) fn end_of_value(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => end_of_string(bytes, at),
        b'{' | b'[' => end_of_nested(bytes, at),
        _ => {
            let is_end =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            Some(at + bytes.get(at..)?.iter().position(is_end)?)
        }
    }
}

/// Where a string ends whose first quote is at a place.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at = quote_or_backslash(bytes, at)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Where the next quote or backslash is.
pub(super) fn quote_or_backslash(bytes: &[u8], mut at: usize) -> Option<usize> {
    let (words, rest) = bytes.get(at..)?.as_chunks();
    for word in words {
        let found = quotes_and_backslashes(u64::from_le_bytes(*word));
        at += found.trailing_zeros() as usize / 8;
        if found != 0 {
            return Some(at);
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    found.map(|found| at + found)
}

/// Where the first of them is in a word, by the lowest bit that is set. Zero if there is none.
fn quotes_and_backslashes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let zeros_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros_in(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros_in(word ^ (ONES * u64::from(b'\\')));
    (quotes | backslashes) & (ONES << 7)
}

/// Where an object or a list ends whose first bracket is at a place, however deep it is.
fn end_of_nested(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = end_of_string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastrand::Rng;
    use serde_json::{Map, Value, value::RawValue};

    use super::*;

    fn fields(text: &str) -> Result<Vec<(String, &str)>, String> {
        let fields = Fields::of(text)?;
        fields.map(|field| field.map(|(key, value)| (key.into_owned(), value))).collect()
    }

    fn random(rng: &mut Rng, depth: u32) -> Value {
        const TEXTS: [&str; 8] = ["", "a", "\"", "\\", "\\\"", "{[", "]},:\n", "\u{1f600}\0"];
        let text = |rng: &mut Rng| TEXTS[rng.usize(..TEXTS.len())].repeat(rng.usize(..3));
        match rng.u32(..if depth == 0 { 5 } else { 7 }) {
            0 => Value::Null,
            1 => rng.bool().into(),
            2 => rng.i64(..).into(),
            3 => rng.f64().into(),
            4 => text(rng).into(),
            5 => (0..rng.usize(..4)).map(|_| random(rng, depth - 1)).collect(),
            _ => object(rng, depth - 1),
        }
    }

    fn object(rng: &mut Rng, depth: u32) -> Value {
        let fields = (0..rng.usize(..5)).map(|number| {
            let key = ["a", "b\"", "c\\", "\u{e9}", "}"][number].repeat(rng.usize(..3));
            (format!("{number}{key}"), random(rng, depth))
        });
        Value::Object(fields.collect::<Map<_, _>>())
    }

    #[test]
    fn the_fields_are_those_that_a_parser_finds() {
        for seed in 0..500 {
            let value = object(&mut Rng::with_seed(seed), 4);
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let expected: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
                let expected: Vec<_> =
                    expected.iter().map(|(key, value)| (key.clone(), value.get())).collect();
                let mut found = fields(&text).unwrap();
                found.sort();
                assert_eq!(found, expected, "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_an_object_or_not_whole_is_an_error_and_no_panic() {
        for text in ["[1]", "1", "\"{\"", "", "null"] {
            assert_eq!(fields(text).unwrap_err(), "it is not an object", "{text}");
        }
        let whole = r#"{"a": {"b": ["x\"]", 1]}, "c": -1.5e3, "d": null}"#;
        for end in 1..whole.len() {
            assert!(fields(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        assert!(fields(r#"{"\ud800": 1}"#).is_err());
    }
}
