//! [pure] Reads the body of a response as JSON or text, or as an error.

use serde::de::DeserializeOwned;

use super::{Error, ErrorKind};
use crate::response::Response;

impl Response {
    /// Parses the body as JSON; a byte order mark at its start is ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`], with the response in it, if the body is not JSON of type `T`, or if
    /// anything in it, even in a field that `T` does not have, is not UTF-8 (RFC 8259 section 8.1).
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let value = self.json_text().and_then(|text| Ok(serde_json::from_str(text)?));
        value.map_err(|source| {
            Error::new(ErrorKind::Decode, "the body is not the JSON that was asked for")
                .with_source(source)
                .with_response(self.clone())
        })
    }

    /// The body as UTF-8 text.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when the body is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        str::from_utf8(self.body()).map_err(|source| {
            Error::new(ErrorKind::Decode, "the body is not UTF-8 text")
                .with_source(source)
                .with_response(self.clone())
        })
    }
}
