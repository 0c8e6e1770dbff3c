//! Connects, with TLS if that is asked for.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::{Client, Config, Error, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::sink::SinkError;

/// What carries a connection until it is closed.
pub(super) type Carrier = BoxFuture<'static, Result<(), Error>>;

/// Connects to a server.
///
/// # Errors
/// That of the connection; and a lasting one if TLS is asked for and not to be had.
pub(super) async fn connect(
    config: &Config,
    failed: impl FnOnce(Error) -> SinkError,
) -> Result<(Client, Carrier), SinkError> {
    if config.get_ssl_mode() == SslMode::Require {
        let tls = MakeRustlsConnect::new(client_config()?);
        let (client, connection) = config.connect(tls).await.map_err(failed)?;
        Ok((client, connection.boxed()))
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        Ok((client, connection.boxed()))
    }
}

fn client_config() -> Result<ClientConfig, SinkError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // What the system trusts as well, such as a company's own; a bad one among them is left out.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SinkError::lasting("TLS for PostgreSQL").because(error))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}
