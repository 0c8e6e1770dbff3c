//! A description of tables: read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|yaml: &str| fuzzing::yaml(yaml));
