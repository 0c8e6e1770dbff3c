//! One page of a read, whose items are built on demand, on the consumer's thread, or elsewhere if
//! they are long; and the fetch of a single page outside of any stream.

use std::{collections::VecDeque, iter, mem, sync::Arc, time::Instant};

use futures::future::BoxFuture;

use super::{
    bounds::Bounds,
    endpoint::{Endpoint, FetchedPage, Headers},
    envelope::Envelope,
    facts::PageInfo,
    format::{Decode, DecodedPage, ItemDecoder, ItemList, Taken, decode_by},
    strategy::{PageAddress, Paging},
};
use crate::{
    coop::{CHECKED_EVERY, CoopBudget, ITEM_COST, drop_all},
    dispatch::{Connected, Effort, PoolLink},
    error::{Error, ErrorKind},
    response::Response,
    user_value::catch_panic,
};

/// The next item of a page, or its error; `None` after the last. And the progress with it.
pub(super) type Built<T> = (Option<Result<T, Error>>, Taken);

/// A page of which items are taken, one by one or several at a time.
pub(super) struct OpenPage<T: Send + 'static> {
    endpoint: Arc<Endpoint>,
    decoder: Decode<T>,
    pub(super) response: Response,
    pub(super) list: ItemList,
    /// How far the items were built.
    progress: Taken,
    /// The next item, if it was built already.
    ahead: Option<Built<T>>,
    effort: Effort,
    pub(super) number: u64,
    /// How many of the next items were already taken before the read was resumed.
    skip: u64,
    /// How many items were skipped for that.
    passed: u64,
    /// How many items may be returned.
    most: u64,
    /// Whether the last item that was built is one too many.
    is_over: bool,
    /// Items that were built and will be returned together with the rest.
    gathered: VecDeque<T>,
    /// The error that comes after items that were returned together.
    failure: Option<Error>,
    has_ended: bool,
}

