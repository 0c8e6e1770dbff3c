//! [pure] The names of the files and folders of a table.

use std::fmt::Write;

use crate::sink::SinkError;

/// The state of a stream, and the lists of its files. In the folder of a child table it says whose
/// folder that is.
pub(super) const MANIFEST: &str = "_state.json";
/// What is locked while the manifest is replaced.
pub(super) const LOCK: &str = "_lock";
/// The folder of the rows that were set aside.
pub(super) const REJECTS: &str = "_rejects/";
/// The folder of the rows that replace the table at the end of the run.
pub(super) const NEXT: &str = "_next/";
/// How the files of rejects end.
const REJECTS_EXTENSION: &str = "ndjson";
/// How a file ends that is not complete.
const TEMPORARY: &str = ".tmp";
/// Names of more than 255 bytes are not folders anywhere.
const LONGEST: usize = 200;

/// The name of a table's folder. What is neither a letter nor a digit nor one of `-_.` is written
/// as `%` and its bytes in hexadecimal, and so is a `.` at the beginning: no table leaves its place,
/// and no two share a folder.
///
/// # Errors
/// If the table has no name, or one that is too long.
pub(super) fn folder(table: &str) -> Result<String, SinkError> {
    let mut folder = String::new();
    for (position, letter) in table.char_indices() {
        match letter {
            '.' if position == 0 => folder.push_str("%2E"),
            '-' | '_' | '.' => folder.push(letter),
            letter if letter.is_alphanumeric() => folder.push(letter),
            _ => push_encoded(letter, &mut folder),
        }
    }
    match folder.len() {
        0 => Err(SinkError::lasting("a table without a name has no folder")),
        1..=LONGEST => Ok(folder),
        _ => Err(SinkError::lasting(format!("the name `{table}` is too long for a folder"))),
    }
}

fn push_encoded(letter: char, folder: &mut String) {
    for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
        // A text takes whatever is written to it.
        let _ = write!(folder, "%{byte:02X}");
    }
}

/// The name of a part.
pub(super) fn part(run: u64, number: u64, extension: &str) -> String {
    format!("run-{run:06}-part-{number:06}.{extension}")
}

/// The name of a part that waits for the end of the run.
pub(super) fn next(part: &str) -> String {
    format!("{NEXT}{part}")
}

/// The name of a part that has waited, in the table. It is one of the commit that ends the run, as
/// if that had written it.
pub(super) fn promoted(next: &str, number: u64) -> String {
    let part = next.strip_prefix(NEXT).unwrap_or(next);
    part.replacen("-part-", &format!("-part-{number:06}-"), 1)
}

/// The name of the file of the rows that were set aside in a commit.
pub(super) fn rejects(run: u64, number: u64) -> String {
    format!("{REJECTS}{}", part(run, number, REJECTS_EXTENSION))
}

/// The name of a file until it is complete. It neither begins nor ends like a part, so that no
/// pattern for parts matches it.
pub(super) fn temporary(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/_{name}{TEMPORARY}"),
        None => format!("_{path}{TEMPORARY}"),
    }
}

/// Whether this is the name of a part.
pub(super) fn is_part(name: &str) -> bool {
    commit_of_part(name).is_some()
}

/// Whether this is the name of a part that waits for the end of its run.
pub(super) fn is_next(path: &str) -> bool {
    path.strip_prefix(NEXT).is_some_and(is_part)
}

/// Whether this is the name of a file of rejects.
pub(super) fn is_rejects(path: &str) -> bool {
    path.strip_prefix(REJECTS).is_some_and(is_part)
}

/// The number of the commit that has written the file at this path below the folder of a table,
/// complete or not; `None` for the file of somebody else.
pub(super) fn commit_of(path: &str) -> Option<u64> {
    let name = path.strip_prefix(NEXT).or_else(|| path.strip_prefix(REJECTS)).unwrap_or(path);
    let complete = name.strip_prefix('_').and_then(|name| name.strip_suffix(TEMPORARY));
    commit_of_part(complete.unwrap_or(name))
}

fn commit_of_part(name: &str) -> Option<u64> {
    let (run, rest) = name.strip_prefix("run-")?.split_once("-part-")?;
    let (numbers, extension) = rest.split_once('.')?;
    let (number, of) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let is_whole = [run, number, of].into_iter().all(is_number);
    let is_known = matches!(extension, "parquet" | "ndjson" | "csv");
    if is_whole && is_known { number.parse().ok() } else { None }
}

fn is_number(text: &str) -> bool {
    text.len() >= 6 && text.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stream_leaves_its_place_and_no_two_share_a_folder() {
        for (stream, expected) in [
            ("cities", "cities"),
            ("Städte_2-a.b", "Städte_2-a.b"),
            (".", "%2E"),
            ("..", "%2E."),
            ("../a", "%2E.%2Fa"),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("a\\b c\0", "a%5Cb%20c%00"),
            ("C:", "C%3A"),
            ("☃", "%E2%98%83"),
        ] {
            assert_eq!(folder(stream).unwrap(), expected);
        }
        assert!(folder("").unwrap_err().is_lasting());
        assert!(folder(&"a".repeat(201)).is_err());
        assert!(folder(&"☃".repeat(30)).is_err());
    }

    #[test]
    fn the_names_of_its_own_files_are_known_again() {
        let name = part(1, 3, "parquet");
        assert_eq!(name, "run-000001-part-000003.parquet");
        let promoted = promoted(&next(&name), 4);
        assert_eq!(promoted, "run-000001-part-000004-000003.parquet");
        let large = part(u64::MAX, u64::MAX, "csv");
        for (path, commit) in
            [(next(&name), 3), (rejects(1, 3), 3), (name, 3), (promoted, 4), (large, u64::MAX)]
        {
            assert_eq!(commit_of(&path), Some(commit), "{path}");
            assert_eq!(commit_of(&temporary(&path)), Some(commit), "{path}");
        }
        for path in [
            MANIFEST,
            &temporary(MANIFEST),
            LOCK,
            "mine.parquet",
            "run-1-part-2.parquet",
            "run-000001-part-000003.txt",
            "run-000001-part-000003-000004-000005.csv",
            "run-000001-part-000003-a.csv",
            "old/run-000001-part-000003.parquet",
            "../run-000001-part-000003.parquet",
            "_next/../../run-000001-part-000003.parquet",
            "run-000001-part-000003.parquet.tmp",
        ] {
            assert_eq!(commit_of(path), None, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn folders_are_names(stream in ".{1,20}") {
            if let Ok(folder) = folder(&stream) {
                let is_name = !folder.contains(['/', '\\', '\0']) && !folder.starts_with('.');
                proptest::prop_assert!(is_name, "{}", folder);
            }
        }
    }
}
