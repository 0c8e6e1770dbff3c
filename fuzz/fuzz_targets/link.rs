//! A target, a link or a redirect: below the base URL or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|target: &str| fuzzing::link(target));
