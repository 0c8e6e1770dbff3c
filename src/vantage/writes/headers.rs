//! [pure] The header fields of writes that settings name.

use http::{HeaderName, HeaderValue, Method};
use vantage_core::{VantageError, error};

use crate::vantage::settings::{PatchBy, Writes};

impl Writes {
    /// The content type of bodies with a patch of `patch`, if it is set.
    ///
    /// # Errors
    /// `IncorrectUsage` if it is not legal in HTTP.
    pub(super) fn type_of_body(
        &self,
        patch: Option<PatchBy>,
    ) -> Result<Option<HeaderValue>, VantageError> {
        if patch == Some(PatchBy::MergePatch) {
            return Ok(Some(HeaderValue::from_static("application/merge-patch+json")));
        }
        self.content_type.as_deref().map(HeaderValue::from_str).transpose().map_err(|_| {
            error!("the content type of writes is not legal in HTTP").mark_incorrect_usage()
        })
    }

    /// The header for the idempotency key of a request with `method`, if it carries one.
    ///
    /// # Errors
    /// `IncorrectUsage` if the name is not legal in HTTP, or is that of a field for credentials,
    /// the host or the framing of the request.
    pub(super) fn key_header(&self, method: &Method) -> Result<Option<HeaderName>, VantageError> {
        let name = self.idempotency_keys.as_ref().filter(|_| !method.is_idempotent());
        let parse = |name: &String| HeaderName::from_bytes(name.as_bytes());
        let header = name.map(parse).transpose().map_err(|_| {
            error!("the header for idempotency keys is not legal in HTTP").mark_incorrect_usage()
        })?;
        if let Some(header) = header.as_ref().filter(|header| has_a_meaning(header)) {
            let what = "the header for idempotency keys has a meaning of its own";
            return Err(error!(what, header = header).mark_incorrect_usage());
        }
        Ok(header)
    }
}

/// Whether a header is about credentials, the host or the framing of the request.
fn has_a_meaning(name: &HeaderName) -> bool {
    use http::header;

    let meant = [
        header::AUTHORIZATION,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    meant.contains(name) || name.as_str().starts_with("proxy-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_22_keys_are_sent_in_no_header_that_means_something_else() {
        for header in ["host", "Authorization", "cookie", "Proxy-Authorization", "content-length"] {
            let writes = Writes::rest().idempotency_keys(header);
            let error = writes.key_header(&Method::POST).unwrap_err().to_string();
            assert!(error.contains("meaning of its own"), "{error}");
        }
    }

    #[test]
    fn only_what_is_not_idempotent_by_itself_carries_a_key() {
        let writes = Writes::rest().idempotency_keys("X-Key");
        let header = |method| writes.key_header(&method).unwrap().map(|name| name.to_string());
        assert_eq!(header(Method::POST).as_deref(), Some("x-key"));
        assert_eq!(header(Method::PATCH).as_deref(), Some("x-key"));
        assert_eq!((header(Method::PUT), header(Method::DELETE)), (None, None));
        assert_eq!(Writes::rest().key_header(&Method::POST).unwrap(), None);
        let illegal = Writes::rest().idempotency_keys("a b").key_header(&Method::POST);
        assert!(illegal.unwrap_err().is_incorrect_usage());
    }
}
