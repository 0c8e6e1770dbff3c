//! [pure] What is known so far, and what it makes of a draft.

use serde_json::Value;
use url::Url;

use super::{
    body,
    evidence::{Evidence, Named, Spot},
    limits::limits,
    next::{parameters, without},
    page::Page,
    rows::Place,
    settings::Settings,
};
use crate::{
    draft::{Draft, Table, TableColumn},
    json_path::JsonPath,
    names,
    types::{self, Kind},
    way::Way,
    yaml::flow,
};

/// A page and what was read of it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) page: Page,
    pub(super) place: Place,
    pub(super) evidence: Evidence,
    pub(super) rows: u64,
}

impl Seen {
    pub(super) fn of(page: Page, place: Place) -> Self {
        let evidence = Evidence::of(&page, &place);
        let rows = page.rows(&place).len() as u64;
        Self { page, place, evidence, rows }
    }
}

/// A way to page that was chosen.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) way: Way,
    pub(super) why: String,
    /// The page after the first one, if it was seen.
    pub(super) second: Option<Seen>,
    /// Whether URLs of next pages name another host than the one that was asked.
    pub(super) is_elsewhere: bool,
}

/// What was found out.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) url: Url,
    /// The body of each request, if it is a POST.
    pub(super) post: Option<Value>,
    pub(super) table: String,
    pub(super) first: Seen,
    pub(super) chosen: Chosen,
    pub(super) size: Option<(String, u64, String)>,
    /// Rows of further pages.
    pub(super) more: Vec<Value>,
    pub(super) ends: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
    pub(super) item: Option<String>,
    /// Rules of the API for responses.
    pub(super) rules: Vec<String>,
    /// What pages say, where that is known without looking.
    pub(super) facts: Option<Vec<(String, String, String)>>,
}

impl Known {
    /// All rows that were seen, each once.
    fn rows(&self) -> Vec<&Value> {
        let mut rows = self.first.page.rows(&self.first.place);
        if let Some(second) = &self.chosen.second {
            rows.extend(second.page.rows(&second.place));
        }
        if self.more.len() > rows.len() { self.more.iter().collect() } else { rows }
    }

    /// The column that names a row in all that was seen.
    pub(super) fn id(&self) -> Option<String> {
        types::id_of(&types::columns(&self.rows()), &self.table)
    }

    pub(super) fn draft(&self, settings: &Settings) -> Draft {
        let (base_url, endpoint) = self.places();
        let source = {
            let mut shown = self.url.clone();
            shown.set_query(None);
            format!("the answers of {shown}")
        };
        let mut draft = Draft::new(source, base_url);
        draft.auth.extend(settings.auth.clone().map(|auth| (auth, String::new())));
        draft.headers.clone_from(&settings.headers);
        draft.about_api = limits(&self.first.page.answer)
            .into_iter()
            .map(|limit| format!("the API tells of a limit: {limit}"))
            .collect();
        draft.rules.clone_from(&self.rules);
        draft.job.clone_from(&self.table);
        let mut table = Table::new(self.table.clone(), endpoint, self.chosen.way.clone());
        table.way_why.clone_from(&self.chosen.why);
        table.items = (self.first.place.written(), self.first.place.why().to_owned());
        table.facts = self.facts.clone().unwrap_or_else(|| self.facts());
        table.size.clone_from(&self.size);
        table.ends.clone_from(&self.ends);
        if self.chosen.is_elsewhere {
            let why = "URLs of next pages name another host".to_owned();
            table.ends.push(("next_url_part: path_and_query".to_owned(), why));
        }
        self.post(&mut table);
        table.notes.clone_from(&self.notes);
        table.item_endpoint = self.item.clone().map(|why| ("true".to_owned(), why));
        self.describe_rows(&mut table);
        draft.tables.push(table);
        draft
    }

    /// Says which body is sent, without what the paging sets in it.
    fn post(&self, table: &mut Table) {
        let Some(body) = &self.post else { return };
        let size = self.size.as_ref().map(|(name, ..)| name.as_str());
        let set: Vec<&str> = self.chosen.way.param().into_iter().chain(size).collect();
        let post = format!("post: {}", flow(&body::without(body, &set)));
        match &mut table.way {
            Way::Given(yaml) if yaml.contains("post") => {}
            Way::Given(yaml) => {
                let keys = yaml.trim().trim_end_matches('}').trim_end().to_owned();
                *yaml = format!("{keys}, {post} }}");
            }
            _ => table.ends.push((post, "the body that was given".to_owned())),
        }
    }

    fn describe_rows(&self, table: &mut Table) {
        let rows = self.rows();
        let columns = types::columns(&rows);
        let seen = rows.len();
        if let Some(id) = types::id_of(&columns, &self.table) {
            let why = format!("verified: it differs in all {seen} rows that were seen");
            table.id = Some((id, why));
        }
        table.columns_why = format!("the types of the {seen} rows that were seen");
        let is_resource = ["id", "type", "attributes"].iter().all(|key| columns.contains_key(*key));
        for (name, column) in &columns {
            match (column.kind, is_resource && name == "attributes") {
                (Some(Kind::Json), true) => {
                    let attributes: Vec<&Value> =
                        rows.iter().filter_map(|row| row.get(name)).collect();
                    let within = types::columns(&attributes).into_iter();
                    let within = within.filter(|(name, _)| !columns.contains_key(name));
                    table.columns.extend(within.filter_map(|(field, column)| {
                        let path = Some(JsonPath::of([name.as_str(), field.as_str()]).to_string());
                        column.kind.filter(|_| is_nameable(&field)).map(|kind| TableColumn {
                            name: field,
                            kind,
                            path,
                        })
                    }));
                }
                (Some(kind), _) if is_nameable(name) => {
                    table.columns.push(TableColumn { name: name.clone(), kind, path: None });
                }
                _ => {}
            }
        }
        if let Some(id) = table.id.as_ref().map(|(id, _)| id.clone()) {
            table.columns.sort_by_key(|column| column.name != id);
        }
        if let Some((field, kind)) = types::changed_of(&columns) {
            let format = if kind == Kind::Date { ", format: date" } else { "" };
            let yaml = format!("{{ field: {}, param: NAME{format} }}", crate::yaml::text(field));
            let why =
                "to read only what is new, if the API has a parameter NAME for that:".to_owned();
            table.incremental = Some((yaml, why));
        }
    }

