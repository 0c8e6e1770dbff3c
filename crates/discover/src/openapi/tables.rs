//! [pure] The tables of a specification: each path that answers a GET, or a search, with a list.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    document::Document,
    operation::{NoTable, Operation},
    paging,
    search::Search,
    security,
};
use crate::{
    draft::{Draft, Table, TableColumn},
    names,
    types::Kind,
    way::Way,
    yaml,
};

/// The most tables of a draft, and columns of a table.
const MOST_TABLES: usize = 500;
const MOST_COLUMNS: usize = 300;

/// Adds the tables, and returns the schemes by which they are authenticated.
pub(super) fn add(document: &Document, draft: &mut Draft) -> Vec<String> {
    let Some(paths) = document.object(&["paths"]) else { return Vec::new() };
    let (mut used, mut taken, mut left) = (Vec::new(), BTreeSet::new(), Left::default());
    for (path, item) in paths {
        document.begin();
        let Some(item) = document.resolve(item) else { continue };
        let post = item.get("post");
        let search = match item.get("get") {
            Some(_) => None,
            None => post.and_then(|post| Search::of(document, path, post)),
        };
        let get = item.get("get").or_else(|| post.filter(|_| search.is_some()));
        let Some(get) = get else {
            left.writes += usize::from(post.is_some());
            continue;
        };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(last) = parts.last().filter(|last| !last.contains('{')) else {
            // One row, or the root.
            continue;
        };
        if draft.tables.len() == MOST_TABLES {
            left.too_many += 1;
            continue;
        }
        let thing = last.strip_suffix(".json").unwrap_or(last);
        match Operation::read(document, item, get, thing) {
            _ if document.is_exhausted() => left.too_large.push(path.clone()),
            Ok(mut operation) => {
                used.extend(security::needed(document, get));
                let name = free_name(&parts, &taken);
                taken.insert(name.clone());
                if let Some(search) = &search {
                    operation.parameters.clone_from(&search.parameters);
                }
                let mut table = table(document, paths, path, name, &operation);
                search.iter().for_each(|search| search.add(&mut table));
                draft.tables.push(table);
            }
            Err(NoTable::OneThing) => left.single += 1,
            Err(NoTable::NoSchema) => left.without_schema.push(path.clone()),
            Err(NoTable::Several(lists)) => {
                draft.left_out.push(format!("{path}: several lists may be the rows: {lists}"));
            }
        }
    }
    find_parents(draft);
    left.tell(draft);
    used
}

#[derive(Default)]
struct Left {
    writes: usize,
    single: usize,
    too_many: usize,
    too_large: Vec<String>,
    without_schema: Vec<String>,
}

impl Left {
    fn tell(self, draft: &mut Draft) {
        if self.writes > 0 {
            draft.left_out.push(format!(
                "{} paths that have a POST, which is no search, and no GET",
                self.writes
            ));
        }
        if self.single > 0 {
            draft
                .left_out
                .push(format!("{} paths whose answers have no list of objects", self.single));
        }
        if !self.without_schema.is_empty() {
            let paths = self.without_schema.join(", ");
            draft.left_out.push(format!("paths whose answers have no schema: {paths}"));
        }
        if !self.too_large.is_empty() {
            let paths = self.too_large.join(", ");
            draft.left_out.push(format!("paths whose schemas are too large: {paths}"));
        }
        if self.too_many > 0 {
            draft.left_out.push(format!("{} more paths: there are too many", self.too_many));
        }
    }
}

