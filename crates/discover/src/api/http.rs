//! [pure] What is asked of an API, and what it answers, as values.

use std::fmt;

use serde_json::Value;
use url::Url;

use crate::yaml::comment;

/// A request that a [`Discovery`](super::Discovery) wants to be made.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Where it goes: always to the host of the URL that was given.
    pub url: Url,
    /// Headers besides those of the client.
    pub headers: Vec<(String, String)>,
    /// The JSON body of a POST; a GET if there is none.
    pub post: Option<Value>,
    /// What it is for, in a few words.
    pub purpose: String,
    /// The parameter that is a text, also if it looks like a number.
    pub(crate) text: Option<String>,
}

impl Request {
    pub(crate) fn new(url: Url, purpose: impl Into<String>) -> Self {
        // It may name a key of an answer.
        let purpose = comment(&purpose.into());
        Self { url, headers: Vec::new(), post: None, purpose, text: None }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.post = Some(body);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// The query of a URL may have a secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// What came of a request.
#[derive(Clone)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) url: Option<Url>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A response with this status, these headers and this body, whatever the status says.
    #[must_use]
    pub fn new<'h>(
        status: u16,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let headers = headers.into_iter();
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Self { status, headers: headers.collect(), url: None, body: body.into() }
    }

    /// The URL that answered, where that is another one than was asked.
    #[must_use]
    pub fn from_url(mut self, url: Url) -> Self {
        self.url = Some(url);
        self
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(held, _)| held == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}
