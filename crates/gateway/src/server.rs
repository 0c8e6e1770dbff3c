//! The gateway as a server of its own: what a framework leaves open is set here, so that no slow or
//! silent client holds anything for long, and the end comes in order.

use std::{
    any::Any,
    future::{Future, pending},
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpServer,
    dev::{Extensions, ServerHandle},
    web,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{Gateway, GatewayHandle, Problem, error::Error, gateway::ServerSettings};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Longer than any drain, since the timeout of a drain ends all work.
const NEVER: u64 = 7 * 86_400;

impl Gateway {
    /// Serves until the process is told to end (SIGTERM or Ctrl-C) or
    /// [`drain`](GatewayHandle::drain) is called, and then drains.
    ///
    /// # Errors
    /// [`Error::Io`] if the address cannot be bound or the server cannot start.
    pub async fn run(&self) -> Result<(), Error> {
        self.run_until(told_to_end()).await
    }

    /// As [`run`](Self::run), but `end` says when, and signals do nothing.
    ///
    /// # Errors
    /// [`Error::Io`] if the address cannot be bound or the server cannot start.
    pub async fn run_until(&self, end: impl Future<Output = ()>) -> Result<(), Error> {
        let ServerSettings { bind, workers, .. } = self.server;
        let failed = |source| Error::Io { address: bind, source };
        let listener = listener(bind).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (gateway, limits) = (self.clone(), &self.state.limits);
        let stall = limits.write_timeout;
        let mut server = HttpServer::new(move || {
            App::new().configure(|app| gateway.configure(app)).default_service(web::to(not_found))
        })
        .keep_alive(limits.keep_alive_timeout)
        .client_request_timeout(limits.header_timeout)
        .max_connections(limits.max_connections_per_worker)
        .tcp_nodelay(true)
        // A client that leaves ends the work for it.
        .h1_allow_half_closed(false)
        .on_connect(move |connection: &dyn Any, _: &mut Extensions| bound_writes(connection, stall))
        .shutdown_timeout(NEVER)
        .disable_signals();
        if workers > 0 {
            server = server.workers(workers);
        }
        let server = server.listen(listener).map_err(failed)?.run();
        self.handle.addresses.send_replace(Some(address));
        let draining = drain(&self.handle, self.server, server.handle(), end);
        tokio::pin!(server, draining);
        let served = tokio::select! {
            served = &mut server => served,
            () = &mut draining => server.await,
        };
        self.handle.addresses.send_replace(None);
        served.map_err(failed)
    }
}

/// What nothing is mounted at.
async fn not_found(_: HttpRequest) -> Result<&'static str, Problem> {
    Err(Problem::not_found())
}

fn listener(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a server can follow another one at once.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Closes a connection on which what was sent is not taken for so long. It covers clients that
/// stopped reading as well as those that are gone.
fn bound_writes(connection: &dyn Any, stall: Duration) {
    let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(stall)) {
        tracing::warn!(%error, "a connection has no bound for stalled writes");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (SockRef::from(stream), stall);
}

/// Drains when it is told to: `/ready` first, then no more connections, and at last the timeout.
async fn drain(
    handle: &GatewayHandle,
    settings: ServerSettings,
    server: ServerHandle,
    end: impl Future<Output = ()>,
) {
    let mut drains = handle.drains.subscribe();
    let told = async {
        match drains.wait_for(Option::is_some).await {
            Ok(timeout) => timeout.unwrap_or(settings.drain_timeout),
            // The sender is in the handle.
            Err(_) => pending().await,
        }
    };
    let timeout = tokio::select! {
        () = end => settings.drain_timeout,
        timeout = told => timeout,
    };
    handle.state.start_draining();
    tracing::info!("draining");
    tokio::time::sleep(settings.drain_ready_delay).await;
    let graceful = server.stop(true);
    tokio::pin!(graceful);
    if tokio::time::timeout(timeout, &mut graceful).await.is_err() {
        tracing::warn!("requests were being worked on when the drain timed out");
        handle.state.end();
        graceful.await;
    }
}

/// Ends when the process is told to end.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    () = interrupted() => {}
                }
            }
            Err(_) => interrupted().await,
        }
    }
    #[cfg(not(unix))]
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without the signal only `drain` ends it.
        pending::<()>().await;
    }
}
