//! A TCP relay that a test cuts in two. While it is partitioned no byte passes in
//! either direction and nothing is closed, as in a network whose packets are lost.

use std::net::{SocketAddr, TcpListener as StdListener};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

/// What a test has made of the network.
#[derive(Clone, Copy, Debug, Default)]
struct Network {
    partitioned: bool,
    /// How often all connections were reset.
    resets: usize,
}

/// A running relay. Dropping it stops it and cuts its connections.
pub struct Relay {
    address: SocketAddr,
    network: watch::Sender<Network>,
    _stop: oneshot::Sender<()>,
}

impl Relay {
    /// Forwards every connection to `server`.
    pub fn to(server: SocketAddr) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (network, seen) = watch::channel(Network::default());
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                tokio::select! {
                    () = accept(listener, server, seen) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, network, _stop: stop }
    }

    /// `http://` and the relay's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing passes, and nothing is closed.
    pub fn partition(&self) {
        self.network.send_modify(|network| network.partitioned = true);
    }

    /// Lets everything pass again, first of all what was held up.
    pub fn heal(&self) {
        self.network.send_modify(|network| network.partitioned = false);
    }

    /// Resets every connection, as a network does that comes back without its state.
    pub fn reset(&self) {
        self.network.send_modify(|network| network.resets += 1);
    }
}

async fn accept(listener: StdListener, server: SocketAddr, network: watch::Receiver<Network>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        tokio::spawn(carry(client, server, network.clone()));
    }
}

/// Carries one connection until either side closes it, or it is reset.
async fn carry(mut client: TcpStream, server: SocketAddr, mut network: watch::Receiver<Network>) {
    if network.wait_for(|network| !network.partitioned).await.is_err() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    for side in [&client, &server] {
        side.set_nodelay(true).unwrap();
    }
    let resets = network.borrow().resets;
    let was_reset = {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let mut ticks = network.clone();
        tokio::select! {
            () = pump(client_reads, server_writes, network.clone()) => false,
            () = pump(server_reads, client_writes, network) => false,
            reset = ticks.wait_for(|network| network.resets > resets) => reset.is_ok(),
        }
    };
    if was_reset {
        for side in [&client, &server] {
            side.set_zero_linger().unwrap();
        }
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut network: watch::Receiver<Network>,
) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        // What was read before the partition is lost on the way like the rest.
        let lives = network.wait_for(|network| !network.partitioned).await.is_ok();
        if !lives || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
