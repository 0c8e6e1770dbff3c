//! [pure] The formats of pages. [`PageFormat`](items::PageFormat) is the trait of a format:
//! it finds the items in a page and the metadata beside them. `json` and `ndjson` are the
//! available formats; `decode` builds items from their text, without knowing the format, and `scan`
//! finds their ends without building them. `unread` says what a body is that is not a page.

mod content;
mod decode;
mod decoder;
mod items;
mod json;
mod ndjson;
mod pagination;
mod scan;
mod text;
mod unread;
mod walk;

pub(in crate::pager) use content::same_items;
pub(in crate::pager) use decode::{Decode, decode_by};
pub(crate) use decode::{decode_item, decode_only_item};
pub(crate) use decoder::{DecodedPage, ItemDecoder, Typed};
pub(in crate::pager) use items::{ItemList, Taken};
pub(in crate::pager) use unread::keys;
