//! Variables in the values of a file: `${NAME}` and `${NAME:-default}`. Reads the
//! environment of the process unless it is given another.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::{
    failure::{Failure, Position},
    node::{Entry, Expanded, Kind, Node, Scalar, Value},
};

/// Where variables come from besides the file.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    /// What the program gives, before all else.
    pub(crate) given: HashMap<String, String>,
    /// Instead of the environment of the process.
    pub(crate) environment: Option<HashMap<String, String>>,
}

impl Surroundings {
    fn get(&self, name: &str) -> Option<String> {
        let given = self.given.get(name).cloned();
        given.or_else(|| self.environment(name).filter(|value| !value.is_empty()))
    }

    fn environment(&self, name: &str) -> Option<String> {
        match &self.environment {
            Some(environment) => environment.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
    }
}

/// Takes the variables that a file has itself out of its tree, and puts the values of all
/// variables into it.
///
/// # Errors
/// If a variable has no value, or is not written as one.
pub(super) fn replace(
    root: &mut Node,
    surroundings: &Surroundings,
    file: &str,
) -> Result<(), Failure> {
    let mut variables = Variables { surroundings, own: IndexMap::new(), file };
    if let Some(entry) = root.take("vars") {
        variables.add_own(entry).map_err(|failure| failure.within("vars"))?;
    }
    variables.replace(root)
}

struct Variables<'a> {
    surroundings: &'a Surroundings,
    /// Those of the file.
    own: IndexMap<String, String>,
    file: &'a str,
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.surroundings.get(name).or_else(|| self.own.get(name).cloned())
    }

    /// Adds the variables of the file, in which those above them may be used.
    fn add_own(&mut self, vars: Entry) -> Result<(), Failure> {
        let entries = match vars.value.value {
            Value::Map(entries) => entries,
            Value::Null => return Ok(()),
            _ => return Err(Failure::new("expected a map of names to values").at(vars.at)),
        };
        for mut entry in entries {
            let value = self.own_value(&mut entry);
            let value = value.map_err(|failure| failure.at(entry.at).within(entry.key.as_str()))?;
            self.own.insert(entry.key, value);
        }
        Ok(())
    }

    fn own_value(&self, entry: &mut Entry) -> Result<String, Failure> {
        if !is_name(&entry.key) {
            return Err(Failure::new(NAMES));
        }
        self.replace(&mut entry.value)?;
        let text = entry.value.text().map(str::to_owned);
        text.ok_or_else(|| Failure::new("expected a text or a number"))
    }

    fn replace(&self, node: &mut Node) -> Result<(), Failure> {
        let at = node.at;
        match &mut node.value {
            Value::Null => Ok(()),
            Value::Scalar(scalar) => self.replace_in(scalar, at),
            Value::List(items) => items.iter_mut().enumerate().try_for_each(|(index, item)| {
                self.replace(item).map_err(|failure| failure.within(index))
            }),
            Value::Map(entries) => entries.iter_mut().try_for_each(|entry| {
                let replaced = self.replace(&mut entry.value);
                replaced.map_err(|failure| failure.within(entry.key.as_str()))
            }),
        }
    }

    fn replace_in(&self, scalar: &mut Scalar, at: Position) -> Result<(), Failure> {
        if !matches!(scalar.kind, Kind::Text) || !scalar.text.contains('$') {
            return Ok(());
        }
        let (mut text, mut values, mut has_variable) = (String::new(), Vec::new(), false);
        for part in parts(&scalar.text) {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Unclosed => return Err(Failure::new("a `${` has no `}`").at(at)),
                Part::Variable(inside) => {
                    let value = self.value(inside).map_err(|message| {
                        Failure::new(message).at(self.place(&format!("${{{inside}}}"), at))
                    })?;
                    match value {
                        Found::Value(value) => {
                            text.push_str(&value);
                            values.push(value);
                        }
                        Found::Default(default) => text.push_str(default),
                    }
                    has_variable = true;
                }
            }
        }
        let source = std::mem::replace(&mut scalar.text, text);
        scalar.variables = has_variable.then_some(Expanded { source, values });
        Ok(())
    }

    /// What stands for a variable, by what is between its braces; or what is wrong.
    fn value<'t>(&self, inside: &'t str) -> Result<Found<'t>, String> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            return Err(format!("`${{{inside}}}` is not a variable: {NAMES}"));
        }
        if default.is_some_and(|default| default.contains("${")) {
            return Err(format!("the default of `{name}` has a variable in it"));
        }
        match (self.get(name), default) {
            (Some(value), None) => Ok(Found::Value(value)),
            (Some(value), Some(_)) if !value.is_empty() => Ok(Found::Value(value)),
            (_, Some(default)) => Ok(Found::Default(default)),
            (None, None) => Err(format!("the variable `{name}` has no value")),
        }
    }

    /// The place of a variable in a scalar, which may have several lines.
    fn place(&self, variable: &str, at: Position) -> Position {
        let rest = self.file.get(at.offset..).unwrap_or_default();
        let Some((before, _)) = rest.split_once(variable) else { return at };
        let offset = at.offset + before.len();
        match before.rsplit_once('\n') {
            None => Position { column: at.column + before.chars().count(), offset, ..at },
            Some((lines, last)) => Position {
                line: at.line + 1 + lines.matches('\n').count(),
                column: last.chars().count() + 1,
                offset,
            },
        }
    }
}

