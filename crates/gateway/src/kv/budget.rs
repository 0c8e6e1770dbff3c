//! How many bytes of values may be on their way: permits, held by guards.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::Error;

/// What one permit stands for, and the least that anything counts for, in bytes.
const UNIT: usize = 4 << 10;

/// A bound on bytes that are on their way, whose calls wait their turn.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
    most: u32,
    wait: Duration,
}

/// A share of a budget, returned when it is dropped.
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX)
}

impl Budget {
    pub(super) fn new(bytes: usize, wait: Duration) -> Self {
        let most = units(bytes);
        Self { units: Arc::new(Semaphore::new(most as usize)), most, wait }
    }

    /// Waits for room for these bytes, or for all there is if they are more.
    pub(super) async fn take(&self, bytes: usize) -> Result<Share, Error> {
        let units = units(bytes).min(self.most);
        if let Ok(permit) = Arc::clone(&self.units).try_acquire_many_owned(units) {
            return Ok(Share(permit));
        }
        let acquired = Arc::clone(&self.units).acquire_many_owned(units);
        match timeout(self.wait, acquired).await {
            Ok(Ok(permit)) => Ok(Share(permit)),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(Error::Busy(self.wait)),
        }
    }
}

impl Share {
    /// Keeps what these bytes need, and returns the rest.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let spare = self.0.num_permits().saturating_sub(units(bytes) as usize);
        drop(self.0.split(spare));
    }
}
