//! A worker: takes plans over the network and runs their scans over the APIs of a session.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    datasource::sink::DataSinkExec,
    error::{DataFusionError, Result},
    execution::SessionState,
    physical_plan::{ExecutionPlan, empty::EmptyExec, placeholder_row::PlaceholderRowExec},
};
use datafusion_distributed::{
    DistributedExt, NetworkBoundaryExt, Worker, WorkerPlanRewriteEvent,
    WorkerPlanRewriteEventResponse, WorkerQueryContext,
};
use futures::future::{Either, select};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tonic::transport::{Server, server::TcpIncoming};

use super::{
    cancel,
    codec::ScanCodec,
    release::Incarnation,
    workers::{ALIVE, Channels},
};
use crate::{
    error::SqlError,
    scan::{ApiScanExec, Cancelled},
    session::ApiSession,
};

/// The most bytes of a plan, with the rows of a first page. It is read before its token is looked at.
const PLAN: usize = 64 << 20;

/// How long queries under way may take once a worker is to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A process that reads ranges of the pages of its session's tables for others.
///
/// ```no_run
/// use tokio::net::TcpListener;
/// use vantage_api_sql::{ApiSession, distributed::SqlWorker};
///
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let session = ApiSession::open("world.yaml")?;
/// let listener = TcpListener::bind("127.0.0.1:7001").await?;
/// let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
/// SqlWorker::new(session).serve(listener, stop).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SqlWorker {
    session: ApiSession,
    token: Option<SecretString>,
}

impl SqlWorker {
    /// A worker over the APIs of a session, which must be those of the sessions that ask it: with the
    /// same names and the same tables.
    #[must_use]
    pub fn new(session: ApiSession) -> Self {
        Self { session, token: None }
    }

    /// Refuses plans of whoever does not tell this token. It goes over the network as it is, like
    /// everything else: it keeps out who can reach the port, not who can read the network.
    #[must_use]
    pub fn token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// Serves until `stop` is done; queries under way may go on for 10 seconds then.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), SqlError> {
        let codec = ScanCodec { apis: self.session.apis() };
        let channels = Channels::default();
        let token = self.token;
        let builder = move |asked: WorkerQueryContext| {
            let (codec, channels) = (codec.clone(), channels.clone());
            let told = asked.headers.get("authorization").map(|value| value.as_bytes().to_vec());
            let is_let_in = is_let_in(token.as_ref(), told.as_deref());
            async move {
                match is_let_in {
                    true => Ok(state(asked, codec, channels)),
                    false => {
                        let what = "this worker wants another token".to_owned();
                        Err(DataFusionError::from(SqlError::Workers(what)))
                    }
                }
            }
        };
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let own = Incarnation::new(std::process::id(), started.as_nanos());
        let worker = Worker::from_session_builder(builder).with_version(own.answer());
        let (stopping, stopped) = oneshot::channel::<()>();
        let signal = async move {
            stop.await;
            drop(stopping);
        };
        let serving = Server::builder()
            .layer(cancel::on_close())
            .http2_keepalive_interval(Some(ALIVE))
            .http2_keepalive_timeout(Some(ALIVE))
            .add_service(worker.into_worker_server().max_decoding_message_size(PLAN))
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), signal);
        let overdue = async {
            let _ = stopped.await;
            sleep(DRAIN).await;
        };
        match select(pin!(serving), pin!(overdue)).await {
            Either::Left((served, _)) => {
                served.map_err(|error| SqlError::Workers(error.to_string()))
            }
            Either::Right(_) => Ok(()),
        }
    }
}

fn is_let_in(token: Option<&SecretString>, told: Option<&[u8]>) -> bool {
    let Some(token) = token else { return true };
    let wanted = format!("Bearer {}", token.expose_secret());
    told.is_some_and(|told| wanted.as_bytes().ct_eq(told).into())
}

fn state(asked: WorkerQueryContext, codec: ScanCodec, channels: Channels) -> SessionState {
    let mut builder = asked.builder;
    let config = builder.config().get_or_insert_default();
    config.set_extension(Arc::new(Cancelled(cancel::cancelled())));
    builder
        .with_distributed_user_codec(codec)
        .with_distributed_channel_resolver(channels)
        .with_distributed_worker_plan_rewrite_handler(checked)
        .build()
}

/// Refuses plans that read or write anything but tables of APIs: files of this machine, say.
fn checked(asked: WorkerPlanRewriteEvent<'_>) -> Result<WorkerPlanRewriteEventResponse> {
    asked.plan.apply(|node| match is_known(node.as_ref()) {
        true => Ok(TreeNodeRecursion::Continue),
        false => {
            let what = format!("this worker runs no node `{}`", node.name());
            Err(SqlError::Workers(what).into())
        }
    })?;
    Ok(WorkerPlanRewriteEventResponse::new(asked.plan))
}

fn is_known(node: &dyn ExecutionPlan) -> bool {
    let is_leaf = node.children().is_empty();
    let is_known_leaf = node.is::<ApiScanExec>()
        || node.is::<EmptyExec>()
        || node.is::<PlaceholderRowExec>()
        || node.is_network_boundary();
    (is_known_leaf || !is_leaf) && !node.is::<DataSinkExec>()
}
