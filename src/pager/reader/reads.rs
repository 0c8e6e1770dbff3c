//! What a consumer may read: the items of the pages, one, some, or those of a page, with a yield
//! whenever that has taken a while; or whole pages.

use std::task::{Context, Poll, ready};

use super::Reader;
use crate::{
    coop::CHECKED_EVERY,
    error::{Error, ErrorKind},
    pager::{page::OpenPage, strategy::Position},
};

/// A page, and where the stream stands after it.
type Whole<T> = (OpenPage<T>, Position);

impl<T: Send + 'static> Reader<T> {
    /// The next item. `None` after the last.
    pub(in crate::pager) fn poll_item(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, Error>>> {
        self.poll_read(cx, |page, _| Poll::Ready(page.next_item()))
    }

    /// At most `most` of the remaining items of a page, or else of the next page that has any.
    /// `None` after the last.
    pub(in crate::pager) fn poll_items(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<T>, Error>>> {
        self.poll_read(cx, |page, expected| {
            Poll::Ready(unless_empty(page.next_items(most, expected)))
        })
    }

    /// All remaining items of a page, or else those of the next page that has any. `None`
    /// after the last.
    pub(in crate::pager) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<T>, Error>>> {
        self.poll_read(cx, |page, expected| match page.gather(expected) {
            true => Poll::Pending,
            false => Poll::Ready(unless_empty(page.take_gathered())),
        })
    }

    /// The rest of a page that was begun, or else the next page that has items, with where
    /// the stream stands after it. `None` after the last.
    pub(in crate::pager) fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Whole<T>, Error>>> {
        loop {
            if let Some(page) = self.page.take_if(|page| page.has_items()) {
                return Poll::Ready(Some(self.part_with(page)));
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// The result of `read` for the current page, or else for the next one. It is given how many
    /// items the page may have, and is called again, perhaps after a yield, while it is pending.
    fn poll_read<I>(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut OpenPage<T>, usize) -> Poll<Option<Result<I, Error>>>,
    ) -> Poll<Option<Result<I, Error>>> {
        loop {
            ready!(self.poll_to_go_on(cx));
            if let Some(page) = &mut self.page {
                let before = page.work();
                let items = read(page, self.expected);
                self.coop.spend(page.work().saturating_sub(before));
                match items {
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Some(Err(self.leave_page(error))));
                    }
                    Poll::Ready(Some(Ok(_))) => return items,
                    Poll::Ready(None) => {}
                    Poll::Pending => continue,
                }
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// Ready unless it is time to yield, or the next item is built elsewhere; the current page is
    /// kept for further reading.
    fn poll_to_go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.coop.poll_proceed(cx));
            let Some(page) = &mut self.page else { return Poll::Ready(()) };
            if self.building.is_none() {
                self.building = page.build_elsewhere(&self.judge.connected);
            }
            if let Some(building) = &mut self.building {
                let Poll::Ready(built) = building.as_mut().poll(cx) else {
                    self.coop.renew();
                    return Poll::Pending;
                };
                self.building = None;
                page.put_ahead(built);
            }
            if !page.is_behind() {
                return Poll::Ready(());
            }
            page.pass_over_some();
            self.coop.spend(CHECKED_EVERY);
        }
    }

    /// Judges a page that is returned unread.
    fn part_with(&mut self, mut page: OpenPage<T>) -> Result<Whole<T>, Error> {
        self.building = None;
        let bounds = self.endpoint.bounds;
        if !self.is_judged {
            let survey = page.survey();
            let concluded = survey.and_then(|(taken, info)| {
                bounds.check_items(taken.count as u64)?;
                self.conclude(taken.count, &info, false, None)
            });
            match concluded {
                Err(error) if error.kind() == ErrorKind::Incomplete => self.fail(error),
                concluded => concluded.map_err(|error| self.on_page(error))?,
            }
        }
        let items = self.expected as u64;
        // The page itself returns no more items than allowed.
        let left = items.saturating_sub(page.built() as u64);
        self.rows = self.rows.saturating_add(page.handed_out() + left);
        if let Some(error) = self.failure.take().or(bounds.check_rows(self.rows).err()) {
            // The error comes after the items of the page.
            self.position.taken = page.taken_at_its_end(items);
            self.fail(error);
        } else {
            self.go_to_the_next();
        }
        self.held = None;
        Ok((page, self.position()))
    }
}

fn unless_empty<T>(items: Result<Vec<T>, Error>) -> Option<Result<Vec<T>, Error>> {
    match items {
        Ok(items) if items.is_empty() => None,
        items => Some(items),
    }
}
