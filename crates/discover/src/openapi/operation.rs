//! [pure] What an operation takes, and what it answers.

use indexmap::IndexMap;
use serde_json::Value;

use super::{document::Document, schema::Shape};
use crate::{json_path::JsonPath, names, types::Kind};

/// How deep rows are looked for in an answer.
const DEPTH: usize = 3;
/// The most headers of an answer and types of its content that are looked at.
const MOST_HEADERS: usize = 200;
/// The longest name of a parameter, in bytes.
const LONGEST_NAME: usize = 256;

/// A parameter of the query, or one in the body of a search.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    pub(super) maximum: Option<u64>,
    pub(super) minimum: Option<u64>,
    pub(super) default: Option<u64>,
}

/// A GET, or a search, that answers with a list of objects.
#[derive(Debug)]
pub(super) struct Operation<'d> {
    pub(super) parameters: Vec<Parameter>,
    pub(super) items: JsonPath,
    pub(super) items_why: &'static str,
    /// The columns of a row.
    pub(super) row: IndexMap<&'d str, &'d Value>,
    /// What is beside the rows.
    pub(super) beside: Vec<(JsonPath, Kind, bool)>,
    /// Headers that are declared, in small letters.
    pub(super) headers: Vec<String>,
}

/// Why a GET is not a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoTable {
    /// It does not answer with a list.
    OneThing,
    NoSchema,
    Several(String),
}

impl<'d> Operation<'d> {
    pub(super) fn read(
        document: &'d Document,
        path: &'d Value,
        get: &'d Value,
        table: &str,
    ) -> Result<Self, NoTable> {
        let (schema, headers) = answer(document, get).ok_or(NoTable::NoSchema)?;
        let found = rows(document, schema, table)?;
        let row = match document.shape(found.element) {
            Shape::Object(row) => row,
            _ if found.is_open => IndexMap::new(),
            _ => return Err(NoTable::OneThing),
        };
        let mut beside = Vec::new();
        look_beside(document, schema, &JsonPath::default(), &found.path, &mut beside);
        let parameters = [path, get].into_iter().filter_map(|at| at.get("parameters")?.as_array());
        let mut named = IndexMap::new();
        for parameter in parameters.flatten().filter_map(|parameter| document.resolve(parameter)) {
            if parameter.get("in").and_then(Value::as_str) == Some("query")
                && let Some(parameter) = read_parameter(document, parameter)
            {
                named.insert(parameter.name.clone(), parameter);
            }
        }
        Ok(Self {
            parameters: named.into_values().collect(),
            items: found.path,
            items_why: found.why,
            row,
            beside,
            headers,
        })
    }
}

fn read_parameter(document: &Document, parameter: &Value) -> Option<Parameter> {
    let name = parameter.get("name")?.as_str().filter(|name| name.len() <= LONGEST_NAME)?;
    // OpenAPI 2.0 has the type beside the name.
    let schema = parameter.get("schema").and_then(|schema| document.resolve(schema));
    let schema = schema.unwrap_or(parameter);
    let is_required = parameter.get("required").and_then(Value::as_bool).unwrap_or_default();
    Some(parameter_of(document, name.to_owned(), is_required, schema))
}

/// The parameter with this schema.
pub(super) fn parameter_of(
    document: &Document,
    name: String,
    is_required: bool,
    schema: &Value,
) -> Parameter {
    let own = document.resolve(schema).unwrap_or(schema);
    let number = |key: &str| own.get(key).and_then(Value::as_f64);
    let number = |key: &str| number(key).filter(|n| *n >= 0.0 && *n < 1e9).map(|n| n as u64);
    Parameter {
        kind: document.kind(schema),
        is_required,
        maximum: number("maximum"),
        minimum: number("minimum"),
        default: number("default"),
        name,
    }
}

/// The schema of the answer of a success, and its headers.
fn answer<'d>(document: &'d Document, get: &'d Value) -> Option<(&'d Value, Vec<String>)> {
    let responses = get.get("responses")?.as_object()?;
    let is_success = |code: &str| code.starts_with('2');
    let known = ["200", "2XX", "2xx"].iter().find_map(|code| responses.get(*code));
    let known = known.or_else(|| {
        responses.iter().take(MOST_HEADERS).find(|(code, _)| is_success(code)).map(|(_, r)| r)
    });
    let response = document.resolve(known.or_else(|| responses.get("default"))?)?;
    let headers = response.get("headers").and_then(Value::as_object);
    let headers =
        headers.into_iter().flatten().take(MOST_HEADERS).map(|(name, _)| name.to_ascii_lowercase());
    let content = response.get("content").and_then(Value::as_object);
    let json = content.and_then(|content| {
        let is_json = |kind: &str| kind.contains("json") || kind == "*/*";
        let mut kinds = content.iter().take(MOST_HEADERS);
        let plain = kinds.clone().find(|(kind, _)| kind.starts_with("application/json"));
        plain.or_else(|| kinds.find(|(kind, _)| is_json(kind))).map(|(_, media)| media)
    });
    let schema = json.and_then(|media| media.get("schema")).or_else(|| response.get("schema"))?;
    Some((schema, headers.collect()))
}

