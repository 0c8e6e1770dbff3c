//! The id of a request, for logs and problems: the client's if it is harmless, else a new one.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// A text of 1 to 64 of the characters `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(String);

impl RequestId {
    pub(crate) const NAME: HeaderName = HeaderName::from_static("x-request-id");

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(&Self::NAME).and_then(|id| id.to_str().ok());
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_harmless = |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(is_legal);
        match given.filter(is_harmless) {
            Some(id) => Self(id.to_owned()),
            None => Self(format!("{:032x}", fastrand::u128(..))),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        // Its characters are legal in a field.
        HeaderValue::try_from(self.0.as_str()).unwrap_or(HeaderValue::from_static("none"))
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
