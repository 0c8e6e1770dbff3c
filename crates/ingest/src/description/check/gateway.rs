//! [pure] Checks what is served as a whole, and who may make requests.

use secrecy::ExposeSecret;

use super::{Checks, gateway_keys};
use crate::description::{
    AuthDescription, CorsDescription, GatewayDescription, TokenDescription,
    file::{Failure, KeyPath},
};

/// The fewest characters of a token.
const MIN_TOKEN_BYTES: usize = 16;
/// The most of them that a request may bring along.
const MAX_TOKEN_BYTES: usize = 4096;

impl Checks<'_> {
    pub(super) fn gateway(&self) -> Result<(), Failure> {
        let Some(gateway) = &self.description.gateway else { return Ok(()) };
        let keys = gateway_keys();
        let GatewayDescription { bind, prefix, auth, cors, kv, tables, .. } = gateway;
        if !is_prefix(prefix) {
            let message = format!("`{prefix}` is not a path such as `/api/v1`");
            return Err(self.fault(&keys.to("prefix"), message));
        }
        match auth {
            AuthDescription::None if !bind.ip().to_canonical().is_loopback() => {
                let message = "others reach this address, so `auth` must not be `none`";
                return Err(self.fault(&keys.to("bind"), message));
            }
            AuthDescription::None => {}
            AuthDescription::Tokens(tokens) => {
                self.tokens(&keys.to("auth").to("tokens"), tokens)?;
            }
        }
        if let Some(cors) = cors {
            self.cors(&keys.to("cors").to("origins"), cors)?;
        }
        if let Some(kv) = kv
            && kv.path.as_os_str().is_empty()
        {
            return Err(self.fault(&keys.to("kv").to("path"), "a store needs a file"));
        }
        if tables.is_empty() && kv.is_none() {
            return Err(self.fault(&keys, "nothing is served: it has neither `tables` nor `kv`"));
        }
        tables.iter().try_for_each(|(name, table)| self.served(gateway, name, table))
    }

    fn tokens(&self, keys: &KeyPath, tokens: &[TokenDescription]) -> Result<(), Failure> {
        if tokens.is_empty() {
            return Err(self.fault(keys, "without a token nobody may make requests"));
        }
        for (index, token) in tokens.iter().enumerate() {
            let keys = keys.to(index);
            if token.id.is_empty() || token.id.chars().any(char::is_control) {
                return Err(self.fault(&keys.to("id"), "does not name a principal"));
            }
            match (&token.token, &token.sha256) {
                (Some(token), None) => self.token(&keys.to("token"), token.expose_secret())?,
                (None, Some(digest)) => self.digest(&keys.to("sha256"), digest)?,
                _ => return Err(self.fault(&keys, "has either `token` or `sha256`")),
            }
            let is_same = |other: &TokenDescription| other.digest() == token.digest();
            if let Some(other) = tokens.iter().take(index).position(is_same) {
                return Err(self.fault(&keys, format!("is the same token as number {other}")));
            }
        }
        Ok(())
    }

    fn token(&self, keys: &KeyPath, token: &str) -> Result<(), Failure> {
        if !(MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&token.len()) {
            let message = format!("a token has {MIN_TOKEN_BYTES} to {MAX_TOKEN_BYTES} characters");
            return Err(self.fault(keys, message));
        }
        match token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(()),
            false => Err(self.fault(keys, "a token has visible ASCII characters alone")),
        }
    }

    fn digest(&self, keys: &KeyPath, digest: &str) -> Result<(), Failure> {
        match digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(()),
            false => Err(self.fault(keys, "a SHA-256 digest has 64 hexadecimal digits")),
        }
    }

    fn cors(&self, keys: &KeyPath, cors: &CorsDescription) -> Result<(), Failure> {
        if cors.origins.is_empty() {
            return Err(self.fault(keys, "names no origin"));
        }
        if cors.is_any() {
            return Ok(());
        }
        match cors.origins.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(origin) => {
                let message = format!(
                    "`{origin}` is not an origin as a browser sends it, such as \
                     `https://app.example.com`"
                );
                Err(self.fault(keys, message))
            }
        }
    }
}

fn is_prefix(prefix: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let is_segment = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(is_legal) && segment != "." && segment != ".."
    };
    prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
}

/// Whether a text is an origin as browsers send it: in lower case, and without a path.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_legal))
}
