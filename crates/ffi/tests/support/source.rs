//! The files of this member, and what cargo has built of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub(crate) fn member(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The source files with their texts.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![member("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    sources.sort();
    sources
}

/// A file that cargo has built of the library: the newest, as it may be in two places.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let deps = test.parent().unwrap();
    let places = [deps.join(name), deps.parent().unwrap().join(name)];
    let age = |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).ok();
    let newest = places.into_iter().filter(|path| path.exists()).max_by_key(age);
    newest.unwrap_or_else(|| panic!("cargo has not built {name}"))
}
