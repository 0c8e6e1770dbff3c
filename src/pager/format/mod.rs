//! [pure] The formats of pages. [`PageFormat`](page_format::PageFormat) is the trait of a format:
//! it finds the items in a page and the metadata beside them. `json` and `ndjson` are the
//! available formats; `decode` builds items from their text, without knowing the format.

mod content;
mod decode;
mod items;
mod json;
mod ndjson;
mod page_format;
mod pagination;
mod text;
mod walk;

pub(in crate::pager) use content::same_items;
pub(crate) use decode::{DecodedPage, ItemDecoder, Typed, decode_item, decode_only_item};
pub(in crate::pager) use decode::{ErasedDecoder, PageCursor};
pub(in crate::pager) use items::ItemList;
