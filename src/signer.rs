//! Signs values that leave the program and come back, such as cursors: only values signed with
//! the same key are accepted.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac::{self, HMAC_SHA256, Key},
    rand::SystemRandom,
};

/// The fewest bytes of a key: the length of a signature.
const SHORTEST_KEY: usize = 32;

/// The error for a token that was not signed with the key of its reader.
pub(crate) const UNSIGNED: &str = "the token is not signed with the key of this pool, which is \
                                   one of this process unless signing_key sets it";

/// The key of all pools that have none of their own.
static OF_THIS_PROCESS: LazyLock<Signer> = LazyLock::new(|| {
    let key = Key::generate(HMAC_SHA256, &SystemRandom::new());
    Signer(key.ok().map(Arc::new))
});

/// A key for signatures. `None` if the system had no random numbers to make one: then no
/// signature is accepted.
#[derive(Clone)]
pub(crate) struct Signer(Option<Arc<Key>>);

impl Signer {
    /// `None` for a key that is too short.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let is_long = key.len() >= SHORTEST_KEY;
        is_long.then(|| Self(Some(Arc::new(Key::new(HMAC_SHA256, key)))))
    }

    pub(crate) fn of_this_process() -> Self {
        OF_THIS_PROCESS.clone()
    }

    /// The signature of `content`, as a word of letters, digits, `-` and `_`.
    pub(crate) fn sign(&self, content: &[u8]) -> String {
        let Some(key) = &self.0 else { return String::new() };
        URL_SAFE_NO_PAD.encode(hmac::sign(key, content))
    }

    /// Whether `signature` is that of `content`.
    pub(crate) fn has_signed(&self, content: &[u8], signature: &str) -> bool {
        let Some(key) = &self.0 else { return false };
        let signature = URL_SAFE_NO_PAD.decode(signature);
        signature.is_ok_and(|signature| hmac::verify(key, content, &signature).is_ok())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(_)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_has_signed_and_only_the_same_content() {
        let signer = Signer::new(&[7; 32]).unwrap();
        let signature = signer.sign(b"page 3");
        assert!(signer.has_signed(b"page 3", &signature));
        assert!(Signer::new(&[7; 32]).unwrap().has_signed(b"page 3", &signature));
        assert!(!signer.has_signed(b"page 4", &signature));
        assert!(!signer.has_signed(b"page 3", &signature[..42]));
        assert!(!signer.has_signed(b"page 3", ""));
        assert!(!Signer::new(&[8; 32]).unwrap().has_signed(b"page 3", &signature));
        let own = Signer::of_this_process();
        assert!(!own.has_signed(b"page 3", &signature));
        assert!(Signer::of_this_process().has_signed(b"page 3", &own.sign(b"page 3")));
    }

    #[test]
    fn without_a_key_nothing_is_taken() {
        let none = Signer(None);
        assert!(!none.has_signed(b"page 3", &none.sign(b"page 3")));
    }

    #[test]
    fn a_short_key_is_none() {
        assert!(Signer::new(&[7; 31]).is_none());
    }
}
