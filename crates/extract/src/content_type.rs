//! [pure] Which content types an extractor reads.

use crate::error::ExtractError;

/// # Errors
/// [`ExtractError::ContentType`] if the type is none of `read`. A pattern is a type, `text/*` or
/// `*/*+xml`. A response without a type may be anything.
pub(crate) fn check(content_type: Option<&str>, read: &[&str]) -> Result<(), ExtractError> {
    let Some(found) = content_type.map(essence).filter(|found| !found.is_empty()) else {
        return Ok(());
    };
    if read.iter().any(|pattern| matches(&found, pattern)) {
        return Ok(());
    }
    // Whoever chose the type may have put anything there.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '+' | '-' | '.' | '_');
    let shown: String = found.chars().filter(|c| is_plain(*c)).take(100).collect();
    Err(ExtractError::ContentType { found: shown, wanted: read.join(", ") })
}

/// The type without its parameters.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn matches(found: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => found == pattern,
        Some(_) if pattern == "*/*" => true,
        Some((start, "")) => found.starts_with(start),
        Some((_, rest)) => found.ends_with(rest.trim_start_matches("/*")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_if_a_pattern_says_so() {
        for (found, patterns, is_read) in [
            (Some("text/html; charset=utf-8"), &["text/html"][..], true),
            (Some("TEXT/HTML"), &["text/html"], true),
            (Some("text/plain"), &["text/*"], true),
            (Some("application/atom+xml"), &["text/xml", "*/*+xml"], true),
            (Some("application/json"), &["text/*", "*/*+xml"], false),
            (Some("image/png"), &["*/*"], true),
            (None, &["text/html"], true),
            (Some(""), &["text/html"], true),
        ] {
            assert_eq!(check(found, patterns).is_ok(), is_read, "{found:?} {patterns:?}");
        }
        let error = check(Some("x/<b>y"), &["text/html"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "the content type is `x/by`, and text/html is read; `content_types` names others"
        );
    }
}
