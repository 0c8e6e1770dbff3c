//! A body for an extractor (xml): a page of its items, or refused, and within its limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_extract::fuzzing;

fuzz_target!(|body: &[u8]| fuzzing::xml(body));
