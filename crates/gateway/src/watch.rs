//! Follows the changes of a table that tells of them, so that what was kept of it is not given
//! again after somebody else has written.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use vantage_vista::{Capability, Vista};

use crate::table_config::Table;

/// The waits between subscriptions that end: doubled from the first to the last.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Begins to follow the changes of a table whose answers are kept, once.
pub(crate) fn follow(table: &Table) {
    let keeps = table.cache_ttl.is_some_and(|time| !time.is_zero());
    if !keeps || !table.can(Capability::Subscribe) || table.is_watched.swap(true, Ordering::AcqRel)
    {
        return;
    }
    let writes_seen = Arc::downgrade(&table.writes_seen);
    actix_web::rt::spawn(watch(table.vista.clone(), table.name.clone(), writes_seen));
}

/// Counts each change as a write, until the gateway is gone.
async fn watch(vista: Vista, name: String, writes_seen: Weak<AtomicU64>) {
    let note = || match writes_seen.upgrade() {
        Some(seen) => {
            seen.fetch_add(1, Ordering::AcqRel);
            true
        }
        None => false,
    };
    let mut wait = WAITS.0;
    loop {
        match vista.watch().await {
            Ok(mut changes) => {
                // What changed before is not told of.
                if !note() {
                    return;
                }
                wait = WAITS.0;
                while let Some(change) = changes.next().await {
                    // An error may stand for a change.
                    if !note() {
                        return;
                    }
                    if let Err(error) = change {
                        tracing::warn!(table = name, kind = ?error.kind(), "a change was lost");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(table = name, kind = ?error.kind(), "changes are not followed");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
    }
}
