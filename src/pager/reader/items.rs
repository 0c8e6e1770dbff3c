//! Hands out the items of the pages: one, some, or those of a page. The thread is given back
//! whenever that has taken a while.

use std::task::{Context, Poll, ready};

use super::Reader;
use crate::{error::Error, turn::UNLOOKED};

impl<T: Send + 'static> Reader<T> {
    /// The next item. `None` after the last.
    pub(in crate::pager) fn poll_item(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<T, Error>>> {
        loop {
            ready!(self.poll_to_go_on(cx));
            if let Some((page, _)) = &mut self.page {
                let before = page.work();
                let next = page.next_item();
                self.turn.work(page.work().saturating_sub(before));
                match next {
                    Some(Ok(_)) => return Poll::Ready(next),
                    Some(Err(error)) => return Poll::Ready(Some(Err(self.leave_page(error)))),
                    None => {}
                }
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// At most `most` of the items that are left of a page, or else of those of the next page
    /// that has some. `None` after the last.
    pub(in crate::pager) fn poll_items(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<T>, Error>>> {
        loop {
            ready!(self.poll_to_go_on(cx));
            if let Some((page, _)) = &mut self.page {
                let before = page.work();
                let items = page.next_items(most, self.expected);
                self.turn.work(page.work().saturating_sub(before));
                match items {
                    Ok(items) if !items.is_empty() => return Poll::Ready(Some(Ok(items))),
                    Err(error) => return Poll::Ready(Some(Err(self.leave_page(error)))),
                    Ok(_) => {}
                }
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// All items that are left of a page, or else those of the next page that has some. `None`
    /// after the last.
    pub(in crate::pager) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<T>, Error>>> {
        loop {
            ready!(self.poll_to_go_on(cx));
            if let Some((page, _)) = &mut self.page {
                let before = page.work();
                let goes_on = page.gather(self.expected);
                self.turn.work(page.work().saturating_sub(before));
                if goes_on {
                    continue;
                }
                match page.take_gathered() {
                    Ok(items) if !items.is_empty() => return Poll::Ready(Some(Ok(items))),
                    Err(error) => return Poll::Ready(Some(Err(self.leave_page(error)))),
                    Ok(_) => {}
                }
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// Ready as long as the thread is not to be given back, with the page at hand where it is to
    /// be read on.
    fn poll_to_go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.turn.poll(cx));
            match &mut self.page {
                Some((page, _)) if page.is_behind() => page.pass_over_some(),
                _ => return Poll::Ready(()),
            }
            self.turn.work(UNLOOKED);
        }
    }
}
