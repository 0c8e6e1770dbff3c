//! What a server asks to wait, seconds, a date, or nothing, and what it says of quotas. The
//! first line is the value of `Retry-After`, the second that of `Date`; those of the fields
//! about quotas follow.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vantage_api_pool::fuzzing;

fuzz_target!(|data: &[u8]| {
    let mut values = data.splitn(3, |byte| *byte == b'\n');
    let (value, date) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
    fuzzing::wait(value, date);
    fuzzing::quotas(values.next().unwrap_or_default(), date);
});
