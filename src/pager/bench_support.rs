//! How a page becomes items, and how pages come into their order, for the benches.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::{
    decode::{ItemDecoder, Typed},
    reader::BUILT_AHEAD,
    reorder::Reorder,
    target::{Arrival, Sheet, Target},
};
use crate::{dispatch::Effort, error::Error, http::Response};

/// Takes pages of the standard envelope apart.
pub struct Pages<T>(Target<T>);

impl<T: DeserializeOwned + Send + 'static> Pages<T> {
    /// Items that serde builds.
    #[must_use]
    pub fn typed() -> Self {
        Self::decoded_by(Typed::new())
    }
}

impl<T: Send + 'static> Pages<T> {
    pub(crate) fn decoded_by<D: ItemDecoder<Item = T>>(decoder: D) -> Self {
        Self(Target::new("/".into(), decoder))
    }

    /// The items of a page, all at once, and what it says about the set.
    ///
    /// # Errors
    /// When it is no page.
    pub fn whole(&self, body: &Bytes) -> Result<Vec<T>, Error> {
        self.0.whole(self.sheet(body)?).map(|page| page.items)
    }

    /// Hands out the items of a page as a stream does that is read item by item.
    ///
    /// # Errors
    /// When it is no page.
    pub fn one_by_one(&self, body: &Bytes, mut each: impl FnMut(T)) -> Result<(), Error> {
        let mut sheet = self.sheet(body)?;
        let mut items = VecDeque::with_capacity(BUILT_AHEAD);
        loop {
            self.0.build(&mut sheet, BUILT_AHEAD, &mut items)?;
            if items.is_empty() {
                return self.0.meta(&sheet).map(drop);
            }
            items.drain(..).for_each(&mut each);
        }
    }

    /// How many items a page has; it is read to its end, and no item is built.
    ///
    /// # Errors
    /// When it is no page.
    pub fn survey(&self, body: &Bytes) -> Result<usize, Error> {
        self.0.survey(&self.sheet(body)?).map(|(items, _)| items)
    }

    fn sheet(&self, body: &Bytes) -> Result<Sheet, Error> {
        let effort = Effort { attempts: 1, elapsed: Duration::ZERO };
        let response = Response::new(StatusCode::OK, body.clone());
        self.0.sheet(Arrival { response, effort, read: None })
    }
}

/// Takes in things with these indices, and hands each out when its turn has come.
pub fn reorder(arrivals: impl IntoIterator<Item = u64>, mut each: impl FnMut(u64)) {
    let mut window = Reorder::from(0);
    for index in arrivals {
        window.insert(index, index);
        while let Some(index) = window.pop() {
            each(index);
        }
    }
}
