//! Settings, paths and descriptions at the border to C: read or refused, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_pool::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::texts(input));
