//! [pure] Paths of elements: which of them an item or a field is.

use std::borrow::Cow;

use crate::error::ExtractError;

/// A path of names, joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ElementPath {
    steps: Vec<String>,
    /// Whether it begins at the root, or at the item.
    is_anchored: bool,
}

/// The element of a path, the attribute of it, and the attribute that it must have with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ValuePath {
    pub(super) element: ElementPath,
    pub(super) attr: Option<String>,
    pub(super) condition: Option<(String, String)>,
}

impl ElementPath {
    /// The path of items: `/catalog/book` from the root, or `book` and `shelf/book` anywhere.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for one without names.
    pub(super) fn of_items(path: &str) -> Result<Self, ExtractError> {
        let own = path.trim().trim_start_matches("//");
        let (is_anchored, names) = match own.strip_prefix('/') {
            Some(rest) if !path.trim().starts_with("//") => (true, rest),
            _ => (false, own),
        };
        Ok(Self { steps: steps("items", names)?, is_anchored })
    }

    /// Whether the elements that are open, from the root on, end with it.
    pub(super) fn ends(&self, open: &[String]) -> bool {
        let Some(before) = open.len().checked_sub(self.steps.len()) else { return false };
        let is_anchor = !self.is_anchored || before == 0;
        let names = open.get(before..).unwrap_or_default();
        is_anchor && names.iter().zip(&self.steps).all(|(name, step)| is(name, step))
    }
}

impl ValuePath {
    /// The path of a field, relative to the item: `title`, `author/name`, `price/@currency`, `@id`,
    /// `.` for the item itself, and `//name` for an element anywhere in it. `link[@rel='next']` is one
    /// whose attribute has this value.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for an empty name.
    pub(super) fn of_field(
        setting: &str,
        path: &str,
        attr: Option<&str>,
    ) -> Result<Self, ExtractError> {
        let path = path.trim();
        let (whole, condition) = match condition(path) {
            Some((rest, condition)) => (Cow::Owned(rest), Some(condition)),
            None => (Cow::Borrowed(path), None),
        };
        let path = &*whole;
        let (elements, at) = match path.rsplit_once('@') {
            Some((elements, name)) => (elements.strip_suffix('/').unwrap_or(elements), Some(name)),
            None => (path, None),
        };
        let is_name = |name: &str| !name.is_empty() && !name.contains(['/', ' ', '=', '@']);
        let are_two = at.is_some() && attr.is_some();
        let attr = at.or(attr);
        if are_two || attr.is_some_and(|name| !is_name(name)) {
            let reason = format!("`{path}` has no attribute with one name");
            return Err(ExtractError::setting(setting, reason));
        }
        let attr = attr.map(str::to_owned);
        let (is_anchored, names) = match elements.strip_prefix("//") {
            Some(rest) => (false, rest),
            None => (true, elements.strip_prefix("./").unwrap_or(elements)),
        };
        let steps = if matches!(names, "" | ".") { Vec::new() } else { steps(setting, names)? };
        if !is_anchored && steps.is_empty() {
            return Err(ExtractError::setting(setting, "a path has a name after `//`"));
        }
        if condition.is_some() && steps.is_empty() {
            return Err(ExtractError::setting(setting, "a condition has a name before it"));
        }
        Ok(Self { element: ElementPath { steps, is_anchored }, attr, condition })
    }

    /// Whether the element at the end of `open` is its element, if the item is `depth` deep.
    pub(super) fn is_at(&self, open: &[String], depth: usize) -> bool {
        self.element.ends(open.get(depth..).unwrap_or_default())
            && (open.len() > depth || self.element.steps.is_empty())
    }
}

