//! [pure] Names of columns and tables that are found in rows.

use std::collections::HashSet;

/// A name like this one that is none of those which are taken: databases do not tell names apart by
/// their case.
pub(super) fn free_name<'t>(name: &str, taken: impl Iterator<Item = &'t str>) -> String {
    let taken: HashSet<String> = taken.map(str::to_lowercase).collect();
    let is_free = |name: &String| !taken.contains(&name.to_lowercase());
    let numbered = (2_u64..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}
