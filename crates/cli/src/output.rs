//! What is printed. The one place that does, so that nothing is printed into bars.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    fmt::Display,
    io::{IsTerminal, Result, Write, stderr, stdout},
    sync::OnceLock,
};

use indicatif::MultiProgress;

static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The bars below all that is printed, if people watch.
pub(crate) fn bars() -> Option<&'static MultiProgress> {
    stderr().is_terminal().then(|| BARS.get_or_init(MultiProgress::new))
}

/// Prints while no bar is there.
fn apart<T>(print: impl FnOnce() -> T) -> T {
    match BARS.get() {
        Some(bars) => bars.suspend(print),
        None => print(),
    }
}

/// Prints a line to the standard output. A reader that has gone away ends the program quietly.
pub(crate) fn line(text: impl Display) {
    if apart(|| writeln!(stdout(), "{text}")).is_err() {
        std::process::exit(0);
    }
}

/// Prints a text to the standard output, as [`line()`] does.
pub(crate) fn text(text: impl Display) {
    if apart(|| write!(stdout(), "{text}")).is_err() {
        std::process::exit(0);
    }
}

/// Prints a line for people who watch.
pub(crate) fn note(text: impl Display) {
    // Nobody may be there to read it.
    let _ = apart(|| writeln!(stderr(), "{text}"));
}

/// Prints what went wrong.
pub(crate) fn error(text: impl Display) {
    note(format_args!("apipool: {text}"));
}

/// Where the log goes.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        apart(|| stderr().write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        stderr().flush()
    }
}
