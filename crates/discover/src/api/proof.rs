//! [pure] Whether what came is the page after another one.

use std::collections::HashSet;

use serde_json::Value;

use crate::types;

/// What a second page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// All its rows are new.
    Next,
    /// It has the rows of the first page again.
    Same,
    /// It has some of them again.
    Overlap,
    Empty,
}

/// Compares rows by their ids, or else by all that they have.
pub(super) fn compare(first: &[&Value], second: &[&Value], table: &str) -> Proof {
    let all: Vec<&Value> = first.iter().chain(second).copied().collect();
    let by_id = types::id_of(&types::columns(first), table);
    let key = |row: &&Value| match by_id.as_ref().and_then(|id| row.get(id)) {
        Some(id) => id.to_string(),
        None => row.to_string(),
    };
    let had: HashSet<String> = first.iter().map(key).collect();
    let again = second.iter().filter(|row| had.contains(&key(row))).count();
    match again {
        _ if second.is_empty() => Proof::Empty,
        0 if all.len() == first.len() + second.len() => Proof::Next,
        again if again == second.len() => Proof::Same,
        _ => Proof::Overlap,
    }
}

/// Whether a page of so many rows may be one of several: the sizes that APIs use.
pub(super) fn is_usual_size(rows: u64) -> bool {
    const OTHERS: [u64; 13] = [5, 12, 15, 16, 24, 32, 36, 48, 64, 128, 256, 512, 1024];
    rows > 0 && (rows.is_multiple_of(10) || rows.is_multiple_of(25) || OTHERS.contains(&rows))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_known_again() {
        let proof = |first: Value, second: Value| {
            let (first, second) = (first.as_array().unwrap(), second.as_array().unwrap());
            let (first, second): (Vec<_>, Vec<_>) =
                (first.iter().collect(), second.iter().collect());
            compare(&first, &second, "rows")
        };
        let page = |from: i64, at: i64| json!([{"id": from, "at": at}, {"id": from + 1, "at": at}]);
        assert_eq!(proof(page(1, 0), page(3, 0)), Proof::Next);
        // The same rows, one field of which is made anew each time.
        assert_eq!(proof(page(1, 0), page(1, 1)), Proof::Same);
        assert_eq!(proof(page(1, 0), page(2, 0)), Proof::Overlap);
        assert_eq!(proof(page(1, 0), json!([])), Proof::Empty);
        assert_eq!(proof(json!([{"a": 1}]), json!([{"a": 1}])), Proof::Same);
        assert_eq!(proof(json!([{"a": 1}]), json!([{"a": 2}])), Proof::Next);
    }

    #[test]
    fn round_numbers_are_pages_until_something_says_otherwise() {
        for rows in [5, 10, 20, 24, 25, 30, 50, 100, 200, 250, 500, 1000, 1024] {
            assert!(is_usual_size(rows), "{rows}");
        }
        for rows in [0, 1, 3, 7, 37, 193, 1237] {
            assert!(!is_usual_size(rows), "{rows}");
        }
    }
}
