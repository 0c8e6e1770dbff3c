//! The clients, each doing one job in a process of its own: this pool, bare awc, and reqwest. All
//! have a timeout of two seconds for a request, where the client has the setting; everything else
//! is at its default.

use std::{future::Future, time::Duration};

use futures::StreamExt;
use vantage_api_pool::{AwwPool, Error, PaginatedStream, Request};

use super::faults::{Job, Right};

pub(crate) const CLIENTS: [&str; 3] = ["vantage-api-pool", "awc", "reqwest"];

const LIMIT: Duration = Duration::from_secs(2);
/// After this time a job counts as hanging.
const PATIENCE: Duration = Duration::from_secs(8);
const UPLOAD: usize = 16 * 1024 * 1024;

/// A status and a body, or the client's error.
type Answer = Result<(u16, Vec<u8>), String>;

/// One client behind the few calls that the jobs need.
trait Client {
    async fn get(&self, url: &str) -> Answer;
    async fn upload(&self, url: &str, body: Vec<u8>) -> Answer;

    /// How many rows a page has.
    async fn rows(&self, url: &str) -> Result<usize, String> {
        let (_, body) = self.get(url).await?;
        let page: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| format!("json: {error}"))?;
        Ok(page["data"].as_array().map_or(0, Vec::len))
    }
}

/// The outcome of a job.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) wrong: bool,
    pub(crate) hangs: bool,
}

/// Does `job` with the client called `name`. Must not run inside an async runtime.
pub(crate) fn run(name: &str, job: Job, right: Right, url: &str) -> Outcome {
    actix::System::new().block_on(async {
        match name {
            "awc" => bounded(work(Awc, job, right, url)).await,
            "reqwest" => bounded(work(Reqwest, job, right, url)).await,
            _ => bounded(work(Pool, job, right, url)).await,
        }
    })
}

async fn bounded(work: impl Future<Output = Outcome>) -> Outcome {
    let hangs = || Outcome { text: "no answer, no error".into(), wrong: false, hangs: true };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| hangs())
}

/// Makes a client and does the job with it; each URL of a job is on one server.
async fn work<K: Kind>(kind: K, job: Job, right: Right, url: &str) -> Outcome {
    let client = match kind.client(url) {
        Ok(client) => client,
        Err(text) => return Outcome { text, wrong: false, hangs: false },
    };
    match job {
        Job::Get | Job::BadPort => judged(client.get(url).await, right),
        Job::OwnPaths => {
            let (mut texts, mut wrong) = (Vec::new(), false);
            for path in ["/1", "/2", "/3"] {
                let answer = client.get(&format!("{url}{}", &path[1..])).await;
                wrong |= matches!(&answer, Ok((200, body)) if body != path.as_bytes());
                texts.push(match answer {
                    Ok((200, body)) => String::from_utf8_lossy(&body).into_owned(),
                    Ok((status, _)) => format!("status {status}"),
                    Err(text) => text,
                });
            }
            Outcome { text: texts.join(", "), wrong, hangs: false }
        }
        Job::Gets(count) => {
            let (mut failed, mut wrong) = (0, false);
            for _ in 0..count {
                let outcome = client.get(url).await;
                failed += usize::from(outcome.is_err());
                wrong |= judged(outcome, right).wrong;
            }
            Outcome { text: format!("{failed} of {count} failed"), wrong, hangs: false }
        }
        Job::Upload => judged(client.upload(url, vec![0; UPLOAD]).await, right),
        Job::Rows => match client.rows(url).await {
            Ok(rows) => Outcome { text: format!("Ok, {rows} rows"), wrong: true, hangs: false },
            Err(text) => Outcome { text, wrong: false, hangs: false },
        },
    }
}

