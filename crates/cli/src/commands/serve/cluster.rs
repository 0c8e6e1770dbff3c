//! The cluster that the status page of a gateway shows, and the worker that lives beside a gateway.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::watch, time::timeout};
use vantage_api_cluster::{Member, Observer, Overview, Settings};
use vantage_api_gateway::GatewayBuilder;
use vantage_api_ingest::description::Description;
use vantage_api_pool::AwwPool;

use super::until;
use crate::{
    arguments::Serve,
    commands::{
        cluster::{named, observer},
        pool, with_queries,
    },
    failure::Failure,
    output,
};

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

/// The pool of a gateway; if it works as well, one that has joined the cluster.
pub(super) async fn joined(
    serve: &Serve,
    description: &Description,
) -> Result<(AwwPool, Option<Member>), Failure> {
    if !serve.work {
        return Ok((pool(description)?, None));
    }
    let settings = Settings::new(named(serve.url.as_deref())?);
    let member = Member::join(settings, description.api.clone()).await?;
    Ok((member.pool().clone(), Some(member)))
}

/// Starts to work on the jobs of a description. What is returned ends that, once it is to stop: what was
/// read is committed.
pub(super) async fn worked(
    member: Option<Member>,
    description: &Description,
) -> Result<impl FnOnce(watch::Receiver<bool>) -> BoxFuture<'static, ()>, Failure> {
    let worker = match member {
        Some(member) => {
            let description = with_queries(description.clone(), member.pool())?;
            Some(member.work(description).await?)
        }
        None => None,
    };
    if let Some(worker) = &worker {
        output::note(format_args!("{} works", worker.name()));
    }
    Ok(move |stop| {
        let stopped = async move {
            until(stop).await;
            if let Some(worker) = worker {
                worker.stop().await;
            }
        };
        stopped.boxed()
    })
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
