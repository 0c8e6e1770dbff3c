//! Where a pool's actors run: on a System thread of its own, or on Arbiters of the actix System
//! that the application runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use actix::prelude::*;
use futures::{FutureExt, future::Shared};
use tokio::{
    runtime,
    sync::{OnceCell, mpsc, oneshot, watch},
};

use super::{actor::Supervisor, messages::Shutdown, role_restart::NeedTokens, threads::no_thread};
use crate::{
    config::ValidConfig,
    dispatch::{Dispatcher, Routes, Tenant},
    error::Error,
    events::Events,
    lock::lock,
    user_value::mark_own_thread,
};

/// A running pool; dropping this ends it.
pub(crate) struct Core {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) supervisor: Addr<Supervisor>,
    control: ArbiterHandle,
    /// The System of the control thread, if that runs for the pool alone.
    system: Option<System>,
    /// Set once there is a token manager for handles with their own credentials.
    token_manager: OnceCell<()>,
    /// Resolves when the control thread has ended.
    ended: Shared<oneshot::Receiver<()>>,
}

/// The Systems that pools run for themselves. A pool first used in a callback of another pool must
/// not run in that one's System, which may end before it.
static OWN_SYSTEMS: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Starts a pool's actors. Inside an application's System they use Arbiters of that System;
/// elsewhere they get a System thread of their own. Blocks no thread. If the future
/// is dropped, whatever has started ends.
pub(crate) async fn start(config: ValidConfig, events: Arc<Events>) -> Result<Core, Error> {
    let (ready, started) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let ended = ended.shared();
    let host = System::try_current().filter(|system| !lock(&OWN_SYSTEMS).contains(&system.id()));
    match host {
        Some(_) => {
            let arbiter = Arbiter::try_new().map_err(no_thread)?;
            let control = arbiter.handle();
            arbiter.spawn_fn(move || {
                let core = boot(config, events, control, None, ended);
                if core.is_err() {
                    Arbiter::current().stop();
                }
                // If the starter has gone, this drops the core, and that ends the pool.
                let _ = ready.send(core);
            });
            spawn_thread(move || {
                let _ = arbiter.join();
                drop(end);
            })?;
        }
        None => {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(no_thread)?;
            spawn_thread(move || {
                let runner = System::with_tokio_rt(|| runtime);
                let id = System::current().id();
                lock(&OWN_SYSTEMS).insert(id);
                let core = runner.block_on(async {
                    let system = System::current();
                    boot(config, events, system.arbiter().clone(), Some(system), ended)
                });
                let is_up = core.is_ok();
                let _ = ready.send(core);
                if is_up {
                    let _ = runner.run();
                }
                lock(&OWN_SYSTEMS).remove(&id);
                drop(end);
            })?;
        }
    }
    started.await.map_err(|_| Error::gone())?
}

fn spawn_thread(run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name("vantage-api-pool".into()).spawn(run);
    spawned.map(drop).map_err(no_thread)
}

fn stop(control: &ArbiterHandle, system: Option<&System>) {
    match system {
        Some(system) => system.stop(),
        None => _ = control.stop(),
    }
}

/// Starts every actor: on the current thread, except the workers and the token
/// manager, which run users' callbacks on threads of their own.
fn boot(
    config: ValidConfig,
    events: Arc<Events>,
    control: ArbiterHandle,
    system: Option<System>,
    ended: Shared<oneshot::Receiver<()>>,
) -> Result<Core, Error> {
    mark_own_thread();
    let (routes_sender, routes) = watch::channel(Routes::default());
    let (ask, requests) = mpsc::unbounded_channel();
    // The acquire callback is a user's: it may block its own thread, but not this one.
    let callbacks =
        config.settings.credentials.as_ref().map(|_| Arbiter::try_new().map_err(no_thread));
    let callbacks = callbacks.transpose()?;
    let dispatcher = Arc::new(Dispatcher::new(Arc::new(config), events, routes, ask));
    let own = Arc::clone(&dispatcher);
    let supervisor =
        Supervisor::create(|ctx| Supervisor::new(own, routes_sender, requests, callbacks, ctx));
    let token_manager = OnceCell::new();
    Ok(Core { dispatcher, supervisor, control, system, token_manager, ended })
}

impl Core {
    /// Starts a token manager, unless there is one.
    pub(crate) async fn need_tokens(&self) -> Result<(), Error> {
        let ask = || async { self.supervisor.send(NeedTokens).await.map_err(|_| Error::gone())? };
        self.token_manager.get_or_try_init(ask).await.copied()
    }

    /// Shuts down in order and waits for the pool's threads.
    pub(crate) async fn shutdown(&self, drain: Duration) {
        let _ = self.supervisor.send(Shutdown::new(drain)).await;
        stop(&self.control, self.system.as_ref());
        let _ = self.ended.clone().await;
    }

    /// Waits for at most `drain` until the calls of a closed tenant have ended, and ends the rest.
    pub(crate) async fn drain(&self, tenant: Arc<Tenant>, drain: Duration) {
        let dispatcher = Arc::clone(&self.dispatcher);
        let (done, ended) = oneshot::channel::<()>();
        self.control.spawn(async move {
            dispatcher.drain(&tenant, drain).await;
            drop(done);
        });
        // The sender is dropped at the end, or with the thread.
        let _ = ended.await;
    }
}

impl Drop for Core {
    /// Shuts down in the background, on the control thread.
    fn drop(&mut self) {
        let supervisor = self.supervisor.clone();
        let (control, system) = (self.control.clone(), self.system.clone());
        self.control.spawn(async move {
            let _ = supervisor.send(Shutdown::new(Duration::ZERO)).await;
            stop(&control, system.as_ref());
        });
    }
}
