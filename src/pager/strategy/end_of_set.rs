//! [pure] What ends a set: everything that a page says about the pages after it, and the
//! conclusion. The documentation of [`Paging`](super::Paging) has it as a table. What else may end
//! a read is in `plan`: a page that is missing (404, 416), a loop, a cap on rows, and a set that
//! has changed.

use std::cmp::Ordering;

/// What a page, in its turn, says about the pages after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pager) struct Evidence {
    pub(in crate::pager) continuation: Continuation,
    /// A flag: whether more pages follow.
    pub(in crate::pager) flag: Option<bool>,
    /// Whether a setting names the path of the flag.
    pub(in crate::pager) is_flag_named: bool,
    /// Whether it names the next page at a place that is only read for that.
    pub(in crate::pager) next_page: Option<bool>,
    /// Whether its `Link` header names a next page.
    pub(in crate::pager) link: bool,
    /// The rows read so far, including this page's, compared to the total.
    pub(in crate::pager) rows: Option<Ordering>,
    /// The number of this page, from 1, compared to the number of pages.
    pub(in crate::pager) pages: Option<Ordering>,
    /// Whether totals may be wrong.
    pub(in crate::pager) are_totals_estimates: bool,
    pub(in crate::pager) length: Length,
    /// Whether a short page is the last one: even if it names a next one, or for computed places,
    /// if there is no other sign.
    pub(in crate::pager) short_ends: bool,
    /// Whether the total leaves no page after this one, by the size of a full page.
    pub(in crate::pager) is_exhausted: bool,
}

/// How to get to the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pager) enum Continuation {
    /// Its place can be computed.
    Computed,
    /// The page names it.
    Named,
    /// The page names its own place.
    Itself,
    /// There is no way.
    Nowhere,
}

/// How many rows a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pager) enum Length {
    Empty,
    /// Fewer than a full one.
    Short,
    /// As many as a full one, or the first page, which shows how many that is.
    Full,
}

/// One signal of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pager) enum Statement {
    Flag,
    NextPage,
    Link,
    Pointer,
    Rows,
    Pages,
}

/// What a page, in its turn, means for the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pager) enum Verdict {
    /// The set goes on. Deliver the page's items.
    More,
    /// The set goes on, but the next page is not where it was expected. Deliver the page's items,
    /// and drop what was prefetched.
    Moved,
    /// This was the last page. Deliver its items.
    Last,
    /// The server repeats itself.
    Loop,
    /// Every page is the same, and nothing in it is about pages.
    Unpaged,
    /// The set has changed since the pages before, and that is an error.
    Changed,
    /// This signal says that more follow, but there is no way to them.
    Stuck(Statement),
    /// This many pages in a row were empty, and the signal says that more follow.
    Empty(u32, Statement),
    /// The API returns no more rows than were read, and nothing says that these are all.
    Capped,
}

impl Evidence {
    /// The first signal that more pages follow.
    pub(in crate::pager) fn says_more(&self) -> Option<Statement> {
        let says = [
            (self.flag == Some(true), Statement::Flag),
            (self.next_page == Some(true), Statement::NextPage),
            (self.is_pointed(), Statement::Pointer),
            (self.link, Statement::Link),
            (self.rows == Some(Ordering::Less), Statement::Rows),
            (self.pages == Some(Ordering::Less), Statement::Pages),
        ];
        says.into_iter().find_map(|(is_said, statement)| is_said.then_some(statement))
    }

    /// The first signal that this is the last page.
    fn says_last(&self) -> Option<Statement> {
        let is_pointed_nowhere = self.continuation == Continuation::Nowhere && !self.is_flag_named;
        let says = [
            (self.flag == Some(false), Statement::Flag),
            (self.next_page == Some(false), Statement::NextPage),
            (self.rows == Some(Ordering::Equal), Statement::Rows),
            (self.pages == Some(Ordering::Equal), Statement::Pages),
            (is_pointed_nowhere, Statement::Pointer),
        ];
        says.into_iter().find_map(|(is_said, statement)| is_said.then_some(statement))
    }

    /// Whether a cursor or a URL says that another page follows, and not only where it is.
    fn is_pointed(&self) -> bool {
        let is_place_only = self.is_flag_named && self.flag == Some(false)
            || self.short_ends && self.length != Length::Full;
        match self.continuation {
            Continuation::Named => !is_place_only,
            // A scroll has one cursor for all its pages, and ends with an empty one.
            Continuation::Itself => !is_place_only && self.length != Length::Empty,
            Continuation::Computed | Continuation::Nowhere => false,
        }
    }

    /// The conclusion: that more pages follow, that this was the last page, or that the read is
    /// stuck; and a signal that contradicts it, if there is one. Against the last page that is a
    /// signal that may be wrong.
    pub(in crate::pager) fn conclude(&self) -> (Verdict, Option<Statement>) {
        let Some(more) = self.says_more() else { return (self.conclude_without_a_word(), None) };
        let is_of_totals = matches!(more, Statement::Rows | Statement::Pages);
        let has_a_way = match self.continuation {
            Continuation::Computed => !(more == Statement::Rows && self.is_exhausted),
            Continuation::Named | Continuation::Itself => true,
            Continuation::Nowhere => false,
        };
        match has_a_way {
            true => (Verdict::More, self.says_last()),
            false if is_of_totals && self.are_totals_estimates => (Verdict::Last, Some(more)),
            false => (Verdict::Stuck(more), None),
        }
    }

