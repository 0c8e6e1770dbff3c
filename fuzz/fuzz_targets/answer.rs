//! An answer from the wire, cut anywhere: read whole or refused, and never in part.
//! The first byte says how many cuts there are and whether the connection breaks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let (cuts, wire) = rest.split_at(usize::from(first & 0x1f).min(rest.len()));
    fuzzing::answer(cuts, wire, first & 0x80 != 0);
});
