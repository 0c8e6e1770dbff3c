//! How the body of another format becomes a page: the one trait that extractors implement, and
//! the guard around the code of others. Knows no format.

use std::{
    error::Error as StdError, fmt, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc,
};

use bytes::Bytes;
use futures::FutureExt;

use crate::{
    error::{Error, ErrorKind, without_secret},
    priority::Priority,
    response::Response,
    user_value::catch_panic,
};

/// The most characters of an extractor's message that are shown.
const MOST_SHOWN: usize = 300;

/// Makes a page of the standard envelope out of the body of another format, such as HTML or CSV.
///
/// [`Envelope::extracted_by`](crate::Envelope::extracted_by) puts one in front of the pages of a
/// stream or a table: everything behind it, from the order of pages to resume tokens, typed items
/// and Vantage records, sees only JSON. The crate `vantage-api-extract` has extractors for HTML,
/// XML, CSV and text.
///
/// ```
/// use std::future::ready;
///
/// use serde_json::json;
/// use vantage_api_pool::{
///     Envelope,
///     paging::{Extracting, Extractor, RawPage},
/// };
///
/// /// Each word of the body is an item.
/// struct Words;
///
/// impl Extractor for Words {
///     fn identity(&self) -> String {
///         "words".into()
///     }
///
///     fn extract(&self, page: RawPage) -> Extracting {
///         let text = String::from_utf8_lossy(page.response().body()).into_owned();
///         let words: Vec<&str> = text.split_whitespace().collect();
///         Box::pin(ready(Ok(json!({ "data": words }).to_string().into())))
///     }
/// }
///
/// let envelope = Envelope::extracted_by(Words);
/// # let _ = envelope;
/// ```
pub trait Extractor: Send + Sync + 'static {
    /// What it reads and how: the same text in every process, and another one for other
    /// settings. A hash of it is part of a [`ResumeToken`](super::ResumeToken), so that no read
    /// is resumed with another extractor, and `Debug` of an envelope shows it. It must hold no
    /// secret.
    fn identity(&self) -> String;

    /// The page as JSON: `{"data": [items], "pagination": {"total": …}, …}`, where all but the
    /// items may be left out. Any other key may hold what a [`Paging`](crate::Paging) follows,
    /// such as the next URL.
    ///
    /// It is called, and its future polled, on a worker's thread, which must not be blocked: long
    /// work belongs on threads of its own. The future must end by itself. If it is dropped, nobody
    /// waits for the page any more.
    ///
    /// # Errors
    /// Why the body is not such a page. The read ends with an
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) whose source this is, and whose message has
    /// the first 300 characters of its own: it must quote nothing of the body.
    fn extract(&self, page: RawPage) -> Extracting;
}

/// The page that an [`Extractor`] makes.
pub type Extracting = Pin<Box<dyn Future<Output = Result<Bytes, ExtractError>> + Send>>;

/// Why an extractor made no page.
pub type ExtractError = Box<dyn StdError + Send + Sync>;

/// A response before it is a page.
#[derive(Clone, Debug)]
pub struct RawPage {
    response: Response,
    index: u64,
    priority: Priority,
}

impl RawPage {
    /// The response, with the URL that it came from.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// The number of the page in its set, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The priority of the call that fetched it.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }
}

/// The extractor of an envelope.
#[derive(Clone)]
pub(crate) struct Extraction(Arc<dyn Extractor>);

impl Extraction {
    pub(super) fn new(extractor: impl Extractor) -> Self {
        Self(Arc::new(extractor))
    }

    /// The response with a page as its body.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the extractor makes none of it, [`ErrorKind::Callback`] if it
    /// panics.
    pub(crate) async fn page_of(
        &self,
        response: Response,
        index: u64,
        priority: Priority,
    ) -> Result<Response, Error> {
        let page = RawPage { response: response.clone(), index, priority };
        let page = match catch_panic(|| self.0.extract(page)) {
            None => None,
            Some(extracting) => {
                // The destructor of its payload may panic as well.
                AssertUnwindSafe(extracting).catch_unwind().await.map_err(std::mem::forget).ok()
            }
        };
        match page {
            Some(Ok(body)) => Ok(response.with_body(body)),
            Some(Err(error)) => {
                // What a user's error says is their code, which may panic.
                let why = catch_panic(|| error.to_string()).unwrap_or_default();
                // A secret is seen as a whole before the message is cut.
                let what = match one_line(&without_secret(&response, why)) {
                    why if why.is_empty() => "the extractor made no page of the body".into(),
                    why => format!("the extractor made no page of the body: {why}"),
                };
                Err(Error::new(ErrorKind::Decode, what)
                    .with_users_source(error)
                    .with_response(response))
            }
            None => Err(Error::new(ErrorKind::Callback, "the extractor panicked")),
        }
    }
}

/// The start of a message, on one line.
fn one_line(message: &str) -> String {
    let words = message.split(|letter: char| letter.is_control() || letter.is_whitespace());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(MOST_SHOWN).collect()
}

impl fmt::Debug for Extraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = catch_panic(|| self.0.identity());
        f.debug_tuple("Extraction").field(&identity.unwrap_or_default()).finish()
    }
}
