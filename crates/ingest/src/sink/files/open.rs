//! How a stream is opened, and what a commit writes.

use std::{
    collections::{BTreeMap, HashSet},
    io::Write,
    mem,
};

use uuid::Uuid;

use super::{
    encode::Encoder,
    format::FileFormat,
    manifest::{Manifest, Mode, Part, Written},
    names, ndjson,
    store::Store,
};
use crate::{
    sink::{Commit, SinkError, Target},
    state::StreamState,
};

/// The state of the last commit. Nothing is changed.
pub(super) fn state(store: &mut dyn Store, target: &Target) -> Result<StreamState, SinkError> {
    Ok(read(store, target)?.map(|manifest| manifest.state).unwrap_or_default())
}

/// Forgets the state, and drops the files if they are to be.
pub(super) fn reset(
    store: &mut dyn Store,
    target: &Target,
    drop_rows: bool,
) -> Result<(), SinkError> {
    let Some(manifest) = read(store, target)? else { return Ok(()) };
    let manifest = manifest.reset(drop_rows, new_owner());
    if !store.replace(manifest.to_bytes()?)? {
        return Err(disturbed(target));
    }
    let files = store.list()?;
    remove_strays(store, &manifest, &files)
}

/// A stream that was opened.
pub(super) struct Open {
    store: Box<dyn Store>,
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
        let mut open = Self { store, manifest };
        match tidy(&mut *open.store, &open.manifest) {
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
        if !self.store.replace(manifest.to_bytes()?)? {
            self.discard(encoder, commit);
            return Err(self.taken_over());
        }
        let before = mem::replace(&mut self.manifest, manifest);
        self.remove_unlisted(&before);
        Ok(())
    }

    /// Writes the files of a commit, which belong to nothing yet.
    fn write(&mut self, encoder: Encoder, commit: &Commit<'_>) -> Result<Written, SinkError> {
        let run = commit.state.run;
        let part = self.write_part(encoder, commit)?;
        let rejects = self.write_rejects(commit)?;
        for (from, to) in self.manifest.promoted(run, commit.is_last) {
            self.store.copy(from, &to)?;
        }
        self.store.sync()?;
        Ok(Written { part, rejects })
    }

    fn write_part(
        &mut self,
        encoder: Encoder,
        commit: &Commit<'_>,
    ) -> Result<Option<Part>, SinkError> {
        let rows = commit.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows == 0 {
            return Ok(None);
        }
        let run = commit.state.run;
        let name = names::part(run, self.manifest.next, encoder.format.extension());
        let waits = self.manifest.waits(commit.is_last);
        let file = if waits { names::next(&name) } else { name };
        let content =
            |out: &mut (dyn Write + Send)| encoder.write(commit.batches, commit.schema, out);
        let bytes = self.store.write(&file, &content)?;
        Ok(Some(Part { file, run, rows, bytes }))
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
        let bytes = self.store.write(&file, &content)?;
        Ok(Some(Part { file, run, rows, bytes }))
    }

    /// Removes what a commit that failed has written, as far as it can.
    fn discard(&mut self, encoder: Encoder, commit: &Commit<'_>) {
        let (run, number) = (commit.state.run, self.manifest.next);
        let name = names::part(run, number, encoder.format.extension());
        let own = [names::next(&name), names::rejects(run, number), name];
        let promoted = self.manifest.promoted(run, commit.is_last).map(|(_, name)| name);
        for file in own.into_iter().chain(promoted) {
            let _ = self.store.remove(&file);
        }
    }

    /// Removes the files that the manifest of before has listed and the one of now does not. The
    /// commit has ended: what stays is removed when the stream is opened again.
    fn remove_unlisted(&mut self, before: &Manifest) {
        let listed = listed(&self.manifest);
        for part in before.files().filter(|part| !listed.contains(&*part.file)) {
            if let Err(error) = self.store.remove(&part.file) {
                tracing::warn!(%error, "a file that belongs to no table any more stays");
            }
        }
    }

    fn is_taken_over(&mut self) -> bool {
        let bytes = self.store.manifest().ok().flatten();
        let manifest = bytes.and_then(|bytes| Manifest::read(&bytes).ok());
        manifest.is_some_and(|manifest| manifest.owner != self.manifest.owner)
    }

    fn taken_over(&self) -> SinkError {
        let place = self.store.place(names::MANIFEST);
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

/// A stream that was never opened has no parts: somebody has removed its manifest.
fn refuse_parts(store: &mut dyn Store) -> Result<(), SinkError> {
    let files = store.list()?;
    let is_part =
        |file: &&String| names::is_part(file) || names::is_next(file) || names::is_rejects(file);
    match files.keys().find(is_part) {
        Some(file) => {
            let (place, manifest) = (store.place(file), names::MANIFEST);
            Err(SinkError::lasting(format!(
                "`{place}` is there, and no `{manifest}` that says what it is; nothing was changed"
            )))
        }
        None => Ok(()),
    }
}

/// Checks that the files of the manifest are there, and removes those of commits that did not end.
fn tidy(store: &mut dyn Store, manifest: &Manifest) -> Result<(), SinkError> {
    let files = store.list()?;
    for part in manifest.files() {
        let fault = match files.get(&part.file) {
            Some(bytes) if *bytes == part.bytes => continue,
            Some(bytes) => format!("has {bytes} bytes, and {} were written", part.bytes),
            None => "is gone".to_owned(),
        };
        let (place, listing) = (store.place(&part.file), names::MANIFEST);
        return Err(SinkError::lasting(format!("`{place}` {fault}, and `{listing}` lists it")));
    }
    remove_strays(store, manifest, &files)
}

/// Removes the files of commits that did not end, and of tables that were replaced or dropped. Those
/// of higher numbers are of somebody who has taken the stream over since.
fn remove_strays(
    store: &mut dyn Store,
    manifest: &Manifest,
    files: &BTreeMap<String, u64>,
) -> Result<(), SinkError> {
    let listed = listed(manifest);
    let is_stray = |file: &&String| {
        let is_older = names::commit_of(file).is_some_and(|number| number < manifest.next);
        is_older && !listed.contains(file.as_str())
    };
    files.keys().filter(is_stray).try_for_each(|file| store.remove(file))
}

/// The files that count.
fn listed(manifest: &Manifest) -> HashSet<&str> {
    manifest.files().map(|part| &*part.file).collect()
}
