//! Files in YAML, read into types: variables are replaced, and what is wrong is named with its
//! place and the way to it. Knows nothing of what the files describe.
//!
//! The YAML is parsed into a tree first, in which the variables are replaced, and the types are
//! read from the tree. So a variable may be in quotes, a `$` that begins no variable stays as it
//! is, as in `$top`, and an error has its place whatever the way on which a type is read.

mod failure;
mod node;
mod redact;
mod typed;
mod variables;
mod words;

use serde::de::DeserializeOwned;

pub(crate) use failure::{Failure, KeyPath, Position};
pub(crate) use node::Node;
pub(crate) use redact::{has_variable, unexpanded};
pub(crate) use variables::Surroundings;

/// What a file says, and its tree, which `prepare` may change before it is read.
///
/// # Errors
/// If it is not YAML or not that of a `T`, or if a variable has no value.
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    surroundings: &Surroundings,
    prepare: impl FnOnce(&mut Node),
) -> Result<(T, Node), Failure> {
    let mut root = node::parse(text)?;
    variables::replace(&mut root, surroundings, text)?;
    prepare(&mut root);
    let read = typed::read(&root)?;
    Ok((read, root))
}

/// What a part of a tree says.
///
/// # Errors
/// If it is not that of a `T`.
pub(crate) fn read_node<T: DeserializeOwned>(node: &Node) -> Result<T, Failure> {
    typed::read(node)
}
