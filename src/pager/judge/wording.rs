//! [pure] The wording of errors and warnings about the end of a set.

use http::header::CONTENT_RANGE;

use super::Judge;
use crate::pager::{
    facts::{Fact, Remarks},
    format::keys,
    strategy::Statement,
};

impl Judge {
    /// Describes a signal, as it is in the page.
    pub(super) fn describe(&self, statement: Statement) -> String {
        let at = |fact| self.endpoint.envelope.name_of(fact);
        let (info, number) = (&self.said, self.index + 1);
        match statement {
            Statement::Flag => match info.has_next {
                Some(true) => format!("`{}` says that more pages follow", at(Fact::HasNext)),
                _ => format!("`{}` says that this is the last page", at(Fact::HasNext)),
            },
            Statement::NextPage => match info.next_page {
                Some(true) => format!("`{}` names a next page", at(Fact::NextPage)),
                _ => format!("`{}` names no next page", at(Fact::NextPage)),
            },
            Statement::Link => "the `Link` header names a next page".into(),
            Statement::Pointer => {
                format!("{} names a next page", self.plan.paging.pointer_name())
            }
            Statement::Rows => {
                let total = info.total.unwrap_or_default();
                let at = match info.remarks.has(Remarks::PART) {
                    true => CONTENT_RANGE.as_str().to_owned(),
                    false => at(Fact::Total),
                };
                format!("`{at}` is {total}, and {} rows were read", self.plan.rows)
            }
            Statement::Pages => {
                let pages = info.total_pages.unwrap_or_default();
                format!("`{}` is {pages}, and this is page {number}", at(Fact::TotalPages))
            }
        }
    }

    /// Why a read cannot go on although `more` says that more pages follow. `body` is that of
    /// the page.
    pub(super) fn stuck(&self, more: Statement, body: &str) -> String {
        let more = self.describe(more);
        let has = || keys(body).map_or_else(String::new, |keys| format!("; the page has {keys}"));
        if !self.plan.paging.is_paged() {
            let none = "the endpoint is read as one page by the paging `none`";
            return format!("{more}, but {none}{}", has());
        }
        if self.plan.paging.is_chained() {
            return format!(
                "{more}, but {} names no next page{}",
                self.plan.paging.pointer_name(),
                has()
            );
        }
        match self.items {
            0 => format!("{more}, but the page has no rows"),
            _ => format!("{more}, but no page follows"),
        }
    }

    /// That the only page of a read names a next one at a place that no setting names, in
    /// these words.
    pub(super) fn overlooked(&self, path: &str) -> String {
        let paging = &self.plan.paging;
        match paging.is_paged() {
            true => format!(
                "the paging follows {}, which names no next page, and {path} does",
                paging.pointer_name()
            ),
            false => {
                format!("{path} names a next page, but the paging `none` reads one page alone")
            }
        }
    }

    /// Why a page may repeat the one before it.
    pub(super) fn repeated(&self) -> String {
        let again = "the server sends the same page again";
        match self.plan.paging.parameters().first() {
            Some(param) => {
                format!("{again}: the parameter `{param}` has no effect, or another name")
            }
            None => again.into(),
        }
    }

    /// That too many pages in a row have no rows.
    pub(super) fn empty(&self, pages: u32, more: Statement) -> String {
        let more = self.describe(more);
        format!(
            "{pages} pages in a row were empty, and {more}; the setting `max_empty_pages` says how many \
             may be"
        )
    }

    /// That the API returns no more rows than were read.
    pub(super) fn capped(&self) -> String {
        format!(
            "{} rows were read, the API hands out no more (`row_cap`), and nothing says that \
             these are all",
            self.plan.rows
        )
    }

    /// Why the error of a missing page is not the end of the set.
    pub(super) fn missing(&self, more: Statement) -> String {
        format!("the page before says that {}, but this one does not exist", self.describe(more))
    }
}
