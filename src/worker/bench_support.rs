//! What a call on a worker holds and passes, for the benches, and threads for actors.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use rust_decimal::Decimal;
use tokio::sync::oneshot;

use super::gates::{Slot, Throttle};
use crate::{
    actors::{Switch, line},
    dispatch::{
        Call,
        bench_support::{Caller, Permits},
    },
    error::{Error, ErrorKind},
    events::Events,
    rate_limit::{Limiter, Pacer, Reason, TokenWish},
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

/// A call that passes the rate limit again and again.
pub struct Throttled {
    throttle: Throttle,
    place: Place,
    _limiter: (Switch<Limiter>, Thread),
}

impl Throttled {
    /// Passes a limit too wide to be felt, as one of so many `workers`: each may lease a
    /// share of it. Among very many the share is nothing, and the limiter's thread is asked
    /// every time.
    ///
    /// # Errors
    /// When the limiter has no thread.
    pub async fn new(workers: usize) -> Result<Self, Error> {
        let permits = Permits::new(1);
        let caller = permits.caller();
        let slots = Arc::clone(caller.capacity.permits());
        let (rate, now) = (Some(Decimal::from(1_000_000_000)), Instant::now());
        let events = Arc::new(Events::default());
        let pacer = Arc::new(Pacer::new(rate, false, Duration::ZERO, events, now));
        let shared = Arc::clone(&pacer);
        let (limiter, thread) =
            host(move || Limiter::new(shared, Some(u32::MAX), workers, slots, now, Box::new(())))?;
        let (switch, line) = line();
        switch.lead_to(Some(limiter), false);
        let place = Place::new(&caller).await?;
        Ok(Self {
            throttle: Throttle::new(line, pacer, None, false),
            place,
            _limiter: (switch, thread),
        })
    }

    /// Gets a rate permit and a slot, and gives the slot back.
    ///
    /// # Errors
    /// When the call's deadline passes.
    pub async fn pass(&mut self) -> Result<(), Error> {
        let Place { slot, call } = &mut self.place;
        self.throttle.pass(call, slot, Reason::First, TokenWish::None).await?;
        slot.release();
        Ok(())
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
