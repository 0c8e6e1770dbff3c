//! [pure] The path of a request below the gateway's prefix, taken as it was sent and decoded once.
//!
//! The router of actix-web decodes leniently, so that two texts may be one id. Here each segment
//! is decoded strictly, or the request is refused.

use crate::Problem;

/// The part of `raw`, a path as it was sent, that `unmatched` is the decoded form of. Decoding
/// leaves slashes as they are, so both have the same number of them.
pub(crate) fn below_prefix<'a>(raw: &'a str, unmatched: &str) -> Option<&'a str> {
    match unmatched.bytes().filter(|byte| *byte == b'/').count() {
        0 => Some(""),
        slashes => raw.rmatch_indices('/').nth(slashes - 1).map(|(at, _)| &raw[at..]),
    }
}

/// One segment, decoded.
///
/// # Errors
/// 400 if it is empty or a dot segment, if a `%` does not begin two hexadecimal digits, and if what
/// it encodes is not UTF-8 or has control characters.
pub(crate) fn segment(raw: &str) -> Result<String, Problem> {
    let text =
        decode(raw, false).ok_or_else(|| refused("a segment is not percent-encoded UTF-8"))?;
    if text.is_empty() || text == "." || text == ".." {
        return Err(refused("a segment is empty or a dot segment"));
    }
    if text.chars().any(char::is_control) {
        return Err(refused("a segment has control characters"));
    }
    Ok(text)
}

/// `raw` with percent-encoding undone, and with `+` as a space if asked for. `None` if it is not
/// such text, or not UTF-8.
pub(crate) fn decode(raw: &str, plus_is_space: bool) -> Option<String> {
    if !raw.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Some(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// `text` as a segment of a path.
pub(crate) fn encode(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            _ => {
                let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or('0');
                path.push('%');
                path.push(digit(byte >> 4).to_ascii_uppercase());
                path.push(digit(byte & 15).to_ascii_uppercase());
            }
        }
    }
    path
}

fn refused(detail: &'static str) -> Problem {
    Problem::bad_request("invalid_path", "the path cannot be read").with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_the_prefix_is_as_it_was_sent() {
        assert_eq!(below_prefix("/api/v1/tables/a%2Fb", "/tables/a%2Fb"), Some("/tables/a%2Fb"));
        assert_eq!(below_prefix("/x/api/v1/kv/%00", "/kv/\0"), Some("/kv/%00"));
        assert_eq!(below_prefix("/api/v1", ""), Some(""));
    }

    #[test]
    fn a_segment_is_decoded_once_and_strictly() {
        assert_eq!(segment("..%2fb").unwrap(), "../b");
        assert_eq!(segment("a%252fb").unwrap(), "a%2fb");
        assert_eq!(segment("a+b").unwrap(), "a+b");
        for raw in ["", ".", "..", "%2e%2e", "%", "%4", "%zz", "%ff", "%c3%28", "%00", "a%0ab"] {
            assert_eq!(segment(raw).unwrap_err().kind(), "invalid_path", "{raw}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for text in ["a", "a/b", "ü %+", "100%"] {
            assert_eq!(segment(&encode(text)).unwrap(), text);
        }
    }
}
