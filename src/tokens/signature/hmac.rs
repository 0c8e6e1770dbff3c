//! Signs each request by HMAC (RFC 2104) over a message that a template describes.

use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::{digest, hmac};
use uuid::Uuid;

use super::{
    template::{Part, Template, Values, hex, unhex},
    url_of,
};
use crate::{
    base_url::BaseUrl,
    error::{Error, ErrorKind},
    request::Request,
    tokens::bearer::put,
    transport::check_headers,
};

/// Signs each request by HMAC (RFC 2104): the token is the key, which is never sent. What is signed
/// and what is sent are texts with placeholders.
///
/// | placeholder | stands for |
/// |---|---|
/// | `{method}` | the method, such as `GET` |
/// | `{url}`, `{host}` | the whole URL; its host, with a port that is not the scheme's own |
/// | `{path}`, `{query}`, `{path_and_query}` | parts of the URL as they are sent; the query is without `?` |
/// | `{body}`, `{body_hash}` | the body, or nothing; its digest by the same algorithm, in hexadecimal digits |
/// | `{timestamp}` | when the attempt is signed, see [`TimestampFormat`] |
/// | `{nonce}` | a random UUID |
/// | `{signature}` | the signature, in what is sent alone |
///
/// `{{` and `}}` stand for one brace. Each attempt is signed anew, also after a redirect.
///
/// ```
/// use vantage_api_pool::{AwwPool, tokens::{HmacSignature, StaticTokens}};
///
/// let url = "https://api.example.com/v1";
/// let sign = HmacSignature::new("{timestamp}{method}{path_and_query}{body}")
///     .header("X-Key", "my-id")
///     .header("X-Timestamp", "{timestamp}")
///     .header("X-Signature", "{signature}")
///     .for_api(url)?;
/// let pool = AwwPool::builder(url).token_source(1, StaticTokens::new(["s3cret"]), sign).build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct HmacSignature {
    message: String,
    algorithm: String,
    key: Encoding,
    signature: Encoding,
    timestamp: TimestampFormat,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

/// How `{timestamp}` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimestampFormat {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// As `2026-01-31T12:00:00Z` (RFC 3339).
    Rfc3339,
    /// As `Sat, 31 Jan 2026 12:00:00 GMT` (RFC 9110 section 5.6.7).
    Http,
}

impl TimestampFormat {
    fn write(self, now: DateTime<Utc>) -> String {
        match self {
            Self::Seconds => now.timestamp().to_string(),
            Self::Milliseconds => now.timestamp_millis().to_string(),
            Self::Rfc3339 => now.to_rfc3339_opts(SecondsFormat::Secs, true),
            Self::Http => now.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        }
    }
}

/// How bytes are written as text.
#[derive(Clone, Copy)]
enum Encoding {
    Text,
    Hex,
    Base64,
}

impl HmacSignature {
    /// Signs this message by SHA-256. The key is the bytes of the token, and the signature is
    /// written in lower-case hexadecimal digits.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            algorithm: "sha256".into(),
            key: Encoding::Text,
            signature: Encoding::Hex,
            timestamp: TimestampFormat::default(),
            headers: Vec::new(),
            query: Vec::new(),
        }
    }

    /// The hash function: `sha1`, `sha256`, `sha384` or `sha512`.
    #[must_use]
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.algorithm = name.into();
        self
    }

    /// The token is the key in Base64 (RFC 4648 section 4).
    #[must_use]
    pub fn key_in_base64(mut self) -> Self {
        self.key = Encoding::Base64;
        self
    }

    /// The token is the key in hexadecimal digits.
    #[must_use]
    pub fn key_in_hex(mut self) -> Self {
        self.key = Encoding::Hex;
        self
    }

    /// Writes the signature in Base64 (RFC 4648 section 4).
    #[must_use]
    pub fn signature_in_base64(mut self) -> Self {
        self.signature = Encoding::Base64;
        self
    }

    /// How `{timestamp}` is written; seconds by default.
    #[must_use]
    pub fn timestamp(mut self, format: TimestampFormat) -> Self {
        self.timestamp = format;
        self
    }

    /// Sends a header with this value.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a query parameter with this value. Those without `{signature}` are part of the query
    /// that is signed.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// The `apply` argument of [`token_source`](crate::PoolBuilder::token_source), for the pool of
    /// this base URL.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a URL, a template, a header or an algorithm that cannot be used,
    /// and if the signature would not be sent.
    pub fn for_api(
        self,
        base_url: &str,
    ) -> Result<impl Fn(Request, &str) -> Result<Request, Error> + Send + Sync + use<>, Error> {
        let signer = Arc::new(Signer::new(self, BaseUrl::parse(base_url)?)?);
        Ok(move |request: Request, key: &str| signer.sign(request, key, Utc::now()))
    }
}

