//! The parts that the public API does not reach one by one, for `benches/parts.rs`: thin
//! functions over the code itself. Compiled under `cfg(vantage_bench)` only, and not a part
//! of the crate as it is published.

pub use crate::{
    dispatch::bench_support::{Caller, Permits},
    pager::bench_support::{Pages, reorder},
    supervisor::bench_support::Hop,
    vantage::bench_support::{record, rows},
    worker::bench_support::Place,
};
