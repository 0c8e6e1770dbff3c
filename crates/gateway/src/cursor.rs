//! Cursors: where a list goes on, sealed. What a source says of that may hold its URLs and more, so
//! a client can neither read it nor make one up, nor use it for another list or by another
//! principal.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ciborium::Value;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom, SystemRandom},
};

use crate::{Problem, error::Error};

/// The longest token of a source, in bytes.
const MAX_BYTES: usize = 4096;

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CursorPosition {
    /// At an offset.
    Offset(usize),
    /// After what the source calls by this token.
    Token(Value),
}

/// Seals and opens cursors.
pub(crate) struct Cursors {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Cursors {
    /// With a key made of `secret`, or a random one.
    pub(crate) fn new(secret: Option<&[u8]>) -> Result<Self, Error> {
        let failed = || Error::Setting("cursor_secret: no key could be made".to_owned());
        let random = SystemRandom::new();
        let mut made = [0; 32];
        let secret = match secret {
            Some(secret) => secret,
            None => {
                random.fill(&mut made).map_err(|_| failed())?;
                &made
            }
        };
        let derived = Salt::new(HKDF_SHA256, b"vantage-api-gateway").extract(secret);
        let key = derived.expand(&[b"cursor"], &CHACHA20_POLY1305).map_err(|_| failed())?;
        Ok(Self { key: LessSafeKey::new(UnboundKey::from(key)), random })
    }

    /// A cursor for a place in `list`, which is a name of the list and of who reads it.
    ///
    /// # Errors
    /// 502 if the source's token is too long.
    pub(crate) fn seal(&self, position: &CursorPosition, list: &str) -> Result<String, Problem> {
        let failed = |_| {
            Problem::new(
                actix_web::http::StatusCode::BAD_GATEWAY,
                "upstream_failed",
                "the table's source names a next page that cannot be passed on",
            )
        };
        let value = match position {
            CursorPosition::Offset(offset) => {
                Value::from(u64::try_from(*offset).unwrap_or(u64::MAX))
            }
            CursorPosition::Token(token) => Value::Array(vec![token.clone()]),
        };
        let mut sealed = Vec::new();
        ciborium::into_writer(&value, &mut sealed).map_err(|_| failed(()))?;
        if sealed.len() > MAX_BYTES {
            return Err(failed(()));
        }
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| failed(()))?;
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(list.as_bytes()), &mut sealed)
            .map_err(|_| failed(()))?;
        let mut whole = nonce.to_vec();
        whole.append(&mut sealed);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(whole))
    }

    /// The place of a cursor in `list`.
    ///
    /// # Errors
    /// 400 if it is not a cursor of that list.
    pub(crate) fn open(&self, cursor: &str, list: &str) -> Result<CursorPosition, Problem> {
        self.opened(cursor, list).ok_or_else(|| {
            Problem::bad_request("invalid_cursor", "this is not a cursor of this list")
                .with_error("cursor", "use it as it was given, with the same filters and order")
        })
    }

    fn opened(&self, cursor: &str, list: &str) -> Option<CursorPosition> {
        let mut whole = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = whole.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(list.as_bytes()), sealed).ok()?;
        match ciborium::from_reader(&*plain).ok()? {
            Value::Integer(offset) => Some(CursorPosition::Offset(usize::try_from(offset).ok()?)),
            Value::Array(mut token) => Some(CursorPosition::Token(token.pop()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_list_alone() {
        let cursors = Cursors::new(None).unwrap();
        for position in [
            CursorPosition::Offset(7),
            CursorPosition::Token(Value::from("https://api/x?key=secret")),
        ] {
            let cursor = cursors.seal(&position, "cities\nada").unwrap();
            assert!(!cursor.contains("secret"));
            assert_eq!(cursors.open(&cursor, "cities\nada").unwrap(), position);
            assert!(cursors.open(&cursor, "cities\nbob").is_err());
            let mut changed = cursor.into_bytes();
            changed[20] ^= 1;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            assert!(cursors.open(&changed, "cities\nada").is_err());
        }
        assert!(cursors.open("x", "cities\nada").is_err());
    }

    #[test]
    fn cursors_of_one_secret_are_good_everywhere() {
        let cursors = || Cursors::new(Some(&[7; 32])).unwrap();
        let cursor = cursors().seal(&CursorPosition::Offset(3), "t").unwrap();
        assert_eq!(cursors().open(&cursor, "t").unwrap(), CursorPosition::Offset(3));
        assert!(Cursors::new(None).unwrap().open(&cursor, "t").is_err());
    }
}