/// A signature that was checked.
struct Signer {
    base: BaseUrl,
    message: Template,
    algorithm: hmac::Algorithm,
    key: Encoding,
    signature: Encoding,
    timestamp: TimestampFormat,
    headers: Vec<(HeaderName, Template)>,
    query: Vec<(String, Template)>,
}

impl Signer {
    fn new(settings: HmacSignature, base: BaseUrl) -> Result<Self, Error> {
        let template = |place: &str, text: &str| {
            let illegal = |what: String| Error::config(format!("{place}: has {what}"));
            Template::parse(text).map_err(illegal)
        };
        let message = template("message", &settings.message)?;
        if message.has(Part::Signature) {
            return Err(Error::config("message: has the signature in it"));
        }
        let algorithm = match settings.algorithm.as_str() {
            "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" => hmac::HMAC_SHA256,
            "sha384" => hmac::HMAC_SHA384,
            "sha512" => hmac::HMAC_SHA512,
            _ => {
                let what = "algorithm: is one of sha1, sha256, sha384 and sha512";
                return Err(Error::config(what));
            }
        };
        let headers = settings.headers.iter().map(|(name, value)| {
            let illegal = || Error::config("headers: has a name that no header may have");
            let header: HeaderName = name.parse().map_err(|_| illegal())?;
            let probe = HeaderMap::from_iter([(header.clone(), HeaderValue::from_static("x"))]);
            check_headers(&probe).map_err(|error| illegal().with_source(error))?;
            Ok((header, template("headers", value)?))
        });
        let headers = headers.collect::<Result<Vec<_>, Error>>()?;
        let query = settings.query.into_iter();
        let query = query.map(|(name, value)| Ok((name, template("query", &value)?)));
        let query = query.collect::<Result<Vec<_>, Error>>()?;
        let sent = headers.iter().map(|(_, it)| it).chain(query.iter().map(|(_, it)| it));
        if !{ sent }.any(|template| template.has(Part::Signature)) {
            let what = "no header and no query parameter has {signature}, so it would not be sent";
            return Err(Error::config(what));
        }
        let HmacSignature { key, signature, timestamp, .. } = settings;
        Ok(Self { base, message, algorithm, key, signature, timestamp, headers, query })
    }

    fn sign(&self, request: Request, key: &str, now: DateTime<Utc>) -> Result<Request, Error> {
        let key = match self.key {
            Encoding::Text => Some(key.as_bytes().to_vec()),
            Encoding::Hex => unhex(key),
            Encoding::Base64 => BASE64_STANDARD.decode(key).ok(),
        };
        let key = key.ok_or_else(|| {
            Error::new(ErrorKind::Token, "the key is not encoded as the settings say")
        })?;
        let mut body_hash = String::new();
        if self.uses(Part::BodyHash) {
            let body = request.payload().map(AsRef::as_ref).unwrap_or_default();
            body_hash = hex(digest::digest(self.algorithm.digest_algorithm(), body).as_ref());
        }
        let (timestamp, nonce) = (self.timestamp.write(now), Uuid::new_v4().to_string());
        let filled = |request: &Request, template: &Template, signature: &str| {
            let url = url_of(request, &self.base)?;
            Ok::<_, Error>(template.fill(&Values {
                method: request.method(),
                url: &url,
                body: request.payload(),
                body_hash: &body_hash,
                timestamp: &timestamp,
                nonce: &nonce,
                signature,
            }))
        };
        // What is not text comes of a body alone.
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .map_err(|_| Error::new(ErrorKind::InvalidRequest, "the signed body is not UTF-8"))
        };
        let (last, first): (Vec<_>, Vec<_>) =
            self.query.iter().partition(|(_, value)| value.has(Part::Signature));
        let mut request = request;
        for (name, value) in first {
            let value = text(filled(&request, value, "")?)?;
            request = request.query(&[(name, value)])?;
        }
        let message = filled(&request, &self.message, "")?;
        let signature = hmac::sign(&hmac::Key::new(self.algorithm, &key), &message);
        let signature = match self.signature {
            Encoding::Base64 => BASE64_STANDARD.encode(signature),
            Encoding::Hex | Encoding::Text => hex(signature.as_ref()),
        };
        for (name, value) in &self.headers {
            let value = text(filled(&request, value, &signature)?)?;
            request = put(request, name, &value)?;
        }
        for (name, value) in last {
            let value = text(filled(&request, value, &signature)?)?;
            request = request.query(&[(name, value)])?;
        }
        Ok(request)
    }

    fn uses(&self, part: Part) -> bool {
        let headers = self.headers.iter().map(|(_, template)| template);
        let query = self.query.iter().map(|(_, template)| template);
        headers.chain(query).chain([&self.message]).any(|template| template.has(part))
    }
}

