//! reqwest 0.12 with `buffered`.

use kit::{
    body::Body,
    job::{Job, Outcome, measured},
    on_tokio, pages,
};

pub fn run<B: Body>(job: &Job) -> anyhow::Result<Outcome> {
    on_tokio(job, async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        measured(job, async |set, consumer| {
            let fetch = |url: String| {
                let client = client.clone();
                pages::spread(job, async move {
                    let answer = client.get(url).send().await?.error_for_status()?;
                    B::decode(&answer.bytes().await?)
                })
            };
            pages::read(job, &set, consumer, fetch).await
        })
        .await
    })?
}
