//! Returns whole pages.

use std::task::{Context, Poll, ready};

use super::Reader;
use crate::{
    error::{Error, ErrorKind},
    pager::{page::OpenPage, strategy::Position},
};

/// A page, and where the stream stands after it.
type Whole<T> = (OpenPage<T>, Position);

impl<T: Send + 'static> Reader<T> {
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

    /// Judges a page that is returned unread.
    fn part_with(&mut self, page: OpenPage<T>) -> Result<Whole<T>, Error> {
        self.held = None;
        let bounds = self.endpoint.bounds;
        if !self.is_judged {
            let survey = page.survey();
            let concluded = survey.and_then(|(items, info)| {
                bounds.check_items(items as u64)?;
                self.conclude(items, &info, false, None)
            });
            match concluded {
                Err(error) if error.kind() == ErrorKind::Incomplete => self.failure = Some(error),
                concluded => concluded.map_err(|error| self.on_page(error))?,
            }
        }
        let items = self.expected as u64;
        // The page itself returns no more items than allowed.
        let left = items.saturating_sub(page.built() as u64);
        self.rows = self.rows.saturating_add(page.handed_out() + left);
        self.failure = self.failure.take().or(bounds.check_rows(self.rows).err());
        if self.failure.is_none() {
            self.go_to_the_next();
        } else {
            // The error comes after the items of the page.
            self.position.taken = page.taken_at_its_end(items);
        }
        Ok((page, self.position()))
    }
}
