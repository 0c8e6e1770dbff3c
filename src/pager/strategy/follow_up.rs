//! [pure] Requests that follow the first one of a read by cursor, of APIs that take a cursor elsewhere
//! than at the endpoint.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::PageBody;
use crate::error::Error;

/// How the pages after the first one are requested, if not from the endpoint: see
/// [`Paging::follow_up`](crate::Paging::follow_up).
///
/// ```
/// use serde_json::json;
/// use vantage_api_pool::{Paging, paging::FollowUp};
///
/// let folder = Paging::cursor("cursor", "cursor")
///     .post(&json!({ "path": "", "recursive": true }))
///     .follow_up(FollowUp::at("files/list_folder/continue").post(&json!({})));
/// # let _ = folder;
/// ```
///
/// # As data
///
/// ```yaml
/// by: cursor
/// param: scroll_id
/// next: _scroll_id
/// post: { size: 1000, query: { match_all: {} } }
/// follow_up:
///   path: _search/scroll
///   post: { scroll: 1m }
///   forward_only: true
///   close: _search/scroll
/// ```
///
/// | key | value |
/// |---|---|
/// | `path` | where the next page is requested, with the cursor in the `param` of the paging and nothing else of the endpoint |
/// | `post` | the body of a POST, in which the cursor is set; by default the request is a GET with the cursor in its query |
/// | `forward_only` | `true` if each request moves the cursor on: no page can be requested twice |
/// | `close` | the path of a DELETE with the last cursor, sent once the read has ended or is dropped |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUp {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    post: Option<PageBody>,
    #[serde(default)]
    forward_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    close: Option<String>,
}

impl FollowUp {
    /// The pages after the first one are requested at `path`, which may have a query, by a GET with
    /// the cursor in the parameter of the paging. The query, the size and the body of the endpoint are
    /// not sent there.
    #[must_use]
    pub fn at(path: impl Into<String>) -> Self {
        Self { path: path.into(), post: None, forward_only: false, close: None }
    }

    /// They are requested by a POST with this body, in which the cursor is set where the parameter of
    /// the paging leads.
    #[must_use]
    pub fn post(mut self, body: &Value) -> Self {
        self.post = Some(PageBody(body.clone()));
        self
    }

    /// The cursor is one of the server, and each request moves it on, as a scroll of Elasticsearch
    /// does. A request whose answer is lost is not retried, since the page would be missing: the read
    /// ends with its error. A page without rows is the last one.
    ///
    /// Nor can a read be resumed after the first page. With
    /// [`restart_when_expired`](crate::Paging::restart_when_expired) it begins again and skips the
    /// rows that it has read, and otherwise it is an
    /// [`ErrorKind::CursorExpired`](crate::ErrorKind::CursorExpired). It is no by default.
    #[must_use]
    pub fn forward_only(mut self, yes: bool) -> Self {
        self.forward_only = yes;
        self
    }

    /// Once the read has ended, or is dropped, a DELETE at `path` gives up what the last cursor holds
    /// at the API. The cursor is where the follow-up requests have it. This is an attempt of at most
    /// ten seconds, after which nobody looks: a cursor that stays expires.
    #[must_use]
    pub fn close(mut self, path: impl Into<String>) -> Self {
        self.close = Some(path.into());
        self
    }

    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.path.is_empty() || self.close.as_deref() == Some("") {
            return Err(Error::config("follow_up: a path is empty"));
        }
        Ok(())
    }

    pub(in crate::pager) fn path(&self) -> &str {
        &self.path
    }

    /// Whether each page can be requested once.
    pub(in crate::pager) fn is_forward_only(&self) -> bool {
        self.forward_only
    }

    /// The path of the DELETE, if there is one.
    pub(in crate::pager) fn closes_at(&self) -> Option<&str> {
        self.close.as_deref()
    }

    pub(super) fn body(&self) -> Option<&PageBody> {
        self.post.as_ref()
    }
}
