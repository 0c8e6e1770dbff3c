//! Extractors that are WebAssembly components, from texts in `guests`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod guests;
mod limits;
mod opening;
mod pages;

use vantage_api_extract::{Extraction, Wasm};

/// The extractor of a component, which errors call `test.wasm`.
fn opened(component: Vec<u8>) -> Extraction {
    refusable(component).unwrap_or_else(|error| panic!("{error}"))
}

/// As [`opened`], or why not.
fn refusable(component: Vec<u8>) -> Result<Extraction, String> {
    Wasm::from_bytes("test.wasm", component).build().map_err(|error| error.to_string())
}
