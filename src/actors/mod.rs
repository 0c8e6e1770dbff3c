//! What actors have of one another: a line to one that may be replaced, and the pulse
//! by which one that hangs is told from one that works.

mod line;
mod pulse;

pub(crate) use line::{Line, Unanswered, line};
pub(crate) use pulse::{BEAT_EVERY, Pulse};
