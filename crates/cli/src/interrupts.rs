//! Ctrl-C, and SIGTERM where there are signals.

use std::future;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Notes signals from its making on. Without handlers for them they end the program at once.
pub(crate) struct Interrupts {
    #[cfg(unix)]
    interrupt: Option<Signal>,
    #[cfg(unix)]
    terminate: Option<Signal>,
}

#[cfg(unix)]
impl Interrupts {
    pub(crate) fn new() -> Self {
        let of = |kind| signal(kind).ok();
        Self { interrupt: of(SignalKind::interrupt()), terminate: of(SignalKind::terminate()) }
    }

    /// Those of Ctrl-C alone.
    #[cfg(feature = "sql")]
    pub(crate) fn of_keyboard() -> Self {
        Self { interrupt: signal(SignalKind::interrupt()).ok(), terminate: None }
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            () = next_of(&mut self.interrupt) => {}
            () = next_of(&mut self.terminate) => {}
        }
    }
}

#[cfg(unix)]
async fn next_of(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => {
            signals.recv().await;
        }
        None => future::pending().await,
    }
}

#[cfg(not(unix))]
impl Interrupts {
    pub(crate) fn new() -> Self {
        Self {}
    }

    #[cfg(feature = "sql")]
    pub(crate) fn of_keyboard() -> Self {
        Self::new()
    }

    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            future::pending().await
        }
    }
}
