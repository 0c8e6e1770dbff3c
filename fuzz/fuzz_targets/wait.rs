//! What a server asks to wait: seconds, a date, or nothing. A line feed separates the
//! value of `Retry-After` from that of `Date`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|data: &[u8]| {
    let mut values = data.splitn(2, |byte| *byte == b'\n');
    let (value, date) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
    fuzzing::wait(value, date);
});
