//! Errors of queries in one line.

use std::{error::Error, sync::Arc};

use vantage_api_sql::{
    SqlError,
    datafusion::{arrow::error::ArrowError, error::DataFusionError},
};

use crate::failure::{Failure, advice_on};

/// What separates an error from where it happened in DataFusion.
const BACKTRACE: &str = "\n\nbacktrace: ";

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        let failure = Self::run(said(&error));
        let advice = match cause(&error) {
            Some(SqlError::Page { source, .. } | SqlError::Pool { source, .. }) => {
                advice_on(source)
            }
            _ => None,
        };
        match advice {
            Some(advice) => failure.advising(advice),
            None => failure,
        }
    }
}

/// What went wrong, without the layers that it came through.
pub(crate) fn said(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Context(_, error) | DataFusionError::Diagnostic(_, error) => said(error),
        DataFusionError::Shared(error) => said(error),
        DataFusionError::Collection(errors) => {
            errors.iter().map(said).collect::<Vec<_>>().join("; ")
        }
        DataFusionError::External(error) => said_by(error.as_ref()),
        DataFusionError::SQL(error, _) => one_line(&error.to_string()),
        DataFusionError::ArrowError(error, _) => said_by(error.as_ref()),
        error => one_line(&error.message()),
    }
}

fn said_by(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        return said(error);
    }
    if let Some(error) = error.downcast_ref::<Arc<DataFusionError>>() {
        return said(error);
    }
    match error.downcast_ref::<ArrowError>() {
        Some(ArrowError::ExternalError(error)) => said_by(error.as_ref()),
        _ => one_line(&error.to_string()),
    }
}

/// The error of a table that is below, if there is one.
pub(crate) fn cause(error: &DataFusionError) -> Option<&SqlError> {
    let mut current: &(dyn Error + 'static) = error;
    loop {
        if let Some(error) = current.downcast_ref::<SqlError>() {
            return Some(error);
        }
        current = current.source()?;
    }
}

fn one_line(text: &str) -> String {
    let text = text.split(BACKTRACE).next().unwrap_or(text);
    let text = text.strip_prefix("sql parser error: ").unwrap_or(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use vantage_api_sql::datafusion::sql::sqlparser::parser::ParserError;

    use super::*;

    fn table() -> DataFusionError {
        SqlError::Row { table: "cities".into(), page: 3, what: "row 7: `id` holds no int".into() }
            .into()
    }

    const SAID: &str = "table `cities`: page 3: row 7: `id` holds no int";

    #[test]
    fn an_error_of_a_table_is_told_without_its_layers() {
        assert_eq!(said(&table()), SAID);
        assert_eq!(said(&table().context("while sorting")), SAID);
        assert_eq!(said(&DataFusionError::Shared(Arc::new(table()))), SAID);
        let arrow = ArrowError::ExternalError(Box::new(table()));
        assert_eq!(said(&DataFusionError::from(arrow)), SAID);
        let shared: Arc<DataFusionError> = Arc::new(table());
        assert_eq!(said(&DataFusionError::External(Box::new(shared))), SAID);
    }

    #[test]
    fn an_error_is_one_line() {
        let error = DataFusionError::Plan("table 'a' not found\n  did you mean b?\n".into());
        assert_eq!(said(&error), "table 'a' not found did you mean b?");
        let parser = ParserError::ParserError("Expected: a, found: b at Line: 1".into());
        let error = DataFusionError::SQL(Box::new(parser), None);
        assert_eq!(said(&error), "Expected: a, found: b at Line: 1");
        let error = DataFusionError::Plan(format!("no\n\nbacktrace: {}", "at main\n".repeat(3)));
        assert_eq!(said(&error), "no");
    }
}
