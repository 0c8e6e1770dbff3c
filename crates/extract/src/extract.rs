//! What an extractor is: code that reads one body and writes items.

use std::{borrow::Cow, cell::OnceCell};

use encoding_rs::Encoding;

use crate::{
    charset::{self, Declared},
    error::ExtractError,
    items::Items,
};

/// Reads items out of a body that is not JSON.
///
/// [`Extraction::new`](crate::Extraction::new) makes an extractor of pages out of it, with limits,
/// encodings and threads. The kinds of this crate are such extractors.
///
/// ```
/// use vantage_api_extract::{Body, Extract, ExtractError, Extraction, Items};
///
/// /// Each word is an item.
/// struct Words;
///
/// impl Extract for Words {
///     fn identity(&self) -> String {
///         "words".into()
///     }
///
///     fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
///         for word in body.text()?.split_whitespace() {
///             items.item(&serde_json::json!({ "word": word }))?;
///         }
///         Ok(())
///     }
/// }
///
/// let page = Extraction::new(Words).page(b"to be or not", Some("text/plain"), None)?;
/// assert!(page.starts_with(r#"{"data":[{"word":"to"},"#));
/// # Ok::<(), ExtractError>(())
/// ```
pub trait Extract: Send + Sync + 'static {
    /// What it reads and how: the same text in every process, and another one for other settings,
    /// since a read is resumed only with the same one. It holds no secret.
    fn identity(&self) -> String;

    /// Reads the items. It is called on an extractor thread, and calls
    /// [`Items::step`] often enough to end within the time limit.
    ///
    /// # Errors
    /// Why the body is not what it reads, or a limit of the page.
    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError>;

    /// The content types that it reads: types, `text/*` or `*/*+xml`. By default all.
    fn content_types(&self) -> &[&str] {
        &["*/*"]
    }

    /// What its items are found by, for the error of a page without any.
    fn items_by(&self) -> String {
        "what it looks for".to_owned()
    }

    /// Whether it says where the next page is, by [`Items::next`].
    fn names_next(&self) -> bool {
        false
    }
}

/// The body of a response.
#[derive(Debug)]
pub struct Body<'b> {
    bytes: &'b [u8],
    pub(crate) content_type: Option<&'b str>,
    pub(crate) url: Option<&'b str>,
    pub(crate) index: u64,
    pub(crate) charset: Option<&'static Encoding>,
    pub(crate) is_lossy: bool,
    text: OnceCell<Cow<'b, str>>,
}

impl<'b> Body<'b> {
    pub(crate) fn new(
        bytes: &'b [u8],
        content_type: Option<&'b str>,
        url: Option<&'b str>,
    ) -> Self {
        let (charset, is_lossy) = (None, false);
        Self { bytes, content_type, url, index: 0, charset, is_lossy, text: OnceCell::new() }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The text, in the encoding of the byte order mark or of the content type, and otherwise in
    /// UTF-8.
    ///
    /// # Errors
    /// [`ExtractError::Encoding`].
    pub fn text(&self) -> Result<&str, ExtractError> {
        self.text_declared(Declared::Nowhere)
    }

    /// As [`text`](Self::text), and the document may say which encoding it has.
    pub(crate) fn text_declared(&self, declared: Declared) -> Result<&str, ExtractError> {
        if let Some(text) = self.text.get() {
            return Ok(text);
        }
        let (set, kind) = (self.charset, self.content_type);
        let text = charset::text(self.bytes, set, kind, declared, self.is_lossy)?;
        Ok(self.text.get_or_init(|| text))
    }

    /// The content type, with its parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type
    }

    /// The URL that responded, without its query, which may hold secrets.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.map(|url| url.split(['?', '#']).next().unwrap_or_default())
    }

    /// The number of the page in its set, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }
}
