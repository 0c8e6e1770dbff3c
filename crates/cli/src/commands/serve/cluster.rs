//! The cluster that the status page of a gateway shows.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;
use vantage_api_cluster::{Observer, Overview};
use vantage_api_gateway::GatewayBuilder;

use crate::{commands::cluster::observer, failure::Failure, output};

/// How long the database may take: less than the gateway waits.
const LIMIT: Duration = Duration::from_secs(4);

/// Shows what the workers of the database at a URL do, or of that of the environment if it is empty.
/// It is first asked when somebody looks.
pub(super) fn shown(builder: GatewayBuilder, url: &str) -> Result<GatewayBuilder, Failure> {
    let watched = Arc::new(Watched { observer: observer(url)?, is_down: AtomicBool::new(false) });
    Ok(builder.jobs(move || {
        let watched = Arc::clone(&watched);
        async move { watched.look().await.ok_or(()) }
    }))
}

struct Watched {
    observer: Observer,
    is_down: AtomicBool,
}

impl Watched {
    async fn look(&self) -> Option<Overview> {
        match timeout(LIMIT, self.observer.overview()).await {
            Ok(Ok(overview)) => {
                if self.is_down.swap(false, Ordering::Relaxed) {
                    output::note("the status of the workers is known again");
                }
                Some(overview)
            }
            Ok(Err(error)) => self.failed(error),
            Err(_) => self.failed(format_args!("no answer for {LIMIT:?}")),
        }
    }

    /// Notes why, once until it is over.
    fn failed(&self, why: impl Display) -> Option<Overview> {
        if !self.is_down.swap(true, Ordering::Relaxed) {
            output::note(format_args!("the status of the workers is not known: {why}"));
        }
        None
    }
}
