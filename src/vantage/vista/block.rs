//! [pure] The `api` block of a table's YAML: what it may say, and the settings
//! that this stands for. How pages and conditions are asked for, and how rows
//! are written, is in the folder.

mod filters;
mod paging;
mod writes;

use serde::{Deserialize, Serialize};
use vantage_core::{Result, VantageError, error};

use crate::{
    pager::Envelope,
    vantage::{ApiTable, Filtering},
};
use filters::{FiltersBlock, OrderBlock};
use paging::PagingBlock;
use writes::WritesBlock;

/// How a table is asked for. What is absent is as for the whole API.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApiBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_endpoint: Option<ItemEndpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<EnvelopeBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<PagingBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filtering: Option<Filtering>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<FiltersBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes: Option<WritesBlock>,
}

/// `true` for `<endpoint>/<id>`, `false` for nowhere, or a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "`item_endpoint` is true, false or a path")]
enum ItemEndpoint {
    BelowTable(bool),
    At(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeBlock {
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
    #[serde(default)]
    no_content_is_empty: bool,
    #[serde(default)]
    lossy_text: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    has_next: Option<String>,
}

impl ApiBlock {
    /// # Errors
    /// `IncorrectUsage` for settings that lack their other half.
    pub(super) fn settings(&self) -> Result<ApiTable> {
        let mut table = ApiTable::new();
        if let Some(path) = &self.endpoint {
            table = table.path(path);
        }
        match &self.item_endpoint {
            Some(ItemEndpoint::BelowTable(yes)) => table = table.item_endpoint(*yes),
            Some(ItemEndpoint::At(path)) => table = table.item_path(path),
            None => {}
        }
        if let Some(envelope) = &self.envelope {
            table = table.envelope(envelope.settings()?);
        }
        if let Some(paging) = &self.paging {
            table = table.paging(paging.settings()?);
        }
        if let Some(filters) = &self.filters {
            table = table.filters(filters.settings()?);
        }
        if let Some(order) = &self.order {
            table = table.order(order.settings()?);
        }
        if let Some(writes) = &self.writes {
            table = table.writes(writes.settings());
        }
        if let Some(filtering) = self.filtering {
            table = table.filtering(filtering);
        }
        Ok(table)
    }
}

impl EnvelopeBlock {
    fn settings(&self) -> Result<Envelope> {
        let mut envelope = match (self.items.as_deref(), self.ndjson) {
            (None, true) => Envelope::ndjson(),
            (Some("."), false) => Envelope::bare_array(),
            (Some(path), false) => Envelope::items_at(path),
            _ => return Err(incorrect("an envelope has either `items` or `ndjson`")),
        };
        if let Some(path) = &self.pagination {
            envelope = envelope.pagination_at(path);
        }
        if let Some(path) = &self.total {
            envelope = envelope.total_at(path);
        }
        if let Some(header) = &self.total_header {
            envelope = envelope.total_in_header(header);
        }
        if let Some(path) = &self.has_next {
            envelope = envelope.has_next_at(path);
        }
        Ok(envelope.no_content_is_empty(self.no_content_is_empty).lossy_text(self.lossy_text))
    }
}

fn incorrect(what: &str) -> VantageError {
    error!(format!("the `api` of the YAML: {what}")).mark_incorrect_usage()
}