fn table(
    document: &Document,
    paths: &Map<String, Value>,
    path: &str,
    name: String,
    operation: &Operation<'_>,
) -> Table {
    let endpoint = path.trim_start_matches('/').to_owned();
    let mut table = Table::new(name, endpoint, Way::None);
    table.items = (operation.items.to_string(), operation.items_why.to_owned());
    let columns = operation.row.iter().take(MOST_COLUMNS);
    let columns = columns.filter(|(name, _)| is_nameable(name));
    table.columns = columns
        .map(|(name, schema)| TableColumn {
            name: (*name).to_owned(),
            kind: document.kind(schema),
            path: None,
        })
        .collect();
    if table.columns.is_empty() {
        table.notes.push("the specification does not say what a row has".to_owned());
    }
    let twin = twin(paths, path);
    let id = id_of(&table.columns, twin.map(|(_, param)| param), &table.name);
    if let Some(id) = &id {
        table.id = Some((id.clone(), "a guess by its name".to_owned()));
        table.columns.sort_by_key(|column| column.name != *id);
        if let Some((one, param)) = twin.filter(|(_, param)| {
            names::plain(param) == names::plain(id) || names::plain(param).ends_with("id")
        }) {
            let is_plain = one == format!("{}/{{{param}}}", path.trim_end_matches('/'));
            if is_plain && !path.contains('{') {
                table.item_endpoint = Some(("true".to_owned(), format!("by the path {one}")));
            }
        }
    }
    paging::add(operation, id.as_deref(), &mut table);
    filters(operation, &mut table);
    table
}

/// The path of one row below a path of rows, and its parameter.
fn twin<'p>(paths: &'p Map<String, Value>, path: &str) -> Option<(&'p str, &'p str)> {
    let below = |other: &'p String| {
        let rest = other.strip_prefix(path.trim_end_matches('/'))?.strip_prefix("/{")?;
        let param = rest.trim_end_matches('/').strip_suffix('}')?;
        (!param.contains(['/', '{'])).then_some((other.as_str(), param))
    };
    let mut twins = paths.iter().filter(|(_, item)| item.get("get").is_some());
    twins.find_map(|(other, _)| below(other))
}

/// The column that names a row: by its name, or as the parameter of the path of one row.
fn id_of(columns: &[TableColumn], twin: Option<&str>, table: &str) -> Option<String> {
    let scalar = |column: &&TableColumn| matches!(column.kind, Kind::Int | Kind::Text);
    let find = |wanted: &str| {
        let mut columns = columns.iter().filter(scalar);
        columns.find(|column| names::plain(&column.name) == names::plain(wanted))
    };
    let of_table = format!("{}id", names::singular(&names::plain(table)));
    let first = names::ID.iter().take(3).find_map(|name| find(name));
    let found = first.or_else(|| twin.and_then(find)).or_else(|| find(&of_table));
    found.or_else(|| names::ID.iter().find_map(|name| find(name))).map(|column| column.name.clone())
}

/// What the parameters that are neither place nor size are for.
fn filters(operation: &Operation<'_>, table: &mut Table) {
    let place = table.way.param().map(str::to_owned);
    let size = table.size.as_ref().map(|(name, ..)| name.clone());
    let is_paging = |name: &String| {
        Some(name) == place.as_ref()
            || Some(name) == size.as_ref()
            || [names::PAGE_PARAM, names::OFFSET_PARAM, names::CURSOR_PARAM, names::SIZE]
                .iter()
                .any(|of| names::is_one(name, of))
    };
    let others: Vec<_> = operation.parameters.iter().filter(|p| !is_paging(&p.name)).collect();
    let is_column = |name: &str| table.columns.iter().any(|column| column.name == name);
    let equal: Vec<_> =
        others.iter().filter(|p| is_column(&p.name)).map(|p| yaml::text(&p.name)).collect();
    if !equal.is_empty() {
        let only = equal.join(", ");
        table.filters.push(format!(
            "filters: {{ style: equality, only: [{only}] }} # guesses by their names"
        ));
    }
    let required: Vec<_> =
        others.iter().filter(|p| p.is_required).map(|p| format!("`{}`", p.name)).collect();
    if !required.is_empty() {
        table.is_copied = false;
        let names = required.join(", ");
        table.notes.push(format!(
            "not in the job: {names} must be given, as in `endpoint: path?name=value`, or in `post`"
        ));
    }
    let rest: Vec<_> = others
        .iter()
        .filter(|p| !p.is_required && !is_column(&p.name))
        .map(|p| p.name.as_str())
        .collect();
    if !rest.is_empty() {
        table.notes.push(format!("further parameters: {}", rest.join(", ")));
    }
    let since = names::SINCE_PARAM.iter().find_map(|wanted| {
        others.iter().find(|parameter| names::plain(&parameter.name) == *wanted)
    });
    let changed = names::CHANGED.iter().find_map(|wanted| {
        let moment = |column: &&TableColumn| matches!(column.kind, Kind::Timestamp | Kind::Date);
        let mut columns = table.columns.iter().filter(moment);
        columns.find(|column| names::plain(&column.name) == *wanted)
    });
    if let (Some(since), Some(changed)) = (since, changed) {
        let (field, param) = (yaml::text(&changed.name), yaml::text(&since.name));
        let format = if changed.kind == Kind::Date { ", format: date" } else { "" };
        let why =
            "to read only what is new (see whether the parameter is about changes):".to_owned();
        table.incremental = Some((format!("{{ field: {field}, param: {param}{format} }}"), why));
    }
}

