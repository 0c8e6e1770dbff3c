//! The messages of the queue, and how one is handled.

use std::{sync::Arc, time::Duration};

use apalis::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, dispatch::Handler};

/// The name of the queue.
pub(super) const QUEUE: &str = "apipool";

/// How long messages are kept that were handled.
pub(super) const KEPT: Duration = Duration::from_secs(3600);

/// A message of the queue: which unit to look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    unit: i64,
}

/// The task of a unit. The unit is found again by the key before the dot; a message may come twice.
pub(super) fn task(unit: i64) -> Result<Task<Vec<u8>>, Error> {
    let args = serde_json::to_vec(&Message { unit })?;
    let key = format!("{unit}.{}", Uuid::new_v4().simple());
    Ok(TaskBuilder::new(args).idempotency_key(key).build())
}

/// What handles messages.
#[derive(Clone)]
pub(super) struct Handling(pub(super) Arc<dyn Handler>);

pub(super) async fn handle(message: Message, handling: Data<Handling>) -> Result<(), BoxDynError> {
    handling.0.0.handle(message.unit).await;
    Ok(())
}
