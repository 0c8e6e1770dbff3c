//! How a stream is opened, and what a commit writes.

use std::{io::Write, iter, mem};

use uuid::Uuid;

use super::{
    encode::Encoder,
    folders::{Folders, refuse_parts},
    format::FileFormat,
    manifest::{Manifest, Mode, Part, Written},
    names, ndjson,
    store::Store,
};
use crate::{
    sink::{Child, Commit, SinkError, Target},
    state::StreamState,
};

/// The state of the last commit. Nothing is changed.
pub(super) fn state(store: &mut dyn Store, target: &Target) -> Result<StreamState, SinkError> {
    Ok(read(store, target)?.map(|manifest| manifest.state).unwrap_or_default())
}

/// The files of a table as of the last commit. Nothing is changed.
pub(super) fn files(
    store: &mut dyn Store,
    target: &Target,
    table: &str,
) -> Result<Vec<String>, SinkError> {
    let manifest = read(store, target)?;
    let parts = manifest.iter().flat_map(|manifest| manifest.parts(table));
    Ok(parts.map(|part| part.file.clone()).collect())
}

/// Forgets the state, and drops the files if they are to be.
pub(super) fn reset(
    mut store: Box<dyn Store>,
    target: &Target,
    drop_rows: bool,
) -> Result<(), SinkError> {
    let Some(manifest) = read(&mut *store, target)? else { return Ok(()) };
    let manifest = manifest.reset(drop_rows, new_owner());
    if !store.replace(manifest.to_bytes()?)? {
        return Err(disturbed(target));
    }
    Folders::of(store, &manifest)?.remove_strays(&manifest)
}

/// A stream that was opened.
pub(super) struct Open {
    folders: Folders,
    pub(super) manifest: Manifest,
}

impl Open {
    /// Takes the stream over from whoever had it, and removes the files of commits that did not end.
    pub(super) fn new(
        mut store: Box<dyn Store>,
        target: &Target,
        format: FileFormat,
        mode: Mode,
    ) -> Result<Self, SinkError> {
        store.prepare()?;
        let manifest = claimed(&mut *store, target, format, mode)?;
        if !store.replace(manifest.to_bytes()?)? {
            return Err(disturbed(target));
        }
        let mut open = Self { folders: Folders::of(store, &manifest)?, manifest };
        match open.folders.tidy(&open.manifest) {
            // The next one has changed the files meanwhile.
            Err(_) if open.is_taken_over() => Err(disturbed(target)),
            Err(error) => Err(error),
            Ok(()) => Ok(open),
        }
    }

    /// Writes a commit. After an error the stream has to be opened again.
    pub(super) fn commit(
        &mut self,
        encoder: Encoder,
        commit: &Commit<'_>,
    ) -> Result<(), SinkError> {
        let written = self.write(encoder, commit).map_err(|error| {
            self.discard(encoder, commit);
            if self.is_taken_over() { self.taken_over() } else { error }
        })?;
        let manifest = self.manifest.after(commit.state, written, commit.is_last);
        // After an error here the commit may have ended, so that its files stay.
        if !self.folders.own.replace(manifest.to_bytes()?)? {
            self.discard(encoder, commit);
            return Err(self.taken_over());
        }
        let before = mem::replace(&mut self.manifest, manifest);
        self.folders.remove_unlisted(&before, &self.manifest);
        Ok(())
    }

    /// Writes the files of a commit, which belong to nothing yet.
    fn write(&mut self, encoder: Encoder, commit: &Commit<'_>) -> Result<Written, SinkError> {
        let run = commit.state.run;
        let stream = self.manifest.stream.clone();
        let own = Child::new(&stream, commit.schema, commit.batches);
        let mut parts = Vec::new();
        for rows in iter::once(&own).chain(commit.children) {
            let part = self.write_part(encoder, commit, rows)?;
            parts.extend(part.map(|part| (rows.table.to_owned(), part)));
        }
        let rejects = self.write_rejects(commit)?;
        let children: Vec<_> = commit.children.iter().map(|child| child.table.to_owned()).collect();
        for (table, folder) in self.folders.each() {
            if table != stream && children.iter().all(|child| child != table) {
                continue;
            }
            for (from, to) in self.manifest.promoted(table, run, commit.is_last) {
                folder.copy(from, &to)?;
            }
            folder.sync()?;
        }
        Ok(Written { parts, children, rejects })
    }

