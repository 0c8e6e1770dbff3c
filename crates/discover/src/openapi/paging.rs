//! [pure] How an operation pages, by the names of its parameters and of what is beside the rows.

use super::operation::{Operation, Parameter};
use crate::{draft::Table, names, types::Kind, way::Way};

/// Sets the paging of a table, and what its pages say. Without a way it is not copied.
pub(super) fn add(operation: &Operation<'_>, id: Option<&str>, table: &mut Table) {
    facts(operation, table);
    match way(operation, id) {
        Some((way, why)) => {
            let place = way.param().map(str::to_owned);
            (table.way, table.way_why) = (way, why);
            size(operation, place.as_deref(), table);
        }
        None => {
            table.way_why = "a guess: the specification does not say how it pages".to_owned();
            table.is_copied = false;
            let advice = "not in the job: see whether one answer has the whole set, or ask `apipool init URL`";
            table.notes.push(advice.to_owned());
        }
    }
}

fn named<'p>(parameters: &'p [Parameter], names: &[&str]) -> Option<&'p Parameter> {
    let find =
        |wanted: &&str| parameters.iter().find(|known| names::plain(&known.name) == **wanted);
    names.iter().find_map(find)
}

fn way(operation: &Operation<'_>, id: Option<&str>) -> Option<(Way, String)> {
    let parameters = &operation.parameters;
    let is_next = |name: &str| names::is_one(name, names::NEXT);
    let texts =
        || operation.beside.iter().filter(|(_, kind, _)| matches!(kind, Kind::Text | Kind::Int));
    let pointer = texts().find(|(path, ..)| path.last().is_some_and(is_next));
    let pointer = pointer.or_else(|| {
        // `links: { next: { href } }`
        texts().find(|(path, ..)| names::plain(&path.to_string()).ends_with("nexthref"))
    });
    let cursor_like = |parameter: &&Parameter| names::is_one(&parameter.name, names::CURSOR_PARAM);
    let cursor = parameters.iter().find(cursor_like);
    let page = named(parameters, names::PAGE_PARAM);
    let offset = named(parameters, names::OFFSET_PARAM).filter(|offset| {
        // `startIndex` counts from one, as SCIM does.
        let counts_from_one =
            offset.minimum == Some(1) || names::is_one(&offset.name, &["startindex"]);
        offset.kind != Kind::Timestamp && !counts_from_one
    });
    let is_url = pointer.is_some_and(|(path, _, is_url)| {
        let name = names::plain(&path.to_string());
        *is_url
            || ["url", "uri", "link", "href", "recordsurl"].iter().any(|end| name.ends_with(end))
            || name.ends_with("next") && cursor.is_none()
    });
    if let (Some((path, ..)), Some(cursor), false) = (pointer, cursor, is_url) {
        let way = Way::Cursor { param: cursor.name.clone(), next: path.to_string() };
        return Some((
            way,
            format!("by the parameter `{}` and `{path}` of an answer", cursor.name),
        ));
    }
    if let Some(page) = page.filter(|page| page.kind == Kind::Int || pointer.is_none()) {
        let first = match (page.default, page.minimum) {
            (Some(default @ (0 | 1)), _) => default,
            (_, Some(0)) => 0,
            _ => 1,
        };
        let way = Way::Page { param: page.name.clone(), first };
        return Some((way, format!("by the parameter `{}`", page.name)));
    }
    if let (Some((path, ..)), true) = (pointer, is_url) {
        return Some((
            Way::NextUrl { next: path.to_string() },
            format!("by `{path}` of an answer"),
        ));
    }
    if let Some(offset) = offset {
        let way = Way::Offset { param: offset.name.clone() };
        return Some((way, format!("by the parameter `{}`", offset.name)));
    }
    let keyset = named(parameters, &["startingafter", "afterid", "sinceid"]);
    let has_flag = operation.beside.iter().any(|(path, kind, _)| {
        *kind == Kind::Bool && path.last().is_some_and(|name| names::is_one(name, names::MORE))
    });
    if let (Some(keyset), Some(id), true) = (keyset, id, has_flag) {
        let way = Way::Keyset { param: keyset.name.clone(), field: id.to_owned() };
        return Some((way, format!("by the parameter `{}` and the id", keyset.name)));
    }
    let has_link = operation.headers.iter().any(|name| name == "link");
    has_link.then(|| (Way::Link { but: None }, "by the header `Link`".to_owned()))
}

fn size(operation: &Operation<'_>, place: Option<&str>, table: &mut Table) {
    let is_number = |parameter: &&Parameter| {
        names::is_one(&parameter.name, names::SIZE)
            && Some(parameter.name.as_str()) != place
            && matches!(parameter.kind, Kind::Int | Kind::Float)
    };
    let mut sizes: Vec<_> = operation.parameters.iter().filter(is_number).collect();
    let rank = |parameter: &&Parameter| {
        names::SIZE.iter().position(|name| *name == names::plain(&parameter.name))
    };
    sizes.sort_by_key(rank);
    let Some(found) = sizes.first() else { return };
    let size = match (found.maximum, found.default) {
        (Some(maximum), _) => (maximum.min(1_000), format!("its maximum is {maximum}")),
        (None, Some(default)) => (default, "its default; no maximum is told".to_owned()),
        (None, None) => {
            table
                .notes
                .push(format!("`{}` sets the size of a page; no maximum is told", found.name));
            return;
        }
    };
    if size.0 > 0 {
        table.size = Some((found.name.clone(), size.0, size.1));
    }
}

fn facts(operation: &Operation<'_>, table: &mut Table) {
    let of = |names: &[&str], kind: Kind| {
        let mut found = operation.beside.iter().filter(|(_, known, _)| *known == kind);
        found.find(|(path, ..)| path.last().is_some_and(|name| names::is_one(name, names)))
    };
    let mut add = |key: &str, value: String| {
        table.facts.push((key.to_owned(), value, String::new()));
    };
    // `count` may be the rows of a page.
    let totals: Vec<_> = names::TOTAL.iter().copied().filter(|name| *name != "count").collect();
    let header = operation.headers.iter().find(|name| names::is_one(name, names::TOTAL));
    if let Some((path, ..)) = of(&totals, Kind::Int) {
        add("total", path.to_string());
    } else if let Some(name) = header {
        add("total_header", name.clone());
    }
    if let Some((path, ..)) = of(names::MORE, Kind::Bool) {
        add("has_next", path.to_string());
    } else if let Some((path, ..)) = of(names::LAST, Kind::Bool) {
        add("is_last", path.to_string());
    }
}
