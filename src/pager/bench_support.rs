//! How a page becomes items, and how pages come into their order, for the benches.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::{
    decode::{ItemDecoder, Typed},
    page::UndecodedPage,
    reorder::Reorder,
    target::{Arrival, Target},
};
use crate::{dispatch::Effort, error::Error, response::Response};

/// Takes pages of the standard envelope apart.
pub struct Pages<T>(Arc<Target<T>>);

impl<T: DeserializeOwned + Send + 'static> Pages<T> {
    /// Items that serde builds.
    #[must_use]
    pub fn typed() -> Self {
        Self::decoded_by(Typed::new())
    }
}

impl<T: Send + 'static> Pages<T> {
    pub(crate) fn decoded_by<D: ItemDecoder<Item = T>>(decoder: D) -> Self {
        Self(Arc::new(Target::new("/".into(), decoder)))
    }

    /// The items of a page, all at once, and what it says about the set.
    ///
    /// # Errors
    /// When it is no page.
    pub fn whole(&self, body: &Bytes) -> Result<Vec<T>, Error> {
        let mut page = self.page(body)?;
        while page.gather(0) {}
        page.meta()?;
        page.take_gathered()
    }

    /// Hands out the items of a page as a stream does that is read item by item.
    ///
    /// # Errors
    /// When it is no page.
    pub fn one_by_one(&self, body: &Bytes, mut each: impl FnMut(T)) -> Result<(), Error> {
        let mut page = self.page(body)?;
        while let Some(item) = page.next_item() {
            each(item?);
        }
        page.meta().map(drop)
    }

    /// How many items a page has; it is read to its end, and no item is built.
    ///
    /// # Errors
    /// When it is no page.
    pub fn survey(&self, body: &Bytes) -> Result<usize, Error> {
        self.page(body)?.survey().map(|(items, _)| items)
    }

    fn page(&self, body: &Bytes) -> Result<UndecodedPage<T>, Error> {
        let effort = Effort { attempts: 1, elapsed: Duration::ZERO };
        let response = Response::new(StatusCode::OK, body.clone());
        UndecodedPage::open(&self.0, Arrival { response, effort, read: None }, None, 1, 0, 0)
    }
}

/// Takes in things with these indices, and hands each out when its turn has come.
pub fn reorder(arrivals: impl IntoIterator<Item = u64>, mut each: impl FnMut(u64)) {
    let mut window = Reorder::from(0);
    for index in arrivals {
        window.insert(index, index);
        window.take_ready().into_iter().for_each(&mut each);
    }
}
