//! The id of a request, for logs and problems: the client's if it is harmless, else a new one.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// A text of 1 to 64 of the characters `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) const NAME: HeaderName = HeaderName::from_static("x-request-id");

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let is_harmless =
            |id: &&HeaderValue| (1..=64).contains(&id.len()) && id.as_bytes().iter().all(is_legal);
        match headers.get(&Self::NAME).filter(is_harmless) {
            Some(id) => Self(id.clone()),
            None => Self::random(),
        }
    }

    fn random() -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut rest = fastrand::u128(..);
        let id = [(); 32].map(|()| {
            let digit = DIGITS.get((rest & 15) as usize).copied().unwrap_or(b'0');
            rest >>= 4;
            digit
        });
        // Digits are legal in a field.
        Self(HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("none")))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_log_is_replaced() {
        let of = |id: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RequestId::NAME, HeaderValue::from_static(id));
            RequestId::of(&headers).as_str().to_owned()
        };
        assert_eq!(of("a-1.b_2"), "a-1.b_2");
        for id in ["", "a b", "a\tb", "a=1;x", "\"", &"x".repeat(65).leak()[..]] {
            let made = of(id);
            assert!(made != id && made.len() == 32);
        }
    }
}
