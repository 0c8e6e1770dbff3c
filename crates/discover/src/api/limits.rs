//! [pure] What headers say about limits, for a comment.

use super::http::Response;
use crate::names::plain;

/// Headers about limits, with those of their values that are short.
pub(super) fn limits(answer: &Response) -> Vec<String> {
    const PARTS: [&str; 4] = ["ratelimit", "calllimit", "limitinfo", "quota"];
    let is_limit = |name: &str| PARTS.iter().any(|part| plain(name).contains(part));
    let told = answer.headers.iter().filter(|(name, _)| is_limit(name) || name == "retry-after");
    let is_shown = |value: &str| {
        value.len() <= 60
            && value.chars().all(|c| c.is_ascii_digit() || "/=;,.\" -wqtrsm".contains(c))
    };
    told.map(|(name, value)| match is_shown(value) {
        true => format!("{name}: {value}"),
        false => name.clone(),
    })
    .collect()
}
