//! Hands pages out as they came.

use std::task::{Context, Poll, ready};

use super::{Judged, Reader};
use crate::{
    error::{Error, ErrorKind},
    pager::page::UndecodedPage,
};

impl<T: Send + 'static> Reader<T> {
    /// What is left of a page that was begun, or else the next page that has items, as it is.
    /// `None` after the last.
    pub(in crate::pager) fn poll_undecoded(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<UndecodedPage<T>, Error>>> {
        loop {
            if let Some((page, judged)) = self.page.take_if(|(page, _)| page.has_items()) {
                return Poll::Ready(Some(self.part_with(page, &judged)));
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// Judges a page now that it is not read here.
    fn part_with(
        &mut self,
        page: UndecodedPage<T>,
        judged: &Judged,
    ) -> Result<UndecodedPage<T>, Error> {
        self.held = None;
        let bounds = self.endpoint.bounds;
        if matches!(judged, Judged::AtItsEnd) {
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
        // The page itself hands out no more than there may be.
        let left = (self.expected as u64).saturating_sub(page.built() as u64);
        self.rows = self.rows.saturating_add(page.handed_out() + left);
        self.failure = self.failure.take().or(bounds.check_rows(self.rows).err());
        if self.failure.is_none() {
            self.go_to_the_next();
        }
        Ok(page)
    }
}
