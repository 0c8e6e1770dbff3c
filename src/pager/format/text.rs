//! [pure] The text of a page: its bytes decoded, before anything is parsed.

use bytes::Bytes;
use bytestring::ByteString;

use crate::response::{BYTE_ORDER_MARK, Mismatch};

/// The replacement of an unpaired surrogate (Unicode section 3.9, U+FFFD), as JSON escapes it after
/// the backslash and the `u`.
const REPLACEMENT: &str = "fffd";

/// The text of `body`, without a byte order mark. If `is_lossy`, U+FFFD replaces invalid UTF-8 and
/// unpaired escaped surrogates.
///
/// # Errors
/// If it is not UTF-8.
pub(super) fn text(body: &Bytes, is_lossy: bool) -> Result<ByteString, Mismatch> {
    let mut mark = [0; 4];
    let mark = BYTE_ORDER_MARK.encode_utf8(&mut mark).as_bytes();
    let body = body.slice(if body.starts_with(mark) { mark.len() } else { 0 }..);
    if !is_lossy {
        return Ok(ByteString::try_from(body)?);
    }
    let text = ByteString::try_from(body.clone());
    let text = text.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
    let lone = lone_surrogates(&text);
    if lone.is_empty() {
        return Ok(text);
    }
    let mut mended = String::from(&*text);
    for at in lone {
        mended.replace_range(at..at + REPLACEMENT.len(), REPLACEMENT);
    }
    Ok(mended.into())
}

/// The positions of the digits of unpaired escaped surrogates (RFC 8259 section 8.2).
fn lone_surrogates(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut lone = Vec::new();
    let mut at = 0;
    while let Some(distance) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        let digits_at = at + distance + 2;
        at = digits_at.min(bytes.len());
        match escaped(bytes, digits_at) {
            Some(0xd800..=0xdbff)
                if matches!(escaped(bytes, digits_at + 6), Some(0xdc00..=0xdfff)) =>
            {
                at = digits_at + 10;
            }
            Some(0xd800..=0xdfff) => lone.push(digits_at),
            _ => {}
        }
    }
    lone
}

/// The code unit whose four digits are at `at`, after a backslash and a `u`.
fn escaped(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    let is_hex = bytes.get(at - 2..at) == Some(br"\u") && digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lossy(body: &'static [u8]) -> String {
        text(&Bytes::from_static(body), true).unwrap().to_string()
    }

    #[test]
    fn a_byte_order_mark_is_no_text_and_stands_at_the_start_only() {
        for is_lossy in [false, true] {
            let read = |body: &'static str| text(&Bytes::from(body), is_lossy).unwrap();
            assert_eq!(read("\u{feff}[1]"), "[1]");
            assert_eq!(read("\u{feff}"), "");
            assert_eq!(read("[\"\u{feff}\"]"), "[\"\u{feff}\"]");
        }
        assert!(text(&Bytes::from_static(b"\xfe\xff[1]"), false).is_err());
    }

    #[test]
    fn a_lone_surrogate_is_replaced_and_nothing_else() {
        for (body, read) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\uDFFFx\udbff\u0041""#, r#""\ufffdx\ufffd\u0041""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00\ude00""#, r#""\ufffd\ud83d\ude00\ufffd""#),
            (r#""\\ud800 \\\ud800""#, r#""\\ud800 \\\ufffd""#),
            (r#""\ud800\\udc00""#, r#""\ufffd\\udc00""#),
            (r#""\ud80""#, r#""\ud80""#),
            (r#""\ud800\"#, r#""\ufffd\"#),
            (r"\", r"\"),
            (r#""\u+d80""#, r#""\u+d80""#),
        ] {
            assert_eq!(lossy(body.as_bytes()), read, "{body}");
        }
        assert_eq!(lossy(b"[\"a\xffb\xed\xa0\x80\"]"), "[\"a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\"]");
    }
}