    /// The conclusion if no signal says that more follow.
    fn conclude_without_a_word(&self) -> Verdict {
        let is_last = match self.continuation {
            Continuation::Computed => {
                let ends = match self.length {
                    Length::Empty => true,
                    Length::Short => self.short_ends,
                    Length::Full => false,
                };
                ends || self.says_last().is_some()
            }
            Continuation::Named | Continuation::Itself | Continuation::Nowhere => true,
        };
        if is_last { Verdict::Last } else { Verdict::More }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Evidence {
        /// A page without signals, after which pages may be computed or named.
        fn silent(continuation: Continuation, length: Length) -> Self {
            Self {
                continuation,
                flag: None,
                is_flag_named: false,
                next_page: None,
                link: false,
                rows: None,
                pages: None,
                are_totals_estimates: false,
                length,
                short_ends: continuation == Continuation::Computed,
                is_exhausted: false,
            }
        }
    }

    fn orderings() -> impl Strategy<Value = Option<Ordering>> {
        prop::option::of(prop::sample::select(vec![
            Ordering::Less,
            Ordering::Equal,
            Ordering::Greater,
        ]))
    }

    fn evidence() -> impl Strategy<Value = Evidence> {
        let ways = vec![
            Continuation::Computed,
            Continuation::Named,
            Continuation::Itself,
            Continuation::Nowhere,
        ];
        let lengths = vec![Length::Empty, Length::Short, Length::Full];
        let said = (
            prop::option::of(any::<bool>()),
            any::<bool>(),
            prop::option::of(any::<bool>()),
            any::<bool>(),
            orderings(),
            orderings(),
        );
        let circumstances = (
            prop::sample::select(ways),
            prop::sample::select(lengths),
            any::<bool>(),
            any::<bool>(),
            any::<bool>(),
        );
        (said, circumstances).prop_map(|(said, circumstances)| {
            let (flag, is_flag_named, next_page, link, rows, pages) = said;
            let (continuation, length, are_totals_estimates, short_ends, is_exhausted) =
                circumstances;
            Evidence {
                continuation,
                flag,
                is_flag_named,
                next_page,
                link,
                rows,
                pages,
                are_totals_estimates,
                length,
                short_ends,
                is_exhausted,
            }
        })
    }

    proptest! {
        #[test]
        fn no_page_that_says_more_is_the_last_one(evidence in evidence()) {
            let says_more = evidence.flag == Some(true)
                || evidence.next_page == Some(true)
                || evidence.link
                || !evidence.are_totals_estimates
                    && (evidence.rows == Some(Ordering::Less)
                        || evidence.pages == Some(Ordering::Less));
            let conclusion = evidence.conclude();
            if says_more {
                prop_assert!(conclusion.0 != Verdict::Last, "{conclusion:?}");
            }
            // A page that names the next one is the last one only because of a setting.
            if evidence.continuation == Continuation::Named && !evidence.is_flag_named && !evidence.short_ends {
                prop_assert!(conclusion.0 == Verdict::More, "{conclusion:?}");
            }
        }

        #[test]
        fn nothing_is_asked_for_without_a_way_to_it(evidence in evidence()) {
            let evidence = Evidence { continuation: Continuation::Nowhere, ..evidence };
            let goes_on = evidence.conclude().0 == Verdict::More;
            prop_assert!(!goes_on);
        }

        #[test]
        fn a_page_that_says_nothing_or_that_it_is_the_last_is_not_stuck(evidence in evidence()) {
            if evidence.says_more().is_none() {
                let is_stuck = matches!(evidence.conclude().0, Verdict::Stuck(_));
                prop_assert!(!is_stuck);
            }
        }
    }

    #[test]
    fn without_a_word_the_length_of_a_page_decides() {
        for (length, conclusion) in [
            (Length::Empty, (Verdict::Last, None)),
            (Length::Short, (Verdict::Last, None)),
            (Length::Full, (Verdict::More, None)),
        ] {
            assert_eq!(Evidence::silent(Continuation::Computed, length).conclude(), conclusion);
        }
    }

    #[test]
    fn what_is_against_the_conclusion_is_told() {
        let silent = Evidence::silent(Continuation::Computed, Length::Short);
        let doubtful =
            Evidence { flag: Some(true), rows: Some(Ordering::Equal), ..silent }.conclude();
        assert_eq!(doubtful, (Verdict::More, Some(Statement::Rows)));
        let estimated = Evidence {
            continuation: Continuation::Nowhere,
            rows: Some(Ordering::Less),
            are_totals_estimates: true,
            ..silent
        };
        let against = Some(Statement::Rows);
        assert_eq!(estimated.conclude(), (Verdict::Last, against));
    }

    #[test]
    fn a_named_flag_makes_a_pointer_a_mere_place() {
        let silent = Evidence::silent(Continuation::Named, Length::Full);
        let over = Evidence { flag: Some(false), ..silent };
        let named = Evidence { is_flag_named: true, ..over };
        assert_eq!(over.conclude(), (Verdict::More, Some(Statement::Flag)));
        assert_eq!(named.conclude(), (Verdict::Last, None));
        let total = Evidence { rows: Some(Ordering::Less), ..named };
        assert_eq!(total.conclude(), (Verdict::More, Some(Statement::Flag)));
    }

    #[test]
    fn a_scroll_ends_with_an_empty_page() {
        let full = Evidence::silent(Continuation::Itself, Length::Full);
        assert_eq!(full.conclude().0, Verdict::More);
        let empty = Evidence::silent(Continuation::Itself, Length::Empty);
        assert_eq!(empty.conclude(), (Verdict::Last, None));
    }
}
