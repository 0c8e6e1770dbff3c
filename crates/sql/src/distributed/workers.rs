//! The workers that a session knows, and which of them answer.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use datafusion::error::Result;
use datafusion_distributed::{
    ChannelResolver, GetWorkerInfoRequest, WorkerChannel, WorkerResolver,
    grpc::{BoxCloneSyncChannel, create_worker_client},
};
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use url::Url;

use super::release::Incarnation;
use crate::error::SqlError;

/// How long a worker may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(5);

/// The most connections that are kept: a plan may name any address.
const MOST_CHANNELS: usize = 1024;
/// How often a connection in use is checked, and how long the other side may take to answer that.
pub(super) const ALIVE: Duration = Duration::from_secs(10);

/// The workers over which a session divides the pages of its tables.
///
/// ```no_run
/// use vantage_api_sql::distributed::Workers;
///
/// # fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let workers = Workers::new(["http://10.0.0.5:7001", "http://10.0.0.6:7001"])?;
/// # Ok(()) }
/// ```
///
/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Workers(Arc<Known>);

struct Known {
    urls: Vec<Url>,
    token: Option<SecretString>,
    channels: Channels,
}

/// Workers that have answered, each as the process that it was then.
#[derive(Clone, Debug)]
pub(super) struct Available(Vec<(Url, Incarnation)>);

impl Available {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A query goes to the workers that have answered for it, whatever others find meanwhile.
impl WorkerResolver for Available {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.iter().map(|(url, _)| url.clone()).collect())
    }
}

impl Workers {
    /// Workers at these addresses: `http://` with a host and a port each. Nothing is connected yet.
    ///
    /// # Errors
    /// If there is none, one is no such address, or one is there twice.
    pub fn new<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, SqlError> {
        let mut known: Vec<Url> = Vec::new();
        for (at, url) in urls.into_iter().enumerate() {
            let url = address(at + 1, url.as_ref())?;
            if known.contains(&url) {
                return Err(SqlError::Workers(format!("the worker {url} is there twice")));
            }
            known.push(url);
        }
        if known.is_empty() {
            return Err(SqlError::Workers("no URL of a worker was given".to_owned()));
        }
        Ok(Self(Arc::new(Known { urls: known, token: None, channels: Channels::default() })))
    }

    /// What workers want to be told before they take a plan, see
    /// [`SqlWorker::token`](super::SqlWorker::token).
    #[must_use]
    pub fn token(self, token: SecretString) -> Self {
        Self(Arc::new(Known {
            urls: self.0.urls.clone(),
            token: Some(token),
            channels: Channels::default(),
        }))
    }

    /// The token as the value of the header in which it is told.
    pub(super) fn authorization(&self) -> Option<SecretString> {
        let token = self.0.token.as_ref()?;
        Some(format!("Bearer {}", token.expose_secret()).into())
    }

    pub(super) fn channels(&self) -> Channels {
        self.0.channels.clone()
    }

    /// Asks all workers whether they are there. Tasks go to those that answer in time.
    ///
    /// # Errors
    /// If none does, or one is of another release.
    pub(super) async fn ask(&self) -> Result<Available, SqlError> {
        let asked = self.0.urls.iter().cloned().map(|url| {
            let channels = self.channels();
            async move {
                let answer = channels.ask(&url).await;
                (url, answer)
            }
        });
        let mut available = Vec::new();
        let mut silent = Vec::new();
        for (url, answer) in join_all(asked).await {
            match answer {
                Ok(text) => {
                    let own = Incarnation::of_answer(&url, &text)?;
                    available.push((url, own));
                }
                Err(what) => silent.push(format!("{url}: {what}")),
            }
        }
        if available.is_empty() {
            return Err(SqlError::Workers(format!("none answers ({})", silent.join("; "))));
        }
        Ok(Available(available))
    }

    /// One of these that does not answer any more, or that was started again since.
    pub(super) async fn lost(&self, before: &Available) -> Option<Url> {
        let asked = before.0.iter().map(|(url, own)| async move {
            let answer = self.0.channels.ask(url).await;
            (answer.ok() != Some(own.answer())).then(|| url.clone())
        });
        join_all(asked).await.into_iter().flatten().next()
    }
}

/// The text is not shown: it may have a password by mistake.
fn address(number: usize, text: &str) -> Result<Url, SqlError> {
    let refused = || {
        let what = "its address must be `http://` with a host and a port, and nothing else";
        SqlError::Workers(format!("number {number} cannot be used: {what}"))
    };
    let url = Url::parse(text).map_err(|_| refused())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let has_login = !url.username().is_empty() || url.password().is_some();
    if url.scheme() != "http" || url.host().is_none() || !is_bare || has_login {
        return Err(refused());
    }
    Ok(url)
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<&str> = self.0.urls.iter().map(Url::as_str).collect();
        f.debug_struct("Workers").field("urls", &urls).finish_non_exhaustive()
    }
}

/// The connections to workers, of which each is made once and again when it was lost.
#[derive(Clone, Default)]
pub(super) struct Channels(Arc<Mutex<HashMap<Url, Channel>>>);

impl Channels {
    fn client(&self, url: &Url) -> Result<Box<dyn WorkerChannel>, SqlError> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(url) {
            return Ok(create_worker_client(BoxCloneSyncChannel::new(channel.clone())));
        }
        let endpoint = Endpoint::from_shared(url.to_string())
            .map_err(|error| SqlError::Workers(format!("{url} is not an address: {error}")))?
            .connect_timeout(ANSWER)
            // One that was stopped, or whose machine is gone, says nothing.
            .http2_keep_alive_interval(ALIVE)
            .keep_alive_timeout(ALIVE);
        let channel = endpoint.connect_lazy();
        if channels.len() >= MOST_CHANNELS {
            channels.clear();
        }
        channels.insert(url.clone(), channel.clone());
        Ok(create_worker_client(BoxCloneSyncChannel::new(channel)))
    }

    /// What a worker says of itself, or why it says nothing.
    async fn ask(&self, url: &Url) -> Result<String, String> {
        let mut client = self.client(url).map_err(|error| error.to_string())?;
        match timeout(ANSWER, client.get_worker_info(GetWorkerInfoRequest {})).await {
            Ok(Ok(info)) => Ok(info.version),
            Ok(Err(error)) => Err(error.strip_backtrace()),
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        Ok(self.client(url)?)
    }
}
