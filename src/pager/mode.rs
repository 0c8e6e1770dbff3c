//! [pure] The ways to run a paged read.

/// How far a [`PaginatedStream`](crate::PaginatedStream) runs ahead of its consumer, and
/// where. The items are the same in each mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadMode {
    /// As many pages at a time as the prefetch allows, as soon as it is known where they are.
    /// The fetching shares a thread with one of the workers.
    #[default]
    Parallel,
    /// One page at a time, each asked for as soon as the one before it has arrived, until as
    /// many are in memory as the prefetch allows: the API never sees two requests of a read at
    /// once, and the next page is under way while one is consumed.
    Overlap,
    /// One page at a time, each asked for when the last item of the one before it was
    /// consumed. The prefetch has no effect.
    Sequential,
    /// As [`Parallel`](Self::Parallel), with the fetching on a thread of its own, which ends
    /// with the read. For consumers whose pages must not wait for the work of other calls.
    DedicatedThread,
}
