//! One page of a read, whose items are built as they are wanted, on the thread that wants them.

use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    decode::{Leaf, Page},
    facts::Meta,
    list::List,
    target::{Arrival, Target},
};
use crate::{
    dispatch::Effort,
    error::{Error, ErrorKind},
};

/// One page of a [`PaginatedStream`](crate::PaginatedStream), from
/// [`undecoded`](crate::PaginatedStream::undecoded): an iterator that builds its items as they
/// are taken.
///
/// It can be sent to another thread, so that several pages are decoded at a time. An item that
/// is not what was asked for is an [`ErrorKind::Decode`] with the number of the page, and the
/// last that the iterator yields; one whose building panics is an [`ErrorKind::Callback`].
pub struct UndecodedPage<T: Send + 'static> {
    target: Arc<Target<T>>,
    leaf: Leaf,
    effort: Effort,
    number: u64,
    /// How many of the next items to be built were taken before the read was resumed.
    skip: u64,
    /// What failed after items that were handed out together.
    failure: Option<Error>,
    has_ended: bool,
}

impl<T: Send + 'static> UndecodedPage<T> {
    /// Page `number`, of whose items the first `skip` were taken before. They are in `list` if
    /// they were looked for before.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when the body is not text.
    pub(super) fn open(
        target: &Arc<Target<T>>,
        Arrival { response, effort, .. }: Arrival,
        list: Option<List>,
        number: u64,
        skip: u64,
    ) -> Result<Self, Error> {
        let leaf = match list {
            Some(list) => Leaf::of(response, list),
            None => Leaf::open(&target.envelope, response).map_err(|error| effort.of(error))?,
        };
        let target = Arc::clone(target);
        Ok(Self { target, leaf, effort, number, skip, failure: None, has_ended: false })
    }

    /// The number of the page as the API counts it, from 1 unless set otherwise, or its place
    /// in the read where the API does not number its pages.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn has_items(&self) -> bool {
        !self.list().is_empty()
    }

    pub(super) fn list(&self) -> &List {
        self.leaf.list()
    }

    /// How many items were built.
    pub(super) fn built(&self) -> usize {
        self.leaf.taken()
    }

    /// How many items were taken.
    pub(super) fn taken(&self) -> u64 {
        self.built() as u64 + self.skip
    }

    /// The next item, or what failed. `None` after either.
    pub(super) fn next_item(&mut self) -> Option<Result<T, Error>> {
        if let Some(failure) = self.failure.take() {
            return Some(Err(failure));
        }
        while !self.has_ended {
            // The code that builds an item may be a user's.
            let build = AssertUnwindSafe(|| self.target.decoder.next(&mut self.leaf));
            let panicked = |payload| {
                // Its end is a user's code too, which may panic again.
                mem::forget(payload);
                let what = "building the items panicked";
                Some(Err(Error::new(ErrorKind::Callback, what)))
            };
            let next = catch_unwind(build).unwrap_or_else(panicked);
            match next {
                Some(Ok(_)) if self.skip > 0 => self.skip -= 1,
                Some(Ok(_)) => return next,
                Some(Err(error)) => {
                    self.has_ended = true;
                    return Some(Err(self.effort.of(error).with_page(self.number)));
                }
                None => {
                    self.has_ended = true;
                    // It may have fewer items than were taken of it.
                    self.skip = 0;
                }
            }
        }
        None
    }

    /// At most `most` of the items that are left, up to what failed; none at the end. `expected`
    /// is how many the page may have.
    pub(super) fn next_items(&mut self, most: usize, expected: usize) -> Result<Vec<T>, Error> {
        let left = expected.saturating_sub(self.built());
        let mut items = Vec::with_capacity(left.min(most));
        while items.len() < most {
            match self.next_item() {
                Some(Ok(item)) => items.push(item),
                Some(Err(error)) if items.is_empty() => return Err(error),
                Some(Err(error)) => {
                    self.failure = Some(error);
                    break;
                }
                None => break,
            }
        }
        Ok(items)
    }

    /// How many items there are and what the page says about the set.
    pub(super) fn survey(&self) -> Result<(usize, Meta), Error> {
        let survey = self.leaf.survey(&self.target.envelope);
        let (items, meta) = survey.map_err(|error| self.effort.of(error))?;
        Ok((items, self.with_headers(meta)))
    }

    /// What the page says about the set, when every item was built.
    pub(super) fn meta(&self) -> Result<Meta, Error> {
        let meta = self.leaf.meta(&self.target.envelope).map_err(|error| self.effort.of(error))?;
        Ok(self.with_headers(meta))
    }

    /// Takes the whole page apart.
    pub(super) fn whole(mut self) -> Result<Page<T>, Error> {
        let items = self.next_items(usize::MAX, 0)?;
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(Page { items, meta: self.meta()? }),
        }
    }

    fn with_headers(&self, mut meta: Meta) -> Meta {
        self.target.paging.read_headers(self.leaf.response().headers(), &mut meta);
        meta
    }
}

impl<T: Send + 'static> Iterator for UndecodedPage<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_item()
    }
}

impl<T: Send + 'static> fmt::Debug for UndecodedPage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndecodedPage").field("number", &self.number).finish_non_exhaustive()
    }
}
