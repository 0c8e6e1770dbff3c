//! Where the lines come from: a prompt, or the standard input.

use std::{
    io::{self, IsTerminal, stdin, stdout},
    thread,
};

use tokio::sync::mpsc;

use super::{prompt::Prompt, run::unless_stopped};
use crate::{failure::Failure, interrupts::Interrupts};

/// Where the lines come from.
pub(crate) enum Input {
    Prompt(Box<Prompt>),
    /// The lines of the standard input. A thread waits for them, which nobody waits for.
    Lines(mpsc::Receiver<io::Result<String>>),
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A line without its end.
    Line(String),
    /// What was begun is to be dropped.
    Dropped,
    End,
}

impl Input {
    /// A prompt if people are there.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub(crate) fn new() -> Result<Self, Failure> {
        if stdin().is_terminal() && stdout().is_terminal() {
            return Ok(Self::Prompt(Box::new(Prompt::new()?)));
        }
        let (sender, lines) = mpsc::channel(1);
        thread::Builder::new().name("standard-input".into()).spawn(move || {
            let mut lines = stdin().lines();
            // Nobody wants more once a statement has failed.
            lines.try_for_each(|line| sender.blocking_send(line))
        })?;
        Ok(Self::Lines(lines))
    }

    /// Whether people are there, who see what is wrong and go on.
    pub(crate) fn is_prompt(&self) -> bool {
        matches!(self, Self::Prompt(_))
    }

    /// The next line. `is_begun` says that it goes on with a statement.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) async fn next(&mut self, is_begun: bool) -> Result<Next, Failure> {
        match self {
            Self::Prompt(prompt) => prompt.next(is_begun),
            Self::Lines(lines) => {
                match unless_stopped(&mut Interrupts::of_keyboard(), lines.recv()).await? {
                    Some(Ok(line)) => Ok(Next::Line(line)),
                    Some(Err(error)) => Err(Failure::run(format_args!(
                        "the standard input cannot be read: {error}"
                    ))),
                    None => Ok(Next::End),
                }
            }
        }
    }

    /// Remembers what was entered.
    pub(crate) fn remember(&mut self, entry: &str) {
        if let Self::Prompt(prompt) = self {
            prompt.remember(entry);
        }
    }
}
