//! What a prompt takes besides SQL.

use clap::ValueEnum;

use crate::arguments::Format;

/// What is said of it.
pub(crate) const HELP: &str = r"Statements end with ; and may have several lines.
  \d           tables
  \d TABLE     the columns of a table
  \x           each column on a line of its own, or not
  \timing      how long statements take, or not
  \format F    table, json, ndjson or csv
  \q           ends
Ctrl-C stops a statement or drops a line, Ctrl-D ends.";

/// A line that begins with a backslash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Tables,
    /// The columns of this table.
    Columns(String),
    Expanded,
    Timing,
    Format(Format),
    Help,
    Quit,
}

impl Command {
    /// The command of a line; `None` if it is not one.
    ///
    /// # Errors
    /// For a command that there is not.
    pub(crate) fn of(line: &str) -> Option<Result<Self, String>> {
        let text = line.trim().strip_prefix('\\')?.trim_end_matches(';');
        let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let argument = argument.trim();
        let command = match (name, argument) {
            ("d", "") => Self::Tables,
            ("d", table) => Self::Columns(table.to_owned()),
            ("x", "") => Self::Expanded,
            ("timing", "") => Self::Timing,
            ("?", "") => Self::Help,
            ("q", "") => Self::Quit,
            ("format", format) => match Format::from_str(format, true) {
                Ok(format) => Self::Format(format),
                Err(_) => return Some(Err(format!("`{format}` is not a format: {FORMATS}"))),
            },
            _ => return Some(Err(format!("there is no `\\{text}`\n  -> \\? tells what there is"))),
        };
        Some(Ok(command))
    }
}

const FORMATS: &str = "there is `table`, `json`, `ndjson`, `csv`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_backslash_are_commands() {
        let of = |line: &str| Command::of(line).map(Result::ok);
        assert_eq!(of("SELECT 1"), None);
        assert_eq!(of("\\d"), Some(Some(Command::Tables)));
        assert_eq!(of(" \\d;\n"), Some(Some(Command::Tables)));
        assert_eq!(of("\\d  a.\"B c\" ;"), Some(Some(Command::Columns("a.\"B c\"".into()))));
        assert_eq!(of("\\format ndjson"), Some(Some(Command::Format(Format::Ndjson))));
        assert_eq!(of("\\x"), Some(Some(Command::Expanded)));
        for line in ["\\x 1", "\\", "\\format", "\\format xml", "\\drop"] {
            assert_eq!(of(line), Some(None), "{line}");
        }
    }
}
