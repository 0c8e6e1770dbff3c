//! Where users' code is that must hold nothing up: threads on which it may block for as long
//! as it likes, and the ends of what users gave.

mod outside;
mod threads;

pub(crate) use outside::{Outside, claim_this_thread};
pub(crate) use threads::{Aside, Lane};
