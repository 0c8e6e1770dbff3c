//! Why a call fails: the codes, and the objects that say more.

use std::{ffi::CString, mem::MaybeUninit, os::raw::c_char, ptr};

use vantage_api_gateway::kv;
use vantage_api_ingest::description::DescriptionError;
use vantage_api_pool::{Delivery, Error, ErrorKind};

use crate::{arguments::address_of, border::border};

/// The handle is invalid, was closed, or is one of another kind.
pub(crate) const E_HANDLE: i32 = -1;
/// An argument cannot be right.
pub(crate) const E_ARGUMENT: i32 = -2;
/// A text of settings is not one.
pub(crate) const E_CONFIG: i32 = -3;
/// The call was cancelled.
pub(crate) const E_CANCELLED: i32 = -4;
/// What the call works on was closed meanwhile.
pub(crate) const E_CLOSED: i32 = -5;
/// Another call uses it.
pub(crate) const E_BUSY: i32 = -6;
/// The queue has no room.
pub(crate) const E_FULL: i32 = -7;
/// The process is a fork of one that has used the library.
pub(crate) const E_FORKED: i32 = -8;
/// A panic, which is a defect of the library.
pub(crate) const E_PANIC: i32 = -9;
/// It is not there on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) const E_UNSUPPORTED: i32 = -10;
/// The process is not in a state for it.
pub(crate) const E_STATE: i32 = -11;
/// A call of the API failed: the kind says why.
pub(crate) const E_CALL: i32 = -12;
/// The key-value store failed.
pub(crate) const E_STORE: i32 = -13;
/// A job failed.
pub(crate) const E_JOB: i32 = -14;

/// Why a call fails.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: i32,
    kind: &'static str,
    message: String,
    is_retryable: bool,
    of_pool: Option<Error>,
}

impl Failure {
    fn new(code: i32, kind: &'static str, message: impl Into<String>) -> Self {
        Self { code, kind, message: message.into(), is_retryable: false, of_pool: None }
    }

    pub(crate) fn handle(message: impl Into<String>) -> Self {
        Self::new(E_HANDLE, "handle", message)
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(E_ARGUMENT, "argument", message)
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(E_CONFIG, "config", message)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(E_CANCELLED, "cancelled", "the call was cancelled")
    }

    pub(crate) fn closed() -> Self {
        Self::new(E_CLOSED, "closed", "it was closed while the call was under way")
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        let failure = Self::new(E_BUSY, "busy", message);
        Self { is_retryable: true, ..failure }
    }

    pub(crate) fn full(capacity: usize) -> Self {
        let what = format!("the queue has room for {capacity} operations, and all are in use");
        Self { is_retryable: true, ..Self::new(E_FULL, "queue_full", what) }
    }

    pub(crate) fn forked() -> Self {
        let what = "this process is a fork of one that has used the library: fork before the \
                    first call, or call exec";
        Self::new(E_FORKED, "forked", what)
    }

    pub(crate) fn panicked(message: &str) -> Self {
        Self::new(E_PANIC, "panic", format!("the library panicked: {message}"))
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(E_UNSUPPORTED, "unsupported", message)
    }

    pub(crate) fn state(message: impl Into<String>) -> Self {
        Self::new(E_STATE, "state", message)
    }

    pub(crate) fn job(message: impl Into<String>, is_retryable: bool) -> Self {
        Self { is_retryable, ..Self::new(E_JOB, "job", message) }
    }

    /// That a call did not end in its time. Only of what is submitted to a queue: who waits is told
    /// by a state.
    pub(crate) fn timeout() -> Self {
        let failure = Self::new(E_CALL, "deadline_exceeded", "the call did not end in its time");
        Self { is_retryable: true, ..failure }
    }

    pub(crate) fn code(&self) -> i32 {
        self.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Config => E_CONFIG,
            ErrorKind::ShuttingDown => E_CLOSED,
            _ => E_CALL,
        };
        Self {
            code,
            kind: error.kind_name(),
            message: error.to_string(),
            is_retryable: error.is_retryable(),
            of_pool: Some(error),
        }
    }
}

impl From<kv::Error> for Failure {
    fn from(error: kv::Error) -> Self {
        let code = match error {
            kv::Error::Key(_) | kv::Error::Ttl | kv::Error::ListLimit { .. } => E_ARGUMENT,
            kv::Error::ValueTooLarge { .. } => E_ARGUMENT,
            kv::Error::Setting(_) => E_CONFIG,
            _ => E_STORE,
        };
        let failure = Self::new(code, error.kind_name(), error.to_string());
        Self { is_retryable: error.is_retryable(), ..failure }
    }
}

