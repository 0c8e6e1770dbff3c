//! Makes calls on behalf of a handle, with that handle's tokens. The holder of this cannot make
//! calls for another handle.

use std::{future::Future, sync::Arc};

use tokio::sync::oneshot;

use super::{
    Answer, ByteBudget, CancellationToken, Dispatcher, StartPager, SupervisorRequest, Tenant,
};
use crate::{error::Error, request::Request, response::Response, retry::CallKind};

/// Makes calls for one handle.
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

    /// Runs `request` on a worker, and also returns the cost of the call. Dropping the future
    /// cancels the call.
    pub(crate) fn measured(&self, request: Request) -> impl Future<Output = Answer> {
        self.dispatcher.make(CallKind::Call, request, self.tenant.clone())
    }

    /// Runs `start` on a dedicated thread that ends with the pager, or else on the thread of a
    /// living worker, or on the control thread if there is none.
    pub(crate) async fn start_pager(
        &self,
        start: StartPager,
        is_alone: bool,
    ) -> Result<CancellationToken, Error> {
        let (started, token) = oneshot::channel();
        self.dispatcher.ask_supervisor(SupervisorRequest::StartPager { start, is_alone, started });
        token.await.map_err(|_| Error::gone())?
    }

    /// The byte budget for pages of the handle's streams.
    pub(crate) fn page_bytes(&self) -> ByteBudget {
        let budget = &self.dispatcher.page_bytes;
        self.tenant
            .as_ref()
            .map_or_else(|| budget.clone(), |tenant| budget.share_of(&tenant.page_bytes))
    }
}
