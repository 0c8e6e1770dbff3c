//! What a paged read reads, and how: the settings of a stream, the request for one
//! page, and the share of the window that a page takes. Knows no order and no end.

use std::{
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    decode::{ItemDecoder, Leaf, Page, PageDecoder},
    envelope::{Envelope, Meta},
    strategy::Paging,
};
use crate::{
    dispatch::{Dispatcher, Effort, PoolLink},
    error::{Error, ErrorKind},
    http::{Request, Response},
    priority::Priority,
};

/// Pages ahead of the consumer unless set otherwise.
const DEFAULT_PREFETCH: usize = 3;
/// Bytes of pages ahead of the consumer unless set otherwise.
const DEFAULT_BYTE_BUDGET: usize = 64 * 1024 * 1024;

/// What to read, and how.
pub(super) struct Target<T> {
    endpoint: String,
    pub(super) priority: Option<Priority>,
    pub(super) prefetch: usize,
    pub(super) byte_budget: usize,
    pub(super) paging: Paging,
    pub(super) envelope: Arc<Envelope>,
    decoder: Arc<dyn PageDecoder<T>>,
}

/// A page as the server sent it, and what it cost.
pub(super) struct Arrival {
    pub(super) response: Response,
    pub(super) effort: Effort,
}

/// A page whose items are built as they are wanted.
pub(super) struct Sheet {
    leaf: Leaf,
    effort: Effort,
}

impl Sheet {
    pub(super) fn has_items(&self) -> bool {
        self.leaf.has_items()
    }

    /// How many items were built.
    pub(super) fn built(&self) -> usize {
        self.leaf.taken()
    }
}

impl<T: Send + 'static> Target<T> {
    /// The items of `endpoint` as `decoder` builds them, with every setting at its default.
    pub(super) fn new<D: ItemDecoder<Item = T>>(endpoint: String, decoder: D) -> Self {
        Self {
            endpoint,
            priority: Priority::of_scope(),
            prefetch: DEFAULT_PREFETCH,
            byte_budget: DEFAULT_BYTE_BUDGET,
            paging: Paging::default(),
            envelope: Arc::default(),
            decoder: Arc::new(decoder),
        }
    }

    /// The same target with items built by another decoder.
    pub(super) fn decoded_by<D: ItemDecoder>(self, decoder: D) -> Target<D::Item> {
        let decoder = Arc::new(decoder);
        let Self { endpoint, priority, prefetch, byte_budget, paging, envelope, .. } = self;
        Target { endpoint, priority, prefetch, byte_budget, paging, envelope, decoder }
    }

    /// Fetches one page.
    pub(super) fn fetch(
        &self,
        dispatcher: &Arc<Dispatcher>,
        index: u64,
        size: Option<u64>,
    ) -> impl Future<Output = Result<Arrival, Error>> + Send + use<T> {
        let dispatcher = Arc::clone(dispatcher);
        let request = Request::get(self.endpoint.as_str()).query(&self.paging.query(index, size));
        let priority = self.priority.unwrap_or_default();
        async move {
            let request = request?.priority(priority);
            let (response, effort) = dispatcher.measured(request).await?;
            Ok(Arrival { response, effort })
        }
    }

    /// Opens a page.
    pub(super) fn sheet(&self, Arrival { response, effort }: Arrival) -> Result<Sheet, Error> {
        let leaf = Leaf::open(&self.envelope, response).map_err(|error| after(effort, error))?;
        Ok(Sheet { leaf, effort })
    }

    /// Builds at most `most` of the items that are left, none after the last. Those built
    /// before an error are kept.
    pub(super) fn build(
        &self,
        sheet: &mut Sheet,
        most: usize,
        items: &mut VecDeque<T>,
    ) -> Result<(), Error> {
        // The code that builds an item may be a user's.
        let build = AssertUnwindSafe(|| self.decoder.build(&mut sheet.leaf, most, items));
        let panicked = |_| Err(Error::new(ErrorKind::Callback, "building the items panicked"));
        catch_unwind(build).unwrap_or_else(panicked).map_err(|error| after(sheet.effort, error))
    }

    /// How many items a page has and what it says about the set.
    pub(super) fn survey(&self, sheet: &Sheet) -> Result<(usize, Meta), Error> {
        sheet.leaf.survey(&self.envelope).map_err(|error| after(sheet.effort, error))
    }

    /// What a page says about the set, when every item was built.
    pub(super) fn meta(&self, sheet: &Sheet) -> Result<Meta, Error> {
        sheet.leaf.meta(&self.envelope).map_err(|error| after(sheet.effort, error))
    }

    /// Takes a whole page apart.
    pub(super) fn whole(&self, mut sheet: Sheet) -> Result<Page<T>, Error> {
        let mut items = VecDeque::new();
        self.build(&mut sheet, usize::MAX, &mut items)?;
        Ok(Page { items: items.into(), meta: self.meta(&sheet)? })
    }

    /// How many places in the window a page of this size takes, so that as many
    /// pages as fit stay within the byte budget.
    pub(super) fn cost(&self, page_bytes: usize) -> u32 {
        let fitting = self
            .byte_budget
            .checked_div(page_bytes)
            .unwrap_or(self.prefetch)
            .clamp(1, self.prefetch);
        u32::try_from(self.prefetch.div_ceil(fitting)).unwrap_or(u32::MAX)
    }
}

/// Fetches one page on its own, counted from 0, asking for `size` items if the API
/// takes a size.
pub(crate) async fn fetch_page<D: ItemDecoder>(
    pool: impl Into<PoolLink>,
    endpoint: &str,
    paging: &Paging,
    envelope: &Envelope,
    decoder: D,
    index: u64,
    size: Option<u64>,
) -> Result<Page<D::Item>, Error> {
    let mut target = Target::new(endpoint.to_owned(), decoder);
    target.paging = paging.clone();
    target.envelope = Arc::new(envelope.clone());
    let control = pool.into().0.connect().await?;
    let number = paging.number(index);
    let page = target.fetch(control.dispatcher(), index, size).await;
    let page = page.and_then(|arrival| target.sheet(arrival));
    let page = page.and_then(|sheet| target.whole(sheet));
    page.map_err(|error| error.with_page(number))
}

fn after(effort: Effort, error: Error) -> Error {
    error.with_effort(effort.attempts, effort.elapsed)
}

#[cfg(test)]
mod tests {
    use super::{super::decode::Typed, *};

    fn target(prefetch: usize, byte_budget: usize) -> Target<()> {
        Target { prefetch, byte_budget, ..Target::new(String::new(), Typed::new()) }
    }

    #[test]
    fn large_pages_take_more_of_the_window_and_one_always_fits() {
        assert_eq!(target(8, 1000).cost(100), 1);
        assert_eq!(target(8, 1000).cost(250), 2);
        assert_eq!(target(8, 1000).cost(1001), 8);
        assert_eq!(target(8, 1000).cost(0), 1);
        assert_eq!(target(1, 1).cost(usize::MAX), 1);
    }
}
