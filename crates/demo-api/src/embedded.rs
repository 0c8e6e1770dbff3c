//! An actix-web server on its own thread and actix System, on a free loopback port. Knows nothing
//! of what is served.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use actix_web::dev::{Server, ServerHandle};

/// A running server. Dropping it stops the server at once and joins its thread.
#[derive(Debug)]
pub struct Embedded {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Runs the server that `serve` makes from a bound listener.
    ///
    /// # Errors
    /// The error of binding, of spawning or of `serve` itself.
    pub fn start<F>(serve: F) -> io::Result<Self>
    where
        F: FnOnce(TcpListener) -> io::Result<Server> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (started, outcome) = mpsc::channel();
        let thread = thread::Builder::new().name("embedded-api".into()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match serve(listener) {
                    Ok(server) => {
                        let _ = started.send(Ok(server.handle()));
                        let _ = server.await;
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            });
        })?;
        let handle = outcome.recv().map_err(io::Error::other)??;
        Ok(Self { address, handle, thread: Some(thread) })
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The call itself sends the command; the future only waits for its end.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