impl<T: Send + 'static> OpenPage<T> {
    /// Page `number`, whose first `skip` items were taken before, in a read that has had `rows`
    /// rows so far. The items are in `list` if they were already found.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the body is not text.
    pub(super) fn open(
        endpoint: &Arc<Endpoint>,
        decoder: &Decode<T>,
        FetchedPage { response, effort, .. }: FetchedPage,
        list: Option<ItemList>,
        number: u64,
        skip: u64,
        rows: u64,
    ) -> Result<Self, Error> {
        let list = list.map_or_else(|| ItemList::of(&endpoint.envelope, &response), Ok);
        let list = list.map_err(|error| effort.attach_to(error))?;
        let most = endpoint.bounds.next_items(rows);
        Ok(Self {
            endpoint: Arc::clone(endpoint),
            decoder: Arc::clone(decoder),
            response,
            progress: list.start(),
            list,
            ahead: None,
            effort,
            number,
            skip,
            passed: 0,
            most,
            is_over: false,
            gathered: VecDeque::new(),
            failure: None,
            has_ended: false,
        })
    }

    pub(super) fn has_items(&self) -> bool {
        !self.list.is_empty()
    }

    /// How many items were built.
    pub(super) fn built(&self) -> usize {
        self.progress.count
    }

    /// How many items were taken.
    pub(super) fn taken(&self) -> u64 {
        self.handed_out() + self.passed + self.skip
    }

    /// How many items were returned.
    pub(super) fn handed_out(&self) -> u64 {
        let kept = self.gathered.len() as u64 + u64::from(self.is_over);
        self.built() as u64 - self.passed - kept
    }

    /// How many of `items` items count as taken once all that it may return were.
    pub(super) fn taken_at_its_end(&self, items: u64) -> u64 {
        let before = self.skip + self.passed;
        before + items.saturating_sub(before).min(self.most)
    }

    /// How much work was done on the page.
    pub(super) fn work(&self) -> usize {
        self.progress.at + self.built() * ITEM_COST
    }

    /// Whether items must be skipped before the next one.
    pub(super) fn is_behind(&self) -> bool {
        self.skip > 0 && !self.has_ended
    }

    /// Builds the next item on a thread for long work, if it is long. Until the result is
    /// [put ahead](Self::put_ahead), no item may be taken.
    pub(super) fn build_elsewhere(
        &self,
        connected: &Arc<Connected>,
    ) -> Option<BoxFuture<'static, Built<T>>> {
        if !self.is_next_long() {
            return None;
        }
        let (decoder, response) = (Arc::clone(&self.decoder), self.response.clone());
        let (list, progress, connected) = (self.list.clone(), self.progress, Arc::clone(connected));
        Some(Box::pin(async move {
            let build = move || build_next(&decoder, &response, &list, progress);
            let built = connected.caller.dispatcher.blocking().work(build).await;
            built.unwrap_or_else(|error| (Some(Err(error)), progress))
        }))
    }

    /// The next item, which was built elsewhere.
    pub(super) fn put_ahead(&mut self, built: Built<T>) {
        self.ahead = Some(built);
    }

    /// Whether the next item must still be built, and is long.
    fn is_next_long(&self) -> bool {
        !self.has_ended && self.ahead.is_none() && self.list.is_next_long(self.progress)
    }

    /// Whether more items can be built after one, up to this much work.
    fn may_go_on(&self, enough: usize) -> bool {
        self.work() < enough && !self.is_next_long()
    }

    /// Skips some of the items that were taken before, at least one.
    pub(super) fn pass_over_some(&mut self) {
        let enough = self.work() + CHECKED_EVERY;
        while self.is_behind() {
            match self.build() {
                Some(Ok(_)) => {
                    self.skip -= 1;
                    self.passed += 1;
                }
                Some(Err(error)) => self.failure = Some(error),
                // It may have fewer items than were taken from it.
                None => self.skip = 0,
            }
            if !self.may_go_on(enough) {
                break;
            }
        }
    }

    /// The next item, or the error. `None` after either.
    pub(super) fn next_item(&mut self) -> Option<Result<T, Error>> {
        while self.is_behind() {
            self.pass_over_some();
        }
        if let Some(item) = self.gathered.pop_front() {
            return Some(Ok(item));
        }
        self.next_built()
    }

    fn next_built(&mut self) -> Option<Result<T, Error>> {
        if let Some(failure) = self.failure.take() {
            return Some(Err(failure));
        }
        let next = self.build();
        if matches!(next, Some(Ok(_))) && self.built() as u64 - self.passed > self.most {
            (self.is_over, self.has_ended) = (true, true);
            let error = self.endpoint.bounds.passed_by(self.built() as u64);
            return Some(Err(error.with_page(self.number)));
        }
        next
    }

    fn build(&mut self) -> Option<Result<T, Error>> {
        if self.has_ended {
            return None;
        }
        let (next, progress) = self.ahead.take().unwrap_or_else(|| {
            build_next(&self.decoder, &self.response, &self.list, self.progress)
        });
        self.progress = progress;
        if matches!(next, Some(Ok(_))) {
            return next;
        }
        self.has_ended = true;
        let failed = next?.map_err(|error| self.effort.attach_to(error).with_page(self.number));
        Some(failed)
    }

    /// Some of the remaining items, at most `most`, up to an error, and no more than can be built
    /// in a short time; none at the end. `expected` is how many the page may have.
    pub(super) fn next_items(&mut self, most: usize, expected: usize) -> Result<Vec<T>, Error> {
        let left = expected.saturating_sub(self.built());
        let enough = self.work() + CHECKED_EVERY;
        let mut items = Vec::with_capacity(left.min(most).min(CHECKED_EVERY / ITEM_COST));
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
            if !self.may_go_on(enough) {
                break;
            }
        }
        Ok(items)
    }

    /// Builds some of the remaining items, to be returned together with the rest. False at the
    /// end and before an error.
    pub(super) fn gather(&mut self, expected: usize) -> bool {
        let enough = self.work() + CHECKED_EVERY;
        self.gathered.reserve(expected.saturating_sub(self.built()).min(CHECKED_EVERY / ITEM_COST));
        loop {
            match self.next_built() {
                Some(Ok(item)) => self.gathered.push_back(item),
                Some(Err(error)) => {
                    self.failure = Some(error);
                    return false;
                }
                None => return false,
            }
            if !self.may_go_on(enough) {
                return true;
            }
        }
    }

    /// Returns what was gathered.
    pub(super) fn take_gathered(&mut self) -> Result<Vec<T>, Error> {
        match self.failure.take_if(|_| self.gathered.is_empty()) {
            Some(failure) => Err(failure),
            None => Ok(mem::take(&mut self.gathered).into()),
        }
    }

    /// The text of each item that was not returned yet, up to an error.
    pub(super) fn texts(&self) -> impl Iterator<Item = Result<&str, Error>> {
        let before = self.taken();
        let left = self.most.saturating_sub(self.handed_out());
        let texts = (0..).zip(self.list.texts_of(&self.response));
        let mut rest = texts.skip(usize::try_from(before).unwrap_or(usize::MAX));
        let mut is_over = false;
        iter::from_fn(move || {
            if is_over {
                return None;
            }
            let (number, text) = rest.next()?;
            is_over = number - before >= left;
            let text = match is_over {
                true => Err(self.endpoint.bounds.passed_by(number + 1)),
                false => text.map_err(|error| self.effort.attach_to(error)),
            };
            Some(text.map_err(|error| error.with_page(self.number)))
        })
    }

    /// The extent of its items, and the metadata of the page.
    pub(super) fn survey(&mut self) -> Result<(Taken, PageInfo), Error> {
        let survey = self.list.survey_all(&self.response, &self.endpoint.envelope, None);
        let (taken, metadata) = survey.map_err(|error| self.effort.attach_to(error))?;
        Ok((taken, self.with_headers(metadata.info)))
    }

    /// The metadata of the page, once every item was built.
    pub(super) fn info(&self) -> Result<PageInfo, Error> {
        let envelope = &self.endpoint.envelope;
        let metadata = self.list.survey(&self.response, envelope, None, self.progress);
        let metadata = metadata.map_err(|error| self.effort.attach_to(error))?;
        Ok(self.with_headers(metadata.info))
    }

    /// Decodes the whole page, and yields now and then. Its metadata may be known already.
    async fn whole(
        mut self,
        connected: &Arc<Connected>,
        known: Option<PageInfo>,
    ) -> Result<DecodedPage<T>, Error> {
        let mut coop = CoopBudget::default();
        loop {
            if let Some(building) = self.build_elsewhere(connected) {
                self.ahead = Some(building.await);
            }
            if !self.gather(0) {
                break;
            }
            coop.spend(CHECKED_EVERY);
            coop.yield_if_spent().await;
        }
        let info = match self.failure.take() {
            Some(error) => Err(error),
            None => known.map_or_else(|| self.info(), Ok),
        };
        if info.is_err() {
            drop_all(|| self.gathered.pop_front()).await;
        }
        Ok(DecodedPage { info: info?, items: self.take_gathered()? })
    }

    fn with_headers(&self, mut info: PageInfo) -> PageInfo {
        self.endpoint.paging.read_headers(self.response.headers(), &mut info);
        info
    }
}

