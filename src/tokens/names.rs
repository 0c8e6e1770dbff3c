//! [pure] Which names credentials have.

/// The whole name.
const NAMES: [&str; 8] = ["appid", "authorization", "key", "otp", "pass", "sas", "session", "sig"];

/// The end of the name.
const ENDS: [&str; 23] = [
    "accesskey",
    "apikey",
    "auth",
    "authkey",
    "bearer",
    "clientkey",
    "cookie",
    "credential",
    "credentials",
    "functionskey",
    "hmac",
    "jwt",
    "licensekey",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "sessionid",
    "signature",
    "subscriptionkey",
    "token",
    "userkey",
];

/// Whether a parameter or a header of this name usually holds a credential. Case, marks such as `_`
/// and percent-encoding make no difference.
///
/// ```
/// use vantage_api_pool::tokens::is_credential_name;
///
/// assert!(is_credential_name("X-Api-Key") && is_credential_name("access_token"));
/// assert!(!is_credential_name("monkey") && !is_credential_name("author"));
/// ```
#[must_use]
pub fn is_credential_name(name: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    let letters = decoded.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    NAMES.contains(&name.as_str()) || ENDS.iter().any(|end| name.ends_with(end))
}
