//! Paged streams: a pager actor for each stream prefetches pages; a reader on the consumer's side
//! validates and decodes them, with the decisions in pure files beside them. An item is built
//! once, straight from the bytes of its page into the type that the consumer requested.

mod actor;
mod bounds;
mod endpoint;
mod envelope;
mod extractor;
mod facts;
mod feed;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod judge;
mod mode;
mod next_url;
mod overlooked;
mod page;
mod page_path;
mod page_window;
mod prefetcher;
mod reader;
mod resume_token;
mod strategy;
mod stream;

pub(crate) use bounds::Bounds;
pub(crate) use endpoint::{DEFAULT_PREFETCH, Headers, page_url};
pub use envelope::Envelope;
pub use extractor::{ExtractError, Extracting, Extractor, RawPage};
pub(crate) use facts::PageInfo;
pub(crate) use format::{DecodedPage, ItemDecoder, Typed, decode_item, decode_only_item};
pub use mode::ReadMode;
pub(crate) use page::fetch_page;
pub use page_path::PagePath;
pub(crate) use resume_token::ReadIdentity;
pub use resume_token::ResumeToken;
pub(crate) use strategy::PageAddress;
pub use strategy::{
    Export, FollowUp, MomentFormat, PageRequest, PageStrategy, PageView, Paging, UrlPart,
    WindowBounds, Windows, day_of, moment_of,
};
pub use stream::{Page, PaginatedStream};
