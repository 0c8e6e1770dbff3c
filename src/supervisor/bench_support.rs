//! The way of a call to a worker's thread and back, for the benches.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::sync::Arc;

use actix::prelude::*;
use http::StatusCode;
use tokio::sync::{mpsc, watch};

use super::slot::route;
use crate::{
    config::PoolConfig,
    dispatch::{Dispatcher, Lost, Routes},
    error::Error,
    request::Request,
    response::Response,
    worker::{
        Run,
        bench_support::{Thread, host},
    },
};

/// A worker that has the answer to every call at hand.
struct Oracle;

impl Actor for Oracle {
    type Context = Context<Self>;
}

impl Handler<Run> for Oracle {
    type Result = ();

    fn handle(&mut self, Run(job): Run, _: &mut Self::Context) {
        actix_rt::spawn(async move { job.ticket.answer(Ok(Response::new(StatusCode::OK, ""))) });
    }
}

/// A pool without a network: its one worker has a thread, and no HTTP client.
pub struct Hop {
    dispatcher: Dispatcher,
    _routes: watch::Sender<Routes>,
    _lost: mpsc::UnboundedReceiver<Lost>,
    _thread: Thread,
}

impl Hop {
    /// Starts the worker.
    ///
    /// # Errors
    /// When it has no thread.
    pub fn new() -> Result<Self, Error> {
        let config = Arc::new(PoolConfig::new("http://localhost").validate()?);
        let (worker, thread) = host(|| Oracle)?;
        let (routes, receiver) = watch::channel(Routes::from([Arc::new(route(1, worker))]));
        let (sender, lost) = mpsc::unbounded_channel();
        let dispatcher = Dispatcher::new(config, Arc::default(), receiver, sender);
        Ok(Self { dispatcher, _routes: routes, _lost: lost, _thread: thread })
    }

    /// A call, from its admission to its answer.
    ///
    /// # Errors
    /// When the worker dies.
    pub async fn call(&self) -> Result<Response, Error> {
        self.dispatcher.call(Request::get("/"), None).await
    }
}
