//! [pure] Which errors of PostgreSQL may pass.

use std::{error::Error as StdError, io};

use tokio_postgres::{Error, error::SqlState};

use crate::sink::SinkError;

/// Makes the sink's error of one of PostgreSQL; `what` says what failed.
pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(Error) -> SinkError {
    |error| {
        let sink_error = match may_pass(&error) {
            true => SinkError::passing(what),
            false => SinkError::lasting(what),
        };
        // "db error" would be all that is said of it otherwise.
        match error.as_db_error() {
            Some(of_server) => sink_error.because(of_server.clone()),
            None => sink_error.because(error),
        }
    }
}

fn may_pass(error: &Error) -> bool {
    match error.code() {
        Some(code) => code_may_pass(code.code()),
        None => error.is_closed() || error.source().is_some_and(is_of_network),
    }
}

/// Whether it is the network's, and not one of a certificate that is not trusted.
fn is_of_network(source: &(dyn StdError + 'static)) -> bool {
    let error = source.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() != io::ErrorKind::InvalidData)
}

/// Whether what a server answered may pass: it is short of something, stops, fails over, or has given
/// up this transaction for another one.
fn code_may_pass(code: &str) -> bool {
    match code {
        // The database was dropped.
        "57P04" => false,
        // A lock was not to be had, an object is in use, a session was idle for too long, a standby
        // does not write, the disk failed.
        "55P03" | "55006" | "25P03" | "25006" | "58030" => true,
        _ => ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)),
    }
}

/// Whether the server did not take a value.
pub(super) fn is_of_value(error: &Error) -> bool {
    let code = error.code().map(SqlState::code);
    code.is_some_and(|code| code.starts_with("22") || code == "54001")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_is_short_of_may_pass() {
        for code in [
            "08006", "40001", "40P01", "53100", "53300", "57P01", "57P02", "57P03", "57014",
            "55P03",
        ] {
            assert!(code_may_pass(code), "{code}");
        }
        for code in [
            "42501", "42804", "28P01", "3D000", "23505", "22021", "57P04", "54000", "2BP01",
            "XX000",
        ] {
            assert!(!code_may_pass(code), "{code}");
        }
    }
}
