//! The prompt on a terminal.

use std::{fmt::Display, fs, path::PathBuf};

use rustyline::{Config, DefaultEditor, error::ReadlineError};
use tokio::task::block_in_place;

use super::{history, input::Next};
use crate::{failure::Failure, output};

/// How many entries are remembered.
const MOST_ENTRIES: usize = 1000;

/// A prompt, which remembers what was entered, also the next time.
pub(crate) struct Prompt {
    editor: DefaultEditor,
    /// Where entries are remembered, as long as that works.
    history: Option<PathBuf>,
}

impl Prompt {
    /// # Errors
    /// If the terminal cannot be used.
    pub(crate) fn new() -> Result<Self, Failure> {
        let config = Config::builder().max_history_size(MOST_ENTRIES).map_err(failed)?;
        let config = config.history_ignore_space(true).build();
        let mut editor = DefaultEditor::with_config(config).map_err(failed)?;
        let history = history::file().inspect(|file| {
            // There may be none yet; what is wrong with one is noted when an entry is remembered.
            let _ = editor.load_history(file);
        });
        Ok(Self { editor, history })
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub(crate) fn next(&mut self, is_begun: bool) -> Result<Next, Failure> {
        let prompt = if is_begun { "sql-> " } else { "sql=> " };
        match block_in_place(|| self.editor.readline(prompt)) {
            Ok(line) => Ok(Next::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Next::Dropped),
            Err(ReadlineError::Eof) => Ok(Next::End),
            Err(error) => Err(failed(error)),
        }
    }

    /// Remembers an entry, unless it may have a secret in it.
    pub(crate) fn remember(&mut self, entry: &str) {
        if history::has_secret(entry) {
            return;
        }
        let added = self.editor.add_history_entry(entry);
        let Some(file) = &self.history else { return };
        let kept = added.and_then(|_| {
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
            self.editor.append_history(file)
        });
        if let Err(error) = kept {
            output::note(format_args!("entries are not remembered in {}: {error}", file.display()));
            self.history = None;
        }
    }
}

fn failed(error: impl Display) -> Failure {
    Failure::run(format_args!("the terminal cannot be used: {error}"))
}
