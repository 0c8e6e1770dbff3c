//! The writes that a table may be opened to.

use std::{fmt, ops::BitOr};

/// A set of writes.
///
/// ```
/// use vantage_api_gateway::Ops;
///
/// let ops = Ops::INSERT | Ops::PATCH;
/// assert!(ops.has(Ops::PATCH) && !ops.has(Ops::DELETE) && Ops::ALL.has(ops));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ops(u8);

impl Ops {
    /// Nothing may be written.
    pub const NONE: Self = Self(0);
    /// `POST` of new rows.
    pub const INSERT: Self = Self(1);
    /// `PUT` of whole rows. With [`INSERT`](Self::INSERT) it also creates rows, and `POST` may
    /// merge into rows that exist.
    pub const REPLACE: Self = Self(2);
    /// `PATCH` of some columns.
    pub const PATCH: Self = Self(4);
    /// `DELETE` of rows.
    pub const DELETE: Self = Self(8);
    /// All of them.
    pub const ALL: Self = Self(15);

    /// Whether all of `ops` are in this set.
    #[must_use]
    pub fn has(self, ops: Self) -> bool {
        self.0 & ops.0 == ops.0
    }

    /// The names of those that are in the set.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (Self::INSERT, "insert"),
            (Self::REPLACE, "replace"),
            (Self::PATCH, "patch"),
            (Self::DELETE, "delete"),
        ];
        all.into_iter().filter(move |(op, _)| self.has(*op)).map(|(_, name)| name)
    }
}

impl BitOr for Ops {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
