//! What the library tells of what it does, by the one function of a caller that it calls.

use std::{
    ffi::{CString, c_void},
    fmt::{self, Write},
    os::raw::c_char,
    sync::{
        Arc, Once, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
    },
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{Interest, set_global_default},
};

use crate::{
    border::{ErrorSlot, State, border},
    error::Failure,
};

/// Takes what is told: the level, who tells it, what, and the pointer that was set beside it.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type vap_log_fn = Option<
    unsafe extern "C" fn(
        level: i32,
        target: *const c_char,
        message: *const c_char,
        context: *mut c_void,
    ),
>;

struct Callback {
    function: unsafe extern "C" fn(i32, *const c_char, *const c_char, *mut c_void),
    context: *mut c_void,
}

// SAFETY: the caller's contract is that the function may be called on any thread with it.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

/// 0 is nothing, 1 errors, up to 5 everything.
static LEVEL: AtomicI32 = AtomicI32::new(0);
static CALLBACK: RwLock<Option<Arc<Callback>>> = RwLock::new(None);

/// Has what is told up to a level go to a function, or to none.
///
/// # Safety
/// The function may be called on any thread, from now on until the process ends, with `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_set_log(
    level: i32,
    function: vap_log_fn,
    context: *mut c_void,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        if !(0..=5).contains(&level) {
            return Err(Failure::argument("level: must be 0 to 5"));
        }
        let callback = function.map(|function| Arc::new(Callback { function, context }));
        if callback.is_some() {
            install()?;
        }
        LEVEL.store(if callback.is_some() { level } else { 0 }, Relaxed);
        let mut current = CALLBACK.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, callback);
        drop(current);
        drop(before);
        Ok(State::Ok)
    })
}

fn install() -> Result<(), Failure> {
    static ONCE: Once = Once::new();
    static IS_OURS: AtomicBool = AtomicBool::new(false);
    ONCE.call_once(|| IS_OURS.store(set_global_default(Telling).is_ok(), Relaxed));
    if IS_OURS.load(Relaxed) {
        return Ok(());
    }
    Err(Failure::state("the process has a subscriber of `tracing` already"))
}

fn number(level: &Level) -> i32 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Takes the events of this library, and no spans.
struct Telling;

impl Subscriber for Telling {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The level may change.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        number(metadata.level()) <= LEVEL.load(Relaxed)
            && metadata.is_event()
            && metadata.target().starts_with("vantage_")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let callback = CALLBACK.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(callback) = callback else { return };
        let mut text = Text::default();
        event.record(&mut text);
        let target = c_text(event.metadata().target());
        let message = c_text(&(text.message + &text.fields));
        let level = number(event.metadata().level());
        // SAFETY: the contract of `vap_set_log`; both texts last for the call.
        unsafe {
            (callback.function)(level, target.as_ptr(), message.as_ptr(), callback.context);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\\0")).unwrap_or_default()
}

/// The message, and ` name=value` of each field.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A `String` takes whatever is written.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
