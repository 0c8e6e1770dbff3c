//! Responses, as they are read by callers.

use std::{mem::MaybeUninit, os::raw::c_char};

use bytes::Bytes;
use vantage_api_pool::Response;

use crate::{
    arguments::{place, text},
    border::{ErrorSlot, State, border},
    buffer::{give, give_found, vap_buf},
    handles::{TABLE, vap_handle},
};

/// The status of a response.
#[unsafe(no_mangle)]
pub extern "C" fn vap_response_status(
    response: vap_handle,
    out: Option<&mut MaybeUninit<i32>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = place("out", out)?;
        out.write(0);
        let response = TABLE.get::<Response>(response)?;
        out.write(response.status().as_u16().into());
        Ok(State::Ok)
    })
}

/// The body of a response.
#[unsafe(no_mangle)]
pub extern "C" fn vap_response_body(
    response: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, { give(out, || Ok(TABLE.get::<Response>(response)?.body().clone())) })
}

/// The first value of a header of a response.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_response_header(
    response: vap_handle,
    name: *const c_char,
    name_len: usize,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        give_found(out, || {
            // SAFETY: the caller's contract.
            let name = unsafe { text("name", name, name_len) }?;
            let response = TABLE.get::<Response>(response)?;
            let value = response.headers().get(name);
            Ok(value.map(|value| Bytes::copy_from_slice(value.as_bytes())))
        })
    })
}

/// All headers of a response, each as `name: value` and a line end of HTTP.
#[unsafe(no_mangle)]
pub extern "C" fn vap_response_headers(
    response: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        give(out, || {
            let response = TABLE.get::<Response>(response)?;
            let mut text = Vec::new();
            for (name, value) in response.headers() {
                text.extend_from_slice(name.as_str().as_bytes());
                text.extend_from_slice(b": ");
                text.extend_from_slice(value.as_bytes());
                text.extend_from_slice(b"\r\n");
            }
            Ok(text.into())
        })
    })
}
