//! Items of HTML, XML, CSV and text: extractors that make the pages of an API out of bodies that
//! are not JSON, in bounded time and memory, on threads of their own.
//!
//! | kind | items |
//! |---|---|
//! | [`Css`] | elements of HTML, by CSS selectors; with the feature `tree` also over a tree |
//! | [`Xml`] | elements of XML, by their path |
//! | [`Csv`] | records |
//! | [`Regex`] | matches of a pattern |
//! | [`Lines`], [`Text`] | lines, or the whole text |
//! | `Wasm` (feature `wasm`) | what a WebAssembly component finds |
//!
//! Each kind has a builder, which makes an [`Extraction`] or says what is wrong with a setting,
//! before anything is requested. [`Extracted::extract`] puts it in front of a stream, a table or
//! a whole API: paging, order, resume tokens, typed items and Vantage records work as they do with
//! JSON. Other formats implement [`Extract`].
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use vantage_api_extract::{Css, Extracted, Field};
//! use vantage_api_pool::AwwPool;
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let rows = Css::new("tr.country")
//!     .field("name", "td.name a")
//!     .field("url", Field::new("td.name a").attr("href"))
//!     .field("population", Field::new("td.population").integer())
//!     .next("a[rel=next]")
//!     .build()?;
//! let pool = AwwPool::new(3, None, false, "https://example.com");
//! let mut countries = pool.stream("/countries.html").prefetch(8).extract(&rows);
//! while let Some(country) = countries.try_next().await? {
//!     println!("{}", country["name"]);
//! }
//! # Ok(()) }
//! ```
//!
//! In YAML, [`Settings`] is the form of all this.
//!
//! [`resource`] is a pool of anything that is dear to make.

mod charset;
mod content_type;
mod css;
mod csv;
mod error;
mod extract;
mod extracted;
mod extraction;
mod field;
mod fields;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod items;
mod limits;
mod lines;
pub mod native;
mod regex;
pub mod resource;
mod settings;
mod text;
mod threads;
mod told;
#[cfg(feature = "wasm")]
mod wasm;
mod xml;

#[cfg(feature = "wasm")]
pub use crate::wasm::Wasm;
pub use crate::{
    css::Css,
    csv::Csv,
    error::ExtractError,
    extract::{Body, Extract},
    extracted::Extracted,
    extraction::Extraction,
    field::Field,
    items::Items,
    limits::Limits,
    lines::{Lines, Text},
    regex::Regex,
    settings::Settings,
    threads::ExtractorThreads,
    xml::Xml,
};

/// The examples of the guide, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/extraction.md")]
struct GuideExamples;
