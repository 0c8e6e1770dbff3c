//! A path, which is the first line, in the JSON text that follows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|text: &str| {
    let (path, json) = text.split_once('\n').unwrap_or((text, "null"));
    fuzzing::path(path, json);
});
