//! [pure] What a client is told of an error of the store: nothing of the file or the system.

use actix_web::http::StatusCode;

use crate::{Problem, kv::Error};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = error.kind_name();
        let problem = |status, title| Self::new(status, kind, title);
        let told = |status, title| problem(status, title).with_detail(error.to_string());
        match error {
            Error::Key(_) => told(StatusCode::BAD_REQUEST, "invalid key"),
            Error::ContentType => told(StatusCode::BAD_REQUEST, "invalid media type"),
            Error::Ttl => told(StatusCode::BAD_REQUEST, "the time to live is out of bounds"),
            Error::ListLimit { .. } => told(StatusCode::BAD_REQUEST, "the limit is out of bounds"),
            Error::BatchLength { .. } => {
                told(StatusCode::UNPROCESSABLE_ENTITY, "the number of operations is out of bounds")
            }
            Error::DuplicateKey { index, .. } => {
                told(StatusCode::UNPROCESSABLE_ENTITY, "a key is named twice")
                    .with_error(format!("/operations/{index}"), "its key was named before")
            }
            Error::ValueTooLarge { .. } => {
                told(StatusCode::PAYLOAD_TOO_LARGE, "a value is too large")
            }
            Error::BatchTooLarge { .. } => {
                told(StatusCode::PAYLOAD_TOO_LARGE, "the values of the batch are too large")
            }
            // How full it is is not the business of who has no room.
            Error::Full { .. } => problem(StatusCode::INSUFFICIENT_STORAGE, "the store is full")
                .with_detail("there is room again when values are deleted, or expire"),
            Error::PreconditionFailed { .. } => {
                problem(StatusCode::PRECONDITION_FAILED, "a precondition does not hold")
            }
            Error::Busy(_) => Self::unavailable(kind, "the store is busy", 1),
            Error::Unavailable(_) => Self::unavailable(kind, "the store cannot be used", 1),
            Error::NotWritten(_) => {
                Self::unavailable(kind, "the store could not write; nothing was written", 1)
            }
            Error::Unknown(_) => problem(
                StatusCode::GATEWAY_TIMEOUT,
                "the store did not answer; it may have written, or may still",
            ),
            Error::Damaged(_) | Error::Open { .. } | Error::Setting(_) => {
                problem(StatusCode::INTERNAL_SERVER_ERROR, "the store has failed")
            }
        }
    }
}
