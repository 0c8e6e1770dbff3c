//! What comes out of a queue.

use crate::{
    error::{Failure, vap_error},
    handles::{Object, TABLE, vap_handle},
};

/// That something that was submitted has ended, or what it tells meanwhile.
#[derive(Debug)]
#[repr(C)]
#[allow(non_camel_case_types, reason = "the name in C")]
pub struct vap_completion {
    /// The number that was given when it was submitted.
    pub tag: u64,
    /// The operation.
    pub op: vap_handle,
    /// What it gives, if it gives anything: a handle, which belongs to who takes it.
    pub result: vap_handle,
    /// Why it failed, which belongs to who takes it.
    pub error: Option<Box<vap_error>>,
    /// 0 or another state, or the code of the error.
    pub code: i32,
    /// What it is: see [`What`].
    pub what: u32,
}

/// What a completion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum What {
    /// The end of a call; the result is a response.
    Response = 1,
    /// The end of a read; the result is a batch, or none with the state that there is no more.
    Batch = 2,
    /// An event, after which others follow; the result is a text in JSON.
    Event = 3,
    /// The end of the events.
    EventsEnd = 4,
    /// How far a job has come, after which more follows; the result is a text in JSON.
    Progress = 5,
    /// The end of a job; the result is its report in JSON.
    Report = 6,
}

impl What {
    /// Whether more follows of the same operation.
    pub(crate) fn is_one_of_many(self) -> bool {
        matches!(self, Self::Event | Self::Progress)
    }
}

/// A completion that nobody has taken yet. Its result has no handle yet.
pub(crate) struct Done {
    pub(crate) tag: u64,
    pub(crate) op: vap_handle,
    pub(crate) what: What,
    pub(crate) outcome: Result<(i32, Option<Object>), Failure>,
}

impl Done {
    /// As it is handed over.
    pub(crate) fn hand_over(self) -> vap_completion {
        let Self { tag, op, what, outcome } = self;
        let outcome = outcome.and_then(|(code, result)| {
            Ok((code, result.map_or(Ok(0), |result| TABLE.insert_object(result))?))
        });
        let (code, result, error) = match outcome {
            Ok((code, result)) => (code, result, None),
            Err(failure) => (failure.code(), 0, Some(Box::new(vap_error::new(failure)))),
        };
        vap_completion { tag, op, result, error, code, what: what as u32 }
    }
}
