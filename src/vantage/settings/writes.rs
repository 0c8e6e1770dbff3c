//! [pure] Which writes an API supports, and how it takes them.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

/// How rows of a table are written. Writes that are not set are refused as `Unsupported`
/// before anything is sent; nothing is set by default.
///
/// A row is written where it can be read alone: at the table's item path, which is
/// `<path>/{id}` if none is set, or `<path>{id}/` for a path that ends with a slash.
///
/// ```
/// use vantage_api_pool::{AwwPool, PoolApi, vantage::{ApiTable, Writes}};
///
/// # fn demo(pool: AwwPool) {
/// let api = PoolApi::new(pool)
///     .table("orders", ApiTable::new().writes(Writes::rest().etags(true)))
///     .table("log", ApiTable::new().writes(Writes::none().insert_by_post()));
/// # }
/// ```
///
/// # Narrowed tables
///
/// A write through a table with conditions only affects rows of that set. A condition that
/// fills a placeholder of the path needs no further check. Any other condition is evaluated on
/// the row, which is read before it is written; with [`etags`](Self::etags) or
/// [`etags_required`](Self::etags_required) the write is then conditional on that state of the
/// row. Without entity tags a write through a narrowed table is refused, as the row may leave
/// the set in between, unless [`check_then_write`](Self::check_then_write) allows it.
/// Inserts by POST need neither: they overwrite nothing.
///
/// # Bodies
///
/// A body is JSON with the fields of the row, under their names or their
/// [aliases](crate::vantage::ApiTable::alias). If it has other parts, as in
/// [JSON:API](https://jsonapi.org/format/#crud), each has a path: keys joined by dots, from
/// the top of the body; `\.` is a dot inside a key.
///
/// ```
/// # use vantage_api_pool::vantage::{ApiTable, Writes};
/// let articles = ApiTable::new().alias("title", "attributes.title").writes(
///     Writes::none()
///         .insert_by_post()
///         .replace_by_patch()
///         .patch_by_patch()
///         .delete_by_delete()
///         .server_ids(true)
///         .content_type("application/vnd.api+json")
///         .wrapped_in("data")
///         .id_at("data.id")
///         .member("data.type", "articles"),
/// );
/// ```
///
/// # Responses
///
/// A write returns the row as it is stored. It is taken from the response if that contains an
/// object with the id and everything that was sent (for a patch, also all columns that the
/// table declares): at the path of rows in bodies, as an item endpoint returns it, as the
/// only element of a list, or under any key of an object. Otherwise the row is read again, from
/// the list if no item path is set and the API has no single rows. If that fails, the error
/// says that the row was written; if after a 202 it does not show what was sent, the error says
/// that the write has not been made yet.
///
/// # Repeats
///
/// PUT and DELETE are retried after an ambiguous failure, POST and PATCH are not,
/// unless they carry an [idempotency key](Self::idempotency_keys).
///
/// # As data
///
/// In YAML and other formats `style`, the default for all writes, is `none` or `rest`.
/// `insert` is `post` or `put`, `replace` `put` (or `true`) or `patch`, `patch` is `patch`,
/// `merge_patch` or `put`, `delete` is true or false, `members` has values by their paths, and
/// the other settings have the names of their methods:
///
/// ```yaml
/// { style: rest, replace: patch, etags: true, idempotency_keys: Idempotency-Key }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[must_use]
pub struct Writes {
    style: WriteStyle,
    insert: Option<InsertBy>,
    #[serde(deserialize_with = "replace")]
    replace: Option<ReplaceBy>,
    patch: Option<PatchBy>,
    delete: bool,
    pub(in crate::vantage) server_ids: bool,
    pub(in crate::vantage) content_type: Option<String>,
    pub(in crate::vantage) wrapped_in: Option<String>,
    pub(in crate::vantage) id_at: Option<String>,
    pub(in crate::vantage) members: IndexMap<String, Json>,
    pub(in crate::vantage) read_back: bool,
    pub(in crate::vantage) etags: bool,
    pub(in crate::vantage) etags_required: bool,
    pub(in crate::vantage) etag_at: Option<String>,
    pub(in crate::vantage) check_then_write: bool,
    /// The header for idempotency keys.
    pub(in crate::vantage) idempotency_keys: Option<String>,
}

