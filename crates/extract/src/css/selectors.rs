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
}
