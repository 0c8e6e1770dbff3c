//! `apipool serve`.

#[cfg(feature = "cluster")]
mod cluster;
mod settings;

use std::{future, path::Path, time::Duration};

use futures::future::join;
use serde_json::json;
use tokio::sync::watch;
use vantage_api_gateway::{Error, Gateway, TableConfig};
use vantage_api_ingest::{
    description::{Description, DescriptionError, GatewayDescription},
    vistas,
};

use super::describe;
#[cfg(not(feature = "cluster"))]
use super::pool;
use crate::{arguments::Serve, failure::Failure, interrupts::Interrupts, output};

/// Checks what of a description is read by the gateway.
///
/// # Errors
/// With the place in the description, and the key.
pub(super) fn check(description: &Description) -> Result<(), DescriptionError> {
    description.gateway.as_ref().map_or(Ok(()), settings::check)
}

pub(crate) async fn run(serve: &Serve) -> Result<(), Failure> {
    let description = describe(&serve.file)?;
    let Some(described) = &description.gateway else {
        let failure = Failure::usage("the description has no `gateway`");
        return Err(failure.advising("say below `gateway` what is served, and to whom"));
    };
    #[cfg(feature = "cluster")]
    let (pool, member) = cluster::joined(serve, &description).await?;
    #[cfg(not(feature = "cluster"))]
    let pool = pool(&description)?;
    let tables = vistas::of_gateway(&description, &description.source(&pool)).await?;
    let builder = settings::builder(described)?.pool("api", pool.clone());
    let builder = tables.into_iter().fold(builder, |builder, (name, vista)| {
        settings::with_table(builder, described, name, TableConfig::new(vista))
    });
    let builder = match serve.bind {
        Some(address) => builder.bind(address),
        None => builder,
    };
    #[cfg(feature = "cluster")]
    let builder = match &serve.url {
        Some(url) => cluster::shown(builder, url)?,
        None => builder,
    };
    let gateway = builder.build().map_err(|error| refused(&serve.file.file, error))?;
    #[cfg(feature = "cluster")]
    let stopped = cluster::worked(member, &description).await?;
    #[cfg(not(feature = "cluster"))]
    let stopped = |_| future::ready(());
    let served = until_interrupted(&gateway, serve, described, stopped).await;
    pool.shutdown(Duration::from_secs(1)).await;
    served
}

/// Serves until the first signal, and then drains; the second ends that as well. What is done beside is
/// over when it is `stopped`, after the signal or the end of the gateway.
async fn until_interrupted<F: Future<Output = ()>>(
    gateway: &Gateway,
    serve: &Serve,
    described: &GatewayDescription,
    stopped: impl FnOnce(watch::Receiver<bool>) -> F,
) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new();
    let (stop, stopping) = watch::channel(false);
    let end = until(stopping.clone());
    let interrupted_twice = async {
        interrupts.next().await;
        output::note("draining: what was asked for is answered; once more to abort");
        stop.send_replace(true);
        interrupts.next().await;
    };
    let served = async {
        let served = gateway.run_until(end).await;
        // It may have ended by itself.
        stop.send_replace(true);
        served
    };
    let served = async { join(served, stopped(stopping)).await.0 };
    let announced = async {
        announce(gateway, serve, described).await;
        future::pending::<()>().await;
    };
    tokio::select! {
        served = served => served.map_err(|error| refused(&serve.file.file, error)),
        () = interrupted_twice => Err(Failure::run("aborted, with requests under way")),
        () = announced => Ok(()),
    }
}

/// Until it is true. Whoever would say so ends the program.
async fn until(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        future::pending::<()>().await;
    }
}

/// Prints one line, as soon as connections are accepted.
async fn announce(gateway: &Gateway, serve: &Serve, described: &GatewayDescription) {
    let Some(address) = gateway.handle().address().await else { return };
    let GatewayDescription { prefix, tables, kv, .. } = described;
    let url = format!("http://{address}{prefix}");
    if serve.json {
        let names: Vec<&String> = tables.keys().collect();
        let said = json!({ "address": address, "url": url, "tables": names, "kv": kv.is_some() });
        return output::report(format_args!("{said}\n"));
    }
    let tables = match tables.len() {
        0 => None,
        1 => Some("1 table".to_owned()),
        many => Some(format!("{many} tables")),
    };
    let kv = kv.as_ref().map(|_| "a key-value store".to_owned());
    let what: Vec<String> = tables.into_iter().chain(kv).collect();
    output::report(format_args!("serving {} at {url}\n", what.join(" and ")));
}

/// Why the gateway does not serve, with the key that is to be looked at.
fn refused(file: &Path, error: Error) -> Failure {
    let file = file.display();
    match error {
        Error::Table { table, what } => {
            Failure::usage(format_args!("{file}: gateway.tables.{table}: {what}"))
        }
        Error::Io { .. } => {
            Failure::run(error).advising("see whether the address is free; --bind takes another")
        }
        Error::Kv(_) => Failure::run(error),
        // Each begins with its key.
        error => Failure::usage(format_args!("{file}: gateway.{error}")),
    }
}
