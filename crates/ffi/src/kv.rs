//! The key-value store in a file.

use std::{
    future::Future,
    mem::MaybeUninit,
    os::raw::c_char,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use vantage_api_gateway::kv::{self, Key, Kv, Precondition, Put};

use crate::{
    arguments::{bytes, empty, optional_text, text},
    border::{ErrorSlot, State, border},
    buffer::{give, give_found, vap_buf},
    cancel::token_of,
    error::Failure,
    handles::{TABLE, vap_handle},
    options, runtime,
    wait::{until, wait},
};

/// A store, until it is closed.
pub(crate) struct Store {
    kv: Mutex<Option<Kv>>,
    closed: CancellationToken,
}

impl Store {
    pub(crate) fn new(kv: Kv) -> Self {
        Self { kv: Mutex::new(Some(kv)), closed: CancellationToken::new() }
    }

    pub(crate) fn kv(&self) -> Result<Kv, Failure> {
        let kv = self.kv.lock().unwrap_or_else(PoisonError::into_inner);
        kv.clone().ok_or_else(Failure::closed)
    }

    /// Ends the calls that wait, and closes the file when those that write have ended.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        let kv = self.kv.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(kv);
    }

    /// Waits for a call; nothing if it takes longer than that.
    pub(crate) fn wait<T>(
        &self,
        call: impl Future<Output = Result<T, kv::Error>>,
        timeout_ms: u32,
        cancel: Option<&CancellationToken>,
    ) -> Result<Option<T>, Failure> {
        let _entered = runtime::enter()?;
        let call = async { call.await.map_err(Failure::from) };
        wait(until(call, cancel, Some(&self.closed)), timeout_ms).transpose()
    }
}

/// A key in a text.
pub(crate) fn key(text: &str) -> Result<Key, Failure> {
    Key::new(text).map_err(|error| kv::Error::from(error).into())
}

/// Opens the store in a file, or makes it.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_kv_open(
    path: *const c_char,
    path_len: usize,
    options: *const c_char,
    options_len: usize,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        // SAFETY: the caller's contract.
        let path = unsafe { text("path", path, path_len) }?;
        // SAFETY: the caller's contract.
        let options = unsafe { optional_text("options", options, options_len) }?;
        let settings = options::read("options", options)?;
        let kv = Kv::open(path, settings)?;
        out.write(TABLE.insert(Arc::new(Store::new(kv)))?);
        Ok(State::Ok)
    })
}

/// Reads the value of a key.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_kv_get(
    kv: vap_handle,
    key_text: *const c_char,
    key_len: usize,
    timeout_ms: u32,
    cancel: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let mut is_late = false;
        let state = give_found(out, || {
            let (store, cancel) = (TABLE.get::<Store>(kv)?, token_of(cancel)?);
            // SAFETY: the caller's contract.
            let key = key(unsafe { text("key", key_text, key_len) }?)?;
            let value = store.wait(store.kv()?.get(&key), timeout_ms, cancel.as_ref())?;
            is_late = value.is_none();
            Ok(value.flatten().map(kv::Value::into_bytes))
        })?;
        Ok(if is_late { State::Timeout } else { state })
    })
}

/// Writes the value of a key.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts and bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_kv_put(
    kv: vap_handle,
    key_text: *const c_char,
    key_len: usize,
    value: *const u8,
    value_len: usize,
    ttl_ms: u64,
    timeout_ms: u32,
    cancel: vap_handle,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let (store, cancel) = (TABLE.get::<Store>(kv)?, token_of(cancel)?);
        // SAFETY: the caller's contract.
        let key = key(unsafe { text("key", key_text, key_len) }?)?;
        // SAFETY: the caller's contract.
        let value = unsafe { bytes("value", value, value_len) }?;
        let opened = store.kv()?;
        if value.len() > opened.max_value_bytes() {
            let (bytes, most) = (value.len(), opened.max_value_bytes());
            return Err(kv::Error::ValueTooLarge { key, bytes, most }.into());
        }
        let mut put = Put::new(Bytes::copy_from_slice(value));
        if ttl_ms > 0 {
            put = put.with_ttl(Duration::from_millis(ttl_ms));
        }
        let put = store.wait(opened.put(key, put), timeout_ms, cancel.as_ref())?;
        Ok(put.map_or(State::Timeout, |_| State::Ok))
    })
}

/// Deletes the value of a key.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_kv_delete(
    kv: vap_handle,
    key_text: *const c_char,
    key_len: usize,
    timeout_ms: u32,
    cancel: vap_handle,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let (store, cancel) = (TABLE.get::<Store>(kv)?, token_of(cancel)?);
        // SAFETY: the caller's contract.
        let key = key(unsafe { text("key", key_text, key_len) }?)?;
        let opened = store.kv()?;
        let delete = opened.delete(key, Precondition::default());
        Ok(match store.wait(delete, timeout_ms, cancel.as_ref())? {
            Some(true) => State::Ok,
            Some(false) => State::NotFound,
            None => State::Timeout,
        })
    })
}

/// Lists keys, in JSON.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_kv_list(
    kv: vap_handle,
    prefix: *const c_char,
    prefix_len: usize,
    after: *const c_char,
    after_len: usize,
    limit: usize,
    timeout_ms: u32,
    cancel: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let mut is_late = false;
        let state = give_found(out, || {
            let (store, cancel) = (TABLE.get::<Store>(kv)?, token_of(cancel)?);
            // SAFETY: the caller's contract.
            let prefix = unsafe { optional_text("prefix", prefix, prefix_len) }?;
            // SAFETY: the caller's contract.
            let after = unsafe { optional_text("after", after, after_len) }?;
            let opened = store.kv()?;
            let list = opened.list(prefix.unwrap_or_default(), after, limit);
            let Some(page) = store.wait(list, timeout_ms, cancel.as_ref())? else {
                is_late = true;
                return Ok(None);
            };
            let keys = page.keys.iter().map(|(key, entry)| {
                json!({
                    "key": key.as_str(),
                    "size": entry.size,
                    "content_type": entry.content_type.as_str(),
                })
            });
            let json = json!({ "keys": keys.collect::<Vec<_>>(), "next": page.next });
            Ok(Some(json.to_string().into()))
        })?;
        Ok(if is_late { State::Timeout } else { state })
    })
}

/// What a store has and has done, in JSON.
#[unsafe(no_mangle)]
pub extern "C" fn vap_kv_stats(
    kv: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        give(out, || {
            let stats = TABLE.get::<Store>(kv)?.kv()?.stats();
            let json = serde_json::to_vec(&stats);
            json.map(Bytes::from).map_err(|error| Failure::state(error.to_string()))
        })
    })
}
