//! A page taken apart in one pass: what a tree of the same bytes holds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|body: &[u8]| fuzzing::page(body));
