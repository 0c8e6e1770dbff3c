//! [pure] How rows are written, in YAML.

use serde::{Deserialize, Serialize};

use crate::vantage::Writes;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WritesBlock {
    style: WriteStyle,
    #[serde(skip_serializing_if = "Option::is_none")]
    insert: Option<InsertBy>,
    replace: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<PatchBy>,
    delete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapped_in: Option<String>,
    read_back: bool,
    etags: bool,
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
        if self.replace {
            writes = writes.replace_by_put();
        }
        if self.delete {
            writes = writes.delete_by_delete();
        }
        if let Some(key) = &self.wrapped_in {
            writes = writes.wrapped_in(key);
        }
        if let Some(header) = &self.idempotency_keys {
            writes = writes.idempotency_keys(header);
        }
        writes.read_back(self.read_back).etags(self.etags).check_then_write(self.check_then_write)
    }
}
