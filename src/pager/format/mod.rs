//! [pure] What a page is made of. [`PageFormat`](page_format::PageFormat) is where a format
//! attaches: it says where the items are in a page and what stands beside them. `json` and `ndjson`
//! are the formats there are, `decode` builds items from where they are, without knowing the
//! format.

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
