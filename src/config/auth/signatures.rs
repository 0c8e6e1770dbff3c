//! [pure] What is signed with a secret key, as data.

use indexmap::IndexMap;
use serde::Deserialize;

use super::secrets::Secrets;

/// Signatures by HMAC.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HmacData {
    pub(crate) key: Secrets,
    #[serde(default)]
    pub(crate) key_encoding: Encoding,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) algorithm: Option<String>,
    /// Hexadecimal digits by default.
    #[serde(default)]
    pub(crate) signature_encoding: Option<Encoding>,
    #[serde(default)]
    pub(crate) timestamp: TimestampData,
    #[serde(default)]
    pub(crate) headers: IndexMap<String, String>,
    #[serde(default)]
    pub(crate) query: IndexMap<String, String>,
}

/// How bytes are written as text.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    #[default]
    Text,
    Hex,
    Base64,
}

/// How a time is written.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimestampData {
    #[default]
    Seconds,
    Milliseconds,
    Rfc3339,
    Http,
}

/// Signatures for AWS.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "sigv4"), expect(dead_code, reason = "read, and then refused"))]
pub(crate) struct AwsData {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secrets,
    #[serde(default)]
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
}
