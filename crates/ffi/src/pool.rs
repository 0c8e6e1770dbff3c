//! Pools: opened from settings in a text, and looked after.

use std::{mem::MaybeUninit, os::raw::c_char, sync::Arc, time::Duration};

use bytes::Bytes;
use rust_decimal::Decimal;
use vantage_api_pool::{AwwPool, PoolConfig, Request};

use crate::{
    arguments::{empty, text},
    border::{ErrorSlot, State, border},
    buffer::{give, vap_buf},
    error::Failure,
    handles::{TABLE, vap_handle},
    options,
    request::send,
    tokens::Pool,
    wait::wait,
};

/// How long the pool's own parts may take to answer.
const ANSWER_MS: u32 = 30_000;

/// Ends a pool, and waits until its threads have ended.
pub(crate) fn shut_down(pool: &AwwPool, drain_ms: u32) {
    let drain = Duration::from_millis(drain_ms.into());
    // Callbacks, which could block it longer, there are none.
    let most = drain_ms.saturating_add(ANSWER_MS);
    if wait(pool.shutdown(drain), most).is_none() {
        tracing::warn!("a pool did not end in its time");
    }
}

/// Waits for the pool's own parts.
fn asked<T>(
    answer: impl Future<Output = Result<T, vantage_api_pool::Error>>,
) -> Result<T, Failure> {
    let answer = wait(answer, ANSWER_MS);
    answer.ok_or_else(|| Failure::state("the pool does not answer"))?.map_err(Failure::from)
}

/// Opens a pool with the settings in a text.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_pool_open(
    config: *const c_char,
    config_len: usize,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        // SAFETY: the caller's contract.
        let config = unsafe { text("config", config, config_len) }?;
        let builder = PoolConfig::from_yaml(config)?.builder()?;
        let pool = Pool::build(builder, options::bearer_tokens(config))?;
        out.write(TABLE.insert(Arc::new(pool))?);
        Ok(State::Ok)
    })
}

/// Ends a pool in order, closes its handle and makes it 0.
#[unsafe(no_mangle)]
pub extern "C" fn vap_pool_close(
    pool: Option<&mut vap_handle>,
    drain_ms: u32,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let pool = pool.ok_or_else(|| Failure::argument("pool: is NULL"))?;
        if *pool == 0 {
            return Ok(State::Ok);
        }
        let taken = TABLE.take::<Pool>(*pool)?;
        *pool = 0;
        shut_down(&taken, drain_ms);
        Ok(State::Ok)
    })
}

/// What a pool has done, in JSON.
#[unsafe(no_mangle)]
pub extern "C" fn vap_pool_stats(
    pool: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        give(out, || {
            let pool = TABLE.get::<Pool>(pool)?;
            let json = serde_json::to_vec(&asked(pool.stats())?);
            json.map(Bytes::from).map_err(|error| Failure::state(error.to_string()))
        })
    })
}

/// Sets the rate limit of a pool, or takes it away with 0.
#[unsafe(no_mangle)]
pub extern "C" fn vap_pool_set_rate(
    pool: vap_handle,
    requests_per_second: f64,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let pool = TABLE.get::<Pool>(pool)?;
        let rate =
            if requests_per_second == 0.0 {
                None
            } else {
                let rate = Decimal::try_from(requests_per_second);
                Some(rate.map_err(|_| {
                    Failure::argument("requests_per_second: must be a finite number")
                })?)
            };
        asked(pool.set_rate(rate))?;
        Ok(State::Ok)
    })
}

/// Sets the number of workers of a pool.
#[unsafe(no_mangle)]
pub extern "C" fn vap_pool_resize(pool: vap_handle, workers: u32, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        let pool = TABLE.get::<Pool>(pool)?;
        asked(pool.resize(workers as usize))?;
        Ok(State::Ok)
    })
}

/// Has a pool get a token anew before its next use.
#[unsafe(no_mangle)]
pub extern "C" fn vap_pool_invalidate_token(
    pool: vap_handle,
    slot: u32,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let pool = TABLE.get::<Pool>(pool)?;
        asked(pool.invalidate_token(slot as usize))?;
        Ok(State::Ok)
    })
}

/// Replaces a bearer token of a pool.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_pool_set_token(
    pool: vap_handle,
    slot: u32,
    token: *const c_char,
    token_len: usize,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let pool = TABLE.get::<Pool>(pool)?;
        // SAFETY: the caller's contract.
        let token = unsafe { text("token", token, token_len) }?;
        pool.replace(slot as usize, token)?;
        asked(pool.invalidate_token(slot as usize))?;
        Ok(State::Ok)
    })
}

/// Gets a path and waits for the response.
///
/// # Safety
/// As the [crate](crate#pointers) says of texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_get(
    pool: vap_handle,
    path: *const c_char,
    path_len: usize,
    timeout_ms: u32,
    cancel: vap_handle,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        // SAFETY: the caller's contract.
        let path = unsafe { text("path", path, path_len) };
        send(pool, || Ok(Request::get(path?)), timeout_ms, cancel, out)
    })
}