    /// Writes the rows of a table, if there are any.
    fn write_part(
        &mut self,
        encoder: Encoder,
        commit: &Commit<'_>,
        rows_of: &Child<'_>,
    ) -> Result<Option<Part>, SinkError> {
        let Child { table, schema, batches } = *rows_of;
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows == 0 {
            return Ok(None);
        }
        if !self.folders.has(table) {
            self.begin(table)?;
        }
        let run = commit.state.run;
        let name = names::part(run, self.manifest.next, encoder.format.extension());
        let waits = self.manifest.waits(commit.is_last);
        let file = if waits { names::next(&name) } else { name };
        let content = |out: &mut (dyn Write + Send)| encoder.write(batches, schema, out);
        let bytes = self.folders.get(table)?.write(&file, &content)?;
        Ok(Some(Part { file, run, rows, bytes }))
    }

    /// Begins a child table: its folder is known before anything is in it.
    fn begin(&mut self, table: &str) -> Result<(), SinkError> {
        let folder = self.folders.free(table, &self.manifest)?;
        let manifest = self.manifest.with_child(table);
        if !self.folders.own.replace(manifest.to_bytes()?)? {
            return Err(self.taken_over());
        }
        self.manifest = manifest;
        self.folders.take(table, folder, &self.manifest)
    }

    fn write_rejects(&mut self, commit: &Commit<'_>) -> Result<Option<Part>, SinkError> {
        let rows = commit.rejects.len() as u64;
        if rows == 0 {
            return Ok(None);
        }
        let run = commit.state.run;
        let file = names::rejects(run, self.manifest.next);
        let content =
            |out: &mut (dyn Write + Send)| ndjson::write_rejects(commit.rejects, run, out);
        let bytes = self.folders.own.write(&file, &content)?;
        Ok(Some(Part { file, run, rows, bytes }))
    }

    /// Removes what a commit that failed has written, as far as it can.
    fn discard(&mut self, encoder: Encoder, commit: &Commit<'_>) {
        let (run, number) = (commit.state.run, self.manifest.next);
        let name = names::part(run, number, encoder.format.extension());
        let own = [names::next(&name), names::rejects(run, number), name];
        for (table, folder) in self.folders.each() {
            let promoted = self.manifest.promoted(table, run, commit.is_last);
            for file in own.iter().cloned().chain(promoted.map(|(_, name)| name)) {
                let _ = folder.remove(&file);
            }
        }
    }

    fn is_taken_over(&mut self) -> bool {
        let bytes = self.folders.own.manifest().ok().flatten();
        let manifest = bytes.and_then(|bytes| Manifest::read(&bytes).ok());
        manifest.is_some_and(|manifest| manifest.owner != self.manifest.owner)
    }

    fn taken_over(&self) -> SinkError {
        let place = self.folders.own.place(names::MANIFEST);
        SinkError::lasting(format!(
            "another sink has opened `{place}` since, and only the last one may write"
        ))
    }
}

/// The manifest of this stream that is there.
fn read(store: &mut dyn Store, target: &Target) -> Result<Option<Manifest>, SinkError> {
    let Some(bytes) = store.manifest()? else { return Ok(None) };
    let manifest = Manifest::read(&bytes).and_then(|manifest| manifest.of(target));
    manifest.map(Some).map_err(|words| refused(store, &words))
}

/// The manifest that is there, or a new one, with a new owner.
fn claimed(
    store: &mut dyn Store,
    target: &Target,
    format: FileFormat,
    mode: Mode,
) -> Result<Manifest, SinkError> {
    match read(store, target)? {
        Some(manifest) => {
            manifest.claimed(format, mode, new_owner()).map_err(|words| refused(store, &words))
        }
        None => {
            refuse_parts(store)?;
            Ok(Manifest::new(target, format, mode, new_owner()))
        }
    }
}

/// What `words` say about the manifest.
fn refused(store: &dyn Store, words: &str) -> SinkError {
    let place = store.place(names::MANIFEST);
    SinkError::lasting(format!("`{place}` {words}; nothing was changed"))
}

/// Somebody was faster.
fn disturbed(target: &Target) -> SinkError {
    let stream = &target.stream;
    SinkError::passing(format!("another sink has written the state of `{stream}` meanwhile"))
}

fn new_owner() -> String {
    Uuid::new_v4().simple().to_string()
}
