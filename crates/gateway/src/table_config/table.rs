//! [pure] A table as it is served: its columns with their uses, and its rules.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use indexmap::IndexMap;
use vantage_vista::{Capability, Vista};

use super::{Kind, Ops, Scope};
use crate::{Problem, auth::Principal};

/// A column and what may be done with it.
#[derive(Clone, Debug)]
pub(crate) struct TableColumn {
    /// Its name as the key of a member of an object: `"name":`.
    pub(crate) key: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) filterable: bool,
    pub(crate) orderable: bool,
    /// Whether an insert must have it.
    pub(crate) mandatory: bool,
}

/// A relation that may be followed.
pub(crate) struct Relation {
    pub(crate) name: String,
    /// Whether it leads to a list, and not to one row.
    pub(crate) is_many: bool,
    pub(crate) target: RelationTarget,
}

/// Where a relation leads.
pub(crate) enum RelationTarget {
    /// To a table of the gateway, whose rules apply.
    Table(String),
    /// To records within the row.
    Contained(Box<Table>),
}

/// A table of the gateway.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) vista: Vista,
    pub(crate) ops: Ops,
    /// Those with any use; the ones that are shown come in the order in which they are shown.
    pub(crate) columns: IndexMap<String, TableColumn>,
    pub(crate) id_column: String,
    pub(crate) required_filters: Vec<String>,
    pub(crate) page_size: usize,
    pub(crate) max_page_size: usize,
    pub(crate) max_bulk_rows: usize,
    pub(crate) cache_ttl: Option<Duration>,
    pub(crate) relations: Vec<Relation>,
    /// The database whose transactions hold it.
    pub(crate) transaction: Option<String>,
    pub(crate) scope: Option<Scope>,
    pub(crate) readers: Vec<String>,
    pub(crate) writers: Vec<String>,
    pub(crate) searches: bool,
    /// Whether its rows come from an API of somebody else, so that one more row may cost a request.
    pub(crate) is_remote: bool,
    /// Counts the writes: what was kept before one is not used after it.
    pub(crate) writes_seen: Arc<AtomicU64>,
    /// Whether its changes are being followed.
    pub(crate) is_watched: AtomicBool,
}

impl Table {
    pub(crate) fn can(&self, capability: Capability) -> bool {
        self.vista.capabilities().has(capability)
    }

    pub(crate) fn is_readable_by(&self, principal: &Principal) -> bool {
        principal.has_any(&self.readers)
    }

    /// What of the writes this principal may do.
    pub(crate) fn ops_of(&self, principal: &Principal) -> Ops {
        if principal.has_any(&self.writers) { self.ops } else { Ops::NONE }
    }

    /// The rows that this principal may see.
    pub(crate) fn vista_for(&self, principal: &Principal) -> Result<Vista, Problem> {
        self.scoped(self.vista.clone(), principal)
    }

    /// `vista`, which is a part of this table, narrowed to what this principal may see.
    pub(crate) fn scoped(&self, vista: Vista, principal: &Principal) -> Result<Vista, Problem> {
        match &self.scope {
            None => Ok(vista),
            Some(scope) => Ok(scope(principal, vista)?),
        }
    }

    /// Distinguishes what may be kept for different principals: by all that a scope may look at.
    pub(crate) fn scope_key(&self, principal: &Principal) -> String {
        match self.scope {
            None => String::new(),
            Some(_) => format!("{:?}", (&principal.id, &principal.roles)),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.writes_seen.load(Ordering::Acquire)
    }

    /// Makes everything that was kept of this table unused.
    pub(crate) fn note_write(&self) {
        self.writes_seen.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.get(name)
    }

    /// The names of the columns with a use.
    pub(crate) fn names(&self, with: impl Fn(&TableColumn) -> bool) -> Vec<&str> {
        let chosen = self.columns.iter().filter(|(_, column)| with(column));
        chosen.map(|(name, _)| name.as_str()).collect()
    }
}
