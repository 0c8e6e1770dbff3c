//! [pure] When a job whose run has died is started again, and when it is given up.

use std::time::Duration;

/// How often in a row, with nothing committed in between.
const MAX_RESTARTS: u32 = 5;
/// The wait before the first restart; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// How long after so many deaths in a row the job is started again; `None` if it is not. `jitter`, from
/// 0 to 1, makes it from half of the wait to all of it, so that jobs that died together do not come
/// back together.
pub(super) fn wait_after(deaths: u32, jitter: f64) -> Option<Duration> {
    let doublings = deaths.checked_sub(1).filter(|restarts| *restarts < MAX_RESTARTS)?;
    Some((FIRST_WAIT * 2_u32.pow(doublings)).mul_f64(0.5 + jitter / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let waits = |jitter| (1..=7).map(move |deaths| wait_after(deaths, jitter));
        let ms = |ms| Some(Duration::from_millis(ms));
        let longest = [ms(200), ms(400), ms(800), ms(1600), ms(3200), None, None];
        assert!(waits(1.0).eq(longest));
        let shortest = [ms(100), ms(200), ms(400), ms(800), ms(1600), None, None];
        assert!(waits(0.0).eq(shortest));
    }
}