/// The path without the condition on its last element, `[@name='value']`, and that condition.
fn condition(path: &str) -> Option<(String, (String, String))> {
    let (before, rest) = path.split_once('[')?;
    let (inside, after) = rest.split_once(']')?;
    let (name, value) = inside.trim().strip_prefix('@')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let quoted = ['\'', '"'].iter().find_map(|mark| value.strip_prefix(*mark)?.strip_suffix(*mark));
    let is_last = after.is_empty() || after.starts_with("/@");
    let is_name = !name.is_empty() && !name.contains(['/', ' ', '@', '[']);
    (is_last && is_name).then_some(())?;
    Some((format!("{before}{after}"), (name.to_owned(), quoted?.to_owned())))
}

fn steps(setting: &str, path: &str) -> Result<Vec<String>, ExtractError> {
    let steps: Vec<String> = path.split('/').map(|name| name.trim().to_owned()).collect();
    let is_name = |step: &String| {
        !step.is_empty() && !step.contains(['[', ']', '(', ')', '=', '<', '>', ' ', '@'])
    };
    match steps.iter().find(|step| !is_name(step)) {
        Some(step) => {
            let reason = format!("`{step}` in the path `{path}` is not a name of an element");
            Err(ExtractError::setting(setting, reason))
        }
        None => Ok(steps),
    }
}

/// Whether an element is meant: by its whole name if the step has a prefix, and otherwise by its
/// local name.
fn is(name: &str, step: &str) -> bool {
    step == "*" || name == step || name.rsplit_once(':').is_some_and(|(_, local)| local == step)
}

/// Whether an attribute is meant, as for elements.
pub(super) fn is_attribute(name: &str, wanted: &str) -> bool {
    is(name, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn items_are_found_from_the_root_or_anywhere() {
        for (path, at, is_it) in [
            ("/catalog/book", "catalog/book", true),
            ("/catalog/book", "x/catalog/book", false),
            ("book", "catalog/book", true),
            ("//book", "catalog/shelf/book", true),
            ("shelf/book", "catalog/shelf/book", true),
            ("shelf/book", "catalog/book", false),
            ("/catalog/*", "catalog/book", true),
            ("entry", "a:feed/a:entry", true),
            ("b:entry", "a:feed/a:entry", false),
            ("book", "book/title", false),
        ] {
            let path = ElementPath::of_items(path).unwrap();
            assert_eq!(path.ends(&open(at)), is_it, "{path:?} {at}");
        }
    }

    #[test]
    fn fields_are_relative_to_their_item() {
        for (path, at, is_it) in [
            ("title", "catalog/book/title", true),
            ("title", "catalog/book/author/title", false),
            ("//title", "catalog/book/author/title", true),
            ("author/name", "catalog/book/author/name", true),
            (".", "catalog/book", true),
            ("@id", "catalog/book", true),
            ("title", "catalog/book", false),
            ("title/@lang", "catalog/book/title", true),
        ] {
            let path = ValuePath::of_field("f", path, None).unwrap();
            assert_eq!(path.is_at(&open(at), 2), is_it, "{path:?} {at}");
        }
    }

    #[test]
    fn a_condition_is_about_an_attribute_of_the_last_element() {
        for path in ["/feed/link[@rel='next']/@href", "feed/link[ @rel = \"next\" ]/@href"] {
            let path = path.trim_start_matches('/');
            let path = ValuePath::of_field("f", path, None).unwrap();
            assert_eq!(path.condition, Some(("rel".to_owned(), "next".to_owned())));
            assert!(path.is_at(&open("feed/link"), 0) && path.attr.as_deref() == Some("href"));
        }
        assert_eq!(ValuePath::of_field("f", "a/@b", None).unwrap().condition, None);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", "/", "a//b", "a[1]", "a b", "a/"] {
            assert!(ElementPath::of_items(path).is_err(), "{path}");
        }
        for path in ["a[1]", "@", "//", "a/@b/c", "a[@b]", "a[@b=c]", "a[@b='c']/d", "[@b='c']/@d"]
        {
            assert!(ValuePath::of_field("f", path, None).is_err(), "{path}");
        }
        assert!(ValuePath::of_field("f", "@a", Some("b")).is_err());
    }
}
