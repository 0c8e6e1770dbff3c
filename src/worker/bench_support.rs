//! What a call on a worker holds and passes, for the benches, and threads for actors.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::{
    sync::{Arc, mpsc},
    thread,
};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::gates::Slot;
use crate::{
    dispatch::{Call, bench_support::Caller},
    error::{Error, ErrorKind},
};

/// A call's slot on a worker, empty between its attempts.
pub struct Place {
    slot: Slot<'static>,
    call: Arc<Call>,
}

impl Place {
    /// A slot of `caller`, on a tokio runtime.
    ///
    /// # Errors
    /// None, as the permits do not end.
    pub async fn new(caller: &Caller) -> Result<Self, Error> {
        let seat = caller.seated().await?;
        let mut slot = Slot::new(seat, Box::leak(Box::default()));
        slot.release();
        Ok(Self { slot, call: Arc::clone(&caller.call) })
    }

    /// Waits until the slot is filled.
    ///
    /// # Errors
    /// When the call's deadline passes.
    pub async fn hold(&mut self) -> Result<(), Error> {
        self.slot.hold(&self.call).await
    }

    /// Empties the slot.
    pub fn release(&mut self) {
        self.slot.release();
    }
}

/// The thread of an actor, which ends when this is dropped.
pub(crate) struct Thread(
    #[allow(dead_code, reason = "its end is what counts")] oneshot::Sender<()>,
);

/// Starts an actor on a thread of its own.
pub(crate) fn host<A>(make: impl FnOnce() -> A + Send + 'static) -> Result<(Addr<A>, Thread), Error>
where
    A: Actor<Context = Context<A>>,
{
    let (alive, gone) = oneshot::channel();
    let (tell, told) = mpsc::channel();
    let run = move || {
        System::new().block_on(async {
            let _ = tell.send(make().start());
            let _ = gone.await;
        });
    };
    let thread = thread::Builder::new().name("bench-actor".into()).spawn(run);
    thread.map_err(|source| {
        Error::new(ErrorKind::WorkerCrashed, "no thread for the actor").with_source(source)
    })?;
    let actor = told.recv().map_err(|_| Error::gone())?;
    Ok((actor, Thread(alive)))
}
