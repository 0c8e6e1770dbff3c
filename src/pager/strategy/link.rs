//! [pure] Reads `Link` headers (RFC 8288 section 3): which URL has which relation.

/// The target of the first link in `fields` that has the relation `wanted`. Each field may
/// hold several links. What follows something malformed in a field is left out.
pub(super) fn target<'a>(
    fields: impl IntoIterator<Item = &'a str>,
    wanted: &str,
) -> Option<&'a str> {
    fields.into_iter().flat_map(|field| Links { rest: field }).find_map(|link| {
        let mut rels = link.rel.split_ascii_whitespace();
        (!link.has_anchor && rels.any(|rel| rel.eq_ignore_ascii_case(wanted)))
            .then_some(link.target)
    })
}

struct Link<'a> {
    target: &'a str,
    /// Relations with spaces between them.
    rel: &'a str,
    /// It is about another resource than the page (section 3.2).
    has_anchor: bool,
}

/// The links of one field.
struct Links<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Links<'a> {
    type Item = Link<'a>;

    fn next(&mut self) -> Option<Link<'a>> {
        // A list may have empty elements (RFC 9110 section 5.6.1).
        let rest = self.rest.trim_start_matches([',', ' ', '\t']);
        let (target, mut rest) = rest.strip_prefix('<')?.split_once('>')?;
        let mut link = Link { target: target.trim(), rel: "", has_anchor: false };
        let mut has_rel = false;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            match rest.strip_prefix(';') {
                Some(after) => rest = after.trim_start_matches([' ', '\t']),
                None => break,
            }
            let name_end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(name_end);
            let name = name.trim_end();
            let value;
            (value, rest) = match after.strip_prefix('=') {
                Some(after) => take_value(after.trim_start_matches([' ', '\t']))?,
                None => ("", after),
            };
            // Only the first one counts (section 3.3).
            if name.eq_ignore_ascii_case("rel") && !std::mem::replace(&mut has_rel, true) {
                link.rel = value;
            }
            link.has_anchor |= name.eq_ignore_ascii_case("anchor");
        }
        self.rest = rest.strip_prefix(',').unwrap_or_default();
        Some(link)
    }
}

/// The value that `text` begins with, a token or a quoted string, and what follows it. No
/// relation holds an escaped character, so these stay as they are.
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

    fn next(field: &str) -> Option<&str> {
        target([field], "next")
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
            assert_eq!(next(field), Some("/2"), "{field}");
        }
        assert_eq!(target(["</1>; rel=prev", "</2>; rel=next"], "next"), Some("/2"));
    }

    #[test]
    fn a_target_may_hold_commas_and_semicolons() {
        let field = "<https://api.example/rows?ids=1,2;a=b&page=2>; rel=\"next\"";
        assert_eq!(next(field), Some("https://api.example/rows?ids=1,2;a=b&page=2"));
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
            "/2; rel=next",
            "</2; rel=next",
            "</2>; rel=\"next",
            "</2>; title=\"</3>; rel=next\"",
        ] {
            assert_eq!(next(field), None, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_field_is_read_to_an_end(field in "[<>;,=\" a-z\\\\/]{0,40}") {
            let _ = next(&field);
        }
    }
}
