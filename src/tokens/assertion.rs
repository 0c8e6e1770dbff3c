//! JSON Web Tokens (RFC 7519) that a private key signs (RFC 7515, RFC 7518), as assertions at a
//! token endpoint.

use std::{fmt, fs::File, io::Read, path::PathBuf, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind};

/// The largest file of a key that is read, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// The algorithms (RFC 7518 section 3.1).
const ALGORITHMS: &str = "RS256, RS384, RS512 and ES256";

/// Where a private key is: as PEM (RFC 7468), or in the JSON of a service account.
#[derive(Clone)]
pub(super) enum PrivateKey {
    Text(SecretString),
    /// Read for each assertion, so that the key may be replaced.
    File(PathBuf),
}

/// What the JSON of a service account has for an assertion.
#[derive(Deserialize)]
struct ServiceAccount {
    private_key: String,
    private_key_id: Option<String>,
}

/// What an assertion says.
#[derive(Clone)]
pub(super) struct Assertion {
    pub(super) key: PrivateKey,
    pub(super) algorithm: String,
    pub(super) key_id: Option<String>,
    pub(super) claims: Map<String, Value>,
    pub(super) lifetime: Duration,
}

impl Assertion {
    /// # Errors
    /// [`ErrorKind::Config`] for one that could never be signed. A file need not be there yet.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.lifetime < Duration::from_secs(1) {
            return Err(Error::config(
                "JwtBearer: the lifetime of an assertion must be at least 1 s",
            ));
        }
        if self.encoding().is_none() && self.algorithm != "ES256" {
            let what = format!("JwtBearer: the algorithm of an assertion is one of {ALGORITHMS}");
            return Err(Error::config(what));
        }
        match &self.key {
            PrivateKey::Text(_) => self.sign(1_700_000_000).map(drop).map_err(|error| {
                Error::config(format!(
                    "JwtBearer: {}",
                    error.to_string().trim_start_matches("token: ")
                ))
                .with_source(error)
            }),
            PrivateKey::File(_) => Ok(()),
        }
    }

    /// The assertion, issued at this second since 1970. It may read a file.
    ///
    /// # Errors
    /// [`ErrorKind::Token`] for a key that cannot be read or used, without any of its text.
    pub(super) fn sign(&self, now: u64) -> Result<SecretString, Error> {
        let text = self.key.read()?;
        let account = serde_json::from_str::<ServiceAccount>(text.expose_secret()).ok();
        let (pem, id) = match account {
            Some(account) => (account.private_key.into(), account.private_key_id),
            None => (text, None),
        };
        let mut header = json!({ "alg": self.algorithm, "typ": "JWT" });
        if let (Some(header), Some(id)) = (header.as_object_mut(), self.key_id.clone().or(id)) {
            header.insert("kid".into(), id.into());
        }
        let mut claims = self.claims.clone();
        let id = uuid::Uuid::new_v4().to_string();
        let own = [
            ("iat", json!(now)),
            ("exp", json!(now.saturating_add(self.lifetime.as_secs()))),
            ("jti", json!(id)),
        ];
        for (name, value) in own {
            claims.entry(name).or_insert(value);
        }
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(Value::Object(claims)));
        let signature = self.signature(&pem, signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }

    fn signature(&self, pem: &SecretString, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |what| Error::new(ErrorKind::Token, what);
        // Keys in variables often have `\n` for their line ends.
        let pem = pem.expose_secret().replace("\\n", "\n");
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| failed("the private key is not PEM of an unencrypted private key"))?;
        let random = SystemRandom::new();
        let unusable = || failed("the private key does not fit the algorithm");
        if let Some(encoding) = self.encoding() {
            let key = match &key {
                PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
                PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
                _ => return Err(unusable()),
            };
            let key = key.map_err(|_| unusable())?;
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(encoding, &random, message, &mut signature).map_err(|_| unusable())?;
            return Ok(signature);
        }
        let PrivateKeyDer::Pkcs8(der) = &key else {
            return Err(failed("the private key of ES256 is not in the form of PKCS #8"));
        };
        let der = der.secret_pkcs8_der();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
            .ok()
            .and_then(|key| key.sign(&random, message).ok())
            .map(|signature| signature.as_ref().to_vec())
            .ok_or_else(unusable)
    }

    /// `None` for an algorithm without RSA.
    fn encoding(&self) -> Option<&'static dyn RsaEncoding> {
        Some(match self.algorithm.as_str() {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            _ => return None,
        })
    }
}

impl PrivateKey {
    fn read(&self) -> Result<SecretString, Error> {
        let path = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let failed = |what: &str| {
            Error::new(ErrorKind::Token, format!("the key file {} {what}", path.display()))
        };
        let mut text = String::new();
        let length = File::open(path)
            .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
            .map_err(|error| failed("cannot be read").with_source(error))?;
        if length as u64 > MOST_BYTES {
            return Err(failed("is larger than 64 KiB"));
        }
        Ok(text.into())
    }
}

/// Only where the key is, and what is said of it.
impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Assertion");
        if let PrivateKey::File(path) = &self.key {
            debug.field("key_file", path);
        }
        debug.field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
