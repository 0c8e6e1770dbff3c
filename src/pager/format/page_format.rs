//! [pure] The trait at which a format of pages attaches, and which format an answer has.

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

/// Where the items are in a page, and what stands beside them.
///
/// A format makes a text of a body in which each item is JSON, and says where the next one
/// begins. It builds none, so that it does not know what becomes of them, and nothing is read
/// twice. One whose items are not JSON writes them as lines of it in
/// [`text`](Self::text), and leaves the rest to [`Ndjson`].
pub(in crate::pager) trait PageFormat: fmt::Debug + Send + Sync {
    /// The text in which the items are: that of the body.
    ///
    /// # Errors
    /// When the answer is not in this format, or not all of one.
    fn text(&self, envelope: &Envelope, response: &Response) -> Result<ByteString, Mismatch> {
        text::text(response.body(), envelope.lossy_text)
    }

    /// Finds the items in such a text. What is wrong with it is told when it is read.
    fn find(&self, envelope: &Envelope, text: ByteString) -> ItemList;

    /// Where the next item begins, and where it ends if that is known before it is read.
    /// `None` after the last.
    fn next(
        &self,
        items: &ItemList,
        taken: Taken,
    ) -> Option<Result<(usize, Option<usize>), Mismatch>>;

    /// The same mismatch with the place of the next item, which it is about.
    fn locate(&self, mismatch: Mismatch, items: &ItemList, taken: Taken) -> Mismatch;

    /// All items at once, where nothing is wrong with them. `None` if they are to be looked at
    /// one by one.
    fn take_all(&self, _: &ItemList) -> Option<Taken> {
        None
    }

    /// What the page says beside its items, which were `taken`, in its text and in header
    /// fields. The next page is named at `pointer`, if anywhere.
    ///
    /// # Errors
    /// When it is no page of the format, or a place that the envelope names holds something
    /// else.
    fn trailer(
        &self,
        envelope: &Envelope,
        pointer: Option<&Path>,
        headers: &HeaderMap,
        items: &ItemList,
        taken: Taken,
    ) -> Result<PageTrailer, Mismatch>;
}

/// The format of an answer. One that calls itself lines is read so where items may stand in a
/// body with nothing around them.
pub(super) fn format_of(envelope: &Envelope, response: &Response) -> &'static dyn PageFormat {
    let is_lines =
        envelope.is_lines || envelope.accepts_bare_array && ndjson::is_named_by(response.headers());
    if is_lines { &Ndjson } else { &Json }
}