/// The default for all writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WriteStyle {
    #[default]
    None,
    Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::vantage) enum InsertBy {
    /// POST to the table's path.
    Post,
    /// PUT to the item's path.
    Put,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::vantage) enum ReplaceBy {
    Put,
    /// A patch of all columns.
    Patch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::vantage) enum PatchBy {
    /// A PATCH with the content type of all writes.
    Patch,
    /// A PATCH with the content type of RFC 7396.
    MergePatch,
    /// A PUT of the whole row, merged.
    Put,
}

/// `true` is `put`.
fn replace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ReplaceBy>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "`replace` is true, false, put or patch")]
    enum Replace {
        Does(bool),
        By(ReplaceBy),
    }
    Ok(match Option::<Replace>::deserialize(deserializer)? {
        Some(Replace::By(by)) => Some(by),
        Some(Replace::Does(true)) => Some(ReplaceBy::Put),
        Some(Replace::Does(false)) | None => None,
    })
}

impl Writes {
    /// No writes at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Inserts by POST, replaces by PUT, patches by PATCH, deletes by DELETE; bodies are JSON
    /// in the shape of the rows.
    pub fn rest() -> Self {
        Self { style: WriteStyle::Rest, ..Self::default() }
    }

    /// Bodies have this value at this path. An object is merged with the existing one. A row
    /// that has another non-null value there is `IncorrectUsage`, before anything is sent.
    pub fn member(mut self, place: impl Into<String>, value: impl Into<Json>) -> Self {
        self.members.insert(place.into(), value.into());
        self
    }

    /// How rows are inserted, if they are.
    pub(in crate::vantage) fn inserts(&self) -> Option<InsertBy> {
        self.insert.or((self.style == WriteStyle::Rest).then_some(InsertBy::Post))
    }

    pub(in crate::vantage) fn replaces(&self) -> Option<ReplaceBy> {
        self.replace.or((self.style == WriteStyle::Rest).then_some(ReplaceBy::Put))
    }

    pub(in crate::vantage) fn patches(&self) -> Option<PatchBy> {
        self.patch.or((self.style == WriteStyle::Rest).then_some(PatchBy::Patch))
    }

    pub(in crate::vantage) fn deletes(&self) -> bool {
        self.delete || self.style == WriteStyle::Rest
    }

    pub(in crate::vantage) fn is_none(&self) -> bool {
        let Self { style, insert, replace, patch, delete, .. } = self;
        let has_some = insert.is_some() || replace.is_some() || patch.is_some() || *delete;
        *style == WriteStyle::None && !has_some
    }

    /// Whether a write is allowed under conditions that can only be checked on the row.
    pub(in crate::vantage) fn guards(&self) -> bool {
        !self.is_none() && (self.etags || self.etags_required || self.check_then_write)
    }
}

