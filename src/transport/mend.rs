//! [pure] Rewrites valid parts of a head that no parser here reads, in place and to the same
//! length: folded lines, a length that is given twice, a later minor version, control characters.
//! Called only for heads that were refused, so that others cost nothing more.

use std::ops::Range;

use super::framing::is_token;

/// Rewrites the head at the start of `bytes`, and returns whether that changed anything.
pub(super) fn mend(bytes: &mut [u8]) -> bool {
    let is_later = lower_version(bytes);
    let was_folded = unfold(bytes);
    let was_unclean = clean(bytes);
    is_later | was_folded | was_unclean | join_lengths(bytes)
}

/// Makes HTTP/1.2 and later HTTP/1.1, of which it is a superset (RFC 9110 section 2.5).
fn lower_version(bytes: &mut [u8]) -> bool {
    let at = start(bytes) + "HTTP/1.".len();
    let is_later = bytes[start(bytes)..].starts_with(b"HTTP/1.")
        && matches!(bytes[at..], [b'2'..=b'9'] | [b'2'..=b'9', b' ', ..]);
    if is_later {
        bytes[at] = b'1';
    }
    is_later
}

/// Puts spaces where a field continues in the next line (RFC 9112 section 5.2).
fn unfold(bytes: &mut [u8]) -> bool {
    let (lines, _) = lines(bytes);
    let mut has_changed = false;
    for pair in lines.windows(2) {
        if matches!(bytes.get(pair[1].start), Some(b' ' | b'\t')) {
            bytes[pair[0].end..pair[1].start].fill(b' ');
            has_changed = true;
        }
    }
    has_changed
}

/// Moves the colon of a field next to its name if space is between them (RFC 9112 section 5.1),
/// and replaces control characters by spaces (RFC 9110 section 5.5), except those that other
/// readers take for a line end, and in fields that define where the body ends.
fn clean(bytes: &mut [u8]) -> bool {
    let mut has_changed = false;
    for line in lines(bytes).0 {
        let field = &mut bytes[line];
        let Some(colon) = field.iter().position(|byte| *byte == b':') else { continue };
        let name = field[..colon].trim_ascii_end().len();
        if name == 0 || !field[..name].iter().copied().all(is_token) {
            continue;
        }
        has_changed |= name < colon;
        field[name..=colon].fill(b' ');
        field[name] = b':';
        let is_framing = [&b"content-length"[..], b"transfer-encoding"];
        if is_framing.iter().any(|framing| field[..name].eq_ignore_ascii_case(framing)) {
            continue;
        }
        for byte in &mut field[name + 1..] {
            if matches!(byte, 1..=8 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f) {
                *byte = b' ';
                has_changed = true;
            }
        }
    }
    has_changed
}

/// Keeps one `Content-Length` of several with the same value, in a list or in several
/// lines (RFC 9110 section 8.6).
fn join_lengths(bytes: &mut [u8]) -> bool {
    let (lines, true) = lines(bytes) else { return false };
    let mut first = None;
    let mut surplus = Vec::new();
    let mut line_end = 0;
    for line in lines {
        let before = std::mem::replace(&mut line_end, line.end);
        let text = &bytes[line.clone()];
        let Some(colon) = text.iter().position(|byte| *byte == b':') else { continue };
        if !text[..colon].eq_ignore_ascii_case(b"content-length") {
            continue;
        }
        for number in text[colon + 1..].split(|byte| *byte == b',') {
            let number = str::from_utf8(number.trim_ascii()).ok();
            let number = number.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let Some(number) = number.and_then(|text| text.parse::<u64>().ok()) else {
                return false;
            };
            if *first.get_or_insert(number) != number {
                return false;
            }
        }
        let list = text.iter().position(|byte| *byte == b',');
        match (surplus.is_empty(), list) {
            (true, list) => surplus.push(line.start + list.unwrap_or(text.len())..line.end),
            (false, _) => surplus.push(before..line.end),
        }
    }
    let has_surplus = surplus.iter().any(|range| !range.is_empty());
    for range in surplus {
        bytes[range].fill(b' ');
    }
    has_surplus
}