fn judged(answer: Answer, right: Right) -> Outcome {
    let (text, wrong) = match answer {
        Err(text) => (text, false),
        Ok((status, _)) if !(200..300).contains(&status) => (format!("status {status}"), false),
        Ok((_, body)) => {
            let wrong = match right {
                Right::Body(whole) => body != whole.as_bytes(),
                Right::Status(_) | Right::Error => true,
                Right::Any => false,
            };
            (format!("Ok, {} bytes", body.len()), wrong)
        }
    };
    Outcome { text, wrong, hangs: false }
}

trait Kind {
    type Client: Client;

    fn client(&self, url: &str) -> Result<Self::Client, String>;
}

struct Pool;

struct PoolClient(AwwPool);

impl Kind for Pool {
    type Client = PoolClient;

    fn client(&self, url: &str) -> Result<PoolClient, String> {
        let builder = AwwPool::builder(url)
            .workers(1)
            .attempt_timeout(LIMIT)
            .read_idle_timeout(LIMIT / 2)
            .default_header("x-api-key", "secret");
        builder.build().map(PoolClient).map_err(|error| said(&error))
    }
}

fn said(error: &Error) -> String {
    match error.status() {
        Some(status) => format!("{}, status {}", error.kind_name(), status.as_u16()),
        None => error.kind_name().into(),
    }
}

impl PoolClient {
    async fn send(&self, request: Request) -> Answer {
        let response = self.0.request(request).await.map_err(|error| said(&error))?;
        Ok((response.status().as_u16(), response.body().to_vec()))
    }
}

impl Client for PoolClient {
    async fn get(&self, url: &str) -> Answer {
        self.send(Request::get(url)).await
    }

    async fn upload(&self, url: &str, body: Vec<u8>) -> Answer {
        self.send(Request::post(url).body(body)).await
    }

    async fn rows(&self, url: &str) -> Result<usize, String> {
        let mut stream = PaginatedStream::get(&self.0, url);
        let mut rows = 0;
        while let Some(row) = stream.next().await {
            row.map_err(|error| said(&error))?;
            rows += 1;
        }
        Ok(rows)
    }
}

struct Awc;

impl Kind for Awc {
    type Client = awc::Client;

    fn client(&self, _: &str) -> Result<awc::Client, String> {
        let builder = awc::Client::builder().timeout(LIMIT).add_default_header(("x-api-key", "s"));
        Ok(builder.finish())
    }
}

async fn awc_answer(sent: awc::SendClientRequest) -> Answer {
    let mut response = sent.await.map_err(|error| error.to_string())?;
    let body = response.body().await.map_err(|error| error.to_string())?;
    Ok((response.status().as_u16(), body.to_vec()))
}

impl Client for awc::Client {
    async fn get(&self, url: &str) -> Answer {
        awc_answer(awc::Client::get(self, url).send()).await
    }

    async fn upload(&self, url: &str, body: Vec<u8>) -> Answer {
        awc_answer(self.post(url).send_body(body)).await
    }
}

struct Reqwest;

impl Kind for Reqwest {
    type Client = reqwest::Client;

    fn client(&self, _: &str) -> Result<reqwest::Client, String> {
        let headers = [("x-api-key", "s")].map(|(name, value)| {
            (
                reqwest::header::HeaderName::from_static(name),
                reqwest::header::HeaderValue::from_static(value),
            )
        });
        let builder = reqwest::Client::builder().no_proxy().timeout(LIMIT);
        builder
            .default_headers(headers.into_iter().collect())
            .build()
            .map_err(|error| error.to_string())
    }
}

async fn reqwest_answer(request: reqwest::RequestBuilder) -> Answer {
    let innermost = |error: reqwest::Error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        cause.to_string()
    };
    let response = request.send().await.map_err(innermost)?;
    let status = response.status().as_u16();
    Ok((status, response.bytes().await.map_err(innermost)?.to_vec()))
}

impl Client for reqwest::Client {
    async fn get(&self, url: &str) -> Answer {
        reqwest_answer(reqwest::Client::get(self, url)).await
    }

    async fn upload(&self, url: &str, body: Vec<u8>) -> Answer {
        reqwest_answer(self.post(url).body(body)).await
    }
}
