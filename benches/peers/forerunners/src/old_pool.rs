//! vantage-api-pool 0.6.4, the pool that had this name before.

use std::sync::Arc;

use futures::StreamExt;

use kit::{
    body::{Body, Tree},
    data::Tally,
    job::{Job, Outcome, measured},
    load::{self, Fate, Load},
    on_tokio, pages,
};

/// One worker for each caller, and its dampener on.
pub fn load(load: &Load) -> anyhow::Result<Fate> {
    load::run(load, async || {
        let (builder, url) = (reqwest::Client::new(), format!("{}/rows", load.base));
        let pool = old_pool::AwwPool::new(load.callers, None, true, load.base.clone());
        let pool = Arc::new(pool);
        Ok(Box::new(move || {
            let (pool, request) = (Arc::clone(&pool), builder.get(&url).build());
            async move {
                let Ok(request) = request else { return false };
                pool.request(request).await.is_ok_and(|answer| answer.status().is_success())
            }
        }) as Box<dyn Fn() -> _>)
    })
}

/// A worker has one request in flight, so there are as many as the job has in flight. Requests are
/// built with one client of the caller's, since the pool's own `get` builds an HTTP client for
/// each; the rest is what its `PaginatedStream` does: a task and a tree for each page.
pub fn requests(job: &Job) -> anyhow::Result<Outcome> {
    on_tokio(job, async {
        let builder = reqwest::Client::new();
        let pool = Arc::new(old_pool::AwwPool::new(job.in_flight, None, false, job.base.clone()));
        measured(job, async |set, consumer| {
            let fetch = |url: String| {
                let (pool, request) = (Arc::clone(&pool), builder.get(url).build());
                pages::spread(job, async move {
                    let answer = pool.request(request?).await?;
                    Tree::decode(&answer.bytes().await?)
                })
            };
            pages::read(job, &set, consumer, fetch).await
        })
        .await
    })?
}

/// Its own stream with its own `get`.
pub fn stream(job: &Job) -> anyhow::Result<Outcome> {
    on_tokio(job, async {
        let pool = Arc::new(old_pool::AwwPool::new(job.in_flight, None, false, job.base.clone()));
        measured(job, async |set, consumer| {
            let mut items =
                old_pool::PaginatedStream::get(Arc::clone(&pool), format!("/{}", set.path))
                    .prefetch(job.in_flight);
            while let Some(item) = consumer.item(items.next()).await {
                Tally::value(&mut consumer.tally, &item?);
            }
            Ok(())
        })
        .await
    })?
}