/// The field lines of a head without their ends, as far as received, and whether they are complete.
fn lines(bytes: &[u8]) -> (Vec<Range<usize>>, bool) {
    let mut lines = Vec::new();
    let mut at = start(bytes);
    while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let end = at + length - usize::from(bytes[at..at + length].ends_with(b"\r"));
        if at == end {
            lines.drain(..1.min(lines.len()));
            return (lines, true);
        }
        lines.push(at..end);
        at += length + 1;
    }
    lines.push(at..bytes.len());
    // The first one is the status line.
    lines.remove(0);
    (lines, false)
}

/// Where the status line begins: after blank lines, if there are any.
fn start(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(head: &str) -> String {
        let mut bytes = head.as_bytes().to_vec();
        let has_changed = mend(&mut bytes);
        assert_eq!(has_changed, bytes != head.as_bytes(), "{head:?}");
        assert!(!mend(&mut bytes), "{head:?} once more");
        String::from_utf8(bytes).unwrap()
    }

    fn is_left(head: &str) -> bool {
        mended(head) == head
    }

    #[test]
    fn a_fold_becomes_spaces_and_never_part_of_the_status_line_or_the_body() {
        let start = "HTTP/1.1 200 OK\r\n";
        for (fields, unfolded) in [
            ("a: b\r\n c\r\n\r\n d", "a: b   c\r\n\r\n d"),
            ("a: b\n\tc\n d\n\n\n d", "a: b \tc  d\n\n\n d"),
            ("a:\r\n b\r\n  \r\nc: d\r\n\r\n", "a:   b    \r\nc: d\r\n\r\n"),
            ("a: b\r\n ", "a: b   "),
        ] {
            assert_eq!(mended(&format!("{start}{fields}")), format!("{start}{unfolded}"));
        }
        for fields in [" a: b\r\n\r\n", "a: b\r\n\r\n c: d\r\n", "a: b\r\n", "\r\n x", ""] {
            assert!(is_left(&format!("{start}{fields}")), "{fields:?}");
        }
        for head in ["", "\r\n", "HTTP", " \n \n", "\n\n \n"] {
            assert!(is_left(head), "{head:?}");
        }
    }

    #[test]
    fn one_of_several_equal_lengths_is_left() {
        for (fields, joined) in [
            (
                "Content-Length: 5\r\ncontent-length:5\r\n",
                "Content-Length: 5                  \r\n",
            ),
            ("content-length: 5, 5 ,05\r\n", "content-length: 5       \r\n"),
            (
                "content-length: 5\na: b\ncontent-length: 5,5\n",
                "content-length: 5\na: b                    \n",
            ),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\nbody");
            assert_eq!(mended(&head), format!("HTTP/1.1 200 OK\r\n{joined}\r\nbody"));
        }
        for fields in [
            "content-length: 5\r\n",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5, 6\r\n",
            "content-length: 5,\r\n",
            "content-length: 5, +5\r\n",
            "content-length: 5\r\ncontent-length: \r\n",
            "content-length: 5\r\nx-content-length: 5\r\n",
        ] {
            assert!(is_left(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), "{fields}");
        }
        // The next bytes may change what was received.
        assert!(is_left("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n"));
    }

    #[test]
    fn a_colon_follows_its_name_and_control_characters_become_spaces() {
        for (field, cleaned) in [
            ("x :y", "x: y"),
            ("x \t: y", "x:   y"),
            ("Content-Length : 5", "Content-Length:  5"),
            ("x: a\u{1}b\u{7f}c\td", "x: a b c\td"),
        ] {
            let head = |field: &str| format!("HTTP/1.1 200 OK\r\na: b\r\n{field}\r\n\r\n\u{1}");
            assert_eq!(mended(&head(field)), head(cleaned));
        }
        for field in ["x: a\0b", "content-length: 5\u{1}", "x y : z", "no colon\u{1}", ": \u{1}"] {
            assert!(is_left(&format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n")), "{field:?}");
        }
    }

    #[test]
    fn a_later_minor_version_is_the_one_that_is_known() {
        assert_eq!(mended("\r\nHTTP/1.2 200 OK\r\n\r\n"), "\r\nHTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(mended("HTTP/1.9"), "HTTP/1.1");
        for start in ["HTTP/1.0 200", "HTTP/1.25 200", "HTTP/2.2 200", "http/1.2 200"] {
            assert!(is_left(start), "{start}");
        }
    }
}
