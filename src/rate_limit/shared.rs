//! A budget of requests that a pool shares with others, such as the pools of other processes.

use std::{fmt, time::Duration};

use rust_decimal::Decimal;

/// A budget of requests that a pool shares with others: each request to the pool's API takes a permit
/// from it just before it is sent, beside what the pool's own limits say. It is told how requests end,
/// so that one who learns what the API bears can tell the others; the pool's own
/// [dampener](crate::PoolBuilder::use_dampener) is off then.
///
/// The methods are called on the pool's threads, and must return at once: whatever takes time, such as
/// asking a database, is done elsewhere, ahead of need.
///
/// ```
/// use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
/// use vantage_api_pool::limits::SharedBudget;
///
/// /// So many requests for all who have it, and then none.
/// #[derive(Debug)]
/// struct Tickets(AtomicU32);
///
/// impl SharedBudget for Tickets {
///     fn try_take(&self) -> Result<(), Duration> {
///         let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
///         taken.map(drop).map_err(|_| Duration::from_secs(1))
///     }
/// }
/// ```
pub trait SharedBudget: fmt::Debug + Send + Sync {
    /// Takes a permit for one request, or says after what time there may be one. The pool asks again
    /// by then, and earlier.
    ///
    /// # Errors
    /// The wait.
    fn try_take(&self) -> Result<(), Duration>;

    /// The pool begins to send to this origin, `https://api.example.com`, or has got another
    /// [limit](crate::PoolBuilder::rate_limit) of its own, in requests per second.
    fn limited(&self, origin: &str, rate_limit: Option<Decimal>) {
        let _ = (origin, rate_limit);
    }

    /// A request has ended that was sent `age` ago: whether the API refused it since there are too many,
    /// and, where the headers of its response tell of a quota, the requests per second that use up the
    /// rest of it by its reset.
    fn ended(&self, is_refused: bool, age: Duration, quota: Option<f64>) {
        let _ = (is_refused, age, quota);
    }
}
