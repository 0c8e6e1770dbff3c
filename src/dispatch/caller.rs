//! Whoever makes calls on behalf of a handle: the way that they go, and whose tokens go with
//! them. Who holds this cannot make a call for another one.

use std::{future::Future, sync::Arc};

use super::{Answer, ByteBudget, Control, Dispatcher, Tenant};
use crate::request::Request;

/// The way of a handle's calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) dispatcher: Arc<Dispatcher>,
    tenant: Option<Arc<Tenant>>,
}

impl Caller {
    /// The way of the handle that `control` came from.
    pub(crate) fn of(control: &dyn Control) -> Self {
        Self { dispatcher: Arc::clone(control.dispatcher()), tenant: control.tenant().cloned() }
    }

    /// Runs `request` on a worker, and says what the call has cost. Dropping the future cancels
    /// the call.
    pub(crate) fn measured(&self, request: Request) -> impl Future<Output = Answer> {
        self.dispatcher.measured(request, self.tenant.clone())
    }

    /// What the handle's streams may have of pages in memory.
    pub(crate) fn page_bytes(&self) -> ByteBudget {
        let budget = &self.dispatcher.page_bytes;
        self.tenant
            .as_ref()
            .map_or_else(|| budget.clone(), |tenant| budget.share_of(&tenant.page_bytes))
    }
}
