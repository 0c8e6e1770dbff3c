//! Where users' code is that must hold nothing up: threads on which it may block for as long
//! as it likes, and the ends of what users gave.

mod pool;
mod user_value;

pub(crate) use pool::{BlockingPool, CallbackThreads};
pub(crate) use user_value::{UserValue, mark_own_thread};
