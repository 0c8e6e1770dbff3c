//! [pure] What a page says of itself besides its items: where the next one is, by a URL or a cursor, and
//! how many items there are in all.

use crate::{
    error::ExtractError,
    field::{Column, Field},
    items::Items,
};

/// The places of what a page says.
pub(crate) const NEXT: usize = 0;
pub(crate) const TOTAL: usize = 1;
pub(crate) const CURSOR: usize = 2;

/// How many places there are.
pub(crate) const PLACES: usize = 3;

/// How what a page says of itself is read.
#[derive(Debug)]
pub(crate) struct Told {
    format: &'static str,
    next: Option<Column>,
    total: Option<Column>,
    cursor: Option<Column>,
}

impl Told {
    /// Calls `found_at` with the place, the name and the field of what is set.
    ///
    /// # Errors
    /// Its own, and those of invalid fields.
    pub(crate) fn new(
        format: &'static str,
        [next, total, cursor]: [Option<Field>; PLACES],
        mut found_at: impl FnMut(usize, &str, &Field) -> Result<(), ExtractError>,
    ) -> Result<Self, ExtractError> {
        let mut column = |place: usize, name: &str, field: Option<Field>| {
            let Some(field) = field else { return Ok(None) };
            if field.is_constant() {
                return Err(ExtractError::setting(
                    name,
                    "it is found on the page, and no constant",
                ));
            }
            found_at(place, name, &field)?;
            field.compiled(name).map(Some)
        };
        let (next, total) = (column(NEXT, "next", next)?, column(TOTAL, "total", total)?);
        let cursor = column(CURSOR, "cursor", cursor)?;
        Ok(Self { format, next, total, cursor })
    }

    pub(crate) fn names_next(&self) -> bool {
        self.next.is_some()
    }

    /// The next URL in the text that was found for it.
    pub(crate) fn next_in(&self, text: Option<&str>) -> Option<String> {
        self.next.as_ref()?.found_in(text?.trim()).map(str::to_owned)
    }

    /// Says which cursor the next page has, if a text was found for it.
    pub(crate) fn tell_cursor(&self, items: &mut Items, text: Option<&str>) {
        if let Some(column) = &self.cursor {
            let cursor = text.and_then(|text| column.found_in(text.trim()));
            items.cursor(cursor.map(str::to_owned));
        }
    }

    /// Says what was found, the next URL as it is to be followed.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] for a total that is not a number.
    pub(crate) fn tell(
        &self,
        items: &mut Items,
        next: Option<String>,
        total: Option<&str>,
    ) -> Result<(), ExtractError> {
        if self.names_next() {
            items.next(next);
        }
        let total = self.total.as_ref().zip(total);
        items.total_in(self.format, total.and_then(|(column, text)| column.found_in(text.trim())))
    }
}
