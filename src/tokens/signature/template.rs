//! [pure] Texts with placeholders in braces, and what a request fills them with.

use std::{fmt::Write, ops::Range};

use bytes::Bytes;
use http::{Method, Uri};

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Method,
    Url,
    Host,
    Path,
    Query,
    PathAndQuery,
    Body,
    BodyHash,
    Timestamp,
    Nonce,
    Signature,
}

impl Part {
    const ALL: [(&str, Self); 11] = [
        ("method", Self::Method),
        ("url", Self::Url),
        ("host", Self::Host),
        ("path", Self::Path),
        ("query", Self::Query),
        ("path_and_query", Self::PathAndQuery),
        ("body", Self::Body),
        ("body_hash", Self::BodyHash),
        ("timestamp", Self::Timestamp),
        ("nonce", Self::Nonce),
        ("signature", Self::Signature),
    ];
}

/// A text with placeholders. Two braces stand for one.
#[derive(Clone, Debug)]
pub(super) struct Template {
    text: String,
    /// The places of the text that stand before, between and after the placeholders.
    pieces: Vec<(Range<usize>, Option<Part>)>,
}

impl Template {
    /// # Errors
    /// What is wrong.
    pub(super) fn parse(template: &str) -> Result<Self, String> {
        let (mut text, mut pieces) = (String::new(), Vec::new());
        let (mut rest, mut start) = (template, 0);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            text.push_str(before);
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                text.push_str(&brace[..1]);
                rest = after;
                continue;
            }
            let inside = brace.strip_prefix('{').ok_or("`}` stands alone; `}}` stands for one")?;
            let (name, after) =
                inside.split_once('}').ok_or("`{` has no `}`; `{{` stands for one")?;
            let part = Part::ALL.iter().find(|(known, _)| *known == name);
            let Some((_, part)) = part else {
                let known: Vec<&str> = Part::ALL.iter().map(|(known, _)| *known).collect();
                return Err(format!("an unknown placeholder, of {}", known.join(", ")));
            };
            pieces.push((start..text.len(), Some(*part)));
            start = text.len();
            rest = after;
        }
        text.push_str(rest);
        pieces.push((start..text.len(), None));
        Ok(Self { text, pieces })
    }

    pub(super) fn has(&self, part: Part) -> bool {
        self.pieces.iter().any(|(_, own)| *own == Some(part))
    }

    pub(super) fn fill(&self, values: &Values<'_>) -> Vec<u8> {
        let mut filled = Vec::with_capacity(self.text.len() + 64);
        for (piece, part) in &self.pieces {
            filled.extend_from_slice(&self.text.as_bytes()[piece.clone()]);
            if let Some(part) = part {
                values.write(*part, &mut filled);
            }
        }
        filled
    }
}

/// What a request fills placeholders with.
pub(super) struct Values<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Uri,
    pub(super) body: Option<&'a Bytes>,
    pub(super) body_hash: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) nonce: &'a str,
    pub(super) signature: &'a str,
}

impl Values<'_> {
    fn write(&self, part: Part, into: &mut Vec<u8>) {
        let url = self.url;
        let text = match part {
            Part::Method => self.method.as_str(),
            Part::Host => url.authority().map(http::uri::Authority::as_str).unwrap_or_default(),
            Part::Path => url.path(),
            Part::Query => url.query().unwrap_or_default(),
            Part::PathAndQuery => url.path_and_query().map_or("/", |both| both.as_str()),
            Part::BodyHash => self.body_hash,
            Part::Timestamp => self.timestamp,
            Part::Nonce => self.nonce,
            Part::Signature => self.signature,
            Part::Url => return into.extend_from_slice(url.to_string().as_bytes()),
            Part::Body => {
                return into.extend_from_slice(self.body.map(AsRef::as_ref).unwrap_or_default());
            }
        };
        into.extend_from_slice(text.as_bytes());
    }
}

/// `bytes` in lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        // Writing to a string never fails.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The bytes of hexadecimal digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
        }
        _ => None,
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Result<String, String> {
        let url = "https://api.example.com:8443/v1/rows?b=2&a=%20".parse().unwrap();
        let values = Values {
            method: &Method::POST,
            url: &url,
            body: Some(&Bytes::from_static(b"{\"a\":1}")),
            body_hash: "abcd",
            timestamp: "1700000000",
            nonce: "n",
            signature: "s",
        };
        Template::parse(template).map(|it| String::from_utf8(it.fill(&values)).unwrap())
    }

    #[test]
    fn each_placeholder_is_filled_and_two_braces_are_one() {
        let all = "{method} {host} {path} {query} {path_and_query} {body} {body_hash} {timestamp} \
                   {nonce} {signature}|{url}";
        assert_eq!(
            filled(all).unwrap(),
            "POST api.example.com:8443 /v1/rows b=2&a=%20 /v1/rows?b=2&a=%20 {\"a\":1} abcd \
             1700000000 n s|https://api.example.com:8443/v1/rows?b=2&a=%20"
        );
        assert_eq!(filled("{{{method}}}é\n").unwrap(), "{POST}é\n");
        assert_eq!(filled("").unwrap(), "");
    }

    #[test]
    fn a_mistake_is_named_and_no_text_is_repeated() {
        for (template, what) in [
            ("{secret}", "unknown placeholder"),
            ("a{method", "`{` has no"),
            ("a}", "stands alone"),
        ] {
            let error = filled(template).unwrap_err();
            assert!(error.contains(what) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn hexadecimal_digits_go_both_ways() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(unhex("00abFF"), Some(vec![0, 0xab, 0xff]));
        assert_eq!((unhex("abc"), unhex("zz"), unhex("é")), (None, None, None));
    }
}
