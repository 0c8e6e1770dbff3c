//! [pure] The `api` block of a table's YAML: what it may say, and the settings
//! that this stands for. How pages and conditions are asked for, and how rows
//! are written, is in the folder.

mod envelope;
mod filters;
mod paging;
mod writes;

use std::{num::NonZeroU64, time::Duration};

use serde::{Deserialize, Serialize};
use vantage_core::{Result, VantageError, error};

use crate::vantage::{ApiTable, Filtering};
use envelope::EnvelopeBlock;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pages: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_page_items: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_seconds: Option<NonZeroU64>,
}

/// `true` for `<endpoint>/<id>`, `false` for nowhere, or a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "`item_endpoint` is true, false or a path")]
enum ItemEndpoint {
    BelowTable(bool),
    At(String),
}

impl ApiBlock {
    /// The other origins that pages may be at.
    pub(super) fn origins(&self) -> &[String] {
        self.paging.as_ref().map(PagingBlock::origins).unwrap_or_default()
    }

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
            table = table.sorting(order.settings()?);
        }
        if let Some(writes) = &self.writes {
            table = table.writes(writes.settings());
        }
        if let Some(filtering) = self.filtering {
            table = table.filtering(filtering);
        }
        if let Some(rows) = self.max_rows {
            table = table.max_rows(rows.get());
        }
        if let Some(pages) = self.max_pages {
            table = table.max_pages(pages.get());
        }
        if let Some(items) = self.max_page_items {
            table = table.max_page_items(items.get());
        }
        if let Some(seconds) = self.deadline_seconds {
            table = table.deadline(Duration::from_secs(seconds.get()));
        }
        Ok(table)
    }
}

fn incorrect(what: &str) -> VantageError {
    error!(format!("the `api` of the YAML: {what}")).mark_incorrect_usage()
}
