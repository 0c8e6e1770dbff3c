//! [pure] Which names credentials have.

/// The whole name.
const NAMES: [&str; 7] = ["appid", "key", "otp", "pass", "sas", "session", "sig"];

/// The end of the name.
const ENDS: [&str; 35] = [
    "accesskey",
    "apikey",
    "apisig",
    "appkey",
    "applicationkey",
    "auth",
    "authkey",
    "authorization",
    "bearer",
    "clientkey",
    "consumerkey",
    "cookie",
    "credential",
    "credentials",
    "functionskey",
    "hmac",
    "jwt",
    "licensekey",
    "masterkey",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "servicekey",
    "sessionid",
    "sessionkey",
    "signature",
    "signingkey",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_names_and_other_names_are_not() {
        for name in [
            "DD-APPLICATION-KEY",
            "X-Master-Key",
            "X-Secret-Key",
            "consumer_key",
            "serviceKey",
            "CB-ACCESS-PASSPHRASE",
            "api_sig",
            "%6bey",
            "Cookie",
            "Proxy-Authorization",
        ] {
            assert!(is_credential_name(name), "{name}");
        }
        for name in ["monkey", "author", "sort_key", "page", "passenger", "design", "X-Version"] {
            assert!(!is_credential_name(name), "{name}");
        }
    }
}
