//! [pure] A time to live, as it is written: `60s`, `1h 30m`.

use std::time::Duration;

use crate::kv::Put;

/// The time, or what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Duration, &'static str> {
    let ttl = humantime::parse_duration(text)
        .map_err(|_| "a time with its unit, such as 500ms, 60s or 1h 30m")?;
    let bounds = Duration::from_millis(1)..=Put::MAX_TTL;
    if bounds.contains(&ttl) { Ok(ttl) } else { Err("1 ms to 100 years") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_is_within_bounds() {
        assert_eq!(parse("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5_400)));
        for text in [
            "",
            "60",
            "-1s",
            "1e3s",
            "s",
            "0s",
            "0ms",
            "1ns",
            "101years",
            "18446744073709551616s",
            "9007199254740992s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
