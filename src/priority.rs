//! How urgent a call is. How that orders a queue is decided in `permits/priority_queue.rs`.

/// How urgent a call is: which call is served first of those that wait for a connection or for
/// the rate limit.
///
/// A call keeps its priority through retries, and when it moves to another worker. A waiting
/// call is served before all calls of a lower priority and after earlier calls of the same.
/// Lower priorities do not starve: a call that was passed over 15 times in a row is served next.
/// A call that does not have to wait is not affected.
///
/// A request sets its priority by [`Request::priority`](crate::Request::priority). Otherwise it
/// has the priority of the Vantage scope in which it was made or else submitted: `High` for
/// [`vantage_core::Priority::Essential`], and `Normal` for `Background`, which is also what
/// Vantage reports outside every scope.
///
/// ```
/// use vantage_api_pool::{Priority, Request};
///
/// let nightly = Request::get("/export").priority(Priority::Low);
/// assert!(Priority::High > Priority::Normal && Priority::Normal > Priority::Low);
/// # let _ = nightly;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Priority {
    /// Background work, which may wait for everything else.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Somebody is waiting for the response.
    High,
}

impl Priority {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// The priority of the Vantage scope around the caller, if there is one that sets more than the
    /// default.
    pub(crate) fn of_scope() -> Option<Self> {
        vantage_core::Priority::current().is_essential().then_some(Self::High)
    }

    /// Its number, from 0 for the most urgent.
    pub(crate) fn rank(self) -> usize {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn only_an_essential_scope_says_something() {
        assert_eq!(Priority::of_scope(), None);
        let inside =
            |scope: vantage_core::Priority| block_on(scope.scope(async { Priority::of_scope() }));
        assert_eq!(inside(vantage_core::Priority::Essential), Some(Priority::High));
        assert_eq!(inside(vantage_core::Priority::Background), None);
    }
}
