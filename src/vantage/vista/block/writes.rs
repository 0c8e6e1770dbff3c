//! [pure] How rows are written, in YAML.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::vantage::Writes;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WritesBlock {
    style: WriteStyle,
    #[serde(skip_serializing_if = "Option::is_none")]
    insert: Option<InsertBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replace: Option<Replace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<PatchBy>,
    delete: bool,
    server_ids: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapped_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_at: Option<String>,
    /// What bodies hold besides the row, by place.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    members: IndexMap<String, serde_json::Value>,
    read_back: bool,
    etags: bool,
    etags_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag_at: Option<String>,
    check_then_write: bool,
    /// The header of idempotency keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_keys: Option<String>,
}

/// What holds where nothing else is said.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WriteStyle {
    #[default]
    None,
    Rest,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InsertBy {
    Post,
    Put,
}

/// `true` is `put`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "`replace` is true, false, put or patch")]
enum Replace {
    Does(bool),
    By(ReplaceBy),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReplaceBy {
    Put,
    Patch,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PatchBy {
    Patch,
    MergePatch,
    Put,
}

impl WritesBlock {
    pub(super) fn settings(&self) -> Writes {
        let mut writes = match self.style {
            WriteStyle::None => Writes::none(),
            WriteStyle::Rest => Writes::rest(),
        };
        writes = match self.insert {
            Some(InsertBy::Post) => writes.insert_by_post(),
            Some(InsertBy::Put) => writes.insert_by_put(),
            None => writes,
        };
        writes = match self.patch {
            Some(PatchBy::Patch) => writes.patch_by_patch(),
            Some(PatchBy::MergePatch) => writes.patch_by_merge_patch(),
            Some(PatchBy::Put) => writes.patch_by_put(),
            None => writes,
        };
        writes = match self.replace {
            Some(Replace::Does(true) | Replace::By(ReplaceBy::Put)) => writes.replace_by_put(),
            Some(Replace::By(ReplaceBy::Patch)) => writes.replace_by_patch(),
            Some(Replace::Does(false)) | None => writes,
        };
        if self.delete {
            writes = writes.delete_by_delete();
        }
        if let Some(key) = &self.wrapped_in {
            writes = writes.wrapped_in(key);
        }
        if let Some(content_type) = &self.content_type {
            writes = writes.content_type(content_type);
        }
        if let Some(place) = &self.id_at {
            writes = writes.id_at(place);
        }
        if let Some(place) = &self.etag_at {
            writes = writes.etag_at(place);
        }
        for (place, value) in &self.members {
            writes = writes.member(place, value.clone());
        }
        if let Some(header) = &self.idempotency_keys {
            writes = writes.idempotency_keys(header);
        }
        writes
            .server_ids(self.server_ids)
            .read_back(self.read_back)
            .etags(self.etags)
            .etags_required(self.etags_required)
            .check_then_write(self.check_then_write)
    }
}
