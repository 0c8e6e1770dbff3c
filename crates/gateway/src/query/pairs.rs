//! [pure] The query of a URL as a list of names and values, in its order and with what occurs
//! twice.

use crate::{Problem, path::decode};

/// The most parameters that are looked at.
const MAX_PAIRS: usize = 200;

/// The parameters of a query as it was sent.
///
/// # Errors
/// 400 if it is not percent-encoded UTF-8, has a NUL, or has too many parameters.
pub(crate) fn pairs(raw: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut pairs = Vec::new();
    for part in raw.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (Some(name), Some(value)) = (decode(name, true), decode(value, true)) else {
            return Err(refused("it is not percent-encoded UTF-8"));
        };
        if name.contains('\0') || value.contains('\0') {
            return Err(refused("it has a NUL"));
        }
        if pairs.len() == MAX_PAIRS {
            return Err(refused("it has more than 200 parameters"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn refused(detail: &'static str) -> Problem {
    Problem::bad_request("invalid_query", "the query cannot be read").with_detail(detail)
}
