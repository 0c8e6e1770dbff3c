//! No circle of imports between the files of one room: of two files at most one knows the other.
//! A name counts for the file that defines it, whichever module it is imported from.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Item, ItemUse, Path, UseTree, Visibility,
    visit::{self, Visit},
};

use super::{File, sources};

/// A path of names from the root of the crate.
type Names = Vec<String>;

/// The names that one file imports or writes out, and those that it passes on.
#[derive(Default)]
struct Imports {
    module: Names,
    paths: BTreeSet<Names>,
    passed_on: BTreeMap<String, Names>,
}

impl Imports {
    fn of(file: &File) -> Self {
        let mut imports = Self { module: module_of(&file.path), ..Self::default() };
        let text: Vec<&str> = file.lines.iter().map(|line| line.text.as_str()).collect();
        // What is not Rust is not compiled either.
        if let Ok(tree) = syn::parse_file(&text.join("\n")) {
            imports.visit_file(&tree);
        }
        imports
    }

    /// `path` from the root, if it is one of this crate.
    fn absolute(&self, path: &[String], children: &BTreeSet<Names>) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let mut from = self.module.clone();
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => {}
            "super" => {
                from.pop();
                if rest.first().is_some_and(|next| next == "super") {
                    let above = Self { module: from, ..Self::default() };
                    return above.absolute(rest, children);
                }
            }
            _ => {
                from.push(first.clone());
                if !children.contains(&from) {
                    return None;
                }
            }
        }
        from.extend_from_slice(rest);
        Some(from)
    }

    fn add_tree(&mut self, tree: &UseTree, before: &mut Names) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_tree(&path.tree, before);
                before.pop();
            }
            UseTree::Name(name) => self.add(before, &name.ident.to_string(), None),
            UseTree::Rename(name) => {
                self.add(before, &name.ident.to_string(), Some(name.rename.to_string()));
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_tree(tree, before));
            }
            UseTree::Glob(_) => _ = self.paths.insert(before.clone()),
        }
    }

    fn add(&mut self, before: &[String], name: &str, rename: Option<String>) {
        let mut path = before.to_vec();
        if name != "self" {
            path.push(name.to_owned());
        }
        let own = rename.unwrap_or_else(|| path.last().cloned().unwrap_or_default());
        self.passed_on.insert(own, path.clone());
        self.paths.insert(path);
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    /// What is passed on is not used here.
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let before = self.paths.clone();
        self.add_tree(&item.tree, &mut Vec::new());
        if !matches!(item.vis, Visibility::Inherited) {
            self.paths = before;
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let names: Names = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if names.len() > 1 {
            self.paths.insert(names);
        }
        visit::visit_path(self, path);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attribute: &Attribute) -> bool {
    let is_cfg = attribute.path().is_ident("cfg");
    is_cfg && attribute.parse_args::<Path>().is_ok_and(|path| path.is_ident("test"))
}

fn module_of(path: &str) -> Names {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
}

/// The module in which the item at `path` is defined, however it is passed on.
fn defining(
    path: &Names,
    modules: &BTreeMap<Names, Imports>,
    children: &BTreeSet<Names>,
    depth: usize,
) -> Option<Names> {
    let module = (0..=path.len()).rev().map(|end| path[..end].to_vec());
    let module = module.into_iter().find(|module| modules.contains_key(module))?;
    let imports = &modules[&module];
    let passed_on = path.get(module.len()).and_then(|name| imports.passed_on.get(name));
    match passed_on.and_then(|path| imports.absolute(path, children)) {
        Some(next) if depth < 10 && next != *path => defining(&next, modules, children, depth + 1),
        _ => Some(module),
    }
}

/// The circles of the files in each room.
fn circles(files: &[File]) -> Vec<Vec<String>> {
    let tests = |file: &&File| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        !file.path.contains("/tests/")
            && !["tests.rs", "fuzzing.rs", "simulation.rs"].contains(&name)
    };
    let modules: BTreeMap<Names, Imports> =
        files.iter().filter(tests).map(|file| (module_of(&file.path), Imports::of(file))).collect();
    let children: BTreeSet<Names> = modules.keys().cloned().collect();
    let mut known: BTreeMap<&Names, BTreeSet<Names>> = BTreeMap::new();
    for (module, imports) in &modules {
        for path in &imports.paths {
            let Some(path) = imports.absolute(path, &children) else { continue };
            let Some(other) = defining(&path, &modules, &children, 0) else { continue };
            // An actor is known by its messages and parts.
            let is_actor = other.last().is_some_and(|name| name == "actor");
            if other.first() == module.first() && other != *module && !is_actor {
                known.entry(module).or_default().insert(other);
            }
        }
    }
    let reachable = |from: &Names| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(module) = left.pop() {
            for next in known.get(module).into_iter().flatten() {
                if seen.insert(next) {
                    left.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Names, _> =
        modules.keys().map(|module| (module, reachable(module))).collect();
    let mut circles = BTreeSet::new();
    for (module, after) in &reached {
        let circle: Vec<String> = after
            .iter()
            .filter(|other| reached[**other].contains(*module))
            .map(|other| other.join("/"))
            .collect();
        if after.contains(*module) {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

#[test]
fn no_two_files_of_a_room_know_each_other() {
    let circles = circles(&sources());
    assert!(circles.is_empty(), "circles of imports: {circles:#?}");
}

#[test]
fn a_circle_is_found_through_names_that_are_passed_on() {
    let files = |back: &str| {
        [
            ("room/mod.rs", "mod one;\nmod two;\npub(crate) use one::One;\nuse two::Two;"),
            ("room/one.rs", "use super::Two;\npub(crate) struct One(Two);"),
            ("room/two.rs", back),
            ("room/three.rs", "use super::{One, two::Two};"),
        ]
        .map(|(path, text)| File::read(path.into(), text))
    };
    assert!(circles(&files("pub(crate) struct Two;")).is_empty());
    let test = "pub(crate) struct Two;\n#[cfg(test)]\nmod tests {\n use super::super::One;\n}";
    assert!(circles(&files(test)).is_empty());
    for back in ["use super::One;", "fn two(_: super::one::One) {}", "use crate::room::{One as O};"]
    {
        assert_eq!(circles(&files(back)), [["room/one", "room/two"]], "{back}");
    }
}
