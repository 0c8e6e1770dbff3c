//! The head of an answer: it says the same whatever follows it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|head: &[u8]| fuzzing::head(head));
