//! [pure] Values as text: what a column of text or JSON holds of a number, a day or a moment.
//!
//! Each sink has one text for a value, whether its column was text when it came or became text later.

use std::fmt::Write;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A flag as text.
pub(crate) fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Adds the digits of a whole number.
pub(crate) fn push_int(out: &mut String, value: i64) {
    let _ = write!(out, "{value}");
}

/// Adds the fewest digits that are this float and no other, as PostgreSQL does.
pub(crate) fn push_float(out: &mut String, value: f64) {
    if !value.is_finite() {
        out.push_str(infinite_text(value));
        return;
    }
    let start = out.len();
    let _ = write!(out, "{value:e}");
    let Some(mantissa) = out.get(start..).and_then(|text| text.find('e')) else { return };
    let end = start + mantissa;
    let exponent = out.get(end + 1..).and_then(|text| text.parse::<i32>().ok()).unwrap_or(0);
    if (-4..15).contains(&exponent) {
        out.truncate(start);
        let _ = write!(out, "{value}");
    } else {
        out.truncate(end);
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    }
}

fn infinite_text(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// Adds a decimal, with `scale` digits after its point.
pub(crate) fn push_decimal(out: &mut String, value: i128, scale: i8) {
    if value < 0 {
        out.push('-');
    }
    let fraction = usize::try_from(scale).unwrap_or(0);
    let _ = write!(out, "{:0>width$}", value.unsigned_abs(), width = fraction + 1);
    if fraction > 0 {
        out.insert(out.len() - fraction, '.');
    } else if value != 0 {
        out.extend((scale..0).map(|_| '0'));
    }
}

/// Adds the day that is `days` after 1970-01-01.
pub(crate) fn push_date(out: &mut String, days: i32) {
    push_day(out, i64::from(days));
}

/// Adds the moment that is `micros` microseconds after 1970-01-01T00:00:00Z. All have the same
/// length, so that they are sorted as texts.
pub(crate) fn push_timestamp(out: &mut String, micros: i64) {
    push_day(out, micros.div_euclid(MICROS_PER_DAY));
    let micros = micros.rem_euclid(MICROS_PER_DAY);
    let seconds = micros / 1_000_000;
    for (separator, value, width) in [
        ('T', seconds / 3600, 2),
        (':', seconds / 60 % 60, 2),
        (':', seconds % 60, 2),
        ('.', micros % 1_000_000, 6),
    ] {
        out.push(separator);
        push_padded(out, value, width);
    }
    out.push('Z');
}

/// Adds a text as JSON.
pub(crate) fn push_json(out: &mut String, text: &str) {
    // A text always is JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn push_day(out: &mut String, days: i64) {
    let (year, month, day) = civil(days);
    if year < 0 {
        out.push('-');
    }
    push_padded(out, year.abs(), 4);
    out.push('-');
    push_padded(out, month, 2);
    out.push('-');
    push_padded(out, day, 2);
}

/// Adds a number that is not negative with at least `width` digits.
fn push_padded(out: &mut String, value: i64, width: u32) {
    if value >= 10_i64.pow(width) {
        return push_int(out, value);
    }
    for place in (0..width).rev() {
        let digit = u8::try_from(value / 10_i64.pow(place) % 10).unwrap_or(0);
        out.push(char::from(b'0' + digit));
    }
}

/// The year, month and day that is `days` after 1970-01-01. Years begin with March here and are
/// counted in eras of 400, so that leap days are the last ones of each.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl FnOnce(&mut String)) -> String {
        let mut out = String::from("|");
        push(&mut out);
        out.split_off(1)
    }

    #[test]
    fn floats_have_the_fewest_digits_that_tell_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            let own = text(|out| push_float(out, value));
            assert_eq!(own, expected);
            assert_eq!(own.parse::<f64>().unwrap(), value);
        }
        assert_eq!(text(|out| push_float(out, f64::NAN)), "NaN");
    }

    #[test]
    fn decimals_keep_their_scale() {
        for (value, scale, expected) in [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (12_345, 2, "123.45"),
            (7, 0, "7"),
            (7, -3, "7000"),
            (0, -3, "0"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
        ] {
            assert_eq!(text(|out| push_decimal(out, value, scale)), expected);
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (19_782, "2024-02-29"),
            (11_016, "2000-02-29"),
            (-719_162, "0001-01-01"),
            (-719_163, "0000-12-31"),
            (-719_529, "-0001-12-31"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "10000-01-01"),
        ] {
            assert_eq!(text(|out| push_date(out, days)), expected);
        }
    }

    #[test]
    fn moments_have_microseconds_in_utc() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (1_709_210_096_123_456, "2024-02-29T12:34:56.123456Z"),
        ] {
            assert_eq!(text(|out| push_timestamp(out, micros)), expected);
        }
    }

    #[test]
    fn every_moment_has_a_text() {
        for micros in [i64::MIN, i64::MAX] {
            assert!(text(|out| push_timestamp(out, micros)).ends_with('Z'));
        }
    }

    proptest::proptest! {
        #[test]
        fn moments_are_read_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let own = text(|out| push_timestamp(out, micros));
            let read = chrono::DateTime::parse_from_rfc3339(&own).unwrap();
            proptest::prop_assert_eq!(read.timestamp_micros(), micros);
        }

        #[test]
        fn floats_are_read_back(value: f64) {
            proptest::prop_assume!(value.is_finite());
            let own = text(|out| push_float(out, value));
            proptest::prop_assert_eq!(own.parse::<f64>().unwrap(), value);
            proptest::prop_assert!(serde_json::from_str::<f64>(&own).is_ok());
        }
    }
}
