//! Handles by which one thread ends the waits of others.

use std::{
    mem::MaybeUninit,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{
    arguments::empty,
    border::{ErrorSlot, State, border},
    error::Failure,
    handles::{TABLE, vap_handle},
};

/// What calls look at that were given its handle.
#[derive(Debug, Default)]
pub(crate) struct Cancel(Mutex<CancellationToken>);

impl Cancel {
    /// The token of the calls that begin now.
    pub(crate) fn token(&self) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reset(&self) {
        let mut token = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if token.is_cancelled() {
            *token = CancellationToken::new();
        }
    }
}

/// The token behind a handle, of which 0 is none.
pub(crate) fn token_of(cancel: vap_handle) -> Result<Option<CancellationToken>, Failure> {
    match cancel {
        0 => Ok(None),
        cancel => Ok(Some(TABLE.get::<Cancel>(cancel)?.token())),
    }
}

/// Makes a handle for the cancellation of calls.
#[unsafe(no_mangle)]
pub extern "C" fn vap_cancel_new(
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        out.write(TABLE.insert(Arc::new(Cancel::default()))?);
        Ok(State::Ok)
    })
}

/// Ends every call that was given this handle, and those that are given it from now on.
#[unsafe(no_mangle)]
pub extern "C" fn vap_cancel(cancel: vap_handle, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        TABLE.get::<Cancel>(cancel)?.token().cancel();
        Ok(State::Ok)
    })
}

/// Lets the handle be used again after a cancellation.
#[unsafe(no_mangle)]
pub extern "C" fn vap_cancel_reset(cancel: vap_handle, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        TABLE.get::<Cancel>(cancel)?.reset();
        Ok(State::Ok)
    })
}