/// A table that may have children.
struct Parent {
    endpoint: String,
    name: String,
    id: Option<String>,
    columns: Vec<String>,
    is_copied: bool,
}

impl Parent {
    fn of(table: &Table) -> Self {
        Self {
            endpoint: table.endpoint.trim_end_matches('/').to_owned(),
            name: table.name.clone(),
            id: table.id.as_ref().map(|(id, _)| id.clone()),
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            is_copied: table.is_copied,
        }
    }

    /// The column for a placeholder in the paths of children.
    fn column(&self, placeholder: &str) -> Option<&String> {
        self.columns.iter().find(|column| *column == placeholder).or(self.id.as_ref())
    }
}

/// The parents of tables with one placeholder: the table at the path before it.
fn find_parents(draft: &mut Draft) {
    let known: Vec<Parent> = draft.tables.iter().map(Parent::of).collect();
    for table in draft.tables.iter_mut().filter(|table| table.endpoint.contains('{')) {
        let (before, rest) = table.endpoint.split_once("/{").unwrap_or_default();
        let placeholder = rest.split_once('}').map(|(name, _)| name.to_owned()).unwrap_or_default();
        let is_one = !rest.contains('{') && !placeholder.is_empty();
        let parent = known.iter().find(|parent| parent.endpoint == before);
        let parent = parent.filter(|parent| is_one && parent.is_copied);
        match parent.and_then(|parent| Some((parent, parent.column(&placeholder)?))) {
            Some((parent, column)) => {
                table.parents = Some((parent.name.clone(), vec![(placeholder, column.clone())]));
            }
            None => {
                table.is_copied = false;
                let what = "not in the job: its parents are not known, see `for_each`";
                table.notes.push(what.to_owned());
            }
        }
    }
}

/// A name for a table: the last part of its path, with the parts before it where that is taken.
fn free_name(parts: &[&str], taken: &BTreeSet<String>) -> String {
    let plain = |part: &&str| -> String {
        let part = part.strip_suffix(".json").unwrap_or(part);
        let letters = part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
        letters.collect::<String>().trim_matches('_').to_ascii_lowercase()
    };
    let fixed: Vec<String> = parts.iter().filter(|part| !part.contains('{')).map(plain).collect();
    let mut name = String::new();
    for part in fixed.iter().rev().filter(|part| !part.is_empty()) {
        name = if name.is_empty() { part.clone() } else { format!("{part}_{name}") };
        if !taken.contains(&name) {
            return name;
        }
    }
    let base = if name.is_empty() { "table".to_owned() } else { name };
    let mut numbered = (2..).map(|number| format!("{base}_{number}"));
    numbered.find(|name| !taken.contains(name)).unwrap_or(base)
}

fn is_nameable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-@ :".contains(c))
}
