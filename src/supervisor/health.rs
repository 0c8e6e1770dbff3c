//! Sends health checks while the circuit breaker is open, so that no call has to be the probe.
//! The breaker decides when a check is due.

use std::sync::Arc;

use crate::{dispatch::Dispatcher, error::ErrorKind};

/// Sends each health check that is due, one at a time, until the pool shuts down.
pub(super) async fn watch(dispatcher: Arc<Dispatcher>) {
    let Some(circuit) = &dispatcher.circuit else { return };
    loop {
        let target = circuit.health_check_due().await;
        let Err(error) = dispatcher.check_health(target).await else { continue };
        tracing::debug!(kind = error.kind_name(), "health check");
        match error.kind() {
            ErrorKind::ShuttingDown => return,
            // A check that never became an attempt is not a probe, and would be due again at once.
            _ if error.attempts() == 0 => tokio::time::sleep(circuit.open_time()).await,
            _ => {}
        }
    }
}
