//! [pure] The trait of page formats, and the choice of the format of a response.

use std::fmt;

use bytestring::ByteString;
use http::HeaderMap;

use super::{
    items::{ItemList, Taken},
    json::Json,
    ndjson::{self, Ndjson},
    text,
};
use crate::{
    pager::{envelope::Envelope, strategy::PageTrailer},
    path::Path,
    response::{Mismatch, Response},
};

/// Finds the items in a page, and the metadata beside them.
///
/// A format turns a body into a text in which each item is JSON, and says where the next one
/// begins. It builds no items, so it does not depend on their type, and nothing is read twice. A
/// format whose items are not JSON writes them as lines of JSON in [`text`](Self::text), and
/// leaves the rest to [`Ndjson`].
pub(in crate::pager) trait PageFormat: fmt::Debug + Send + Sync {
    /// The text that contains the items: that of the body.
    ///
    /// # Errors
    /// If the response is not in this format, or is incomplete.
    fn text(&self, envelope: &Envelope, response: &Response) -> Result<ByteString, Mismatch> {
        text::text(response.body(), envelope.lossy_text)
    }

    /// Finds the items in such a text. Errors in it are reported when it is read.
    fn find(&self, envelope: &Envelope, text: ByteString) -> ItemList;

    /// Where the next item begins, and where it ends if that is known before it is read.
    /// `None` after the last.
    fn next(
        &self,
        items: &ItemList,
        taken: Taken,
    ) -> Option<Result<(usize, Option<usize>), Mismatch>>;

    /// Adds the place of the next item to a mismatch that is about it.
    fn locate(&self, mismatch: Mismatch, items: &ItemList, taken: Taken) -> Mismatch;

    /// Takes all items at once, if nothing is wrong with them. `None` if they must be checked one
    /// by one.
    fn take_all(&self, _: &ItemList) -> Option<Taken> {
        None
    }

    /// The metadata beside the page's items, which were `taken`, in its text and in header
    /// fields. The next page is named at `pointer`, if anywhere.
    ///
    /// # Errors
    /// If it is not a page of the format, or a place that the envelope names holds something else.
    fn trailer(
        &self,
        envelope: &Envelope,
        pointer: Option<&Path>,
        headers: &HeaderMap,
        items: &ItemList,
        taken: Taken,
    ) -> Result<PageTrailer, Mismatch>;
}

/// The format of a response. If its content type is lines, it is read as lines if items may be in a
/// body with nothing around them.
pub(super) fn format_of(envelope: &Envelope, response: &Response) -> &'static dyn PageFormat {
    let is_lines =
        envelope.is_lines || envelope.accepts_bare_array && ndjson::is_named_by(response.headers());
    if is_lines { &Ndjson } else { &Json }
}
