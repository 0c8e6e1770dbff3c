//! [pure] A draft of a description, and its text.

use std::fmt::Write;

use crate::{
    api::Settings,
    auth::Auth,
    types::Kind,
    way::Way,
    yaml::{comment, quoted, text},
};

/// A description as far as it could be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub(crate) source: String,
    /// If there are variables, a `$` that is none of them is `$$` in it.
    pub(crate) base_url: String,
    /// Ways to authenticate, each with a comment. The first one is used.
    pub(crate) auth: Vec<(Auth, String)>,
    pub(crate) headers: Vec<(String, String)>,
    /// Comments beside the settings of the API.
    pub(crate) about_api: Vec<String>,
    /// The `response_rules` of the API.
    pub(crate) rules: Vec<String>,
    pub(crate) vars: Vec<(String, String)>,
    pub(crate) tables: Vec<Table>,
    pub(crate) job: String,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
}

/// A table of a draft. A comment is empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) endpoint_why: String,
    pub(crate) id: Option<(String, String)>,
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) columns_why: String,
    pub(crate) items: (String, String),
    /// Keys of the envelope, with their values and comments.
    pub(crate) facts: Vec<(String, String, String)>,
    pub(crate) way: Way,
    pub(crate) way_why: String,
    pub(crate) size: Option<(String, u64, String)>,
    /// Further keys of the paging, with comments.
    pub(crate) ends: Vec<(String, String)>,
    pub(crate) item_endpoint: Option<(String, String)>,
    pub(crate) filters: Vec<String>,
    /// The parents of each row: a table, and the column for each placeholder.
    pub(crate) parents: Option<(String, Vec<(String, String)>)>,
    /// Whether it is copied by the job.
    pub(crate) is_copied: bool,
    pub(crate) incremental: Option<(String, String)>,
    /// Further comments.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) path: Option<String>,
}

impl Table {
    pub(crate) fn new(name: String, endpoint: String, way: Way) -> Self {
        Self {
            name,
            endpoint,
            endpoint_why: String::new(),
            id: None,
            columns: Vec::new(),
            columns_why: String::new(),
            items: (".".to_owned(), String::new()),
            facts: Vec::new(),
            way,
            way_why: String::new(),
            size: None,
            ends: Vec::new(),
            item_endpoint: None,
            filters: Vec::new(),
            parents: None,
            is_copied: true,
            incremental: None,
            notes: Vec::new(),
        }
    }
}

impl Draft {
    pub(crate) fn new(source: String, base_url: String) -> Self {
        Self {
            source,
            base_url,
            auth: Vec::new(),
            headers: Vec::new(),
            about_api: Vec::new(),
            rules: Vec::new(),
            vars: Vec::new(),
            tables: Vec::new(),
            job: "copy".to_owned(),
            left_out: Vec::new(),
        }
    }

    /// The names of the tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|table| table.name.as_str())
    }

    /// How many rows a page has by this draft, as far as it is known.
    #[must_use]
    pub fn page_size(&self) -> Option<u64> {
        self.tables.first().and_then(|table| table.size.as_ref()).map(|(_, size, _)| *size)
    }

    /// Whether one answer is taken for the whole set, as far as the first table says.
    #[must_use]
    pub fn is_one_page(&self) -> bool {
        self.tables.first().is_some_and(|table| table.way == Way::None)
    }

    /// The variables of the environment that the draft needs.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let of = |(auth, _): &(Auth, String)| match auth {
            Auth::Bearer(name)
            | Auth::Header { variable: name, .. }
            | Auth::Query { variable: name, .. }
            | Auth::Cookie { variable: name, .. } => vec![name.clone()],
            Auth::Basic(user, password) => vec![user.clone(), password.clone()],
            Auth::OAuth2 { .. } => vec!["CLIENT_ID".to_owned(), "CLIENT_SECRET".to_owned()],
        };
        self.auth.first().map(of).unwrap_or_default()
    }

    /// What was left out of the draft, and why: each on one line, in characters that a terminal
    /// prints.
    pub fn left_out(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|left_out| comment(left_out))
    }

    /// The text of a description without tables, by which requests to the API at a base URL are authenticated.
    #[must_use]
    pub fn connection(base_url: &str, settings: &Settings) -> String {
        let mut draft = Self::new(String::new(), base_url.to_owned());
        draft.auth.extend(settings.auth.clone().map(|auth| (auth, String::new())));
        draft.headers.clone_from(&settings.headers);
        let mut out = Lines::default();
        draft.api(&mut out);
        out.0
    }

    /// The text of the description.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = Lines::default();
        out.note(0, &format!("Drafted by `apipool init` from {}.", self.source));
        out.note(0, "`verified` is what a request has shown; everything else is a guess by names.");
        for left_out in &self.left_out {
            out.note(0, &format!("Left out: {left_out}"));
        }
        if !self.vars.is_empty() {
            out.line(0, "vars:", "");
            self.vars.iter().for_each(|(name, value)| out.pair(1, name, &text(value), ""));
        }
        self.api(&mut out);
        out.line(0, if self.tables.is_empty() { "tables: []" } else { "tables:" }, "");
        self.tables.iter().for_each(|table| table.write(&mut out));
        self.jobs(&mut out);
        out.0
    }

    fn api(&self, out: &mut Lines) {
        out.line(0, "api:", "");
        let base_url = match self.vars.is_empty() {
            true => text(&self.base_url),
            false => quoted(&self.base_url),
        };
        out.pair(1, "base_url", &base_url, "");
        for (at, (auth, why)) in self.auth.iter().enumerate() {
            match at {
                0 => out.pair(1, "auth", &auth.to_yaml(), why),
                _ => out.note(1, &format!("or: auth: {}  {why}", auth.to_yaml())),
            }
        }
        if !self.headers.is_empty() {
            out.line(1, "default_headers:", "");
            self.headers
                .iter()
                .for_each(|(name, value)| out.pair(2, &text(name), &text(value), ""));
        }
        if !self.rules.is_empty() {
            out.line(1, "response_rules:", "");
            self.rules.iter().for_each(|rule| out.line(2, rule, ""));
        }
        self.about_api.iter().for_each(|about| out.note(1, about));
    }

    fn jobs(&self, out: &mut Lines) {
        let copied: Vec<_> = self.tables.iter().filter(|table| table.is_copied).collect();
        if copied.is_empty() {
            return;
        }
        out.line(0, "jobs:", "");
        out.line(1, &format!("{}:", text(&self.job)), "");
        out.line(2, &format!("sink: {{ sqlite: {} }}", text(&format!("{}.db", self.job))), "");
        out.line(2, "streams:", "");
        for table in copied {
            out.line(3, &format!("- table: {}", text(&table.name)), "");
            if let Some((parent, columns)) = &table.parents {
                let bind: Vec<_> = columns
                    .iter()
                    .map(|(placeholder, column)| format!("{}: {}", text(placeholder), text(column)))
                    .collect();
                let bind = bind.join(", ");
                let each = format!("{{ table: {}, bind: {{ {bind} }} }}", text(parent));
                out.pair(4, "for_each", &each, "a guess by the path");
            }
            if let Some((incremental, why)) = &table.incremental {
                out.note(4, why);
                out.note(4, &format!("incremental: {incremental}"));
            }
        }
    }
}