struct Found<'d> {
    path: JsonPath,
    element: &'d Value,
    why: &'static str,
    /// Whether it is not said what a row has.
    is_open: bool,
}

/// Where the rows are in an answer.
fn rows<'d>(document: &'d Document, schema: &'d Value, table: &str) -> Result<Found<'d>, NoTable> {
    let mut lists = Vec::new();
    look(document, schema, &JsonPath::default(), &mut lists);
    // A list of anything is one of rows if it is called so, and nothing else is.
    let is_named = |found: &Found<'_>| {
        found
            .path
            .last()
            .is_none_or(|key| names::is_one(key, names::ROWS) || names::is_same_thing(key, table))
    };
    match lists.iter().any(|found| !found.is_open) {
        true => lists.retain(|found| !found.is_open),
        false => lists.retain(is_named),
    }
    let is_of =
        |found: &&Found<'_>| found.path.last().is_some_and(|key| names::is_same_thing(key, table));
    let is_usual =
        |found: &&Found<'_>| found.path.last().is_some_and(|key| names::is_one(key, names::ROWS));
    if let Some(at) = lists.iter().position(|found| found.path.depth() == 0) {
        return Ok(lists.swap_remove(at));
    }
    let has_id = matches!(document.shape(schema), Shape::Object(own) if own.contains_key("id"));
    for (is_it, why) in [
        (&is_of as &dyn Fn(&&Found<'_>) -> bool, "it is named as the path"),
        (&is_usual, "its name is a usual one"),
        (&|_| !has_id, "it is the only list of objects"),
    ] {
        let fitting: Vec<usize> = (0..lists.len())
            .filter(|at| lists.get(*at).is_some_and(|found| is_it(&found)))
            .collect();
        match fitting.as_slice() {
            [] => {}
            [one] => {
                let found = lists.swap_remove(*one);
                return Ok(Found { why, ..found });
            }
            several => {
                let depth = |at: &usize| lists.get(*at).map_or(0, |found| found.path.depth());
                let least = several.iter().map(depth).min();
                let first: Vec<_> = several.iter().filter(|at| Some(depth(at)) == least).collect();
                if let [only] = first.as_slice() {
                    let found = lists.swap_remove(**only);
                    return Ok(Found { why, ..found });
                }
                let names = several.iter().filter_map(|at| lists.get(*at));
                let names: Vec<_> = names.map(|found| format!("`{}`", found.path)).collect();
                return Err(NoTable::Several(names.join(", ")));
            }
        }
    }
    Err(NoTable::OneThing)
}

/// Finds the lists of objects.
fn look<'d>(
    document: &'d Document,
    schema: &'d Value,
    path: &JsonPath,
    found: &mut Vec<Found<'d>>,
) {
    match document.shape(schema) {
        Shape::List(element) => {
            let is_open = match document.shape(element) {
                Shape::Object(_) => false,
                Shape::Any => true,
                Shape::List(_) | Shape::Scalar(_) => return,
            };
            let why = "the answer is a list";
            found.push(Found { path: path.clone(), element, why, is_open });
        }
        Shape::Object(properties) if path.depth() < DEPTH => {
            for (name, schema) in properties {
                look(document, schema, &path.child(name), found);
            }
        }
        _ => {}
    }
}

/// Finds the texts, numbers and flags beside the rows.
fn look_beside(
    document: &Document,
    schema: &Value,
    path: &JsonPath,
    rows: &JsonPath,
    found: &mut Vec<(JsonPath, Kind, bool)>,
) {
    let Shape::Object(properties) = document.shape(schema) else { return };
    for (name, schema) in properties {
        let at = path.child(name);
        if at == *rows {
            continue;
        }
        match document.shape(schema) {
            Shape::Scalar(kind) => {
                let format =
                    document.resolve(schema).and_then(|schema| schema.get("format")?.as_str());
                found.push((at, kind, matches!(format, Some("uri" | "url" | "uri-reference"))));
            }
            Shape::Object(_) if at.depth() < DEPTH => {
                look_beside(document, schema, &at, rows, found);
            }
            _ => {}
        }
    }
}
