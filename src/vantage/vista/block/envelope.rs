//! [pure] Where a page holds its items and what it says about the set, in YAML.

use serde::{Deserialize, Serialize};
use vantage_core::Result;

use super::incorrect;
use crate::pager::Envelope;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvelopeBlock {
    /// `.` when the body is the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    items: Option<String>,
    /// One item on each line.
    #[serde(default)]
    ndjson: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pagination: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total_pages: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total_pages_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page_size: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    has_next: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    has_next_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_last: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_page: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_page_header: Option<String>,
    #[serde(default)]
    no_content_is_empty: bool,
    #[serde(default)]
    null_is_empty: bool,
    #[serde(default)]
    lossy_text: bool,
}

impl EnvelopeBlock {
    /// # Errors
    /// `IncorrectUsage` unless there is exactly one way to the items, and at most one flag.
    pub(super) fn settings(&self) -> Result<Envelope> {
        let mut envelope = match (self.items.as_deref(), self.ndjson) {
            (None, true) => Envelope::ndjson(),
            (Some("."), false) => Envelope::bare_array(),
            (Some(path), false) => Envelope::items_at(path),
            _ => return Err(incorrect("an envelope has either `items` or `ndjson`")),
        };
        if self.has_next.is_some() && self.is_last.is_some() {
            return Err(incorrect("an envelope has either `has_next` or `is_last`"));
        }
        type Set = fn(Envelope, &str) -> Envelope;
        let places: [(&Option<String>, Set); 11] = [
            (&self.pagination, Envelope::pagination_at),
            (&self.total, Envelope::total_at),
            (&self.total_header, Envelope::total_in_header),
            (&self.total_pages, Envelope::total_pages_at),
            (&self.total_pages_header, Envelope::total_pages_in_header),
            (&self.page, Envelope::page_at),
            (&self.page_size, Envelope::page_size_at),
            (&self.has_next, Envelope::has_next_at),
            (&self.has_next_header, Envelope::has_next_in_header),
            (&self.is_last, Envelope::is_last_at),
            (&self.next_page, Envelope::next_page_at),
        ];
        for (place, set) in places {
            if let Some(place) = place {
                envelope = set(envelope, place);
            }
        }
        if let Some(header) = &self.next_page_header {
            envelope = envelope.next_page_in_header(header);
        }
        Ok(envelope
            .no_content_is_empty(self.no_content_is_empty)
            .null_is_empty(self.null_is_empty)
            .lossy_text(self.lossy_text))
    }
}
