//! What is printed. The one place that does.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal, Write, stderr, stdout};

/// Prints a line to the standard output. A reader that has gone away ends the program quietly.
pub(crate) fn line(text: impl std::fmt::Display) {
    if writeln!(stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a text to the standard output, as [`line()`] does.
pub(crate) fn text(text: impl std::fmt::Display) {
    if write!(stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a line for people who watch.
pub(crate) fn note(text: impl std::fmt::Display) {
    // Nobody may be there to read it.
    let _ = writeln!(stderr(), "{text}");
}

/// Prints what went wrong.
pub(crate) fn error(text: impl std::fmt::Display) {
    note(format_args!("apipool: {text}"));
}

/// Whether people watch.
pub(crate) fn is_watched() -> bool {
    stderr().is_terminal()
}
