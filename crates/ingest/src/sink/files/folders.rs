//! The folders of a stream: its own, and those of its child tables beside it.

use std::{
    collections::{BTreeMap, HashSet},
    iter,
};

use super::{manifest::Manifest, names, store::Store};
use crate::sink::SinkError;

/// The folders of a stream, by the names of their tables.
pub(super) struct Folders {
    stream: String,
    /// That of the stream, with the manifest.
    pub(super) own: Box<dyn Store>,
    /// Those of the child tables that have a label of this stream.
    children: BTreeMap<String, Box<dyn Store>>,
}

impl Folders {
    /// The folder of a stream, and those of the child tables in its manifest. Those that are of
    /// somebody else, or not there, are left out.
    pub(super) fn of(own: Box<dyn Store>, manifest: &Manifest) -> Result<Self, SinkError> {
        let mut children = BTreeMap::new();
        for table in manifest.children.keys() {
            let mut folder = own.beside(&names::folder(table)?)?;
            let label = folder.manifest()?;
            if label.is_some_and(|label| manifest.label(table).is(&label)) {
                children.insert(table.clone(), folder);
            }
        }
        Ok(Self { stream: manifest.stream.clone(), own, children })
    }

    pub(super) fn has(&self, table: &str) -> bool {
        table == self.stream || self.children.contains_key(table)
    }

    /// The folder of a table.
    pub(super) fn get(&mut self, table: &str) -> Result<&mut Box<dyn Store>, SinkError> {
        if table == self.stream {
            return Ok(&mut self.own);
        }
        let folder = self.children.get_mut(table);
        folder.ok_or_else(|| SinkError::passing(format!("the folder of `{table}` is not open")))
    }

    /// All folders, each with the name of its table.
    pub(super) fn each(&mut self) -> impl Iterator<Item = (&str, &mut Box<dyn Store>)> {
        let children = self.children.iter_mut();
        let children = children.map(|(table, folder)| (table.as_str(), folder));
        iter::once((self.stream.as_str(), &mut self.own)).chain(children)
    }

    /// The folder of a child table that is not among these. Nothing is changed.
    ///
    /// # Errors
    /// If it is somebody else's, or has files like those of a table that are not in the manifest.
    pub(super) fn free(
        &self,
        table: &str,
        manifest: &Manifest,
    ) -> Result<Box<dyn Store>, SinkError> {
        let mut folder = self.own.beside(&names::folder(table)?)?;
        // Looked for before the label, since whoever writes a part has written the label before.
        let part = first_part(&mut *folder)?;
        let (found, label) = (folder.manifest()?, manifest.label(table));
        let is_own = found.as_deref().is_some_and(|bytes| label.is(bytes));
        if found.is_some() && !is_own {
            let place = folder.place(names::MANIFEST);
            return Err(SinkError::lasting(format!(
                "`{place}` does not say that the folder has {label}; nothing was changed there"
            )));
        }
        // With both, they are of a commit that did not end.
        let is_known = is_own && manifest.children.contains_key(table);
        match part {
            Some(part) if !is_known => Err(unlisted(&*folder, &part)),
            _ => Ok(folder),
        }
    }

    /// Makes a folder that is free, of a child table in the manifest, one of these.
    pub(super) fn take(
        &mut self,
        table: &str,
        mut folder: Box<dyn Store>,
        manifest: &Manifest,
    ) -> Result<(), SinkError> {
        folder.prepare()?;
        if !folder.replace(manifest.label(table).to_bytes()?)? {
            let place = folder.place("");
            return Err(SinkError::passing(format!("another sink has taken `{place}` meanwhile")));
        }
        self.children.insert(table.to_owned(), folder);
        Ok(())
    }

    /// Checks that the files of the manifest are there, and removes those of commits that did not
    /// end.
    pub(super) fn tidy(&mut self, manifest: &Manifest) -> Result<(), SinkError> {
        self.refuse_lost(manifest)?;
        for (table, folder) in self.each() {
            let files = folder.list()?;
            refuse_faults(&**folder, &files, table, manifest)?;
            remove_strays(&mut **folder, &files, table, manifest)?;
        }
        Ok(())
    }

