//! [pure] Which bytes a `Range` field asks for (RFC 9110, section 14).

use std::ops::Range;

/// One range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// From one byte to another, or to the end.
    From(u64, Option<u64>),
    /// The last bytes.
    Last(u64),
}

/// A range that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidRange;

impl Span {
    /// The range of a field. None if the whole is to be served: for another unit, and for several
    /// ranges, which a server may decline.
    pub(super) fn parse(field: &str) -> Result<Option<Self>, InvalidRange> {
        let Some((unit, set)) = field.split_once('=') else { return Err(InvalidRange) };
        if !unit.eq_ignore_ascii_case("bytes") {
            return Ok(None);
        }
        let mut spans = set
            .split(',')
            .map(|span| span.trim_matches([' ', '\t']))
            .filter(|span| !span.is_empty())
            .map(Self::one);
        let first = spans.next().ok_or(InvalidRange)??;
        let others = spans.collect::<Result<Vec<_>, _>>()?;
        Ok(others.is_empty().then_some(first))
    }

    fn one(text: &str) -> Result<Self, InvalidRange> {
        let (first, last) = text.split_once('-').ok_or(InvalidRange)?;
        match (first, last) {
            ("", last) => Ok(Self::Last(position(last)?)),
            (first, "") => Ok(Self::From(position(first)?, None)),
            (first, last) => {
                let (first, last) = (position(first)?, position(last)?);
                if first > last { Err(InvalidRange) } else { Ok(Self::From(first, Some(last))) }
            }
        }
    }

    /// The bytes of a value of this size. None if it has none of them: 416.
    pub(super) fn of(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, None) => first..size,
            Self::From(first, Some(last)) => first..last.saturating_add(1).min(size),
            Self::Last(bytes) => size.saturating_sub(bytes)..size,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// A position. One that does not fit is beyond the end of everything.
fn position(digits: &str) -> Result<u64, InvalidRange> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidRange);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(field: &str, size: u64) -> Option<Range<u64>> {
        Span::parse(field).unwrap().unwrap().of(size)
    }

    #[test]
    fn one_range_is_cut_to_the_value() {
        assert_eq!(of("bytes=0-0", 10), Some(0..1));
        assert_eq!(of("Bytes= 2-5 ,", 10), Some(2..6));
        assert_eq!(of("bytes=8-", 10), Some(8..10));
        assert_eq!(of("bytes=8-99", 10), Some(8..10));
        assert_eq!(of("bytes=-3", 10), Some(7..10));
        assert_eq!(of("bytes=-30", 10), Some(0..10));
        assert_eq!(of("bytes=0-99999999999999999999999", 10), Some(0..10));
        assert_eq!(of("bytes=0-18446744073709551615", 10), Some(0..10));
    }

    #[test]
    fn bytes_that_are_not_there_cannot_be_had() {
        for field in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(of(field, 10), None, "{field}");
        }
        for field in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
            assert_eq!(of(field, 0), None, "{field}");
        }
    }

    #[test]
    fn the_whole_is_served_for_what_may_be_declined_and_the_rest_is_refused() {
        for field in ["items=0-5", "bytes=0-1,3-4", "bytes=0-1, -1"] {
            assert_eq!(Span::parse(field), Ok(None), "{field}");
        }
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0-1,x",
        ] {
            assert_eq!(Span::parse(field), Err(InvalidRange), "{field}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_within_the_value(text in "bytes=[0-9]{0,21}-[0-9]{0,21}", size: u64) {
            if let Ok(Some(span)) = Span::parse(&text)
                && let Some(range) = span.of(size)
            {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
