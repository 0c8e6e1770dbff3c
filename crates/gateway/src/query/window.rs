//! [pure] Which rows of a list are asked for: a page, an offset or what follows a cursor.

use crate::table_config::Table;

/// The part of a list that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// `page` (from 1) of `per_page` rows.
    Page { page: usize, per_page: usize },
    /// `limit` rows from `offset` (from 0) on.
    Offset { offset: usize, limit: usize },
    /// `limit` rows after a cursor; the empty one is before the first row.
    Cursor { cursor: String, limit: usize },
}

impl Window {
    /// The first row and how many.
    pub(crate) fn range(&self) -> (usize, usize) {
        match *self {
            Self::Page { page, per_page } => (page.saturating_sub(1) * per_page, per_page),
            Self::Offset { offset, limit } => (offset, limit),
            Self::Cursor { limit, .. } => (0, limit),
        }
    }
}

/// The parameters of a window as they were given.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) page: Option<usize>,
    pub(super) per_page: Option<usize>,
    pub(super) offset: Option<usize>,
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
}

impl Given {
    pub(super) fn is_empty(&self) -> bool {
        let numbers = [self.page, self.per_page, self.offset, self.limit];
        numbers.iter().all(Option::is_none) && self.cursor.is_none()
    }

    /// # Errors
    /// The name of a parameter and what is wrong with it.
    pub(super) fn window(self, table: &Table) -> Result<Window, (&'static str, String)> {
        let Self { page, per_page, offset, limit, cursor } = self;
        let size = |name: &'static str, rows: Option<usize>| match rows {
            None => Ok(table.page_size),
            Some(rows) if (1..=table.max_page_size).contains(&rows) => Ok(rows),
            Some(_) => Err((name, format!("it must be 1 to {}", table.max_page_size))),
        };
        let apart = |name: &'static str| {
            Err((
                name,
                "use page and per_page, or offset and limit, or cursor and limit".to_owned(),
            ))
        };
        if let Some(cursor) = cursor {
            return match (page, per_page, offset) {
                (None, None, None) => Ok(Window::Cursor { cursor, limit: size("limit", limit)? }),
                _ => apart("cursor"),
            };
        }
        if offset.is_some() || limit.is_some() {
            if page.is_some() || per_page.is_some() {
                return apart("offset");
            }
            let (offset, limit) = (offset.unwrap_or(0), size("limit", limit)?);
            return match is_reachable(offset, limit) {
                true => Ok(Window::Offset { offset, limit }),
                false => Err(("offset", "it is too large".to_owned())),
            };
        }
        let (page, per_page) = (page.unwrap_or(1), size("per_page", per_page)?);
        let first = page.checked_sub(1).and_then(|before| before.checked_mul(per_page));
        match first {
            None if page == 0 => Err(("page", "pages are counted from 1".to_owned())),
            Some(first) if is_reachable(first, per_page) => Ok(Window::Page { page, per_page }),
            _ => Err(("page", "it is too large".to_owned())),
        }
    }
}

/// Whether sources, which count in `i64`, can count this far.
fn is_reachable(offset: usize, limit: usize) -> bool {
    let end = offset.checked_add(limit).and_then(|end| i64::try_from(end).ok());
    end.is_some_and(|end| end < i64::MAX)
}
