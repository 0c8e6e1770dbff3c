//! How a program without a pool reads pages: the first one, then the rest with `buffered`.

use futures::{StreamExt, stream};

use super::body::Body;
use crate::job::{Consumer, Job, Set};

/// Reads `set` to its end, in order, with as many requests in flight as the job says.
pub async fn read<B: Body, F>(
    job: &Job,
    set: &Set,
    consumer: &mut Consumer,
    fetch: impl Fn(String) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<B>>,
{
    let url = |page: u64| format!("{}/{}?page={page}", job.base, set.path);
    let first = consumer.page(fetch(url(1))).await?;
    let pages = first.total_pages()?;
    first.consume(consumer);
    let rest = stream::iter(2..=pages).map(|page| fetch(url(page))).buffered(job.in_flight);
    let mut rest = std::pin::pin!(rest);
    while let Some(page) = consumer.page(rest.next()).await {
        page?.consume(consumer);
    }
    Ok(())
}

/// Makes a fetch a task of its own when there are more threads than one to decode on.
pub async fn spread<B: Body>(
    job: &Job,
    fetch: impl Future<Output = anyhow::Result<B>> + Send + 'static,
) -> anyhow::Result<B> {
    if job.threads() > 1 { tokio::spawn(fetch).await? } else { fetch.await }
}
