//! [pure] Why no page was made. No message holds a part of a body.

use std::fmt;

/// Why an extractor made no page, or was not built.
///
/// As the source of the error of a stream, its kind there is
/// [`ErrorKind::Decode`](vantage_api_pool::ErrorKind::Decode).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// A setting is invalid: a selector, a pattern, a path, a name. It is an error of building the
    /// extractor, before anything is requested.
    #[error("{setting}: {reason}")]
    Setting {
        /// Which one, such as `field name`.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The body exceeds a limit of [`Limits`](crate::Limits).
    #[error("the body exceeds the limit `{limit}` ({allowed})")]
    Limit {
        /// The name of the limit: `time`, `memory`, `items`, `item_bytes`, `depth` or
        /// `attributes`, and `wasm_memory` for the memory of a WebAssembly component.
        limit: &'static str,
        /// What it allows, with the unit.
        allowed: String,
    },
    /// Nothing on the page is an item: the site may have changed. See
    /// [`Extraction::allow_empty`](crate::Extraction::allow_empty).
    #[error("no item: nothing matches {items}, and `empty` allows no page without items")]
    NoItems {
        /// What the items are found by.
        items: String,
    },
    /// The content type is not one that the extractor reads.
    #[error("the content type is `{found}`, and {wanted} is read; `content_types` names others")]
    ContentType {
        /// The type of the response, without parameters.
        found: String,
        /// The types that are read.
        wanted: String,
    },
    /// The body is not text of its encoding.
    #[error("the body is not valid {encoding}; `charset` names another encoding")]
    Encoding {
        /// The name of the encoding (of the Encoding Standard).
        encoding: &'static str,
    },
    /// A field that is required is missing in an item.
    #[error("item {item} has no `{field}`, which is required")]
    Missing {
        /// The number of the item on its page, from 1.
        item: u64,
        /// The name of the field.
        field: String,
    },
    /// A field of an item has not its type.
    #[error("`{field}` of item {item} is not {wanted}")]
    Type {
        /// The number of the item on its page, from 1.
        item: u64,
        /// The name of the field.
        field: String,
        /// What it should be, such as `an integer`.
        wanted: String,
    },
    /// The body is not of its format.
    #[error("the body is not valid {format}: {reason}")]
    Malformed {
        /// The format, such as `XML`.
        format: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// An extractor that is a WebAssembly component trapped, reported an error, or gave back what
    /// its interface does not allow.
    #[error("the extractor `{extractor}` failed on page {page}: {reason}")]
    Guest {
        /// The name of its file.
        extractor: String,
        /// The number of the page in its set, from 1.
        page: u64,
        /// The kind of the trap, or what is wrong.
        reason: String,
    },
    /// The extractor panicked.
    #[error("the extractor panicked")]
    Panicked,
    /// So many pages keep their threads for longer than their time limit that no thread is left.
    #[error("no extractor thread is left: {stuck} are stuck")]
    Stuck {
        /// How many threads are stuck.
        stuck: usize,
    },
    /// The page is not wanted any more.
    #[error("the page is not wanted any more")]
    Cancelled,
}

impl ExtractError {
    pub(crate) fn setting(setting: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Setting { setting: setting.into(), reason: reason.to_string() }
    }

    pub(crate) fn malformed(format: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { format, reason: reason.into() }
    }

    /// The name of the limit that the body exceeds.
    #[must_use]
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::Limit { limit, .. } => Some(limit),
            _ => None,
        }
    }
}
