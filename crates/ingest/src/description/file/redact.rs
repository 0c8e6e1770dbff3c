//! [pure] Keeps the values of variables out of messages.

use super::node::{Expanded, Node, Scalar, Value};

/// The least length of a value that is looked for in the words of a message.
const SHORTEST_WORD: usize = 4;

/// A message about `node` that shows no value of a variable: where one is quoted, the variable is
/// there instead, and a message that holds one in other ways is given up.
pub(super) fn redacted(message: String, node: &Node) -> String {
    let scalars = expanded(node);
    let message = named(message, &scalars);
    let is_shown = |value: &String| {
        let quoted = format!("{value:?}");
        let quoted = quoted.trim_matches('"');
        value.len() >= SHORTEST_WORD && (message.contains(value) || message.contains(quoted))
    };
    let mut values = scalars.iter().flat_map(|(_, variables)| &variables.values);
    if values.any(is_shown) { "has a value of another form".to_owned() } else { message }
}

/// A message that shows values of the file in backticks alone, with the variables instead of their
/// values.
pub(crate) fn unexpanded(message: String, root: &Node) -> String {
    named(message, &expanded(root))
}

/// Puts the variables where their values are quoted.
fn named(message: String, scalars: &[(&Scalar, &Expanded)]) -> String {
    scalars.iter().fold(message, |message, (scalar, variables)| {
        let source = &variables.source;
        let replaced = message.replace(&format!("`{}`", scalar.text), &format!("`{source}`"));
        replaced.replace(&format!("{:?}", scalar.text), &format!("{source:?}"))
    })
}

/// Whether a value below a node is that of a variable, and not only its default.
pub(crate) fn has_variable(node: &Node) -> bool {
    expanded(node).iter().any(|(_, variables)| !variables.values.is_empty())
}

/// The scalars that came of variables.
fn expanded(node: &Node) -> Vec<(&Scalar, &Expanded)> {
    let mut found = Vec::new();
    collect(node, &mut found);
    found
}

fn collect<'a>(node: &'a Node, found: &mut Vec<(&'a Scalar, &'a Expanded)>) {
    match &node.value {
        Value::Null => {}
        Value::Scalar(scalar) => found.extend(scalar.variables.as_ref().map(|v| (scalar, v))),
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| collect(&entry.value, found)),
    }
}
