//! hyper 1 through hyper-util's pooled client, with `buffered`.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use kit::{
    body::Body,
    job::{Job, Outcome, measured},
    on_tokio, pages,
};

pub type Http = Client<HttpConnector, Empty<Bytes>>;

pub fn client() -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

pub async fn fetch<B: Body>(client: Http, url: String) -> anyhow::Result<B> {
    let answer = client.get(url.parse()?).await?;
    anyhow::ensure!(answer.status().is_success(), "the answer is {}", answer.status());
    B::decode(&answer.into_body().collect().await?.to_bytes())
}

pub fn run<B: Body>(job: &Job) -> anyhow::Result<Outcome> {
    on_tokio(job, async {
        let client = client();
        measured(job, async |set, consumer| {
            let fetch = |url| pages::spread(job, fetch::<B>(client.clone(), url));
            pages::read(job, &set, consumer, fetch).await
        })
        .await
    })?
}
