//! [pure] Reads `Link` headers (RFC 8288 section 3): which URL has which relation.

use std::borrow::Cow;

use url::Url;

use crate::pager::facts::Unreadable;

/// Finds the first link in `fields` that has the relation `wanted`. Each field may
/// contain several links. A link with an anchor is about another resource (section 3.2), unless
/// that is `page` itself; one with the attribute `but` at this value is ignored.
///
/// # Errors
/// If there is none, and such a link may be in a part that cannot be read.
pub(super) fn find<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    wanted: &str,
    page: Option<&Url>,
    but: Option<&(String, String)>,
) -> Result<Option<String>, Unreadable> {
    let mut is_readable = true;
    for field in fields {
        // Fields are octets (RFC 9110 section 5.5).
        let field = String::from_utf8_lossy(field);
        let mut rest = &*field;
        while !rest.is_empty() {
            let Some((target, params)) = next_link(&mut rest) else {
                // It may contain the name of the relation.
                is_readable &= !rest.to_ascii_lowercase().contains(wanted);
                break;
            };
            let is_of_page = param(&params, "anchor").is_none_or(|anchor| {
                let is_it = |page: &Url| page.join(&unescaped(anchor)).is_ok_and(|at| at == *page);
                page.is_some_and(is_it)
            });
            let mut relations = param(&params, "rel").unwrap_or_default().split_ascii_whitespace();
            let has_relation = relations.any(|found| found.eq_ignore_ascii_case(wanted));
            let is_none = but.is_some_and(|(name, value)| {
                param(&params, name).is_some_and(|held| unescaped(held) == *value)
            });
            if is_of_page && has_relation && !is_none {
                return Ok(Some(target.to_owned()));
            }
        }
    }
    if is_readable { Ok(None) } else { Err(Unreadable) }
}

/// The value of a parameter. Only the first of its name counts (section 3.3).
fn param<'a>(params: &[(&'a str, &'a str)], wanted: &str) -> Option<&'a str> {
    let param = params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    param.map(|(_, value)| *value)
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if text.contains('\\') { Cow::Owned(text.replace('\\', "")) } else { Cow::Borrowed(text) }
}

/// The target of the next link in what has not been read of a field, and its parameters with their
/// values, as they are written. `None` if there is none, or the rest cannot be parsed.
fn next_link<'a>(unread: &mut &'a str) -> Option<(&'a str, Vec<(&'a str, &'a str)>)> {
    // A list may have empty elements (RFC 9110 section 5.6.1).
    *unread = unread.trim_start_matches([',', ' ', '\t']);
    let (target, mut rest) = unread.strip_prefix('<')?.split_once('>')?;
    let mut params = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        match rest.strip_prefix(';') {
            Some(after) => rest = after.trim_start_matches([' ', '\t']),
            None => break,
        }
        let name_end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        let value;
        (value, rest) = match after.strip_prefix('=') {
            Some(after) => take_value(after.trim_start_matches([' ', '\t']))?,
            None => ("", after),
        };
        params.push((name.trim_end(), value));
    }
    match (rest.strip_prefix(','), rest.is_empty()) {
        (Some(after), _) => *unread = after,
        (None, true) => *unread = "",
        (None, false) => return None,
    }
    Some((target.trim(), params))
}

/// The value at the start of `text`, a token or a quoted string, and what follows it. No
/// relation contains an escaped character, so these stay as they are.
fn take_value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return Some((text[..end].trim_end(), &text[end..]));
    };
    let mut is_escaped = false;
    let end = quoted.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    Some((&quoted[..end], &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(fields: &[&str]) -> Result<Option<String>, Unreadable> {
        let page = Url::parse("https://api.example/rows?page=1").unwrap();
        find(fields.iter().map(|field| field.as_bytes()), "next", Some(&page), None)
    }

    fn next(field: &str) -> Option<String> {
        found(&[field]).ok().flatten()
    }

    #[test]
    fn the_link_with_the_relation_is_found_wherever_it_stands() {
        for field in [
            "</2>; rel=next",
            "</2>; rel=\"next\"",
            "</2>;rel=\"next\"",
            "  </2> ; REL = \"NEXT\" ",
            "</1>; rel=\"prev\", </2>; rel=\"next\"",
            "</1>; rel=\"first\",</2>; rel=\"next\",</9>; rel=\"last\"",
            "</2>; rel=\"last next\"",
            "</2>; title=\"a, b; rel=prev\"; rel=next",
            "</2>; title=\"a \\\", </3>; rel=next\"; rel=next",
            "</2>; flag; rel=next",
            ", ,</2>; rel=next",
            "</2>; rel=next; rel=prev",
        ] {
            assert_eq!(next(field).as_deref(), Some("/2"), "{field}");
        }
        let second = Ok(Some("/2".into()));
        assert_eq!(found(&["</1>; rel=prev", "</2>; rel=next"]), second);
        assert_eq!(found(&["<2; rel=next", "</2>; rel=next"]), second);
    }

    #[test]
    fn a_target_may_hold_commas_and_semicolons() {
        let field = "<https://api.example/rows?ids=1,2;a=b&page=2>; rel=\"next\"";
        assert_eq!(next(field).unwrap(), "https://api.example/rows?ids=1,2;a=b&page=2");
    }

    #[test]
    fn what_is_no_link_to_the_next_page_is_none() {
        for field in [
            "",
            "</2>",
            "</2>; rel=\"prev\"",
            "</2>; rel=\"nextish\"",
            "</2>; rev=next",
            "</2>; rel=prev; rel=next",
            "</2>; rel=next; anchor=\"/other\"",
            "</2>; title=\"</3>; rel=next\"",
            "junk",
            "</2; rel=prev",
        ] {
            assert_eq!(found(&[field]), Ok(None), "{field}");
        }
    }

    #[test]
    fn what_may_be_a_link_to_the_next_page_and_cannot_be_read_is_not_passed_over() {
        for field in [
            "/2; rel=next",
            "</2; rel=next",
            "</2>; rel=\"next",
            "junk, </2>; rel=next",
            "</1>; title=\"open, </2>; rel=\"next",
        ] {
            assert_eq!(found(&[field]), Err(Unreadable), "{field}");
        }
    }

    #[test]
    fn fields_are_octets() {
        let field = b"</1>; rel=prev; title=\"caf\xe9\", </2>; rel=next; title=\"\xff\"";
        assert_eq!(find([&field[..]], "next", None, None), Ok(Some("/2".into())));
    }

    #[test]
    fn a_link_with_the_page_as_its_anchor_counts() {
        for anchor in ["", "?page=1", "/rows?page=1", "https://api.example/rows?page=1"] {
            let field = format!("</2>; rel=next; anchor=\"{anchor}\"");
            assert_eq!(next(&field).as_deref(), Some("/2"), "{field}");
        }
    }

    #[test]
    fn an_attribute_may_say_that_a_link_is_none() {
        let but = ("results".to_owned(), "false".to_owned());
        let found = |field: &str| find([field.as_bytes()], "next", None, Some(&but));
        let link = |results: &str| {
            format!("</2>; rel=\"next\"; results=\"{results}\"; cursor=\"0:100:0\"")
        };
        assert_eq!(found(&link("true")), Ok(Some("/2".into())));
        assert_eq!(found(&link("false")), Ok(None));
    }

    proptest! {
        #[test]
        fn any_field_is_read_to_an_end(field in "[<>;,=\" a-z\\\\/]{0,40}") {
            let _ = next(&field);
        }
    }
}
