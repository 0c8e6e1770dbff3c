//! Bytes that leave the library without a copy, each with a reference to what they belong to.

use std::{mem::MaybeUninit, ptr, sync::Arc};

use bytes::Bytes;

use crate::{
    arguments::{address_of, place},
    border::{ErrorSlot, State, border},
    error::Failure,
    handles::{TABLE, vap_handle},
};

/// Bytes of the library, until they are freed.
#[derive(Debug)]
#[repr(C)]
#[allow(non_camel_case_types, reason = "the name in C")]
pub struct vap_buf {
    /// Where they begin; NULL if there are none.
    pub ptr: *const u8,
    /// How many there are.
    pub len: usize,
    /// What keeps them; 0 if there are none.
    pub owner: vap_handle,
}

impl vap_buf {
    const NONE: Self = Self { ptr: ptr::null(), len: 0, owner: 0 };
}

/// Hands bytes to a caller.
pub(crate) fn give(
    out: Option<&mut MaybeUninit<vap_buf>>,
    bytes: impl FnOnce() -> Result<Bytes, Failure>,
) -> Result<State, Failure> {
    let out = place("out", out)?;
    out.write(vap_buf::NONE);
    put(out, Arc::new(bytes()?))
}

/// As [`give`], or [`State::NotFound`] if there are none.
pub(crate) fn give_found(
    out: Option<&mut MaybeUninit<vap_buf>>,
    bytes: impl FnOnce() -> Result<Option<Bytes>, Failure>,
) -> Result<State, Failure> {
    let out = place("out", out)?;
    out.write(vap_buf::NONE);
    match bytes()? {
        Some(bytes) => put(out, Arc::new(bytes)),
        None => Ok(State::NotFound),
    }
}

fn put(out: &mut MaybeUninit<vap_buf>, bytes: Arc<Bytes>) -> Result<State, Failure> {
    let (ptr, len) = (address_of(&bytes), bytes.len());
    out.write(vap_buf { ptr, len, owner: TABLE.insert(bytes)? });
    Ok(State::Ok)
}

/// Takes the bytes behind the handle of a result.
#[unsafe(no_mangle)]
pub extern "C" fn vap_buf_take(
    result: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = place("out", out)?;
        out.write(vap_buf::NONE);
        let bytes = TABLE.get::<Bytes>(result)?;
        out.write(vap_buf { ptr: address_of(&bytes), len: bytes.len(), owner: result });
        Ok(State::Ok)
    })
}

/// Frees bytes and makes them none.
#[unsafe(no_mangle)]
pub extern "C" fn vap_buf_free(buf: Option<&mut vap_buf>) {
    border!(or(), {
        if let Some(buf) = buf {
            let owner = buf.owner;
            *buf = vap_buf::NONE;
            drop(TABLE.take::<Bytes>(owner));
        }
    });
}
