//! This pool. It has one worker for each core that it may use, and as many connections and pages
//! ahead as the job has in flight; everything else is as it comes.

use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vantage_api_pool::{AwwPool, Error, PaginatedStream, PoolApi, paging::Page};
use vantage_dataset::traits::ReadableValueSet;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use kit::{
    body::{Body, Values, each},
    data::{Item, Look, Tally},
    job::{Consumer, Job, Outcome, Set, measured},
    on_tokio, pages,
};

pub fn pool(job: &Job) -> anyhow::Result<AwwPool> {
    Ok(AwwPool::builder(&job.base)
        .workers(job.threads())
        .connections_per_worker(job.in_flight.div_ceil(job.threads()))
        .build()?)
}

/// The pages of `set`, `prefetch` ahead, not yet begun.
pub fn stream(pool: &AwwPool, path: &str, prefetch: usize) -> PaginatedStream {
    PaginatedStream::get(pool, format!("/{path}")).prefetch(prefetch)
}

pub fn table(pool: &AwwPool, path: &str, prefetch: usize) -> Table<PoolApi, EmptyEntity> {
    let api = PoolApi::new(pool).prefetch(prefetch);
    Table::<PoolApi, EmptyEntity>::new(path, api).with_id_column("id")
}

/// Measures `read` with a pool of its own.
fn with_pool(
    job: &Job,
    read: impl AsyncFn(&AwwPool, Set, &mut Consumer) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let pool = pool(job)?;
    on_tokio(job, measured(job, async |set, consumer| read(&pool, set, consumer).await))?
}

pub fn values(job: &Job) -> anyhow::Result<Outcome> {
    with_pool(job, async |pool, set, consumer| {
        by_item(stream(pool, &set.path, job.in_flight), consumer, Tally::value).await
    })
}

pub fn typed(job: &Job) -> anyhow::Result<Outcome> {
    with_pool(job, async |pool, set, consumer| {
        let items = stream(pool, &set.path, job.in_flight).items_as::<Item>();
        by_item(items, consumer, Tally::typed).await
    })
}

async fn by_item<T: DeserializeOwned + Send + 'static>(
    mut items: PaginatedStream<T>,
    consumer: &mut Consumer,
    count: impl Fn(&mut Tally, &T),
) -> anyhow::Result<()> {
    while let Some(item) = consumer.item(items.next()).await {
        count(&mut consumer.tally, &item?);
    }
    Ok(())
}

pub fn pages(job: &Job) -> anyhow::Result<Outcome> {
    with_pool(job, async |pool, set, consumer| {
        let mut pages = stream(pool, &set.path, job.in_flight);
        while let Some(page) = consumer.page(pages.next_page()).await {
            each(page?, consumer, Tally::value);
        }
        Ok(())
    })
}

/// Every page is read by a task of its own, item by item, and what it saw is put in order.
pub fn tasks(job: &Job) -> anyhow::Result<Outcome> {
    with_pool(job, async |pool, set, consumer| {
        let pages = stream(pool, &set.path, job.in_flight).pages();
        let look = |page: Page<Value>| -> Result<Vec<_>, Error> {
            page.map(|item| Ok(Look::at_value(&item?))).collect()
        };
        let mut looks =
            pages.map(|page| tokio::spawn(async move { look(page?) })).buffered(8 * job.threads());
        while let Some(looks) = consumer.page(looks.next()).await {
            looks??.into_iter().for_each(|look| consumer.tally.look(look));
        }
        Ok(())
    })
}

pub fn calls(job: &Job) -> anyhow::Result<Outcome> {
    let pool = pool(job)?;
    on_tokio(
        job,
        measured(job, async |set, consumer| {
            let fetch = |url: String| {
                let pool = pool.clone();
                async move { Values::decode(pool.get(url).await?.body()) }
            };
            pages::read(job, &set, consumer, fetch).await
        }),
    )?
}

pub fn records_stream(job: &Job) -> anyhow::Result<Outcome> {
    with_pool(job, async |pool, set, consumer| {
        let table = table(pool, &set.path, job.in_flight);
        let mut rows = table.stream_values();
        while let Some(row) = consumer.item(rows.next()).await {
            consumer.tally.record(&row.map_err(failed)?.1);
        }
        Ok(())
    })
}

pub fn records_list(job: &Job) -> anyhow::Result<Outcome> {
    with_pool(job, async |pool, set, consumer| {
        let table = table(pool, &set.path, job.in_flight);
        for (_, record) in consumer.page(table.list_values()).await.map_err(failed)? {
            consumer.tally.record(&record);
        }
        Ok(())
    })
}

fn failed(error: vantage_core::VantageError) -> anyhow::Error {
    anyhow::anyhow!("the pool as a Vantage source: {error}")
}
