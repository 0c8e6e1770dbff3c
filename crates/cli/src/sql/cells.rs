//! The values of rows as texts.

use std::borrow::Cow;

use vantage_api_sql::datafusion::arrow::{
    array::RecordBatch,
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};

/// Calls `each` with the texts of every row; null is an empty one.
///
/// # Errors
/// For a value that has no text.
pub(crate) fn each_row(
    batch: &RecordBatch,
    mut each: impl FnMut(Vec<String>),
) -> Result<(), ArrowError> {
    let options = FormatOptions::new();
    let columns = batch.columns().iter();
    let columns = columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let cells = columns.iter().map(|column| column.value(row).try_to_string());
        each(cells.collect::<Result<_, _>>()?);
    }
    Ok(())
}

/// A text for a terminal, on which it does nothing: control characters are spelled out.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char.is_control() {
            true => spelled.extend(char.escape_default()),
            false => spelled.push(char),
        }
    }
    Cow::Owned(spelled)
}

/// The lines of a text for a terminal.
pub(crate) fn harmless_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split('\n').map(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    // eminwux/sbsh#390
    #[test]
    fn a_text_moves_no_cursor() {
        assert_eq!(harmless("Zürich 東京"), "Zürich 東京");
        assert_eq!(harmless("a\x1b[2Jb\r\n\tc\u{9b}"), "a\\u{1b}[2Jb\\r\\n\\tc\\u{9b}");
        assert_eq!(harmless_lines("a\n\x07b").collect::<Vec<_>>(), ["a", "\\u{7}b"]);
    }
}
