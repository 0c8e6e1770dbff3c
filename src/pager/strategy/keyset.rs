//! [pure] Pages that begin after the last row of the one before, by the value of a field.

use super::{
    Mode, PageAddress, Paging,
    known_rows::{hash, text_of},
};
use crate::{
    error::ErrorKind,
    path::{Gaps, Path},
};

/// How pages follow each other.
pub(in crate::pager) struct Keyset<'a> {
    field: &'a Path,
    /// Whether a page begins with the last row of the one before, and others of the same value.
    is_inclusive: bool,
    /// Whether values are sent as JSON.
    is_json: bool,
    /// How many rows a page is asked for.
    size: u64,
}

/// A page, as it goes on.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pager) struct KeysetPage {
    /// The rows that the page before had, by their index.
    pub(in crate::pager) known: Vec<usize>,
    /// Where the next page is; `None` if this page has no new row.
    pub(in crate::pager) next: Result<Option<PageAddress>, PagingFault>,
}

/// Why a read cannot go on without missing rows or repeating them.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pager) struct PagingFault {
    pub(in crate::pager) kind: ErrorKind,
    pub(in crate::pager) what: String,
}

impl Paging {
    /// How pages follow each other, if by the value of a field.
    pub(in crate::pager) fn as_keyset(&self) -> Option<Keyset<'_>> {
        let Mode::Keyset { field, inclusive, .. } = &self.mode else { return None };
        let size = self.size.unwrap_or(u64::MAX);
        Some(Keyset { field, is_inclusive: *inclusive, is_json: self.post.is_some(), size })
    }
}

impl Keyset<'_> {
    /// The page at `address`, which has these rows in JSON.
    pub(in crate::pager) fn page(&self, rows: &[&str], address: &PageAddress) -> KeysetPage {
        let values: Result<Vec<_>, _> =
            (1..).zip(rows).map(|(number, row)| self.value(number, row)).collect();
        match values {
            Err(fault) => KeysetPage { known: Vec::new(), next: Err(fault) },
            Ok(values) if self.is_inclusive => self.inclusive(rows, &values, address),
            Ok(values) => KeysetPage { known: Vec::new(), next: self.exclusive(&values, address) },
        }
    }

    fn exclusive(
        &self,
        values: &[String],
        address: &PageAddress,
    ) -> Result<Option<PageAddress>, PagingFault> {
        let field = self.field;
        let twice = values.windows(2).any(|pair| pair.first() == pair.last());
        if twice {
            return Err(incomplete(format!(
                "two rows have the same `{field}`, so the next page may leave out rows: use a \
                 field that no two rows share, or the setting `inclusive`"
            )));
        }
        if let (PageAddress::Cursor(value), Some(first)) = (address, values.first())
            && value == first
        {
            return Err(PagingFault {
                kind: ErrorKind::PageLoop,
                what: format!(
                    "the page begins with the row after which it was to begin, by its `{field}`: \
                     the API needs the setting `inclusive`"
                ),
            });
        }
        Ok(values.last().map(|last| PageAddress::Cursor(last.clone())))
    }

    fn inclusive(&self, rows: &[&str], values: &[String], address: &PageAddress) -> KeysetPage {
        let (value, mut tied, before, full) = match address {
            PageAddress::After { value, tied, rows, full } => {
                (Some(value), tied.clone(), *rows, *full)
            }
            _ => (None, Vec::new(), 0, 0),
        };
        let told = tied.len();
        let mut known = Vec::new();
        for (index, (row, own)) in rows.iter().zip(values).enumerate() {
            let is_tied = value == Some(own);
            let place = tied.iter().position(|tied| is_tied && *tied == hash(row));
            if let Some(place) = place {
                tied.swap_remove(place);
                known.push(index);
            }
        }
        let Some(last) = values.last() else { return KeysetPage { known, next: Ok(None) } };
        let count = rows.len() as u64;
        if known.len() == rows.len() {
            let next = match count < if full > 0 { full } else { self.size } {
                true => Ok(None),
                false => Err(incomplete(format!(
                    "a full page has no row that the one before did not have: more rows have the \
                     same `{}` than a page holds, so the rest cannot be reached",
                    self.field
                ))),
            };
            return KeysetPage { known, next };
        }
        // A row that has changed meanwhile comes twice. All of them, each time, would have no end.
        if value == Some(last) && told >= 2 * rows.len() {
            let what = format!(
                "rows with the same `{}` come again, each time with another content: \
                 the setting `inclusive` needs rows that are sent alike each time",
                self.field
            );
            let next = Err(PagingFault { kind: ErrorKind::PageLoop, what });
            return KeysetPage { known, next };
        }
        // Those of an earlier page are still in the way if the value has not changed.
        tied.retain(|_| value == Some(last));
        let own = rows.iter().zip(values).filter(|(_, own)| *own == last);
        tied.extend(own.map(|(row, _)| hash(row)));
        // The API may hand out fewer rows than it is asked for: a page after which more came was full.
        let full = full.max(before);
        let next = PageAddress::After { value: last.clone(), tied, rows: count, full };
        KeysetPage { known, next: Ok(Some(next)) }
    }

    /// The value of a row as it is sent.
    fn value(&self, number: usize, row: &str) -> Result<String, PagingFault> {
        let found = self.field.find(row, Gaps::PassedOver).ok().flatten();
        let json = found.and_then(|found| found.first().copied()).unwrap_or("null");
        // The values of several fields, such as those that hits of a search are sorted by.
        if self.is_json
            && json.starts_with('[')
            && json.bytes().any(|byte| !b"[] \n\r\t".contains(&byte))
        {
            return Ok(json.to_owned());
        }
        let text = text_of(json);
        let text = text.ok_or_else(|| PagingFault {
            kind: ErrorKind::Decode,
            what: format!("row {number} has neither a text nor a number at `{}`", self.field),
        })?;
        Ok(if self.is_json { json.to_owned() } else { text })
    }
}

