//! [pure] The selectors of fields, made absolute.

use crate::text::alternatives;

/// The selector of `field`, which is relative to the elements of `items`.
pub(super) fn within(items: &str, field: &str) -> String {
    let pair = |item: &str, field: &str| format!("{item} {field}");
    let fields = alternatives(field);
    let all = alternatives(items).into_iter().flat_map(|item| {
        fields.iter().map(move |field| pair(item, field.strip_prefix(":scope").unwrap_or(field)))
    });
    all.collect::<Vec<_>>().join(", ")
}

/// Whether siblings of any distance (`~`) are sought inside parentheses. That is done again for each
/// element that is a candidate, and may be so for each of its siblings.
#[cfg(feature = "tree")]
pub(super) fn has_nested_siblings(selector: &str) -> bool {
    let (mut depth, mut in_attribute, mut quote) = (0u32, false, None);
    let mut chars = selector.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '[') => in_attribute = true,
            (None, ']') => in_attribute = false,
            (None, '~') if depth > 0 && !in_attribute => return true,
            (None, _) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_within_each_item() {
        for (items, field, both) in [
            ("tr", "td", "tr td"),
            ("tr", "> td", "tr > td"),
            ("tr, li", "a, b", "tr a, tr b, li a, li b"),
            ("tr", ":scope > td", "tr  > td"),
        ] {
            assert_eq!(within(items, field), both);
        }
    }

    #[cfg(feature = "tree")]
    #[test]
    fn siblings_inside_parentheses_are_found() {
        for (selector, is_nested) in [
            ("a ~ b", false),
            ("a:has(+ b) ~ c", false),
            ("a:has(~ b)", true),
            (":is(x, a ~ b)", true),
            (":not(a:is(b ~ c))", true),
            ("a:not([x~=b])", false),
            ("a:not([x='(~)']) b", false),
            (r"a\(~b", false),
        ] {
            assert_eq!(has_nested_siblings(selector), is_nested, "{selector}");
        }
    }
}
