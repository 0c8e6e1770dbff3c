//! [pure] Values that are not those of the row: constants, hashes and masks.

use std::{borrow::Cow, fmt::Write};

use ring::digest::{SHA256, digest};

use super::cell::Cell;

/// How many characters of a masked value stay.
const SHOWN: usize = 4;

/// What a column has instead of the value in the row.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Constant(Cell<'static>),
    /// The SHA-256 of its text, in hexadecimal digits.
    Sha256,
    /// Its last four characters.
    Last4,
}

impl Made {
    /// The value for that of a row. Null stays null.
    pub(crate) fn of<'a>(&self, cell: &Cell<'a>) -> Cell<'a> {
        let text = match (self, cell.text()) {
            (Self::Constant(constant), _) => return constant.clone(),
            (_, None) => return Cell::Null,
            (Self::Sha256, Some(text)) => sha256(text),
            (Self::Last4, Some(text)) => masked(text),
        };
        Cell::Text(Cow::Owned(text))
    }
}

fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hash, byte| {
        // Writing into a text does not fail.
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

fn masked(text: &str) -> String {
    let hidden = match text.chars().count() {
        length if length > SHOWN => length - SHOWN,
        length => length,
    };
    let shown = text.chars().skip(hidden);
    std::iter::repeat_n('*', hidden).chain(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_of_the_one_in_the_row() {
        let text = |text: &'static str| Cell::Text(text.into());
        let constant = Made::Constant(text("crm"));
        assert_eq!(constant.of(&Cell::Null), text("crm"));
        assert_eq!(Made::Last4.of(&text("+49 170 1234")), text("********1234"));
        assert_eq!(Made::Last4.of(&text("äöü")), text("***"));
        assert_eq!(Made::Last4.of(&Cell::Null), Cell::Null);
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Made::Sha256.of(&text("abc")), text(hash));
    }
}
