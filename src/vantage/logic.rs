//! [pure] Combined conditions: `&`, `|` and `!`, and flattened conjunctions.

use vantage_core::{Result, error};

use super::condition::ApiCondition;

/// The same conditions, with the parts of each [`ApiCondition::All`] as separate conditions.
pub(super) fn flattened(conditions: Vec<ApiCondition>) -> Vec<ApiCondition> {
    let parts = |condition| match condition {
        ApiCondition::All(all) => flattened(all),
        condition => vec![condition],
    };
    conditions.into_iter().flat_map(parts).collect()
}

/// Both hold.
impl std::ops::BitAnd for ApiCondition {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        match self {
            Self::All(mut all) => {
                all.push(other);
                Self::All(all)
            }
            one => Self::All(vec![one, other]),
        }
    }
}

/// The most levels of a condition: whatever reads one recurses through all of them.
const DEEPEST: u32 = 128;

/// # Errors
/// `IncorrectUsage` for a condition with more than 128 levels.
pub(super) fn check_depth(condition: &ApiCondition) -> Result<()> {
    let mut left = vec![(condition, 1)];
    while let Some((condition, level)) = left.pop() {
        if level > DEEPEST {
            return Err(error!("a condition has more than 128 levels").mark_incorrect_usage());
        }
        match condition {
            ApiCondition::All(several) | ApiCondition::Any(several) => {
                left.extend(several.iter().map(|condition| (condition, level + 1)));
            }
            ApiCondition::Not(condition) => left.push((condition, level + 1)),
            _ => {}
        }
    }
    Ok(())
}

/// How many values a condition has.
pub(super) fn values_in(condition: &ApiCondition) -> usize {
    match condition {
        ApiCondition::In { values, .. } | ApiCondition::NotIn { values, .. } => values.len(),
        ApiCondition::All(several) | ApiCondition::Any(several) => {
            several.iter().map(values_in).sum()
        }
        ApiCondition::Not(condition) => values_in(condition),
        _ => 1,
    }
}

/// One of both holds.
impl std::ops::BitOr for ApiCondition {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        match self {
            Self::Any(mut any) => {
                any.push(other);
                Self::Any(any)
            }
            one => Self::Any(vec![one, other]),
        }
    }
}

/// The condition does not hold.
impl std::ops::Not for ApiCondition {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Not(condition) => *condition,
            condition => Self::Not(Box::new(condition)),
        }
    }
}
