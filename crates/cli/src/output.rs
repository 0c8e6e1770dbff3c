//! What is printed. The one place that does, so that nothing is printed into bars.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    fmt::Display,
    io::{self, ErrorKind, IsTerminal, Write, stderr, stdout},
    process::exit,
    sync::{Once, OnceLock},
};

use console::Term;
use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::terminal::Terminal;

/// How often bars are drawn at most, in a second.
const DRAWINGS: u8 = 20;

static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The bars below all that is printed, if people watch.
pub(crate) fn bars() -> Option<&'static MultiProgress> {
    let is_watched = stderr().is_terminal() && !console::is_dumb();
    is_watched.then(|| BARS.get_or_init(|| MultiProgress::with_draw_target(target())))
}

fn target() -> ProgressDrawTarget {
    let terminal = Terminal::new(Term::buffered_stderr());
    ProgressDrawTarget::term_like_with_hz(Box::new(terminal), DRAWINGS)
}

/// Prints while no bar is there.
fn apart<T>(print: impl FnOnce() -> T) -> T {
    match BARS.get() {
        Some(bars) => bars.suspend(print),
        None => print(),
    }
}

/// Prints a line to the standard output, as [`text()`] does.
pub(crate) fn line(line: impl Display) {
    text(format_args!("{line}\n"));
}

/// Prints a text to the standard output. If that cannot be, the program ends: quietly with exit code
/// 0 if its reader has gone away, otherwise with 1. What runs on uses [`report()`].
pub(crate) fn text(text: impl Display) {
    if let Err(why) = apart(|| write!(stdout(), "{text}")) {
        if why.kind() == ErrorKind::BrokenPipe {
            exit(0);
        }
        error(format_args!("the output cannot be written: {why}"));
        exit(1);
    }
}

/// Prints a report to the standard output. If that cannot be, it is noted once, and what runs goes
/// on.
pub(crate) fn report(text: impl Display) {
    static NOTED: Once = Once::new();
    if let Err(why) = apart(|| write!(stdout(), "{text}")) {
        NOTED.call_once(|| {
            error(format_args!("reports cannot be printed: {why}; what runs goes on"))
        });
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
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        apart(|| stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}
