//! [pure] Searches of a specification: a POST that only reads, as far as its name and the parameters
//! in its body tell.

use serde_json::Value;

use super::{
    document::Document,
    operation::{Parameter, parameter_of},
    schema::Shape,
};
use crate::{draft::Table, names, way::Way};

/// Words in the name of an operation that only reads.
const WORDS: [&str; 5] = ["search", "query", "list", "find", "filter"];
/// Words in that of one that does not.
const WRITES: [&str; 9] =
    ["create", "add", "update", "delete", "remove", "set", "import", "insert", "upload"];
/// How deep parameters are looked for in a body.
const DEPTH: usize = 2;

/// A POST that is a search.
pub(super) struct Search {
    /// The name that says so.
    name: String,
    /// The parameters in its body; those within an object by their paths.
    pub(super) parameters: Vec<Parameter>,
}

impl Search {
    /// The search that a POST at a path is: it is called like one, and its body says which page is
    /// wanted.
    pub(super) fn of(document: &Document, path: &str, post: &Value) -> Option<Self> {
        let id = post.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let last = path.rsplit('/').find(|part| !part.is_empty())?;
        let has = |name: &str, of: &[&str]| words(name).iter().any(|word| of.contains(&&**word));
        let name = [last, id].into_iter().find(|name| has(name, &WORDS))?;
        if has(id, &WRITES) || has(last, &WRITES) {
            return None;
        }
        let mut parameters = Vec::new();
        collect(document, body(document, post)?, "", 1, &mut parameters);
        let is_paging = |parameter: &Parameter| {
            [names::PAGE_PARAM, names::OFFSET_PARAM, names::CURSOR_PARAM, names::SIZE]
                .iter()
                .any(|of| names::is_one(&parameter.name, of))
        };
        let name = name.to_owned();
        parameters.iter().any(is_paging).then_some(Self { name, parameters })
    }

    /// Has a table read by this search.
    pub(super) fn add(&self, table: &mut Table) {
        if table.way.is_by_url() {
            table.way = Way::None;
            table.way_why = "a guess: the URL of a next page is not asked for by a POST".to_owned();
            table.is_copied = false;
            table.notes.push("not in the job: say how it pages".to_owned());
        }
        let why = format!("a guess: `{}` is a search, which only reads", self.name);
        table.ends.push(("post: {}".to_owned(), why));
        table.filters.clear();
    }
}

/// The schema of the JSON body of an operation.
fn body<'d>(document: &'d Document, post: &'d Value) -> Option<&'d Value> {
    if let Some(body) = post.get("requestBody") {
        let content = document.resolve(body)?.get("content")?.as_object()?;
        let mut kinds = content.iter().take(100);
        return kinds.find(|(kind, _)| kind.contains("json"))?.1.get("schema");
    }
    // OpenAPI 2.0
    let parameters = post.get("parameters")?.as_array()?.iter().take(1_000);
    let mut parameters = parameters.filter_map(|parameter| document.resolve(parameter));
    let is_body = |own: &&Value| own.get("in").and_then(Value::as_str) == Some("body");
    parameters.find(is_body)?.get("schema")
}

fn collect(
    document: &Document,
    schema: &Value,
    path: &str,
    depth: usize,
    found: &mut Vec<Parameter>,
) {
    let Shape::Object(properties) = document.shape(schema) else { return };
    let required = document.resolve(schema).and_then(|schema| schema.get("required")?.as_array());
    let is_required = |name: &str| {
        required.is_some_and(|all| all.iter().take(1_000).any(|own| own.as_str() == Some(name)))
    };
    for (name, schema) in properties.into_iter().filter(|(name, _)| !name.contains('.')) {
        let at = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match document.shape(schema) {
            Shape::Object(_) if depth < DEPTH && !is_required(name) => {
                collect(document, schema, &at, depth + 1, found);
            }
            _ => found.push(parameter_of(document, at, is_required(name) && depth == 1, schema)),
        }
    }
}

/// The words of a name in small letters: `searchOrders` and `search_orders` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars().take(200) {
        let begins = letter.is_uppercase() && was_small;
        if !letter.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if let (Some(word), true) = (words.last_mut(), letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_name_has_words() {
        for name in ["searchOrders", "search_orders", "search-orders", "Search/Orders"] {
            assert_eq!(words(name), ["search", "orders"], "{name}");
        }
        assert_eq!(words("research"), ["research"]);
    }
}
