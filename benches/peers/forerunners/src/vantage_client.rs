//! vantage-api-client 2.2.3: a `RestApi` reads one window, so a program asks for the windows of
//! all pages itself. It does not see a total that is not at the top of the body, so the number of
//! pages is told to it.

use futures::{StreamExt, stream};
use vantage_api_client::{PaginationParams, RestApi};
use vantage_dataset::traits::ReadableValueSet;
use vantage_table::{pagination::Pagination, table::Table};
use vantage_types::EmptyEntity;

use kit::{
    job::{Job, Outcome, measured},
    on_tokio,
};

pub fn run(job: &Job) -> anyhow::Result<Outcome> {
    on_tokio(job, async {
        let api = RestApi::builder(&job.base)
            .max_parallel(job.in_flight)
            .pagination_params(PaginationParams::page_limit("page", "per_page"))
            .build();
        measured(job, async |set, consumer| {
            let table = Table::<RestApi, EmptyEntity>::new(&set.path, api.clone());
            let table = table.with_id_column("id");
            let window = |page: u64| {
                let mut table = table.clone();
                let size = job.items_per_page as i64;
                table.set_pagination(Some(Pagination::new(page as i64, size)));
                let rows = async move { table.list_values().await };
                async {
                    if job.threads() > 1 { tokio::spawn(rows).await? } else { rows.await }
                        .map_err(|error| anyhow::anyhow!("vantage-api-client: {error}"))
                }
            };
            let pages = stream::iter(1..=set.pages).map(window).buffered(job.in_flight);
            let mut pages = std::pin::pin!(pages);
            while let Some(rows) = consumer.page(pages.next()).await {
                for (_, record) in rows? {
                    consumer.tally.record(&record);
                }
            }
            Ok(())
        })
        .await
    })?
}
