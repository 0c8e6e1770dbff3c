//! awc 3.11 with `buffered`, on one thread whatever the number of cores.

use std::time::Duration;

use kit::{
    body::Body,
    job::{Job, Outcome, measured},
    pages,
};

pub fn client(connections: usize) -> awc::Client {
    awc::Client::builder()
        .connector(awc::Connector::new().limit(connections))
        .timeout(Duration::from_secs(30))
        .finish()
}

pub async fn fetch<B: Body>(client: awc::Client, url: String) -> anyhow::Result<B> {
    let failed = |error: &dyn std::fmt::Display| anyhow::anyhow!("awc: {error}");
    let mut answer = client.get(url).send().await.map_err(|error| failed(&error))?;
    anyhow::ensure!(answer.status().is_success(), "the answer is {}", answer.status());
    B::decode(&answer.body().limit(10 << 20).await?)
}

pub fn run<B: Body>(job: &Job) -> anyhow::Result<Outcome> {
    actix_rt::System::new().block_on(async {
        let client = client(job.in_flight);
        measured(job, async |set, consumer| {
            let fetch = |url| fetch::<B>(client.clone(), url);
            pages::read(job, &set, consumer, fetch).await
        })
        .await
    })
}
