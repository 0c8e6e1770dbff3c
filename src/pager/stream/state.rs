//! What a stream is doing, and where it stands.

use futures::future::BoxFuture;

use crate::{
    dispatch::PoolLink,
    error::Error,
    pager::{
        endpoint::Endpoint,
        format::Decode,
        reader::Reader,
        resume_token::{ReadIdentity, ResumeToken},
        strategy::Position,
    },
};

/// Where a stream stands.
pub(super) enum StreamState<T: Send + 'static> {
    /// Not polled yet.
    Idle {
        link: PoolLink,
        endpoint: Box<Endpoint>,
        decoder: Decode<T>,
        /// Where the read begins, unless at the start of its set.
        start: Option<Position>,
        /// Where another read stood, which it goes on from.
        token: Option<ResumeToken>,
    },
    /// The pool starts, if it has not yet, and then the pager. A failure is
    /// yielded, then the stream is done.
    Opening { opening: BoxFuture<'static, Result<Reader<T>, Error>>, place: ResumePoint },
    /// Pages come in.
    Reading(Box<Reader<T>>, ReadIdentity),
    /// The last item or the one error was yielded.
    Done(ResumePoint),
}

/// Where a stream stands or begins.
#[derive(Clone)]
pub(super) enum ResumePoint {
    /// The place it has reached.
    Own(Position, ReadIdentity),
    /// The place a token names; its signature has not been checked.
    Unverified(ResumeToken),
}

impl ResumePoint {
    pub(super) fn identity(&self) -> &ReadIdentity {
        match self {
            Self::Own(_, identity) => identity,
            Self::Unverified(token) => &token.identity,
        }
    }
}

impl<T: Send + 'static> StreamState<T> {
    /// Where the stream stands.
    pub(super) fn place(&self) -> ResumePoint {
        match self {
            Self::Idle { token: Some(token), .. } => ResumePoint::Unverified(token.clone()),
            Self::Idle { endpoint, start, .. } => {
                let position = start.clone().unwrap_or_else(|| endpoint.start());
                ResumePoint::Own(position, endpoint.identity())
            }
            Self::Reading(reader, identity) => {
                ResumePoint::Own(reader.position(), identity.clone())
            }
            Self::Opening { place, .. } | Self::Done(place) => place.clone(),
        }
    }
}
