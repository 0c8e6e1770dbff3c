//! One extractor of single values, with what it has compiled.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, ready},
    sync::{Mutex, PoisonError},
};

use vantage_api_pool::Priority;

use crate::{
    css::Css,
    error::ExtractError,
    extraction::Extraction,
    resource::{BoxError, Factory, Poolable},
    text,
    threads::ExtractorThreads,
};

/// What a pooled extractor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeExtractorType {
    /// HTML, by CSS selectors.
    Css,
    /// Text, by patterns.
    Regex,
}

/// How many selectors or patterns an extractor keeps compiled.
const KEPT: usize = 32;
/// About how much memory one takes, compiled.
const COMPILED: usize = 16 << 10;

/// An extractor of single values.
pub struct NativeExtractor {
    kind: NativeExtractorType,
    /// Those used last, at the end.
    compiled: Mutex<VecDeque<(String, Extraction)>>,
}

impl NativeExtractor {
    fn new(kind: NativeExtractorType) -> Self {
        Self { kind, compiled: Mutex::default() }
    }

    /// The first match: the text of the element that a selector finds, or the first group of a
    /// pattern, or its whole match if it has no group.
    ///
    /// It runs on the [extractor threads](ExtractorThreads), within the default
    /// [`Limits`](crate::Limits).
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for an invalid selector or pattern, [`ExtractError::NoItems`] if
    /// nothing matches, and [`ExtractError::Limit`].
    pub async fn extract(&self, text: &str, pattern: &str) -> Result<String, ExtractError> {
        let first = self.extract_all(text, pattern).await?.into_iter().next();
        first.ok_or_else(|| ExtractError::NoItems { items: format!("`{pattern}`") })
    }

    /// All matches, in order.
    ///
    /// # Errors
    /// As of [`extract`](Self::extract).
    pub async fn extract_all(
        &self,
        text: &str,
        pattern: &str,
    ) -> Result<Vec<String>, ExtractError> {
        let extraction = self.compiled(pattern)?;
        let text = text.to_owned();
        let limits = crate::Limits::default();
        let page = ExtractorThreads::shared().run(Priority::Normal, limits.time, move |_| {
            extraction.page(text.as_bytes(), None, None)
        });
        let page = page.await.unwrap_or_else(|| Err(limits.exceeded("time")))?;
        let page: Page = serde_json::from_str(&page)
            .map_err(|_| ExtractError::malformed("JSON", "the page has no texts"))?;
        Ok(page.data.into_iter().filter_map(|row| row.value).collect())
    }

    fn compiled(&self, pattern: &str) -> Result<Extraction, ExtractError> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let at = compiled.iter().position(|(own, _)| own == pattern);
        let found = match at.and_then(|at| compiled.remove(at)) {
            Some((_, found)) => found,
            None => match self.kind {
                NativeExtractorType::Css => Css::new(pattern).field("value", ".").build()?,
                NativeExtractorType::Regex => {
                    let pattern = text::compiled("pattern", pattern)?;
                    Extraction::new(FirstGroup { pattern })
                }
            },
        };
        compiled.push_back((pattern.to_owned(), found.clone()));
        if compiled.len() > KEPT {
            compiled.pop_front();
        }
        Ok(found)
    }
}

/// An item for each match: its first group, or all of it if the pattern has no group.
struct FirstGroup {
    pattern: ::regex::Regex,
}

impl crate::Extract for FirstGroup {
    fn identity(&self) -> String {
        format!("first group of {}", self.pattern)
    }

    fn items_by(&self) -> String {
        format!("the pattern `{}`", self.pattern)
    }

    fn extract(
        &self,
        body: &crate::Body<'_>,
        items: &mut crate::Items,
    ) -> Result<(), ExtractError> {
        for found in self.pattern.captures_iter(body.text()?) {
            let value = text::first_group_of(&found);
            items.item(&serde_json::json!({ "value": value }))?;
            items.check_time()?;
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Page {
    data: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    value: Option<String>,
}

impl Poolable for NativeExtractor {
    fn memory(&self) -> usize {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        size_of::<Self>() + compiled.iter().map(|(own, _)| own.len() + COMPILED).sum::<usize>()
    }
}

/// Makes extractors of one type.
#[derive(Clone, Copy, Debug)]
pub struct NativeExtractors(pub(super) NativeExtractorType);

impl Factory for NativeExtractors {
    type Item = NativeExtractor;

    fn create(&self) -> impl Future<Output = Result<NativeExtractor, BoxError>> + Send {
        ready(Ok(NativeExtractor::new(self.0)))
    }
}

impl fmt::Debug for NativeExtractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeExtractor").field("kind", &self.kind).finish_non_exhaustive()
    }
}