setters! { Writes {
    /// Inserts with POST to the table's path. The API responds with 409 to an id that exists,
    /// or assigns the ids itself; in that case set [`server_ids`](Self::server_ids).
    insert_by_post(): insert = Some(InsertBy::Post);
    /// Inserts with PUT to the item's path. With [`etags`](Self::etags) the request
    /// has `If-None-Match: *`, so it overwrites no row (RFC 9110 section 13.1.2).
    insert_by_put(): insert = Some(InsertBy::Put);
    /// Replaces with PUT to the item's path. If the API responds with 404 because there
    /// is no such row, the row is inserted instead, unless the API assigns the
    /// [ids](Self::server_ids). The body has the id where that of an insert would.
    replace_by_put(): replace = Some(ReplaceBy::Put);
    /// Replaces with PATCH to the item's path, for APIs that have no PUT, such as those of
    /// JSON:API. Columns that the table declares and the row lacks are sent as null; fields that
    /// the table does not declare are left unchanged. Its content type is that of
    /// patches, and a 404 is handled as in [`replace_by_put`](Self::replace_by_put).
    replace_by_patch(): replace = Some(ReplaceBy::Patch);
    /// Patches with PATCH to the item's path, as JSON.
    patch_by_patch(): patch = Some(PatchBy::Patch);
    /// Patches with PATCH to the item's path, as `application/merge-patch+json` (RFC 7396),
    /// whatever the [content type](Self::content_type) of other writes.
    patch_by_merge_patch(): patch = Some(PatchBy::MergePatch);
    /// Patches by reading the row and sending all of it with PUT to the item's path.
    /// Without [`etags`](Self::etags), concurrent changes by others are lost.
    patch_by_put(): patch = Some(PatchBy::Put);
    /// Deletes with DELETE to the item's path. 404 and 410 count as success. Deleting a
    /// whole set reads its ids first and deletes row by row.
    delete_by_delete(): delete = true;
    /// Whether the API assigns the ids of its rows, whatever it is sent. Then an insert under
    /// a given id is `IncorrectUsage`, before anything is sent, because it would store a row under
    /// another id, and one more with each retry. Replacing a row that does not exist is
    /// `NotFound`, unless the API creates it by PUT. Inserts that return an id are allowed,
    /// and do not send the record's own id. The default is false.
    server_ids(yes: bool): server_ids = yes;
    /// The `Content-Type` of bodies. The default is that of the pool's
    /// [`default_header`](crate::PoolBuilder::default_header)s, or else `application/json`.
    ///
    /// A value that is not legal in HTTP is `IncorrectUsage` when a row is written.
    content_type(content_type: impl Into<String>): content_type = Some(content_type.into());
    /// Bodies have the row under this key or path, in requests and in responses, as
    /// in `{"order": {…}}`. A path with an empty key is `IncorrectUsage` when a row is
    /// written, here and for the other paths of a body.
    wrapped_in(place: impl Into<String>): wrapped_in = Some(place.into());
    /// Bodies have the id of the row at this path, and the row itself without it. By default
    /// the id is a field of the row: a row that is inserted by POST or replaced under a given id
    /// includes it, others contain whatever they are given.
    id_at(place: impl Into<String>): id_at = Some(place.into());
    /// Whether the row is always read again after it was written. By default it is taken
    /// from the response if that has [all of it](Self#responses), and read again otherwise.
    read_back(yes: bool): read_back = yes;
    /// Whether the API sends entity tags with rows and honours `If-Match` (RFC 9110
    /// section 13.1.1). Then a write that follows a read of the row is conditional on the
    /// state that was read; a change in between is `Conflict`. If the API sends no
    /// tag, or a weak one, the write is refused.
    etags(yes: bool): etags = yes;
    /// Whether the API requires `If-Match` for each write of a row. Then each replace, patch
    /// and delete reads the row first and sends its tag; a weak tag too, unless the table is
    /// narrowed or [`etags`](Self::etags) is set. Without this setting such writes start
    /// after the first 428 response (RFC 6585 section 3). If the API sends no tag but a
    /// `Last-Modified`, the write sends `If-Unmodified-Since`. The default is false.
    etags_required(yes: bool): etags_required = yes;
    /// Responses with one row have its entity tag at this path of the body, such as `_etag` or
    /// `@odata.etag`, with or without quotes. By default, and if there is none, the tag
    /// is that of the `ETag` header.
    etag_at(place: impl Into<String>): etag_at = Some(place.into());
    /// Whether writes through narrowed tables are allowed without entity tags. A row
    /// that others change between the check and the write is overwritten.
    check_then_write(yes: bool): check_then_write = yes;
    /// Sends a fresh idempotency key in this header with each POST and PATCH, the same for its
    /// retries, which allows retries after an ambiguous failure. The usual header is
    /// `Idempotency-Key`.
    idempotency_keys(header: impl Into<String>): idempotency_keys = Some(header.into());
} }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_by_default() {
        assert!(Writes::default().is_none() && Writes::none().etags(true).is_none());
        for writes in [
            Writes::rest(),
            Writes::none().insert_by_put(),
            Writes::none().replace_by_put(),
            Writes::none().replace_by_patch(),
            Writes::none().patch_by_put(),
            Writes::none().delete_by_delete(),
        ] {
            assert!(!writes.is_none(), "{writes:?}");
        }
    }
}
