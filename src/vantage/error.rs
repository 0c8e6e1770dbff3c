//! Converts this crate's error to Vantage's.

use std::convert::Infallible;

use http::StatusCode;
use vantage_core::{Context, VantageError, error};

use crate::{
    error::{Error, ErrorKind},
    response::Response,
};

/// The text begins with the reason; `kind` and, if known, `status`, `attempts` and `page` go into
/// the context, and the error becomes the source. Neither text contains the response body, which
/// may echo a credential; [`Error::body_start`] of the source has it. 404 and 410 become
/// `NotFound`, 403 `Forbidden`, 409 and 412 `Conflict`, 405 and 501 `Unsupported`; an invalid
/// request or setting becomes `IncorrectUsage`.
///
/// ```
/// use vantage_api_pool::AwwPool;
/// use vantage_core::VantageError;
///
/// let error: VantageError = AwwPool::builder("ftp://host").build().unwrap_err().into();
/// assert!(error.is_incorrect_usage());
/// assert_eq!(error.context["kind"], "config");
/// ```
impl From<Error> for VantageError {
    fn from(error: Error) -> Self {
        let mut vantage = classified(&error, Self::other(error.reason()));
        let context = [
            ("kind", Some(error.kind_name().to_owned())),
            ("status", error.status().map(|status| status.as_u16().to_string())),
            ("attempts", (error.attempts() > 0).then(|| error.attempts().to_string())),
            ("page", error.page().map(|page| page.to_string())),
        ];
        for (key, value) in context {
            if let Some(value) = value {
                vantage.context.insert(key.to_owned(), value);
            }
        }
        let Err(vantage) = Err::<Infallible, _>(error.told()).context(vantage);
        vantage
    }
}

fn classified(error: &Error, vantage: VantageError) -> VantageError {
    match (error.kind(), error.status()) {
        (ErrorKind::Config | ErrorKind::InvalidRequest | ErrorKind::ForeignOrigin, _) => {
            vantage.mark_incorrect_usage()
        }
        (ErrorKind::Status, Some(StatusCode::NOT_FOUND | StatusCode::GONE)) => {
            vantage.mark_not_found()
        }
        (ErrorKind::Status, Some(StatusCode::FORBIDDEN)) => vantage.mark_forbidden(),
        (ErrorKind::Status, Some(StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)) => {
            vantage.mark_conflict()
        }
        (ErrorKind::Status, Some(StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)) => {
            vantage.mark_unsupported()
        }
        _ => vantage,
    }
}

/// The error of a call for `table`, named without its query.
pub(super) fn of_read(table: &str, error: Error) -> VantageError {
    let mut vantage = VantageError::from(error);
    let path = table.split('?').next().unwrap_or_default();
    vantage.context.insert_before(0, "table".to_owned(), path.to_owned());
    vantage
}

/// The error of a setting, a path or a token that is not a valid one.
pub(super) fn incorrect(what: impl Into<String>) -> VantageError {
    error!(what).mark_incorrect_usage()
}

/// The error that refuses a condition or an order on `field`.
pub(super) fn refused(what: &str, field: &str) -> VantageError {
    error!(what, field = field).mark_unsupported()
}

/// The error of an operation that the API does not have.
pub(super) fn unsupported(what: &str) -> VantageError {
    error!(format!("the API does not support {what}")).mark_unsupported()
}

/// Refuses a 202 without an id as the response for a single row: its body is about work in progress
/// (RFC 9110 section 15.3.3).
pub(super) fn refuse_unready(answer: &Response, has_id: bool) -> Result<(), Error> {
    if has_id || answer.counts_as() != StatusCode::ACCEPTED {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Decode, "a 202 (Accepted) has no row yet");
    Err(error.with_response(answer.clone()))
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, time::Duration};

    use vantage_core::util::error::ErrorKind as Kind;

    use super::*;

    fn status(code: u16) -> Error {
        Error::status_of(Response::new(StatusCode::from_u16(code).unwrap(), "the body"))
    }

    #[test]
    fn a_status_becomes_the_kind_that_it_means() {
        for (code, kind) in [
            (400, Kind::Generic),
            (401, Kind::Generic),
            (403, Kind::Forbidden),
            (404, Kind::NotFound),
            (410, Kind::NotFound),
            (405, Kind::Unsupported),
            (409, Kind::Conflict),
            (412, Kind::Conflict),
            (429, Kind::Generic),
            (500, Kind::Generic),
            (501, Kind::Unsupported),
        ] {
            assert_eq!(VantageError::from(status(code)).kind(), kind, "{code}");
        }
    }

    #[test]
    fn an_invalid_request_is_incorrect_usage_and_a_transport_error_is_generic() {
        for (kind, expected) in [
            (ErrorKind::InvalidRequest, Kind::IncorrectUsage),
            (ErrorKind::ForeignOrigin, Kind::IncorrectUsage),
            (ErrorKind::Config, Kind::IncorrectUsage),
            (ErrorKind::Connect, Kind::Generic),
            (ErrorKind::Decode, Kind::Generic),
        ] {
            assert_eq!(VantageError::from(Error::new(kind, "x")).kind(), expected, "{kind:?}");
        }
    }

    #[test]
    fn the_context_names_what_is_known_and_the_source_is_kept() {
        let error = status(503).with_effort(3, Duration::from_secs(1)).with_page(4);
        let vantage = of_read("orders?key=canary", error);
        let context: Vec<_> =
            vantage.context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let expected = [
            ("table", "orders"),
            ("kind", "status"),
            ("status", "503"),
            ("attempts", "3"),
            ("page", "4"),
        ];
        assert_eq!(context, expected);
        let text = "the server answered 503 (table: orders, kind: status, status: 503, \
                    attempts: 3, page: 4): retryable after 1.0s";
        assert_eq!(vantage.to_string(), text);
        let source = vantage.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
        assert_eq!((source.attempts(), source.body_start().unwrap()), (3, "the body".into()));
        assert!(!format!("{vantage:?} {source} {source:?}").contains("the body"));
    }
}