fn incomplete(what: String) -> PagingFault {
    PagingFault { kind: ErrorKind::Incomplete, what }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads rows in order of their first number, at most `size` at a time, from a server that takes
    /// the last value it is given.
    fn read(paging: &Paging, rows: &[(u8, u8)], size: usize) -> Result<Vec<String>, PagingFault> {
        let is_inclusive = paging.as_keyset().unwrap().is_inclusive;
        let (mut address, mut all) = (PageAddress::Start, Vec::new());
        for _ in 0..1000 {
            let from = match &address {
                PageAddress::Cursor(value) | PageAddress::After { value, .. } => {
                    value.parse().unwrap()
                }
                _ => -1,
            };
            let is_next = |(key, _): &&(u8, u8)| {
                let key = i16::from(*key);
                if is_inclusive { key >= from } else { key > from }
            };
            let page = rows.iter().filter(is_next).take(size);
            let page: Vec<_> =
                page.map(|(key, id)| format!("{{\"k\":{key},\"i\":{id}}}")).collect();
            let texts: Vec<&str> = page.iter().map(String::as_str).collect();
            let read = paging.as_keyset().unwrap().page(&texts, &address);
            let is_new = |index: &usize| !read.known.contains(index);
            all.extend((0..page.len()).filter(is_new).map(|index| page[index].clone()));
            match read.next? {
                Some(next) => address = next,
                None => return Ok(all),
            }
        }
        panic!("it goes on for ever");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Whatever is tied, all rows are read, or it is told why not.
        #[test]
        fn no_row_is_missing_or_repeated(
            mut keys in prop::collection::vec(0_u8..12, 0..40),
            size in 1_usize..9,
            inclusive in any::<bool>(),
        ) {
            keys.sort_unstable();
            let rows: Vec<(u8, u8)> = keys.iter().copied().zip(0..).collect();
            let all: Vec<_> =
                rows.iter().map(|(key, id)| format!("{{\"k\":{key},\"i\":{id}}}")).collect();
            let paging = Paging::keyset("after", "k");
            let paging = paging.page_size("n", size as u64);
            let paging = if inclusive { paging.inclusive(true) } else { paging };
            let most = keys.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or(0);
            match read(&paging, &rows, size) {
                Ok(read) if inclusive || most < 2 => prop_assert_eq!(read, all),
                // The only ties were split by the end of a page, which nobody can see.
                Ok(read) => prop_assert!(read.len() <= all.len()),
                Err(fault) => prop_assert!(
                    if inclusive { most >= size } else { most >= 2 },
                    "{:?}", fault
                ),
            }
        }
    }

    #[test]
    fn a_row_without_a_value_is_named() {
        let paging = Paging::keyset("after", "meta.id");
        let page =
            paging.as_keyset().unwrap().page(&[r#"{"meta":{"id":1}}"#, "{}"], &PageAddress::Start);
        let fault = page.next.unwrap_err();
        assert_eq!(fault.kind, ErrorKind::Decode);
        assert!(fault.what.contains("row 2") && fault.what.contains("`meta.id`"), "{}", fault.what);
    }
}
