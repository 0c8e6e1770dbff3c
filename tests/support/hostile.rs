//! A paged API that is hostile by default: its pages are smaller than the set,
//! it caps the page size, and it never hands everything out in one page.
//!
//! ```ignore
//! let api = Hostile::new(95).on_page(3, Answer::Status(500).times(2)).start();
//! // … read `api.url()` at `/rows` …
//! api.wait_for("all pages", |log| log.pages().len() == 12).await;
//! ```
//!
//! [`Hostile`] holds the knobs, [`HostileServer`] the running server and what a
//! test steers while it runs. Everything that arrived is in its [`Log`].

mod dialect;
mod gate;
mod knobs;
mod log;
mod page;
mod script;
mod serve;
mod tokens;

use std::{sync::Arc, time::Duration};

use actix_web::{App, HttpServer, web};
use serde_json::Value;

pub use dialect::{Dialect, Sorts};
pub use knobs::{Form, Hostile, Shape, Style, Total};
pub use log::{Log, Outcome, Seen};
pub use script::{Answer, Scripted};

use demo_api::Embedded;
use gate::Gate;
use log::Recorder;
use serve::Shared;
use tokens::Tokens;

/// How long a test waits for anything on the server before it fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running hostile server. It stops when it is dropped.
pub struct HostileServer {
    server: Embedded,
    shared: Arc<Shared>,
}

impl Hostile {
    /// Starts the server on a free loopback port.
    pub fn start(self) -> HostileServer {
        let shared = Arc::new(Shared {
            recorder: Recorder::default(),
            gate: Gate::new(self.closed),
            tokens: Tokens::new(self.token_lifetime),
            knobs: self,
        });
        let data = web::Data::from(Arc::clone(&shared));
        let server = Embedded::start(move |listener| {
            let connected = Arc::clone(&data);
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(data.clone())
                    .app_data(web::PayloadConfig::new(64 * 1024 * 1024))
                    .default_service(web::to(serve::answer))
            })
            .on_connect(move |_, _| connected.recorder.connected())
            // A client that hangs up ends its request, which is how aborts are seen.
            .h1_allow_half_closed(false)
            .keep_alive(Duration::from_secs(75))
            .workers(1)
            .disable_signals()
            // A client that a busy machine stops between connecting and asking is no slow one.
            .client_request_timeout(Duration::from_secs(60))
            .listen(listener)?;
            Ok(server.run())
        });
        HostileServer { server: server.expect("a loopback server starts"), shared }
    }
}

impl HostileServer {
    /// The base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Where the server listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// The rows of the first collection, in server order.
    pub fn rows(&self) -> Vec<Value> {
        self.shared.knobs.collections[0].rows()
    }

    /// Replaces the rows of the first collection from now on.
    pub fn set_rows(&self, rows: Vec<Value>) {
        self.shared.knobs.collections[0].set_rows(rows);
    }

    /// Looks at what has arrived so far.
    pub fn log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        self.shared.recorder.look(look)
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// When it does not hold within a minute; the message names `what`.
    pub async fn wait_for(&self, what: &str, condition: impl FnMut(&Log) -> bool) {
        let waiting = self.shared.recorder.wait_until(condition);
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("{what} was not seen within {PATIENCE:?}: {:?}", self.log(Log::summary));
        }
    }

    /// Lets the answer of `page` go, now or when it is asked for.
    pub fn open(&self, page: u64) {
        self.shared.gate.open(page);
    }

    /// Lets every answer go from now on.
    pub fn open_all(&self) {
        self.shared.gate.open_all();
    }

    /// Lets every answer go when so many requests wait for theirs.
    pub async fn open_all_at(&self, what: &str, in_flight: usize) {
        self.wait_for(what, |log| log.in_flight == in_flight).await;
        self.open_all();
    }

    /// A fresh valid token, without a request.
    pub fn issue_token(&self) -> String {
        self.shared.tokens.issue()
    }

    /// Every token handed out so far is answered with 401 from now on.
    pub fn revoke(&self) {
        self.shared.tokens.revoke();
    }

    /// How many tokens were handed out, by [`issue_token`](Self::issue_token) or over the wire.
    pub fn tokens_issued(&self) -> usize {
        self.shared.tokens.issued()
    }
}
