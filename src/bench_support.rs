//! The parts that the public API does not reach one by one, for `benches/parts.rs`: thin
//! functions over the code itself. Compiled under `cfg(vantage_bench)` only, and not a part
//! of the crate as it is published.

pub use crate::{
    pager::bench_support::{Pages, reorder},
    vantage::bench_support::{record, rows},
};