impl From<DescriptionError> for Failure {
    fn from(error: DescriptionError) -> Self {
        Self::config(error.to_string())
    }
}

impl From<vantage_api_ingest::Error> for Failure {
    fn from(error: vantage_api_ingest::Error) -> Self {
        match error {
            vantage_api_ingest::Error::Description(error) => error.into(),
            vantage_api_ingest::Error::Api(error) => error.into(),
            error => Self::job(error.to_string(), error.may_pass()),
        }
    }
}

/// Why a call has failed, for its caller.
#[derive(Debug)]
#[allow(non_camel_case_types, reason = "the name in C")]
pub struct vap_error {
    failure: Failure,
    kind: CString,
    message: CString,
}

impl vap_error {
    pub(crate) fn new(failure: Failure) -> Self {
        // A NUL would end the text for C.
        let text = |text: &str| CString::new(text.replace('\0', "\\0")).unwrap_or_default();
        Self { kind: text(failure.kind), message: text(&failure.message), failure }
    }

    fn of_pool(&self) -> Option<&Error> {
        self.failure.of_pool.as_ref()
    }
}

/// The code, as the function that failed returned it; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_code(error: Option<&vap_error>) -> i32 {
    border!(or 0, { error.map_or(0, |error| error.failure.code) })
}

/// A stable name in lower case of what went wrong, which lasts as long as the error; NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_kind(error: Option<&vap_error>) -> *const c_char {
    border!(or ptr::null(), { error.map_or(ptr::null(), |error| error.kind.as_ptr()) })
}

/// What went wrong, in words, which last as long as the error; NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_message(error: Option<&vap_error>) -> *const c_char {
    border!(or ptr::null(), { error.map_or(ptr::null(), |error| error.message.as_ptr()) })
}

/// The status of the response, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_status(error: Option<&vap_error>) -> i32 {
    border!(or 0, {
        let status = error.and_then(vap_error::of_pool).and_then(Error::status);
        status.map_or(0, |status| status.as_u16().into())
    })
}

/// How many attempts were made.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_attempts(error: Option<&vap_error>) -> u32 {
    border!(or 0, { error.and_then(vap_error::of_pool).map_or(0, Error::attempts) })
}

/// The wait that was asked for and was too long, in milliseconds, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_retry_after_ms(error: Option<&vap_error>) -> i64 {
    border!(or - 1, {
        let wait = error.and_then(vap_error::of_pool).and_then(Error::retry_after);
        wait.map_or(-1, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    })
}

/// The page that failed, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_page(error: Option<&vap_error>) -> i64 {
    border!(or - 1, {
        let page = error.and_then(vap_error::of_pool).and_then(Error::page);
        page.map_or(-1, |page| i64::try_from(page).unwrap_or(i64::MAX))
    })
}

/// 1 if the same call may work later, or else 0.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_is_retryable(error: Option<&vap_error>) -> i32 {
    border!(or 0, { error.is_some_and(|error| error.failure.is_retryable).into() })
}

/// What the server may have seen: 0 nothing, 1 perhaps something, 2 all, for it has answered.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_delivery(error: Option<&vap_error>) -> i32 {
    border!(or 0, {
        match error.and_then(vap_error::of_pool).map(Error::delivery) {
            Some(Delivery::Answered) => 2,
            Some(Delivery::Unknown) => 1,
            _ => 0,
        }
    })
}

/// The beginning of the body of the response, which lasts as long as the error: its length, and its
/// address.
#[unsafe(no_mangle)]
pub extern "C" fn vap_error_body(
    error: Option<&vap_error>,
    body: Option<&mut MaybeUninit<*const u8>>,
) -> usize {
    border!(or 0, {
        let response = error.and_then(vap_error::of_pool).and_then(Error::response);
        let bytes = response.map_or(&[][..], |response| response.body());
        if let Some(body) = body {
            body.write(address_of(bytes));
        }
        bytes.len()
    })
}

/// Frees an error and makes its pointer NULL.
///
/// # Safety
/// `error` is NULL, or leads to NULL or to an error of this library that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_error_free(error: Option<&mut Option<Box<vap_error>>>) {
    border!(or(), { drop(error.and_then(Option::take)) });
}
