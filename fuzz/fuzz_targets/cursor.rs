//! What came back as a cursor or a resume token: nothing that nobody has signed is taken.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|cursor: &[u8]| {
    fuzzing::cursor(cursor);
    if let Ok(token) = str::from_utf8(cursor) {
        fuzzing::token(token);
    }
});
