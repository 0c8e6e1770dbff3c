//! [pure] The text of a body: which encoding it has, and its characters.
//!
//! The order of the evidence is that of the [Encoding Standard](https://encoding.spec.whatwg.org)
//! and of HTML: a byte order mark, the content type, what the document says of itself.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::error::ExtractError;

/// How a document says which encoding it has, if neither a mark nor the content type does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// `<meta charset>`, and windows-1252 if that is missing and the text is not UTF-8.
    Html,
    /// The XML declaration, and UTF-8 without one.
    Xml,
    /// It does not: UTF-8.
    Nowhere,
}

/// How far into a document HTML says its encoding.
const PRESCAN: usize = 1024;

/// The text of `body`.
///
/// # Errors
/// [`ExtractError::Encoding`] if it is not text of its encoding, unless `is_lossy`.
pub(crate) fn text<'b>(
    body: &'b [u8],
    set: Option<&'static Encoding>,
    content_type: Option<&str>,
    declared: Declared,
    is_lossy: bool,
) -> Result<Cow<'b, str>, ExtractError> {
    let encoding = encoding_of(body, set, content_type, declared);
    let (text, has_errors) = match Encoding::for_bom(body) {
        Some((marked, length)) => {
            let rest = body.get(length..).unwrap_or_default();
            marked.decode_without_bom_handling(rest)
        }
        None => encoding.decode_without_bom_handling(body),
    };
    if has_errors && !is_lossy {
        return Err(ExtractError::Encoding { encoding: encoding.name() });
    }
    Ok(text)
}

fn encoding_of(
    body: &[u8],
    set: Option<&'static Encoding>,
    content_type: Option<&str>,
    declared: Declared,
) -> &'static Encoding {
    if let Some((marked, _)) = Encoding::for_bom(body) {
        return marked;
    }
    let named = set.or_else(|| parameter(content_type?, "charset").and_then(of_label));
    named.unwrap_or_else(|| match declared {
        Declared::Nowhere => UTF_8,
        Declared::Xml => in_xml(body).unwrap_or(UTF_8),
        Declared::Html => in_html(body)
            .unwrap_or_else(|| if str::from_utf8(body).is_ok() { UTF_8 } else { WINDOWS_1252 }),
    })
}

/// The encoding with this label.
pub(crate) fn of_label(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label.trim().as_bytes())
}

/// A parameter of a content type.
fn parameter<'c>(content_type: &'c str, name: &str) -> Option<&'c str> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|part| part.split_once('='));
    let (_, value) = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches(['"', '\'']))
}

/// `encoding` in the declaration of XML.
fn in_xml(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [b'<', 0, b'?', 0, ..] => return Some(UTF_16LE),
        [0, b'<', 0, b'?', ..] => return Some(UTF_16BE),
        _ => {}
    }
    let head = head_of(body);
    let declaration = head.strip_prefix("<?xml")?.split("?>").next()?;
    quoted_after(declaration, "encoding").and_then(of_label).map(ascii_compatible)
}

/// `charset` in a `<meta>` at the beginning of HTML.
fn in_html(body: &[u8]) -> Option<&'static Encoding> {
    let head = head_of(body).to_ascii_lowercase();
    let mut rest = head.as_str();
    while let Some(at) = rest.find("<meta") {
        rest = rest.get(at + 5..)?;
        let tag = rest.split('>').next()?;
        let label = quoted_after(tag, "charset");
        if let Some(encoding) = label.and_then(of_label) {
            return Some(ascii_compatible(encoding));
        }
    }
    None
}

/// Whoever could read the label in UTF-16 read it in ASCII, so it is wrong.
fn ascii_compatible(encoding: &'static Encoding) -> &'static Encoding {
    if encoding.is_ascii_compatible() { encoding } else { UTF_8 }
}

fn head_of(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.get(..PRESCAN).unwrap_or(body))
}

/// The value after `name=`, quoted or not.
fn quoted_after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let after = text.get(text.find(name)? + name.len()..)?.trim_start();
    let value = after.strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    value.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '/')).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], content_type: Option<&str>, declared: Declared) -> Option<String> {
        text(body, None, content_type, declared, false).ok().map(Cow::into_owned)
    }

    #[test]
    fn the_encoding_is_that_of_the_mark_the_header_and_the_document_in_this_order() {
        use Declared::{Html, Nowhere, Xml};
        let latin = Some("text/html; Charset=\"ISO-8859-1\"");
        for (body, content_type, declared, read_as) in [
            (&b"\xe9"[..], latin, Html, Some("é")),
            (b"\xef\xbb\xbf\xc3\xa9", latin, Html, Some("é")),
            (b"\xff\xfea\0", None, Nowhere, Some("a")),
            (b"\xfe\xff\0a", Some("text/csv; charset=utf-8"), Nowhere, Some("a")),
            (b"\xc3\xa9", None, Html, Some("é")),
            (b"\xe9", None, Html, Some("é")),
            (b"\xe9", None, Nowhere, None),
            (b"\xe9", Some("text/html; charset=nonsense"), Html, Some("é")),
            (b"<META CHARSET=windows-1251>\xe0", None, Html, Some("<META CHARSET=windows-1251>а")),
            (
                b"<meta http-equiv=Content-Type content='text/html; charset=shift_jis'>\x83\x41",
                None,
                Html,
                Some("<meta http-equiv=Content-Type content='text/html; charset=shift_jis'>ア"),
            ),
            (b"<meta charset=utf-16>\xc3\xa9", None, Html, Some("<meta charset=utf-16>é")),
            (
                b"<?xml version='1.0' encoding='iso-8859-2'?>\xb3",
                None,
                Xml,
                Some("<?xml version='1.0' encoding='iso-8859-2'?>ł"),
            ),
            (b"<a>\xe9</a>", None, Xml, None),
            (b"<\0?\0", None, Xml, Some("<?")),
            (b"\x93\xfa", Some("text/csv;charset=Shift_JIS"), Nowhere, Some("日")),
        ] {
            assert_eq!(read(body, content_type, declared).as_deref(), read_as, "{body:?}");
        }
    }

    #[test]
    fn text_that_is_invalid_is_an_error_or_replaced() {
        let lossy = text(b"a\xff", None, Some("text/csv; charset=utf-8"), Declared::Nowhere, true);
        assert_eq!(lossy.unwrap(), "a\u{fffd}");
        let error = text(b"a\xff", None, None, Declared::Nowhere, false).unwrap_err();
        assert_eq!(error, ExtractError::Encoding { encoding: "UTF-8" });
    }
}