impl Table {
    fn write(&self, out: &mut Lines) {
        out.line(1, &format!("- name: {}", text(&self.name)), "");
        if let Some((id, why)) = &self.id {
            out.pair(2, "id", &text(id), why);
        }
        if !self.columns.is_empty() {
            out.line(2, "columns:", &self.columns_why);
        }
        for TableColumn { name, kind, path } in &self.columns {
            match path {
                None => out.pair(3, &text(name), kind.name(), ""),
                Some(path) => {
                    let column = format!("{{ type: {}, path: {} }}", kind.name(), text(path));
                    out.pair(3, &text(name), &column, "");
                }
            }
        }
        out.line(2, "api:", "");
        out.pair(3, "endpoint", &text(&self.endpoint), &self.endpoint_why);
        if let Some((path, why)) = &self.item_endpoint {
            out.pair(3, "item_endpoint", path, why);
        }
        out.line(3, "envelope:", "");
        out.pair(4, "items", &text(&self.items.0), &self.items.1);
        self.facts.iter().for_each(|(key, value, why)| out.pair(4, key, &text(value), why));
        self.paging(out);
        self.filters.iter().for_each(|line| out.line(3, line, ""));
        self.notes.iter().for_each(|note| out.note(3, note));
    }

    fn paging(&self, out: &mut Lines) {
        if let Way::Given(yaml) = &self.way {
            return out.pair(3, "paging", &yaml.replace(['\n', '\r'], " "), &self.way_why);
        }
        out.line(3, "paging:", &self.way_why);
        let way = self.way.to_yaml();
        out.line(4, &format!("{{ {way} }}"), "");
        // The keys of a flow map, one a line where there is something to say about them.
        let size = self.size.as_ref();
        let size = size
            .map(|(name, size, why)| (format!("size_param: {}, size: {size}", text(name)), why));
        let more = size.iter().map(|(keys, why)| (keys.as_str(), why.as_str()));
        let ends = self.ends.iter().map(|(keys, why)| (keys.as_str(), why.as_str()));
        let more: Vec<_> = more.chain(ends).collect();
        if more.is_empty() {
            return;
        }
        let close = format!("{{ {way} }}\n");
        out.0.truncate(out.0.len().saturating_sub(close.len()));
        let _ = writeln!(out.0, "{{ {way},");
        let last = more.len() - 1;
        for (at, (keys, why)) in more.into_iter().enumerate() {
            out.line(5, &format!("{keys}{}", if at == last { " }" } else { "," }), why);
        }
    }
}

/// Lines of YAML, each with a comment behind it if there is one.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, depth: usize, line: &str, why: &str) {
        let indent = "  ".repeat(depth);
        let _ = match why {
            "" => writeln!(self.0, "{indent}{line}"),
            why => writeln!(self.0, "{indent}{line} # {}", comment(why)),
        };
    }

    fn pair(&mut self, depth: usize, key: &str, value: &str, why: &str) {
        self.line(depth, &format!("{key}: {value}"), why);
    }

    fn note(&mut self, depth: usize, note: &str) {
        let _ = writeln!(self.0, "{}# {}", "  ".repeat(depth), comment(note));
    }
}
