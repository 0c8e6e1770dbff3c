//! Runs statements, and prints their rows as they come.

use std::time::Instant;

use futures::StreamExt;
use vantage_api_sql::{
    ApiSession,
    datafusion::{
        dataframe::DataFrame, error::DataFusionError, execution::SendableRecordBatchStream,
        logical_expr::LogicalPlan,
    },
};

use super::printer::Printer;
use crate::{arguments::Format, failure::Failure, interrupts::Interrupts, output};

/// How statements are run.
pub(crate) struct Settings {
    pub(crate) format: Format,
    /// Whether each column of a table has a line of its own.
    pub(crate) is_expanded: bool,
    pub(crate) has_timing: bool,
    /// The most rows of a query.
    pub(crate) max_rows: Option<usize>,
}

/// Runs statements one after another, to the first that fails.
pub(crate) async fn all(
    session: &ApiSession,
    statements: impl IntoIterator<Item = impl AsRef<str>>,
    settings: &Settings,
) -> Result<(), Failure> {
    for statement in statements {
        one(session, statement.as_ref(), settings).await?;
    }
    Ok(())
}

/// Runs a statement. Ctrl-C stops it, and with it all that it is asking for.
async fn one(session: &ApiSession, sql: &str, settings: &Settings) -> Result<(), Failure> {
    let (began, mut interrupts) = (Instant::now(), Interrupts::of_keyboard());
    let begun = unless_stopped(&mut interrupts, begin(session, sql, settings));
    let (rows, mut printer, limit) = begun.await??;
    let printed = print(rows, &mut printer, &mut interrupts).await;
    // What came before an error was printed.
    output::text(printer.finish().map_err(DataFusionError::from)?);
    let printed = printed?;
    if let Some(most) = limit.filter(|most| printed >= *most) {
        output::note(format_args!("there may be more: --max-rows is {most}"));
    }
    if settings.has_timing {
        output::note(format_args!("Time: {:.1?}", began.elapsed()));
    }
    Ok(())
}

/// Begins a statement. Returns its rows, what prints them, and how many there are at most.
async fn begin(
    session: &ApiSession,
    sql: &str,
    settings: &Settings,
) -> Result<(SendableRecordBatchStream, Printer, Option<usize>), Failure> {
    let frame = session.sql(sql).await?;
    let limit = settings.max_rows.filter(|_| is_query(&frame));
    let frame = match limit {
        Some(most) => frame.limit(0, Some(most))?,
        None => frame,
    };
    let schema = frame.schema().as_arrow();
    let printer = Printer::new(settings.format, settings.is_expanded, schema);
    let printer = printer.map_err(Failure::run)?;
    Ok((frame.execute_stream().await?, printer, limit))
}

/// Whether the rows are those of tables, and not what is told of a statement.
fn is_query(frame: &DataFrame) -> bool {
    !matches!(
        frame.logical_plan(),
        LogicalPlan::Analyze(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::DescribeTable(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Statement(_)
    )
}

/// Prints rows, and returns how many there were.
async fn print(
    mut rows: SendableRecordBatchStream,
    printer: &mut Printer,
    interrupts: &mut Interrupts,
) -> Result<usize, Failure> {
    let mut printed = 0;
    while let Some(batch) = unless_stopped(interrupts, rows.next()).await? {
        let batch = batch?;
        printed += batch.num_rows();
        output::text(printer.rows(&batch).map_err(DataFusionError::from)?);
    }
    Ok(printed)
}

/// What comes of `work`, unless Ctrl-C has been pressed since `interrupts` were made.
///
/// # Errors
/// If it has.
pub(crate) async fn unless_stopped<T>(
    interrupts: &mut Interrupts,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = interrupts.next() => Err(Failure::run("stopped")),
        done = work => Ok(done),
    }
}
