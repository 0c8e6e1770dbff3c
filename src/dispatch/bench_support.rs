//! How a call comes by a permit and a seat, for the benches.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::Uri;
use tokio::sync::oneshot;

use super::{Call, Tally, admission};
use crate::{
    error::Error,
    request::Request,
    retry::CallKind,
    seats::{Capacity, Seat},
};

/// The permits of a pool.
#[derive(Clone)]
pub struct Permits(Arc<Capacity>, Arc<Tally>);

impl Permits {
    /// So many permits.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self(Arc::new(Capacity::new(size)), Arc::default())
    }

    /// A call that wants permits, one after the other.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let hour = Duration::from_secs(3_600);
        let url = Uri::from_static("http://localhost/");
        let call = Call::new(
            CallKind::Call,
            Request::get("/"),
            None,
            Arc::new(url),
            Instant::now(),
            hour,
            oneshot::channel().0,
        );
        let (capacity, tally) = (Arc::clone(&self.0), Arc::clone(&self.1));
        Caller { capacity, tally, call: Arc::new(call) }
    }
}

/// A call that wants permits.
pub struct Caller {
    pub(crate) capacity: Arc<Capacity>,
    tally: Arc<Tally>,
    pub(crate) call: Arc<Call>,
}

impl Caller {
    /// Waits for a permit, which the answer gives back when it is dropped.
    ///
    /// # Errors
    /// None, as the permits do not end.
    pub async fn permit(&self) -> Result<impl Send + use<>, Error> {
        admission::permit(self.capacity.permits(), &self.call, &self.tally).await
    }

    /// Waits for a permit and puts it into a new seat, as a job takes it to a worker.
    ///
    /// # Errors
    /// None, as the permits do not end.
    pub async fn seat(&self) -> Result<impl Send + use<>, Error> {
        self.seated().await
    }

    pub(crate) async fn seated(&self) -> Result<Arc<Seat>, Error> {
        let permit = admission::permit(self.capacity.permits(), &self.call, &self.tally).await?;
        Ok(Arc::new(Seat::new(Arc::clone(&self.capacity), permit)))
    }
}
