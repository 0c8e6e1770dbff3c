//! [pure] The links of a page in its `Link` header (RFC 8288 section 3).

use url::Url;

use super::http::Response;

/// A link of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) url: Url,
    /// Its parameters besides `rel`, with their values.
    pub(super) attributes: Vec<(String, String)>,
}

/// The first link with a relation.
pub(super) fn link(answer: &Response, relation: &str, base: &Url) -> Option<Link> {
    let fields = answer.headers.iter().filter(|(name, _)| name == "link");
    fields.flat_map(|(_, field)| parts(field, ',')).find_map(|link| {
        let mut parts = parts(link, ';').into_iter();
        let target = parts.next()?.trim().strip_prefix('<')?.strip_suffix('>')?;
        let attributes: Vec<(String, String)> = parts.filter_map(attribute).collect();
        let (rel, attributes): (Vec<_>, Vec<_>) =
            attributes.into_iter().partition(|(name, _)| name == "rel");
        let (_, rel) = rel.into_iter().next()?;
        let is_it = rel.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case(relation));
        let url = is_it.then(|| base.join(target).ok())??;
        Some(Link { url, attributes })
    })
}

fn attribute(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('=')?;
    let value = value.trim().trim_matches('"');
    Some((name.trim().to_ascii_lowercase(), value.to_owned()))
}

/// The parts of a field between separators that are neither in quotes nor in angle brackets.
fn parts(field: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted, mut is_target) = (Vec::new(), 0, false, false);
    for (at, c) in field.char_indices() {
        match c {
            '"' if !is_target => is_quoted = !is_quoted,
            '<' if !is_quoted => is_target = true,
            '>' if !is_quoted => is_target = false,
            c if c == separator && !is_quoted && !is_target => {
                parts.push(field.get(start..at).unwrap_or_default());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(field.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_with_its_attributes() {
        let base = Url::parse("https://h/a/b?x=1").unwrap();
        let next = |field: &str| link(&Response::new(200, [("Link", field)], ""), "next", &base);
        let field = "<c?d=1,2;3>; rel=\"prev\", <?page=2>; rel=\"next\"; results=\"false\"; title=\"a, b; c\"";
        let found = next(field).unwrap();
        assert_eq!(found.url.as_str(), "https://h/a/b?page=2");
        assert_eq!(found.attributes[0], ("results".to_owned(), "false".to_owned()));
        for none in ["", "<c>", "<c>; rel=prev", "c; rel=next", "<c; rel=next", ",,;;=\"<"] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
