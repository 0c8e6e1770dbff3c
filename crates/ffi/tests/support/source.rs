//! The files of this member, and what cargo has built of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub(crate) fn member(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
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
