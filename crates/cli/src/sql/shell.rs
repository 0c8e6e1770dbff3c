//! Reads statements line by line, and runs each once it is complete.

use vantage_api_sql::ApiSession;

use super::{
    command::{Command, HELP},
    describe,
    input::{Input, Next},
    run::{Settings, all},
    statements::Cut,
};
use crate::{failure::Failure, output};

/// Runs what comes. At a prompt an error is told, and it goes on.
///
/// # Errors
/// That of the first statement that fails, where there is no prompt.
pub(crate) async fn converse(
    session: &ApiSession,
    mut settings: Settings,
    mut input: Input,
) -> Result<(), Failure> {
    let (mut begun, mut is_begun) = (String::new(), false);
    // What begins with a space is not to be remembered.
    let mut is_private = false;
    loop {
        let line = match input.next(is_begun).await? {
            Next::Line(line) => line,
            Next::Dropped => {
                begun.clear();
                is_begun = false;
                continue;
            }
            Next::End => break,
        };
        let done = match Command::of(&line).filter(|_| !is_begun) {
            Some(Ok(Command::Quit)) => return Ok(()),
            Some(Ok(command)) => {
                input.remember(&line);
                obey(command, session, &mut settings).await
            }
            Some(Err(what)) => Err(Failure::run(what)),
            None => {
                if !is_begun {
                    is_private = line.starts_with(' ');
                }
                begun.push_str(&line);
                begun.push('\n');
                if is_begun && !line.contains(';') {
                    continue;
                }
                let cut = Cut::of(&begun);
                let statements: Vec<String> =
                    cut.statements.iter().map(ToString::to_string).collect();
                is_begun = !cut.is_over;
                let rest = if is_begun { cut.rest.to_owned() } else { String::new() };
                let entries = statements.iter().filter(|_| !is_private);
                entries.for_each(|own| input.remember(&format!("{own};")));
                begun = rest;
                all(session, statements, &settings).await
            }
        };
        match done {
            Err(failure) if input.is_prompt() => failure.tell(),
            done => done?,
        }
    }
    if input.is_prompt() {
        return Ok(());
    }
    all(session, Cut::of(&begun).all(), &settings).await
}

async fn obey(
    command: Command,
    session: &ApiSession,
    settings: &mut Settings,
) -> Result<(), Failure> {
    match command {
        Command::Tables => return describe::tables(session).await,
        Command::Columns(table) => return describe::columns(session, &table).await,
        Command::Expanded => settings.is_expanded = !settings.is_expanded,
        Command::Timing => settings.has_timing = !settings.has_timing,
        Command::Format(format) => settings.format = format,
        Command::Help => output::note(HELP),
        Command::Quit => {}
    }
    Ok(())
}