impl fmt::Debug for HmacSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacSignature").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(settings: HmacSignature, request: Request, key: &str) -> Result<Request, Error> {
        let base = BaseUrl::parse("https://api.example.com/api/v3").unwrap();
        let now = DateTime::from_timestamp_millis(1_499_827_319_559).unwrap();
        Signer::new(settings, base)?.sign(request, key, now)
    }

    /// The example of a signed query in the public documents of Binance's API.
    #[test]
    fn a_query_is_signed_with_the_parameters_that_are_added_before() {
        let settings = HmacSignature::new("{query}")
            .timestamp(TimestampFormat::Milliseconds)
            .query("signature", "{signature}")
            .query("timestamp", "{timestamp}");
        let key = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
        let target = "/order?symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
                      &recvWindow=5000";
        let signed = signed(settings, Request::post(target), key).unwrap();
        let own = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
        let end = format!("&timestamp=1499827319559&signature={own}");
        assert_eq!(signed.target(), format!("{target}{end}"));
    }

    /// Test case 2 of RFC 4231 sections 4.3, whose key and data are texts.
    #[test]
    fn keys_and_signatures_are_encoded_as_set() {
        let data = "what do ya want for nothing?";
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let sha512 = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a\
                      6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        let with = || HmacSignature::new(data).header("X-S", "v1={signature}");
        let value = |settings, key| {
            let signed = signed(settings, Request::get("/"), key).unwrap();
            signed.headers()["x-s"].to_str().unwrap().to_owned()
        };
        assert_eq!(value(with(), "Jefe"), format!("v1={sha256}"));
        assert_eq!(value(with().algorithm("sha512"), "Jefe"), format!("v1={sha512}"));
        assert_eq!(value(with().key_in_hex(), "4a656665"), format!("v1={sha256}"));
        assert_eq!(value(with().key_in_base64(), "SmVmZQ=="), format!("v1={sha256}"));
        let base64 = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";
        assert_eq!(value(with().signature_in_base64(), "Jefe"), format!("v1={base64}"));
    }

    #[test]
    fn timestamps_are_written_as_set() {
        let now = DateTime::from_timestamp(1_769_860_800, 0).unwrap();
        let written = [
            TimestampFormat::Seconds,
            TimestampFormat::Milliseconds,
            TimestampFormat::Rfc3339,
            TimestampFormat::Http,
        ]
        .map(|format| format.write(now));
        assert_eq!(
            written,
            [
                "1769860800",
                "1769860800000",
                "2026-01-31T12:00:00Z",
                "Sat, 31 Jan 2026 12:00:00 GMT"
            ]
        );
    }

    #[test]
    fn the_url_after_a_redirect_is_signed() {
        let settings = HmacSignature::new("{url}").header("X-S", "{url} {signature}");
        let elsewhere = Request::get("https://api.example.com/elsewhere?a=1");
        let signed = signed(settings, elsewhere, "k").unwrap();
        let value = signed.headers()["x-s"].to_str().unwrap();
        assert!(value.starts_with("https://api.example.com/elsewhere?a=1 "), "{value}");
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        let valid = || HmacSignature::new("{method}").header("X-S", "{signature}");
        for (settings, what) in [
            (HmacSignature::new("{method}"), "would not be sent"),
            (HmacSignature::new("{signature}").header("X-S", "{signature}"), "message"),
            (HmacSignature::new("{metod}").header("X-S", "{signature}"), "message: has an unknown"),
            (valid().algorithm("md5"), "algorithm"),
            (valid().header("a b", "x"), "headers"),
            (valid().header("Connection", "x"), "headers"),
            (valid().query("a", "{"), "query"),
        ] {
            let error = signed(settings, Request::get("/"), "k").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(what), "{error}");
        }
        let error = signed(valid().key_in_base64(), Request::get("/"), "canary!").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token);
        assert!(!format!("{error:?}").contains("canary"));
    }
}
