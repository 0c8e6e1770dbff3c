//! Writes of one table: what each requests, and what the response means. `write` has the writes,
//! `item` requests the row and reads responses, `send` makes requests; `answer`, `body`, `etag`,
//! `headers` and `refusal` are the pure parts.

mod answer;
mod body;
mod etag;
mod headers;
mod item;
mod refusal;
mod send;
mod write;

pub(super) use refusal::after_write;
pub(super) use write::Write;
