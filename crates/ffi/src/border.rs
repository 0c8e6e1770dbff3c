//! The border that nothing but a code, a value and an error object crosses.

use std::{
    any::Any,
    mem::{self, MaybeUninit},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    error::{Failure, vap_error},
    fork,
};

/// Where the error object of a call goes, if its caller wants one.
pub(crate) type ErrorSlot<'a> = Option<&'a mut MaybeUninit<Option<Box<vap_error>>>>;

/// What a call comes to that does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum State {
    /// It is done.
    Ok = 0,
    /// There is nothing more.
    End = 1,
    /// The call timed out.
    Timeout = 2,
    /// Someone woke it.
    Woken = 3,
    /// There is no such thing.
    NotFound = 4,
    /// A job has ended, and not with everything: its report says why.
    Incomplete = 5,
}

/// The whole body of an exported function.
///
/// `border!(err, { … })` gives the code of a `Result<State, Failure>`; `border!(or DEFAULT, { … })`
/// gives the value of the block, or the default if it panics.
macro_rules! border {
    (or $default:expr, $body:block) => {
        $crate::border::value(|| $default, || $body)
    };
    ($err:expr, $body:block) => {
        $crate::border::call($err, || -> Result<$crate::border::State, $crate::error::Failure> {
            $body
        })
    };
}
pub(crate) use border;

/// Runs the body of a function that may fail.
pub(crate) fn call(mut err: ErrorSlot<'_>, body: impl FnOnce() -> Result<State, Failure>) -> i32 {
    if let Some(slot) = &mut err {
        slot.write(None);
    }
    let body = || fork::check().and_then(|()| body());
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(state)) => return state as i32,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::panicked(&message_of(panic)),
    };
    let code = failure.code();
    if let Some(slot) = err {
        slot.write(Some(Box::new(vap_error::new(failure))));
    }
    code
}

/// Runs the body of a function that gives a value.
pub(crate) fn value<T>(default: impl FnOnce() -> T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(panic) => {
            drop(message_of(panic));
            default()
        }
    }
}

/// What a panic says.
pub(crate) fn message_of(panic: Box<dyn Any + Send>) -> String {
    let text = match panic.downcast::<String>() {
        Ok(text) => return *text,
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(text) => return (*text).to_owned(),
            Err(panic) => panic,
        },
    };
    // Its `Drop` might panic as well.
    mem::forget(text);
    "a panic without a message".to_owned()
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;
    use crate::error::{E_PANIC, vap_error_code, vap_error_message};

    /// A value whose end panics as well.
    struct Mine;

    impl Drop for Mine {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn a_panic_becomes_an_error_and_says_what_it_was() {
        let mut slot = MaybeUninit::new(None);
        for (panics, says) in [
            ((|| panic!("number {}", 7)) as fn() -> Result<State, Failure>, "number 7"),
            (|| panic!("a\0b"), "a\\0b"),
            (|| panic_any(Mine), "without a message"),
        ] {
            assert_eq!(call(Some(&mut slot), panics), E_PANIC);
            // SAFETY: every call writes to it.
            let error = unsafe { slot.assume_init_mut() }.take();
            assert_eq!(vap_error_code(error.as_deref()), E_PANIC);
            // SAFETY: the text of an error ends with a NUL and lasts as long as the error.
            let text = unsafe { std::ffi::CStr::from_ptr(vap_error_message(error.as_deref())) };
            assert!(text.to_str().unwrap().contains(says), "{text:?}");
        }
        assert_eq!(call(None, || panic!("nobody listens")), E_PANIC);
        assert_eq!(value(|| -1, || panic_any(Mine)), -1);
    }

    #[test]
    fn what_does_not_fail_leaves_no_error() {
        let mut slot = MaybeUninit::uninit();
        assert_eq!(call(Some(&mut slot), || Ok(State::Timeout)), 2);
        // SAFETY: every call writes to it.
        assert!(unsafe { slot.assume_init() }.is_none());
    }
}
