//! Whoever makes calls on behalf of a handle: the way that they go, and whose tokens go with
//! them. Who holds this cannot make a call for another one.

use std::{future::Future, sync::Arc};

use tokio::sync::oneshot;

use super::{
    Answer, ByteBudget, CancellationToken, Dispatcher, StartPager, SupervisorRequest, Tenant,
};
use crate::{error::Error, request::Request, response::Response};

/// The way of a handle's calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) dispatcher: Arc<Dispatcher>,
    tenant: Option<Arc<Tenant>>,
}

impl Caller {
    pub(crate) fn new(dispatcher: Arc<Dispatcher>, tenant: Option<Arc<Tenant>>) -> Self {
        Self { dispatcher, tenant }
    }

    /// Runs `request` on a worker. Dropping the future cancels the call.
    pub(crate) fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> {
        self.dispatcher.call(request, self.tenant.clone())
    }

    /// Runs `request` on a worker, and says what the call has cost. Dropping the future cancels
    /// the call.
    pub(crate) fn measured(&self, request: Request) -> impl Future<Output = Answer> {
        self.dispatcher.measured(request, self.tenant.clone())
    }

    /// Runs `start` on a thread that ends with the pager, if it is to be alone, or else on the
    /// thread of a living worker, or on the control thread if there is none.
    pub(crate) async fn start_pager(
        &self,
        start: StartPager,
        is_alone: bool,
    ) -> Result<CancellationToken, Error> {
        let (started, token) = oneshot::channel();
        self.dispatcher.ask_supervisor(SupervisorRequest::StartPager { start, is_alone, started });
        token.await.map_err(|_| Error::gone())?
    }

    /// What the handle's streams may have of pages in memory.
    pub(crate) fn page_bytes(&self) -> ByteBudget {
        let budget = &self.dispatcher.page_bytes;
        self.tenant
            .as_ref()
            .map_or_else(|| budget.clone(), |tenant| budget.share_of(&tenant.page_bytes))
    }
}
