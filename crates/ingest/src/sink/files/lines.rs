//! [pure] Reads lines of JSON back.

use serde_json::value::RawValue;

/// Hands over the row of each line, until no more is wanted. Returns whether more would be.
///
/// # Errors
/// In words, for what is not a line of JSON.
pub(super) fn each(
    bytes: &[u8],
    mut take: impl FnMut(Box<RawValue>) -> bool,
) -> Result<bool, String> {
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let row = serde_json::from_slice(line);
        if !take(row.map_err(|error| format!("line {} is not JSON: {error}", number + 1))?) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_row_until_no_more_is_wanted() {
        let mut rows = Vec::new();
        let all = each(b"{\"a\":1.10}\n{}\n", |row| {
            rows.push(row.get().to_owned());
            true
        });
        assert_eq!((all, rows), (Ok(true), vec!["{\"a\":1.10}".to_owned(), "{}".to_owned()]));
        assert_eq!(each(b"{}\n{}\n", |_| false), Ok(false));
        assert_eq!(each(b"", |_| true), Ok(true));
        let error = each(b"{}\n{\"a\n", |_| true).unwrap_err();
        assert!(error.starts_with("line 2"), "{error}");
    }
}
