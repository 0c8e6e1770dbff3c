//! [pure] GraphQL: which fields of a schema are connections (lists that page by the rules of Relay),
//! and the query that reads one.

use serde_json::{Map, Value, json};
use url::Url;

/// How deep types are wrapped in others: non-null list of non-null is three.
const MOST_WRAPPED: usize = 8;
/// The most columns of a query.
const MOST_COLUMNS: usize = 100;

/// A field of the query type that is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) field: String,
    pub(super) query: String,
    /// Where the rows are, as a description writes it.
    pub(super) items: String,
    pub(super) has_total: bool,
}

impl Connection {
    pub(super) fn body(&self, first: u64, after: Option<&str>) -> Value {
        json!({ "query": self.query, "variables": { "first": first, "after": after } })
    }

    /// A path within the connection.
    pub(super) fn at(&self, path: &str) -> String {
        format!("data.{}.{path}", self.field)
    }

    /// The cursor after a page, unless it is the last.
    pub(super) fn next<'b>(&self, body: &'b Value) -> Option<&'b str> {
        let info = body.pointer(&format!("/data/{}/pageInfo", self.field))?;
        let has_next = info.get("hasNextPage").and_then(Value::as_bool)?;
        info.get("endCursor").and_then(Value::as_str).filter(|_| has_next)
    }
}

/// Whether a URL is called like an endpoint of GraphQL.
pub(super) fn is_endpoint(url: &Url) -> bool {
    let mut parts = url.path().rsplit('/').filter(|part| !part.is_empty());
    parts.next().is_some_and(|last| last.to_ascii_lowercase().starts_with("graphql"))
}

/// What asks for the schema.
pub(super) fn introspection() -> Value {
    const TYPE: &str = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
    let query = format!(
        "{{ __schema {{ queryType {{ name }} types {{ kind name fields {{ name args {{ name \
         defaultValue type {{ {TYPE} }} }} type {{ {TYPE} }} }} }} }} }}"
    );
    json!({ "query": query })
}

/// The connections of a schema. `None` if that is not a schema.
pub(super) fn connections(answer: &Value) -> Option<Vec<Connection>> {
    let schema = answer.pointer("/data/__schema")?;
    let types = schema.get("types")?.as_array()?;
    let find = |name: &str| {
        types.iter().find(|kind| kind.get("name").and_then(Value::as_str) == Some(name))
    };
    let root = find(schema.pointer("/queryType/name")?.as_str()?)?;
    let fields = root.get("fields")?.as_array()?;
    Some(fields.iter().filter_map(|field| connection(field, &find)).collect())
}

fn connection<'t>(
    field: &'t Value,
    find: &impl Fn(&str) -> Option<&'t Value>,
) -> Option<Connection> {
    let name = field.get("name")?.as_str().filter(|name| is_name(name))?;
    let arguments = field.get("args")?.as_array()?;
    let has = |wanted: &str| arguments.iter().any(|argument| named(argument) == Some(wanted));
    let is_needed = |argument: &&Value| {
        argument.pointer("/type/kind").and_then(Value::as_str) == Some("NON_NULL")
            && argument.get("defaultValue").is_none_or(Value::is_null)
            && named(argument) != Some("first")
    };
    if !has("first") || !has("after") || arguments.iter().any(|argument| is_needed(&argument)) {
        return None;
    }
    let kind = find(type_name(field)?)?;
    let within = |wanted: &str| {
        let fields = kind.get("fields")?.as_array()?;
        fields.iter().find(|field| named(field) == Some(wanted))
    };
    within("pageInfo")?;
    let (node, open, close, path) = match (within("nodes"), within("edges")) {
        (Some(nodes), _) => (find(type_name(nodes)?)?, "nodes {", "}", "nodes"),
        (None, Some(edges)) => {
            let edge = find(type_name(edges)?)?.get("fields")?.as_array()?;
            let node = edge.iter().find(|field| named(field) == Some("node"))?;
            (find(type_name(node)?)?, "edges { node {", "} }", "edges[].node")
        }
        (None, None) => return None,
    };
    let columns = columns(node, find);
    let has_total = within("totalCount").is_some();
    let total = if has_total { "totalCount " } else { "" };
    let query = format!(
        "query ($first: Int, $after: {cursor}) {{ {name}(first: $first, after: $after) {{ \
         {total}{open} {columns} {close} pageInfo {{ hasNextPage endCursor }} }} }}",
        columns = columns.join(" "),
        cursor = argument_type(arguments, "after")?,
    );
    (!columns.is_empty()).then(|| Connection {
        field: name.to_owned(),
        query,
        items: format!("data.{name}.{path}"),
        has_total,
    })
}

/// The fields of a type without fields and arguments of their own.
fn columns<'t>(node: &'t Value, find: &impl Fn(&str) -> Option<&'t Value>) -> Vec<String> {
    let fields = node.get("fields").and_then(Value::as_array).into_iter().flatten();
    let is_leaf = |field: &&Value| {
        let kind = type_name(field).and_then(find).and_then(|kind| kind.get("kind")?.as_str());
        let arguments = field.get("args").and_then(Value::as_array);
        matches!(kind, Some("SCALAR" | "ENUM")) && arguments.is_none_or(Vec::is_empty)
    };
    let names = fields.filter(is_leaf).filter_map(named).filter(|name| is_name(name));
    names.take(MOST_COLUMNS).map(str::to_owned).collect()
}

fn named(value: &Value) -> Option<&str> {
    value.get("name")?.as_str()
}

/// The name of the type of a field, without what is wrapped around it.
fn type_name(field: &Value) -> Option<&str> {
    let mut kind = field.get("type")?;
    for _ in 0..MOST_WRAPPED {
        match kind.get("ofType").filter(|inner| inner.is_object()) {
            Some(inner) => kind = inner,
            None => return named(kind),
        }
    }
    None
}

/// The type of an argument, without `!`: that of a variable.
fn argument_type<'t>(arguments: &'t [Value], name: &str) -> Option<&'t str> {
    let argument = arguments.iter().find(|argument| named(argument) == Some(name))?;
    type_name(argument).filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("__")
}

/// Whether an answer has errors.
pub(super) fn has_errors(body: &Value) -> bool {
    body.get("errors").and_then(Value::as_array).is_some_and(|errors| !errors.is_empty())
        || body.as_object().is_none_or(Map::is_empty)
}
