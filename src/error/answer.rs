//! [pure] Errors made from responses, by their status or by a rule.

use std::borrow::Cow;

use http::StatusCode;

use super::{Error, ErrorKind, text};
use crate::response::{Action, Response, Ruling};

impl Error {
    /// The error of a response whose status is not a success, or which a rule treats as a failure.
    pub(crate) fn status_of(response: Response) -> Self {
        let kind = if response.counts_as() == StatusCode::UNAUTHORIZED {
            ErrorKind::Unauthorized
        } else if response.status().is_success() {
            ErrorKind::ApiError
        } else {
            ErrorKind::Status
        };
        let message = match (response.ruling(), kind) {
            (Some(Ruling { message: Some(told), .. }), _) => {
                Cow::Owned(format!("the API says: {told}"))
            }
            (Some(Ruling { action: Action::Poll, .. }), _) => "there is no result yet".into(),
            (Some(Ruling { action: Action::Ignore, .. }), ErrorKind::ApiError) => {
                "a rule ignores the response, which is not the first page of a read".into()
            }
            (_, ErrorKind::ApiError) => "a rule takes the response for a failure".into(),
            _ => text::answered(&response),
        };
        Self::new(kind, message).with_response(response)
    }

    /// Whether a rule takes the response for a set without rows.
    pub(crate) fn is_ignored(&self) -> bool {
        let ruling = self.0.response.as_ref().and_then(Response::ruling);
        ruling.is_some_and(|ruling| ruling.action == Action::Ignore)
    }

    /// The status that the response counts as, which a rule may override.
    pub(crate) fn counts_as(&self) -> Option<StatusCode> {
        self.0.response.as_ref().map(Response::counts_as)
    }
}