const NAMES: &str = "a name has letters, digits and `_`, and begins with no digit";

fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

enum Found<'a> {
    Value(String),
    Default(&'a str),
}

/// A part of a text with variables.
enum Part<'a> {
    Text(&'a str),
    /// What is between the braces.
    Variable(&'a str),
    Unclosed,
}

/// The parts of a text. `$$` is a `$`, and so is a `$` without a brace.
fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        parts.push(Part::Text(before));
        if let Some(inside) = after.strip_prefix('{') {
            let Some((inside, after)) = inside.split_once('}') else {
                parts.push(Part::Unclosed);
                return parts;
            };
            parts.push(Part::Variable(inside));
            rest = after;
        } else {
            parts.push(Part::Text("$"));
            rest = after.strip_prefix('$').unwrap_or(after);
        }
    }
    parts.push(Part::Text(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::file::node;

    fn map(variables: &[(&str, &str)]) -> HashMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn expanded(yaml: &str) -> Result<String, Failure> {
        let surroundings = Surroundings {
            given: map(&[("GIVEN", "g"), ("BOTH", "given")]),
            environment: Some(map(&[
                ("ENV", "e"),
                ("BOTH", "env"),
                ("EMPTY", ""),
                ("MINE", "env"),
            ])),
        };
        let mut root = node::parse(yaml)?;
        replace(&mut root, &surroundings, yaml)?;
        Ok(root.get("a").and_then(Node::text).unwrap_or_default().to_owned())
    }

    #[test]
    fn a_variable_is_given_or_of_the_environment_or_of_the_file_or_its_default() {
        for (yaml, text) in [
            ("a: ${GIVEN}", "g"),
            ("a: \"${ENV}\"", "e"),
            ("a: 'x${ENV}y${GIVEN}z'", "xeygz"),
            ("a: |-\n  one ${ENV}\n  two", "one e\ntwo"),
            ("a: ${BOTH}", "given"),
            ("vars: { MINE: file, BOTH: file }\na: ${MINE} ${BOTH}", "env given"),
            ("vars: { OWN: 1.10, TWO: 'x${OWN}${ENV}' }\na: ${TWO}", "x1.10e"),
            ("a: ${NONE:-default}", "default"),
            ("a: ${NONE:-}", ""),
            ("a: ${EMPTY:-default}", "default"),
            ("a: ${ENV:-default}", "e"),
            ("a: ${NONE:-https://x:1/y}", "https://x:1/y"),
            ("a: $top $ENV $", "$top $ENV $"),
            ("a: $${ENV} $$ $$$${GIVEN}", "${ENV} $ $${GIVEN}"),
            ("a: $$${ENV}", "$e"),
            ("a: b # ${NONE}", "b"),
            ("# ${NONE}\na: b", "b"),
        ] {
            assert_eq!(expanded(yaml).unwrap(), text, "{yaml}");
        }
    }

    #[test]
    fn what_has_no_value_or_is_no_variable_is_named_with_its_place() {
        for (yaml, place, keys, words) in [
            ("b: 1\na: x ${NONE}", (2, 6), "a", "`NONE` has no value"),
            ("a:\n- ${ENV}\n- '${NONE}'", (3, 4), "a[1]", "`NONE` has no value"),
            ("a: |\n  one\n  two ${NONE}\n", (3, 7), "a", "`NONE` has no value"),
            ("a: ${EMPTY}", (1, 4), "a", "`EMPTY` has no value"),
            ("a: ${no-name}", (1, 4), "a", "is not a variable"),
            ("a: ${1}", (1, 4), "a", "is not a variable"),
            ("a: ${ENV:+x}", (1, 4), "a", "is not a variable"),
            ("a: '${ENV'", (1, 4), "a", "has no `}`"),
            ("a: '${NONE:-${ENV}}'", (1, 5), "a", "the default of `NONE`"),
            ("vars: { A: '${B}', B: x }\na: ${A}", (1, 13), "vars.A", "`B` has no value"),
            ("vars: [A]", (1, 1), "vars", "a map of names"),
            ("vars:\n  a-b: 1", (2, 3), "vars.a-b", "a name has letters"),
            ("vars:\n  A: [1]", (2, 3), "vars.A", "a text or a number"),
        ] {
            let failure = expanded(yaml).unwrap_err();
            let at = failure.at.map(|at| (at.line, at.column));
            assert_eq!(at, Some(place), "{yaml}: {failure}");
            assert_eq!(failure.keys.to_string(), keys, "{yaml}");
            assert!(failure.message.contains(words), "{yaml}: {failure}");
        }
    }
}
