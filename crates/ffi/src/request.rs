//! Requests, built up by calls, and the blocking way to send them.

use std::{
    mem::MaybeUninit,
    os::raw::c_char,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use vantage_api_pool::{Error, Priority, Request};

use crate::{
    arguments::{bytes, empty, text},
    border::{ErrorSlot, State, border},
    cancel::token_of,
    error::Failure,
    handles::{TABLE, vap_handle},
    tokens::Pool,
    wait::{until, wait},
};

/// A request that can still be changed, and sent as often as wanted.
#[derive(Debug)]
pub(crate) struct Draft(Mutex<Request>);

impl Draft {
    /// As it is now.
    pub(crate) fn request(&self) -> Request {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(
        &self,
        change: impl FnOnce(Request) -> Result<Request, Error>,
    ) -> Result<(), Failure> {
        let mut request = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *request = change(request.clone())?;
        Ok(())
    }
}

/// Sends a request, and waits for at most so long.
pub(crate) fn send(
    pool: vap_handle,
    request: impl FnOnce() -> Result<Request, Failure>,
    timeout_ms: u32,
    cancel: vap_handle,
    out: Option<&mut MaybeUninit<vap_handle>>,
) -> Result<State, Failure> {
    let out = empty("out", out)?;
    let (pool, cancel) = (TABLE.get::<Pool>(pool)?, token_of(cancel)?);
    let request = request()?;
    let call = async { pool.request(request).await.map_err(Failure::from) };
    match wait(until(call, cancel.as_ref(), None), timeout_ms) {
        Some(response) => {
            out.write(TABLE.insert(Arc::new(response?))?);
            Ok(State::Ok)
        }
        None => Ok(State::Timeout),
    }
}

/// Makes a request.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_request_new(
    method: *const c_char,
    method_len: usize,
    path: *const c_char,
    path_len: usize,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        // SAFETY: the caller's contract.
        let method = unsafe { text("method", method, method_len) }?;
        // SAFETY: the caller's contract.
        let path = unsafe { text("path", path, path_len) }?;
        let method = method.parse().map_err(|_| Failure::argument("method: not an HTTP method"))?;
        let draft = Draft(Mutex::new(Request::new(method, path)));
        out.write(TABLE.insert(Arc::new(draft))?);
        Ok(State::Ok)
    })
}

/// Sets a header of a request.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_request_header(
    request: vap_handle,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        // SAFETY: the caller's contract.
        let name = unsafe { text("name", name, name_len) }?;
        // SAFETY: the caller's contract.
        let value = unsafe { text("value", value, value_len) }?;
        TABLE.get::<Draft>(request)?.change(|request| request.header(name, value))?;
        Ok(State::Ok)
    })
}

/// Adds a field to the query of a request.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_request_query(
    request: vap_handle,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        // SAFETY: the caller's contract.
        let name = unsafe { text("name", name, name_len) }?;
        // SAFETY: the caller's contract.
        let value = unsafe { text("value", value, value_len) }?;
        TABLE.get::<Draft>(request)?.change(|request| request.add_query(&[(name, value)]))?;
        Ok(State::Ok)
    })
}

/// Sets the body of a request to a copy of these bytes.
///
/// # Safety
/// As the [crate](crate#pointers) says of bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_request_body(
    request: vap_handle,
    body: *const u8,
    body_len: usize,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let request = TABLE.get::<Draft>(request)?;
        // SAFETY: the caller's contract.
        let body = unsafe { bytes("body", body, body_len) }?;
        let body = Bytes::copy_from_slice(body);
        request.change(|request| Ok(request.body(body)))?;
        Ok(State::Ok)
    })
}

/// Sets how long the call may take, queueing, waits and retries included.
#[unsafe(no_mangle)]
pub extern "C" fn vap_request_timeout_ms(
    request: vap_handle,
    timeout_ms: u32,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let timeout = Duration::from_millis(timeout_ms.into());
        TABLE.get::<Draft>(request)?.change(|request| Ok(request.timeout(timeout)))?;
        Ok(State::Ok)
    })
}

/// Sets the priority of a request: -1 low, 0 normal, 1 high.
#[unsafe(no_mangle)]
pub extern "C" fn vap_request_priority(
    request: vap_handle,
    priority: i32,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let priority = match priority {
            -1 => Priority::Low,
            0 => Priority::Normal,
            1 => Priority::High,
            _ => return Err(Failure::argument("priority: must be -1, 0 or 1")),
        };
        TABLE.get::<Draft>(request)?.change(|request| Ok(request.priority(priority)))?;
        Ok(State::Ok)
    })
}

/// Sends a key with a request, which allows retries after failures that leave open what was done.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_request_idempotency_key(
    request: vap_handle,
    key: *const c_char,
    key_len: usize,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        // SAFETY: the caller's contract.
        let key = unsafe { text("key", key, key_len) }?;
        TABLE.get::<Draft>(request)?.change(|request| request.idempotency_key(key))?;
        Ok(State::Ok)
    })
}

/// Sends a request and waits for the response.
#[unsafe(no_mangle)]
pub extern "C" fn vap_send(
    pool: vap_handle,
    request: vap_handle,
    timeout_ms: u32,
    cancel: vap_handle,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let request = || Ok(TABLE.get::<Draft>(request)?.request());
        send(pool, request, timeout_ms, cancel, out)
    })
}
