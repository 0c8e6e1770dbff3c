//! Paged streams: a pager actor for each stream that is read, with the decisions in
//! pure files beside it. A page is decoded once, on the worker that fetched it,
//! straight into what the consumer asked for.

mod actor;
mod ahead;
mod decode;
mod envelope;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod outline;
mod reader;
mod reorder;
mod strategy;
mod stream;
mod target;

pub(crate) use decode::{ItemDecoder, Page, Typed, decode_item};
pub use envelope::Envelope;
pub(crate) use envelope::Meta;
pub use strategy::Paging;
pub use stream::PaginatedStream;
pub(crate) use target::fetch_page;
