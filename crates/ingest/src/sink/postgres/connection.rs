//! A connection to PostgreSQL, and the runtime that it lives on.

use std::{fmt::Write, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};
use tokio_postgres::{Client, Config, config::Host};

use super::{error::failed, tls};
use crate::sink::{SinkError, sql::names::quoted};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) commit: Duration,
    /// In the midst of a commit, without a word from the client, before the server undoes it.
    pub(super) idle: Duration,
}

impl Limits {
    /// Those of one of several processes that write a table: a frozen one holds up the others.
    pub(super) fn shared() -> Self {
        Self { idle: Duration::from_secs(10), ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let commit = Duration::from_secs(300);
        Self { connect: Duration::from_secs(10), commit, idle: commit }
    }
}

/// A connection. Its runtime runs only while a call waits.
pub(super) struct Connection {
    client: Client,
    names: Names,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    limit: Duration,
}

/// Names of tables with their schema.
#[derive(Clone, Debug)]
pub(super) struct Names {
    schema: String,
}

impl Names {
    /// The name of a table, quoted.
    pub(super) fn of(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(table))
    }
}

impl Connection {
    /// Connects to the server of `url`.
    ///
    /// # Errors
    /// None of which shows the URL.
    pub(super) fn open(url: &SecretString, limits: Limits) -> Result<Self, SinkError> {
        let config = config(url, limits)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| SinkError::passing("no runtime for PostgreSQL").because(error))?;
        let opened = runtime.block_on(connect(&config, limits));
        match opened {
            Ok((client, names)) => {
                Ok(Self { client, names, runtime: Some(runtime), limit: limits.commit })
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Does some work, for as long as a commit may take.
    ///
    /// # Errors
    /// That of the work; and a passing one if it takes longer.
    pub(super) fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client, &Names) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        let Some(runtime) = &self.runtime else {
            return Err(SinkError::passing("the connection to PostgreSQL is closed"));
        };
        let (client, names, limit) = (&mut self.client, &self.names, self.limit);
        let done = runtime.block_on(async { timeout(limit, work(client, names)).await });
        done.unwrap_or_else(|_| {
            Err(SinkError::passing(format!("PostgreSQL has not answered for {limit:?}")))
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nothing is waited for: it may be dropped where that is not allowed.
            runtime.shutdown_background();
        }
    }
}

fn config(url: &SecretString, limits: Limits) -> Result<Config, SinkError> {
    // The cause could show a part of the URL, such as a password that is not escaped.
    let mut config: Config = url.expose_secret().parse().map_err(|_| {
        SinkError::lasting(
            "invalid URL of PostgreSQL, expected `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, \
             with special characters escaped; `sslmode` is `disable`, `prefer` or `require`",
        )
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(limits.connect);
    }
    if config.get_application_name().is_none() {
        config.application_name("apipool");
    }
    Ok(config)
}

async fn connect(config: &Config, limits: Limits) -> Result<(Client, Names), SinkError> {
    let what = format!("connection to PostgreSQL {}", place(config));
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
    // The library's own limit does not include that the server answers.
    let limit = limits.connect.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX));
    let connecting = async {
        let (client, carrier) = tls::connect(config, failed(what.clone())).await?;
        tokio::spawn(carrier);
        let names = begin_session(&client, limits).await?;
        Ok((client, names))
    };
    timeout(limit, connecting)
        .await
        .unwrap_or_else(|_| Err(SinkError::passing(format!("{what}: no answer for {limit:?}"))))
}

/// Where the server is, and the database's name.
fn place(config: &Config) -> String {
    let mut place = String::new();
    for (number, host) in config.get_hosts().iter().enumerate() {
        let port = config.get_ports().get(number).or(config.get_ports().first());
        let comma = if number == 0 { "" } else { ", " };
        let port = port.copied().unwrap_or(5432);
        let _ = match host {
            Host::Tcp(host) => write!(place, "{comma}{host}:{port}"),
            Host::Unix(folder) => write!(place, "{comma}{}:{port}", folder.display()),
        };
    }
    format!("{place}/{}", config.get_dbname().unwrap_or_default())
}

/// Sets what every transaction relies on: that the server gives up what its client has given up, and
/// writes values as text in one way.
async fn begin_session(client: &Client, limits: Limits) -> Result<Names, SinkError> {
    let failed = || failed("settings of a session of PostgreSQL");
    let [limit, idle] =
        [limits.commit, limits.idle].map(|limit| limit.as_millis().clamp(1, i32::MAX as u128));
    let settings = format!(
        "SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {idle}; \
         SET extra_float_digits = 3; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; \
         SET client_min_messages = warning"
    );
    client.batch_execute(&settings).await.map_err(failed())?;
    let row = client.query_typed_one("SELECT current_schema()::text", &[]).await;
    let schema: Option<String> = row.and_then(|row| row.try_get(0)).map_err(failed())?;
    match schema {
        Some(schema) => Ok(Names { schema }),
        None => Err(SinkError::lasting(
            "the `search_path` of the role in PostgreSQL has no schema that is there",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Config, SinkError> {
        config(&SecretString::from(url), Limits::default())
    }

    #[test]
    fn a_url_that_is_none_is_in_no_error() {
        for url in ["postgres://u:s3cret@h:port/d", "s3cret=1", "postgres://u:p@h/d?s3cret=1"] {
            let error = parsed(url).unwrap_err();
            assert!(error.is_lasting());
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn the_place_has_no_user_and_no_password() {
        let config = parsed("postgres://u:s3cret@a:1,b:2/d").unwrap();
        assert_eq!(place(&config), "a:1, b:2/d");
        let config = parsed("postgres://u:s3cret@%2Ftmp%2Fx/d?connect_timeout=3").unwrap();
        assert_eq!(place(&config), "/tmp/x:5432/d");
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
    }
}
