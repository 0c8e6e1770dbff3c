//! Returns the items of the pages: one, some, or those of a page, and yields whenever that has
//! taken a while.

use std::task::{Context, Poll, ready};

use super::Reader;
use crate::{coop::CHECKED_EVERY, error::Error, pager::page::OpenPage};

/// Items, or an error. `None` at the end of a page, or of the set.
type Items<I> = Option<Result<I, Error>>;

impl<T: Send + 'static> Reader<T> {
    /// The next item. `None` after the last.
    pub(in crate::pager) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Items<T>> {
        self.poll_read(cx, |page, _| Poll::Ready(page.next_item()))
    }

    /// At most `most` of the remaining items of a page, or else of the next page that has any.
    /// `None` after the last.
    pub(in crate::pager) fn poll_items(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Items<Vec<T>>> {
        self.poll_read(cx, |page, expected| {
            Poll::Ready(unless_empty(page.next_items(most, expected)))
        })
    }

    /// All remaining items of a page, or else those of the next page that has any. `None`
    /// after the last.
    pub(in crate::pager) fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Items<Vec<T>>> {
        self.poll_read(cx, |page, expected| match page.gather(expected) {
            true => Poll::Pending,
            false => Poll::Ready(unless_empty(page.take_gathered())),
        })
    }

    /// The result of `read` for the current page, or else for the next one. It is given how many
    /// items the page may have, and is called again, perhaps after a yield, while it is pending.
    fn poll_read<I>(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut OpenPage<T>, usize) -> Poll<Items<I>>,
    ) -> Poll<Items<I>> {
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

    /// Ready unless it is time to yield; the current page is kept for further reading.
    fn poll_to_go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.coop.poll_proceed(cx));
            match &mut self.page {
                Some(page) if page.is_behind() => page.pass_over_some(),
                _ => return Poll::Ready(()),
            }
            self.coop.spend(CHECKED_EVERY);
        }
    }
}

fn unless_empty<T>(items: Result<Vec<T>, Error>) -> Items<Vec<T>> {
    match items {
        Ok(items) if items.is_empty() => None,
        items => Some(items),
    }
}
