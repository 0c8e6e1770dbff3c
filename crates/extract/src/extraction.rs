//! An extractor with all that surrounds it: limits, encodings, content types, empty pages, the
//! next URL, and the threads that it runs on.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use bytes::Bytes;
use encoding_rs::Encoding;
use http::header::CONTENT_TYPE;
use url::Url;
use vantage_api_pool::{
    Envelope, Paging,
    paging::{Extracting, Extractor, RawPage},
};

use crate::{
    charset, content_type,
    error::ExtractError,
    extract::{Body, Extract},
    items::Items,
    limits::{Budget, Limits},
    threads::ExtractorThreads,
};

/// Which pages may have no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    None,
    AllButTheFirst,
    Any,
}

/// An extractor that is ready to read pages: what the builders of the kinds make.
///
/// [`Extracted::extract`](crate::Extracted::extract) puts it in front of a stream or a table.
///
/// ```
/// use std::time::Duration;
///
/// use vantage_api_extract::{Css, Limits};
///
/// let rows = Css::new("tr.row")
///     .field("name", "td.name")
///     .build()?
///     .limits(Limits::default().time(Duration::from_secs(1)))?;
/// let html = b"<table><tr class=row><td class=name>Ghana</td></tr></table>";
/// assert_eq!(rows.page(html, None, None)?, r#"{"data":[{"name":"Ghana"}]}"#);
/// # Ok::<(), vantage_api_extract::ExtractError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Extraction {
    extract: Arc<dyn Extract>,
    limits: Limits,
    empty: Empty,
    charset: Option<&'static Encoding>,
    content_types: Option<Vec<String>>,
    is_lossy: bool,
    threads: ExtractorThreads,
}

impl Extraction {
    /// An extractor of pages with the default [`Limits`].
    pub fn new(extract: impl Extract) -> Self {
        Self {
            extract: Arc::new(extract),
            limits: Limits::default(),
            empty: Empty::None,
            charset: None,
            content_types: None,
            is_lossy: false,
            threads: ExtractorThreads::shared(),
        }
    }

    /// What a page may cost.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for a limit of zero.
    pub fn limits(mut self, limits: Limits) -> Result<Self, ExtractError> {
        limits.check()?;
        self.limits = limits;
        Ok(self)
    }

    /// A page without items is one. By default it is an [`ExtractError::NoItems`], since a site
    /// that has changed must not look like an empty set.
    pub fn allow_empty(mut self) -> Self {
        self.empty = Empty::Any;
        self
    }

    /// Every page but the first may be without items: for sites whose last page is one beyond
    /// those with rows.
    pub fn allow_empty_after_first(mut self) -> Self {
        self.empty = Empty::AllButTheFirst;
        self
    }

    /// The encoding of every body, by its label in the Encoding Standard, such as `windows-1251`,
    /// unless a byte order mark says otherwise. By default it is found as browsers do.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for an unknown label.
    pub fn charset(mut self, label: &str) -> Result<Self, ExtractError> {
        let charset = charset::of_label(label);
        let unknown = || ExtractError::setting("charset", format!("`{label}` is not an encoding"));
        self.charset = Some(charset.ok_or_else(unknown)?);
        Ok(self)
    }

    /// Replaces what is not text of its encoding by U+FFFD. By default it is an
    /// [`ExtractError::Encoding`].
    pub fn lossy_text(mut self, yes: bool) -> Self {
        self.is_lossy = yes;
        self
    }

    /// The content types that are read, instead of those of the kind: types, `text/*`, `*/*+xml`
    /// or `*/*` for all.
    pub fn content_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        let types = types.into_iter().map(|kind| kind.into().to_ascii_lowercase());
        self.content_types = Some(types.collect());
        self
    }

    /// The threads that it runs on: by default those that all extractors of the process share.
    pub fn threads(mut self, threads: &ExtractorThreads) -> Self {
        self.threads = threads.clone();
        self
    }

    /// The envelope of a stream or a table whose pages are extracted.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope::extracted_by(self.clone())
    }

    /// How pages are followed that name the next one; `None` for a kind, or settings, that read
    /// no next URL.
    #[must_use]
    pub fn paging(&self) -> Option<Paging> {
        self.extract.names_next().then(|| Paging::next_url("next"))
    }

    /// The page in `body`, as JSON, made on the thread of the caller. `url` is where it came from:
    /// the next URL is relative to it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn page(
        &self,
        body: &[u8],
        content_type: Option<&str>,
        url: Option<&str>,
    ) -> Result<String, ExtractError> {
        let page = self.made_of(body, content_type, url, 0, &Arc::default())?;
        // What is written are texts and JSON.
        String::from_utf8(page).map_err(|_| ExtractError::malformed("JSON", "a page is not text"))
    }

    fn made_of(
        &self,
        body: &[u8],
        content_type: Option<&str>,
        url: Option<&str>,
        index: u64,
        is_cancelled: &Arc<AtomicBool>,
    ) -> Result<Vec<u8>, ExtractError> {
        match &self.content_types {
            None => content_type::check(content_type, self.extract.content_types())?,
            Some(own) => {
                let own: Vec<&str> = own.iter().map(String::as_str).collect();
                content_type::check(content_type, &own)?;
            }
        }
        let mut body = Body::new(body, content_type, url);
        (body.index, body.charset, body.is_lossy) = (index, self.charset, self.is_lossy);
        let budget = Budget::begin(self.limits, Instant::now(), Arc::clone(is_cancelled));
        let mut items = Items::new(budget);
        self.extract.extract(&body, &mut items)?;
        let may_be_empty = match self.empty {
            Empty::None => false,
            Empty::AllButTheFirst => index > 0,
            Empty::Any => true,
        };
        if items.count() == 0 && !may_be_empty {
            return Err(ExtractError::NoItems { items: self.extract.items_by() });
        }
        if let (Some(next), Some(url)) = (items.next_url(), url) {
            // What cannot be joined is refused, with its reason, where it is followed.
            let joined = Url::parse(url).and_then(|url| url.join(next.trim()));
            if let Ok(mut joined) = joined {
                joined.set_fragment(None);
                items.next(Some(joined.into()));
            }
        }
        Ok(items.into_page())
    }
}

impl Extractor for Extraction {
    fn identity(&self) -> String {
        let Self { extract, limits: _, empty: _, charset, content_types: _, is_lossy, threads: _ } =
            self;
        let charset = charset.map(Encoding::name);
        format!("{} charset={charset:?} lossy={is_lossy}", extract.identity())
    }

    fn extract(&self, page: RawPage) -> Extracting {
        let own = self.clone();
        let (time, priority) = (self.limits.time, page.priority());
        let work = move |is_cancelled: &Arc<AtomicBool>| {
            let response = page.response();
            let content_type = response.headers().get(CONTENT_TYPE);
            let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
            let url = response.url().map(ToString::to_string);
            let (body, index) = (response.body(), page.index());
            own.made_of(body, content_type.as_deref(), url.as_deref(), index, is_cancelled)
        };
        let limits = self.limits;
        let page = self.threads.run(priority, time, work);
        Box::pin(async move {
            let page = page.await.unwrap_or_else(|| Err(limits.exceeded("time")))?;
            Ok(Bytes::from(page))
        })
    }
}

impl fmt::Debug for Extraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extraction")
            .field("extract", &self.extract.identity())
            .field("limits", &self.limits)
            .field("empty", &self.empty)
            .finish_non_exhaustive()
    }
}
