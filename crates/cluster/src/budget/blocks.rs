//! [pure] The permits that a process was granted and has not used yet. Has no clock of its own.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A block of permits, each of which may be used from a moment of its own on.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// When the next permit may be used.
    next: Instant,
    /// The time from one to the next.
    each: Duration,
    left: u32,
    /// Those that are left then are not used any more: others have had their turn.
    until: Instant,
}

/// The blocks that a process was granted, in their order.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
    /// How many permits the last block had.
    usual: u32,
}

impl Blocks {
    /// Adds a block of `permits`, of which one may be used `each` so often from `from` on.
    pub(super) fn add(&mut self, permits: u32, each: Duration, from: Instant) {
        let lasts = each.saturating_mul(permits);
        // Late ones may be made up for, as long as the next block is.
        let until = from.checked_add(lasts.saturating_mul(2).max(Duration::from_millis(200)));
        let until = until.unwrap_or(from);
        self.blocks.push_back(Block { next: from, each, left: permits, until });
        self.usual = permits;
    }

    /// Uses a permit, or says when there is one; `None` if none is known of.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Option<Duration>> {
        while self.blocks.front().is_some_and(|block| block.left == 0 || block.until < now) {
            self.blocks.pop_front();
        }
        let Some(block) = self.blocks.front_mut() else { return Err(None) };
        if block.next > now {
            return Err(Some(block.next - now));
        }
        block.left -= 1;
        block.next = block.next.checked_add(block.each).unwrap_or(block.next);
        Ok(())
    }

    /// Whether another block should be asked for: three quarters of one are left, or less.
    pub(super) fn are_few(&self) -> bool {
        let left: u32 = self.blocks.iter().map(|block| block.left).sum();
        left * 4 <= self.usual * 3
    }

    /// Takes all that are left, and the time that they stand for.
    pub(super) fn give_back(&mut self, now: Instant) -> Duration {
        let blocks = self.blocks.drain(..).filter(|block| block.until >= now);
        blocks.map(|block| block.each.saturating_mul(block.left)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn permits_are_spread_over_the_time_of_their_block() {
        let (mut blocks, start) = (Blocks::default(), Instant::now());
        assert_eq!(blocks.take(start), Err(None));
        blocks.add(3, 10 * MS, start + 5 * MS);
        assert_eq!(blocks.take(start), Err(Some(5 * MS)));
        assert!(!blocks.are_few());
        assert_eq!(blocks.take(start + 5 * MS), Ok(()));
        assert!(blocks.are_few());
        assert_eq!(blocks.take(start + 5 * MS), Err(Some(10 * MS)));
        assert_eq!(blocks.take(start + 15 * MS), Ok(()));
        blocks.add(3, 10 * MS, start + 35 * MS);
        assert_eq!(blocks.take(start + 26 * MS), Ok(()));
        assert_eq!(blocks.take(start + 26 * MS), Err(Some(9 * MS)));
    }

    #[test]
    fn permits_that_were_not_used_in_their_time_are_lost_or_given_back() {
        let (mut blocks, start) = (Blocks::default(), Instant::now());
        blocks.add(3, 10 * MS, start);
        assert_eq!(blocks.take(start + 201 * MS), Err(None));
        blocks.add(3, 10 * MS, start);
        assert_eq!(blocks.take(start), Ok(()));
        assert_eq!(blocks.give_back(start), 20 * MS);
        assert_eq!(blocks.take(start + 100 * MS), Err(None));
    }
}
