//! [pure] The ways to run a paged read.

/// How far a [`PaginatedStream`](crate::PaginatedStream) reads ahead of its consumer, and on which
/// thread. The items are the same in each mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadMode {
    /// As many pages at a time as the prefetch allows, as soon as it is known where they are.
    /// Fetching shares a thread with one of the workers.
    #[default]
    Parallel,
    /// One page at a time, each requested as soon as the one before it has arrived, until as many
    /// as the prefetch allows are in memory. The API never sees two concurrent requests of a read,
    /// and the next page is in flight while one is consumed.
    Overlap,
    /// One page at a time, each requested when the last item of the one before it was consumed.
    /// The prefetch setting has no effect.
    Sequential,
    /// As [`Parallel`](Self::Parallel), but fetching on a thread of its own, which ends with the
    /// read. For consumers whose pages must not wait for the work of other calls.
    DedicatedThread,
}