    /// The base URL, and the endpoint below it without what the paging sets.
    fn places(&self) -> (String, String) {
        let mut url = self.url.clone();
        let way = &self.chosen.way;
        for name in [way.param(), self.size.as_ref().map(|(name, ..)| name.as_str())] {
            url = name.map_or(url.clone(), |name| without(&url, name));
        }
        let path = url.path().to_owned();
        let cut = path.trim_end_matches('/').rfind('/').map_or(0, |at| at + 1);
        let is_below = |other: &Url| other.path().starts_with(path.get(..cut).unwrap_or("/"));
        let named = self.chosen.second.as_ref().map(|second| &second.page.url);
        let cut = if named.is_none_or(is_below) { cut } else { 1 };
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let endpoint = format!("{}{query}", path.get(cut..).unwrap_or_default());
        url.set_query(None);
        url.set_path(path.get(..cut).unwrap_or("/"));
        (url.as_str().trim_end_matches('/').to_owned(), endpoint)
    }

    /// What pages say about the set: the keys of the envelope, with their values and comments.
    fn facts(&self) -> Vec<(String, String, String)> {
        let (first, second) = (&self.first, self.chosen.second.as_ref());
        let mut facts = Vec::new();
        let mut add = |key: &str, spot: &Spot, why: String| match spot {
            Spot::Body(path) => facts.push((key.to_owned(), path.to_string(), why)),
            Spot::Header(name) => facts.push((format!("{key}_header"), name.clone(), why)),
        };
        let again = |list: fn(&Evidence) -> &Vec<(Spot, u64)>, spot: &Spot| {
            let second = second.map(|second| list(&second.evidence))?;
            second.iter().find(|(other, _)| other == spot).map(|(_, value)| *value)
        };
        let total = first.evidence.total(first.rows);
        let came = first.rows + second.map_or(0, |second| second.rows);
        // It was the number of rows on the page where more came than that, and may be where one
        // page came.
        if let Some((spot, total)) = total.filter(|(spot, total)| {
            *total >= came && (second.is_some() || !names::is_one(spot.key(), names::COUNT))
        }) {
            match (second, again(|evidence| &evidence.totals, spot)) {
                (Some(_), Some(same)) if same == *total => {
                    add("total", spot, format!("verified: {total} on both pages"));
                }
                (Some(_), None) => add("total", spot, format!("{total} on the first page alone")),
                (None, _) => add("total", spot, format!("{total}, as many as came")),
                // It was the number of rows on the page, or something else.
                (Some(_), Some(_)) => {}
            }
        }
        let is_page = matches!(self.chosen.way, Way::Page { .. });
        let pages = first.evidence.pages.iter().find(|(_, pages)| *pages > 1);
        if let (true, Some((spot, pages))) = (is_page, pages)
            && again(|evidence| &evidence.pages, spot) == Some(*pages)
            && self.size.as_ref().is_none_or(|(_, size, _)| *size == first.rows)
            && total.is_none()
        {
            add("total_pages", spot, format!("verified: {pages} on both pages"));
        }
        let flag = |list: fn(&Evidence) -> &Vec<(JsonPath, bool)>, more: bool| {
            let found =
                list(&first.evidence).iter().find(|(_, flag)| second.is_none() || *flag == more)?;
            let is_again = second.is_none_or(|second| {
                list(&second.evidence).iter().any(|(path, _)| *path == found.0)
            });
            is_again.then(|| Spot::Body(found.0.clone()))
        };
        if let Some(spot) = flag(|evidence| &evidence.more, true) {
            add("has_next", &spot, "a flag that more follow".to_owned());
        } else if let Some(spot) = flag(|evidence| &evidence.last, false) {
            add("is_last", &spot, "a flag of the last page".to_owned());
        }
        if self.chosen.way.is_computed()
            && let Some(pointer) = first.evidence.pointers.iter().find(|pointer| {
                !matches!(pointer.is, Named::Nothing) && names::is_one(&pointer.key, names::NEXT)
            })
        {
            let why = "it names the next page, and nothing on the last one".to_owned();
            facts.push(("next_page".to_owned(), pointer.at.clone(), why));
        }
        facts
    }
}

fn is_nameable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-@ :".contains(c))
}

/// The name of a table at this URL: the last segment of its path that is not a file ending, in the
/// letters of a name.
pub(super) fn table_name(url: &Url) -> String {
    let segments: Vec<&str> = url.path().split('/').filter(|part| !part.is_empty()).collect();
    let last = segments.last().copied().unwrap_or("rows");
    let last = last.strip_suffix(".json").unwrap_or(last);
    let name: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = name.trim_matches('_').to_ascii_lowercase();
    if name.is_empty() { "rows".to_owned() } else { name }
}

/// Parameters of a URL that may be credentials.
pub(super) fn secret_parameter(url: &Url) -> Option<String> {
    let mut names = parameters(url).into_iter().map(|(name, _)| name);
    names.find(|name| names::is_secret(name))
}
