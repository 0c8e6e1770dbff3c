//! [pure] How far a read may request pages.

use crate::pager::{prefetcher::Horizon, strategy::Plan};

/// The pages that the plan allows to request, at most `left` from page `next` on, and none after
/// those that have the `needed` rows.
pub(super) fn horizon(plan: &Plan, needed: Option<u64>, next: u64, left: u64) -> Horizon {
    let left = needed.map_or(left, |rows| left.min(plan.pages_up_to(rows)));
    Horizon { pages: plan.horizon().min(next.saturating_add(left)), stride: plan.stride }
}