    /// Refuses child tables with files whose folder is not theirs any more.
    fn refuse_lost(&self, manifest: &Manifest) -> Result<(), SinkError> {
        let is_lost = |table: &str| !self.has(table) && manifest.files(table).next().is_some();
        let Some(table) = manifest.children.keys().find(|table| is_lost(table)) else {
            return Ok(());
        };
        let folder = self.own.beside(&names::folder(table)?)?;
        let (place, listing) = (folder.place(names::MANIFEST), self.own.place(names::MANIFEST));
        let label = manifest.label(table);
        Err(SinkError::lasting(format!(
            "`{place}` does not say that the folder has {label}, and `{listing}` lists its files"
        )))
    }

    /// Removes the files that are not in the manifest, and of no commit that is to come.
    pub(super) fn remove_strays(&mut self, manifest: &Manifest) -> Result<(), SinkError> {
        for (table, folder) in self.each() {
            let files = folder.list()?;
            remove_strays(&mut **folder, &files, table, manifest)?;
        }
        Ok(())
    }

    /// Removes the files that the manifest of before has listed and the one of now does not. The
    /// commit has ended: what stays is removed when the stream is opened again.
    pub(super) fn remove_unlisted(&mut self, before: &Manifest, now: &Manifest) {
        for (table, folder) in self.each() {
            let listed = listed(now, table);
            for part in before.files(table).filter(|part| !listed.contains(&*part.file)) {
                if let Err(error) = folder.remove(&part.file) {
                    tracing::warn!(%error, "a file that belongs to no table any more stays");
                }
            }
        }
    }
}

/// A stream that was never opened has no parts: somebody has removed its manifest.
pub(super) fn refuse_parts(store: &mut dyn Store) -> Result<(), SinkError> {
    match first_part(store)? {
        Some(part) => Err(unlisted(store, &part)),
        None => Ok(()),
    }
}

/// A file that is named like one of a table.
fn first_part(store: &mut dyn Store) -> Result<Option<String>, SinkError> {
    let is_part =
        |file: &String| names::is_part(file) || names::is_next(file) || names::is_rejects(file);
    Ok(store.list()?.into_keys().find(is_part))
}

fn unlisted(store: &dyn Store, part: &str) -> SinkError {
    let (place, manifest) = (store.place(part), names::MANIFEST);
    SinkError::lasting(format!(
        "`{place}` is there, and no `{manifest}` lists it; nothing was changed there"
    ))
}

/// Refuses a table with files that are gone or have another length.
fn refuse_faults(
    folder: &dyn Store,
    files: &BTreeMap<String, u64>,
    table: &str,
    manifest: &Manifest,
) -> Result<(), SinkError> {
    for part in manifest.files(table) {
        let fault = match files.get(&part.file) {
            Some(bytes) if *bytes == part.bytes => continue,
            Some(bytes) => format!("has {bytes} bytes, and {} were written", part.bytes),
            None => "is gone".to_owned(),
        };
        let (place, listing) = (folder.place(&part.file), names::MANIFEST);
        return Err(SinkError::lasting(format!("`{place}` {fault}, and `{listing}` lists it")));
    }
    Ok(())
}

/// Removes the files of commits that did not end, and of tables that were replaced or dropped. Those
/// of higher numbers are of somebody who has taken the stream over since.
fn remove_strays(
    folder: &mut dyn Store,
    files: &BTreeMap<String, u64>,
    table: &str,
    manifest: &Manifest,
) -> Result<(), SinkError> {
    let listed = listed(manifest, table);
    let is_stray = |file: &&String| {
        let is_older = names::commit_of(file).is_some_and(|number| number < manifest.next);
        is_older && !listed.contains(file.as_str())
    };
    files.keys().filter(is_stray).try_for_each(|file| folder.remove(file))
}

/// The files of a table that count.
fn listed<'a>(manifest: &'a Manifest, table: &str) -> HashSet<&'a str> {
    manifest.files(table).map(|part| &*part.file).collect()
}
