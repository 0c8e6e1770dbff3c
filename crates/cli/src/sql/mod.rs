//! SQL on the command line, over the tables of an API and what jobs have written.

mod cells;
mod command;
mod describe;
mod error;
mod history;
mod input;
mod json;
mod printer;
mod prompt;
mod queries;
mod run;
mod session;
mod shell;
mod statements;
mod table;

pub(crate) use input::Input;
pub(crate) use queries::with_queries;
pub(crate) use run::{Settings, all};
pub(crate) use session::session;
#[cfg(feature = "distributed")]
pub(crate) use session::{session_over_workers, token};
pub(crate) use shell::converse;
pub(crate) use statements::Cut;
