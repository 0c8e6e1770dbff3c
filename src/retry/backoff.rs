//! Exponential back-off with jitter. Knows nothing of what failed.

use std::time::Duration;

/// `base` × 2^`doublings`, at most `cap`. Exact, and saturating for any input.
pub(crate) fn exponential(base: Duration, cap: Duration, doublings: u32) -> Duration {
    let factor = 1u128.checked_shl(doublings).unwrap_or(u128::MAX);
    let nanos = base.as_nanos().saturating_mul(factor);
    Duration::from_nanos_u128(nanos.min(cap.as_nanos()))
}

/// A wait between zero and [`exponential`], picked by `jitter` in `[0, 1)`.
///
/// The whole range is used ("full jitter") because it spreads callers that
/// failed together best:
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
pub(crate) fn full_jitter(base: Duration, cap: Duration, doublings: u32, jitter: f64) -> Duration {
    scale(exponential(base, cap, doublings), jitter)
}

/// `wait` × `factor`. A factor outside `[0, 1]` is clamped, and NaN counts as zero.
pub(crate) fn scale(wait: Duration, factor: f64) -> Duration {
    let factor = if factor.is_nan() { 0.0 } else { factor.clamp(0.0, 1.0) };
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn doubles_up_to_the_cap() {
        let waits: Vec<u64> =
            (0..6).map(|n| exponential(SECOND, 10 * SECOND, n).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn a_zero_base_never_waits() {
        assert_eq!(exponential(Duration::ZERO, SECOND, u32::MAX), Duration::ZERO);
    }

    #[test]
    fn a_factor_that_is_no_fraction_is_harmless() {
        assert_eq!(scale(SECOND, f64::NAN), Duration::ZERO);
        assert_eq!(scale(SECOND, -1.0), Duration::ZERO);
        assert_eq!(scale(SECOND, f64::INFINITY), SECOND);
        assert_eq!(scale(Duration::MAX, 1.0), Duration::MAX);
    }

    proptest! {
        #[test]
        fn no_input_panics_or_exceeds_the_cap(
            base in 0..=u64::MAX,
            cap in 0..=u64::MAX,
            doublings: u32,
            jitter: f64,
        ) {
            let (base, cap) = (Duration::from_secs(base), Duration::from_secs(cap));
            let most = exponential(base, cap, doublings);
            prop_assert!(most <= cap);
            let wait = full_jitter(base, cap, doublings, jitter);
            // Seconds as `f64` have 53 bits.
            prop_assert!(wait.as_secs_f64() <= most.as_secs_f64());
        }
    }
}