/// Builds the next item of a page.
fn build_next<T>(
    decoder: &Decode<T>,
    response: &Response,
    list: &ItemList,
    mut progress: Taken,
) -> Built<T> {
    let panicked = || Some(Err(Error::new(ErrorKind::Callback, "building the items panicked")));
    // The code that builds an item may be a user's.
    let next = catch_panic(|| decoder(response, list, &mut progress));
    (next.unwrap_or_else(panicked), progress)
}

/// Fetches a single page, within `bounds`, with these headers, and with `items` as the page size if the API takes one.
pub(crate) async fn fetch_page<D: ItemDecoder>(
    pool: impl Into<PoolLink>,
    endpoint: &str,
    (paging, envelope, headers): (&Paging, &Envelope, &Headers),
    decoder: D,
    (address, size): (PageAddress, Option<u64>),
    bounds: Bounds,
) -> Result<DecodedPage<D::Item>, Error> {
    paging.check()?;
    let index = if let PageAddress::Page(index) = address { index } else { 0 };
    let number = paging.number(index);
    let mut endpoint = Endpoint::new(endpoint.to_owned());
    endpoint.paging = paging.clone();
    endpoint.envelope = Arc::new(envelope.clone());
    endpoint.headers.clone_from(headers);
    endpoint.bounds = bounds.begun(Instant::now());
    let endpoint = Arc::new(endpoint);
    let decoder = decode_by(decoder);
    let connected = pool.into().connect().await?;
    paging.check_origins(&connected.caller.dispatcher.config)?;
    let page = async {
        let mut fetched = endpoint.fetch(&connected.caller, index, address, size).await?;
        let scan = fetched.scan.take();
        if let Some(scan) = &scan {
            bounds.check_items(scan.items as u64)?;
        }
        let (list, info) = scan.map(|scan| (scan.list, scan.info)).unzip();
        let page = OpenPage::open(&endpoint, &decoder, fetched, list, number, 0, 0)?;
        page.whole(&connected, info).await
    };
    page.await.map_err(|error| error.with_page(number))
}
