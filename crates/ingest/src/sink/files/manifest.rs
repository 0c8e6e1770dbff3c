//! [pure] The manifest of a stream: its state and the lists of the files that belong to its table and
//! to its child tables.
//!
//! What is not in it is in no table, whatever lies in the folders.

use std::iter;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{format::FileFormat, label::Label, names};
use crate::{
    description::WriteMode,
    sink::{SinkError, Target},
    state::StreamState,
};

/// The version of the manifest's own form.
const VERSION: u32 = 1;

/// What files can do with rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Append,
    Replace,
}

impl Mode {
    /// # Errors
    /// If single rows would have to change.
    pub(super) fn of(target: &Target) -> Result<Self, SinkError> {
        let mode = match target.mode {
            WriteMode::Append => return Ok(Self::Append),
            WriteMode::Replace => return Ok(Self::Replace),
            WriteMode::Merge => "merge",
            WriteMode::Sync => "sync",
        };
        let stream = &target.stream;
        Err(SinkError::lasting(format!(
            "files can only be appended or replaced, and `{stream}` is to be written with `{mode}`: \
             write it with `append` or `replace`, or into a database"
        )))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }
}

/// A file with rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Its path below the folder of its table.
    pub(super) file: String,
    /// The run that wrote it.
    pub(super) run: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Part {
    /// The same in the table, for a part that waits for the commit that ends its run.
    fn promoted(&self, number: u64) -> Self {
        Self { file: names::promoted(&self.file, number), ..self.clone() }
    }
}

/// The files of a child table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChildFiles {
    /// The files of the table.
    parts: Vec<Part>,
    /// The files that become the table at the end of the run.
    pending: Vec<Part>,
}

/// The files of a commit.
#[derive(Debug)]
pub(super) struct Written {
    /// Those of rows, each with its table.
    pub(super) parts: Vec<(String, Part)>,
    /// The child tables of the commit, with or without files.
    pub(super) children: Vec<String>,
    pub(super) rejects: Option<Part>,
}

/// The state of a stream and the list of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    version: u32,
    job: String,
    pub(super) stream: String,
    format: FileFormat,
    mode: Mode,
    /// Who has opened the stream last, and may write.
    pub(super) owner: String,
    /// The number of the next commit, which is in the names of its files. No two owners have one in
    /// common: what one writes late overwrites nothing of the next, and what is not listed and has a
    /// lower number is of a commit that did not end.
    pub(super) next: u64,
    /// The files of the table.
    parts: Vec<Part>,
    /// The files that become the table at the end of the run.
    pending: Vec<Part>,
    /// The files of the rows that were set aside.
    rejects: Vec<Part>,
    /// The files of the child tables, by the names of the tables. Each table is here before anything
    /// lies in its folder, and stays here without files, so that what lies there is found.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(super) children: IndexMap<String, ChildFiles>,
    pub(super) state: StreamState,
}

impl Manifest {
    /// The manifest of a stream that was never written.
    pub(super) fn new(target: &Target, format: FileFormat, mode: Mode, owner: String) -> Self {
        Self {
            version: VERSION,
            job: target.job.clone(),
            stream: target.stream.clone(),
            format,
            mode,
            owner,
            next: 1,
            parts: Vec::new(),
            pending: Vec::new(),
            rejects: Vec::new(),
            children: IndexMap::new(),
            state: StreamState::default(),
        }
    }

    /// # Errors
    /// In words, if it is not a manifest of this sink.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        if let Some(label) = Label::read(bytes) {
            return Err(format!("says that the folder has {label}"));
        }
        let corrupt = |error: serde_json::Error| format!("is not what this sink writes: {error}");
        let Versioned { version } = serde_json::from_slice(bytes).map_err(corrupt)?;
        if version != VERSION {
            return Err(format!("is of version {version}, and this sink knows version {VERSION}"));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(corrupt)?;
        match manifest.strange_file() {
            Some(part) => Err(format!("lists `{}`, which this sink does not write", part.file)),
            None => Ok(manifest),
        }
    }

    /// # Errors
    /// If it cannot be written as JSON.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, SinkError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| SinkError::lasting("the state is not JSON").because(error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// A file with a name that no part has: to remove it could remove anything.
    fn strange_file(&self) -> Option<&Part> {
        let tables = || iter::once(&*self.stream).chain(self.children.keys().map(String::as_str));
        let mut parts = tables().flat_map(|table| self.lists(table).0);
        let mut pending = tables().flat_map(|table| self.lists(table).1);
        let part = parts.find(|part| !names::is_part(&part.file));
        let pending = pending.find(|part| !names::is_next(&part.file));
        let rejects = self.rejects.iter().find(|part| !names::is_rejects(&part.file));
        part.or(pending).or(rejects)
    }

    /// The files of a table, and those that become it at the end of the run.
    fn lists(&self, table: &str) -> (&[Part], &[Part]) {
        if table == self.stream {
            return (self.parts.as_slice(), self.pending.as_slice());
        }
        match self.children.get(table) {
            Some(child) => (child.parts.as_slice(), child.pending.as_slice()),
            None => (&[], &[]),
        }
    }

    /// The same to be changed, of a table that is made if it is not there.
    fn lists_mut(&mut self, table: String) -> (&mut Vec<Part>, &mut Vec<Part>) {
        if table == self.stream {
            return (&mut self.parts, &mut self.pending);
        }
        let child = self.children.entry(table).or_default();
        (&mut child.parts, &mut child.pending)
    }

    /// The same of all tables, with their names.
    fn all_lists_mut(&mut self) -> impl Iterator<Item = (&str, &mut Vec<Part>, &mut Vec<Part>)> {
        let children = self.children.iter_mut();
        let children =
            children.map(|(table, child)| (&**table, &mut child.parts, &mut child.pending));
        iter::once((&*self.stream, &mut self.parts, &mut self.pending)).chain(children)
    }

    /// # Errors
    /// In words, if it is the manifest of another stream.
    pub(super) fn of(self, target: &Target) -> Result<Self, String> {
        let Self { job, stream, .. } = &self;
        if (job, stream) == (&target.job, &target.stream) {
            return Ok(self);
        }
        let (own_job, own_stream) = (&target.job, &target.stream);
        Err(format!(
            "is of the stream `{stream}` of the job `{job}`, not of `{own_stream}` of `{own_job}`"
        ))
    }

    /// The same for a new owner, who writes in this format and mode.
    ///
    /// # Errors
    /// In words, if what is there is of another one.
    pub(super) fn claimed(
        self,
        format: FileFormat,
        mode: Mode,
        owner: String,
    ) -> Result<Self, String> {
        let is_empty = |child: &ChildFiles| child.parts.is_empty() && child.pending.is_empty();
        let has_items = !self.children.values().all(is_empty);
        let has_parts = !self.parts.is_empty() || !self.pending.is_empty();
        if (has_parts || has_items) && self.format != format {
            let own = self.format;
            return Err(format!("lists {own} files, and {format} files are to be written"));
        }
        let StreamState { run, is_finished, .. } = self.state;
        if run > 0 && !is_finished && self.mode != mode {
            let (own, mode) = (self.mode.name(), mode.name());
            return Err(format!(
                "says that run {run}, which has not ended, writes with `{own}`, and now it is to \
                 write with `{mode}`"
            ));
        }
        Ok(Self { format, mode, owner, next: self.next + 1, ..self })
    }

    /// The same without its state, and without its files if they are to be dropped. Whoever owned it
    /// does so no more.
    pub(super) fn reset(self, drop_rows: bool, owner: String) -> Self {
        let (next, state) = (self.next + 1, StreamState::default());
        let mut kept = Self { owner, next, state, ..self };
        for (_, parts, pending) in kept.all_lists_mut() {
            pending.clear();
            if drop_rows {
                parts.clear();
            }
        }
        if drop_rows {
            kept.rejects.clear();
        }
        kept
    }

    /// The same with a child table.
    pub(super) fn with_child(&self, table: &str) -> Self {
        let mut manifest = self.clone();
        manifest.children.entry(table.to_owned()).or_default();
        manifest
    }

    /// What says that a folder is that of a child table.
    pub(super) fn label(&self, table: &str) -> Label {
        Label::new(&self.job, &self.stream, table)
    }

    /// The manifest after a commit. A child table that the last commit of a run does not have is not
    /// replaced.
    pub(super) fn after(&self, state: &StreamState, written: Written, is_last: bool) -> Self {
        // A run that failed before it had read anything has the number of the next one.
        let has_ended =
            self.state.is_finished && self.state.run == state.run && !self.state.has_failed_early();
        let (waits, replaces) = (self.waits(is_last), self.mode == Mode::Replace && is_last);
        let mut next = Self { next: self.next + 1, state: state.clone(), ..self.clone() };
        for (table, parts, pending) in next.all_lists_mut() {
            pending.retain(|part| part.run == state.run);
            if !replaces || has_ended {
                continue;
            }
            let pending = pending.drain(..);
            if self.stream == table || written.children.iter().any(|child| child == table) {
                *parts = pending.map(|part| part.promoted(self.next)).collect();
            }
        }
        for (table, part) in written.parts {
            let (parts, pending) = next.lists_mut(table);
            let list = if waits { pending } else { parts };
            list.push(part);
        }
        next.rejects.extend(written.rejects);
        next
    }

    /// Whether the rows of a commit wait for the end of the run.
    pub(super) fn waits(&self, is_last: bool) -> bool {
        self.mode == Mode::Replace && !is_last
    }

    /// The files that the next commit brings into a table besides its own, each with its name there.
    pub(super) fn promoted(
        &self,
        table: &str,
        run: u64,
        is_last: bool,
    ) -> impl Iterator<Item = (&str, String)> {
        let replaces = self.mode == Mode::Replace && is_last;
        let (_, pending) = self.lists(table);
        let parts = pending.iter().filter(move |part| replaces && part.run == run);
        parts.map(|part| (&*part.file, part.promoted(self.next).file))
    }

    /// The files of a table.
    pub(super) fn parts(&self, table: &str) -> &[Part] {
        self.lists(table).0
    }

    /// All files in the folder of a table.
    pub(super) fn files(&self, table: &str) -> impl Iterator<Item = &Part> {
        let (parts, pending) = self.lists(table);
        let rejects: &[Part] = if table == self.stream { &self.rejects } else { &[] };
        parts.iter().chain(pending).chain(rejects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHILD: &str = "cities_tags";

    fn target(mode: WriteMode) -> Target {
        Target { job: "world".into(), stream: "cities".into(), key: Vec::new(), mode }
    }

    fn manifest(mode: Mode) -> Manifest {
        Manifest::new(&target(WriteMode::Append), FileFormat::Csv, mode, "me".into())
    }

    fn state(run: u64, is_finished: bool) -> StreamState {
        StreamState { run, is_finished, ..StreamState::default() }
    }

    /// After a commit of the manifest's next part.
    fn after(manifest: &Manifest, run: u64, is_last: bool) -> Manifest {
        let name = names::part(run, manifest.next, "csv");
        let file = if manifest.waits(is_last) { names::next(&name) } else { name };
        let part = Part { file, run, rows: 1, bytes: 1 };
        let children = manifest.children.keys().cloned().collect();
        let parts = vec![("cities".to_owned(), part)];
        let written = Written { parts, children, rejects: None };
        manifest.after(&state(run, is_last), written, is_last)
    }

    /// The same with a file of the child table as well.
    fn after_with_child(manifest: &Manifest, run: u64, is_last: bool) -> Manifest {
        let own = after(manifest, run, is_last);
        let (parts, pending) = own.lists("cities");
        let list = if manifest.waits(is_last) { pending } else { parts };
        let part = list.last().unwrap();
        let parts = [("cities", part.clone()), (CHILD, part.clone())];
        let parts = parts.map(|(table, part)| (table.to_owned(), part)).to_vec();
        let written = Written { parts, children: vec![CHILD.to_owned()], rejects: None };
        manifest.after(&state(run, is_last), written, is_last)
    }

    fn files(manifest: &Manifest) -> Vec<&str> {
        manifest.files("cities").map(|part| &*part.file).collect()
    }

    fn child_files(manifest: &Manifest) -> Vec<&str> {
        manifest.files(CHILD).map(|part| &*part.file).collect()
    }

    #[test]
    fn it_reads_what_it_writes() {
        let manifest = after(&after(&manifest(Mode::Replace), 1, true), 2, false);
        assert_eq!(Manifest::read(&manifest.to_bytes().unwrap()), Ok(manifest));
    }

    #[test]
    fn appended_parts_stay() {
        let manifest = after(&after(&manifest(Mode::Append), 1, true), 2, false);
        assert_eq!(files(&manifest), ["run-000001-part-000001.csv", "run-000002-part-000002.csv"]);
        assert_eq!(manifest.next, 3);
    }

    #[test]
    fn a_run_that_replaces_does_so_at_its_end() {
        let first = after(&manifest(Mode::Replace), 1, true);
        assert_eq!(files(&first), ["run-000001-part-000001.csv"]);
        let second = after(&first, 2, false);
        assert_eq!(
            files(&second),
            ["run-000001-part-000001.csv", "_next/run-000002-part-000002.csv"]
        );
        assert_eq!(second.promoted("cities", 2, true).count(), 1);
        assert_eq!(second.promoted("cities", 2, false).count(), 0);
        let replaced = after(&second, 2, true);
        assert_eq!(
            files(&replaced),
            ["run-000002-part-000003-000002.csv", "run-000002-part-000003.csv"]
        );
        // Whatever is committed after the end of the run takes nothing away.
        assert_eq!(after(&replaced, 2, true).parts.len(), 3);
    }

    #[test]
    fn a_run_after_one_that_failed_before_its_first_page_replaces_as_well() {
        let first = after(&manifest(Mode::Replace), 1, true);
        let mut failed = first.clone();
        failed.state.run = 2;
        failed.state.fail_early("refused".into());
        failed.next += 1;
        assert_eq!(files(&after(&failed, 2, true)), ["run-000002-part-000003.csv"]);
    }

    #[test]
    fn a_run_that_begins_anew_drops_what_the_last_had_for_the_table() {
        let first = after(&manifest(Mode::Replace), 1, false);
        let second = after(&first, 2, false);
        assert_eq!(files(&second), ["_next/run-000002-part-000002.csv"]);
        assert_eq!(first.promoted("cities", 2, true).count(), 0);
        assert_eq!(files(&after(&first, 2, true)), ["run-000002-part-000002.csv"]);
    }

    #[test]
    fn child_tables_are_appended_and_replaced_with_the_stream() {
        let appended = after_with_child(&manifest(Mode::Append), 1, true);
        let appended = after_with_child(&after(&appended, 2, false), 2, true);
        assert_eq!(
            child_files(&appended),
            ["run-000001-part-000001.csv", "run-000002-part-000003.csv"]
        );
        assert_eq!(files(&appended).len(), 3);

        let first = after_with_child(&manifest(Mode::Replace), 1, true);
        let second = after_with_child(&first, 2, false);
        assert_eq!(
            child_files(&second),
            ["run-000001-part-000001.csv", "_next/run-000002-part-000002.csv"]
        );
        assert_eq!(second.promoted(CHILD, 2, true).count(), 1);
        // The last commit has none of its own.
        let replaced = after(&second, 2, true);
        assert_eq!(child_files(&replaced), ["run-000002-part-000003-000002.csv"]);
        // A run without items leaves none, and the table stays known.
        let emptied = after(&replaced, 3, true);
        assert!(child_files(&emptied).is_empty() && emptied.children.contains_key(CHILD));
        // What a run has left behind does not become the table.
        let left = after(&after_with_child(&replaced, 3, false), 4, true);
        assert!(child_files(&left).is_empty());
        // A run that has the table no more, or had it no more in the end, leaves it as it is.
        for before in [replaced.clone(), after_with_child(&replaced, 3, false)] {
            let written = Written { parts: Vec::new(), children: Vec::new(), rejects: None };
            let kept = before.after(&state(3, true), written, true);
            assert_eq!(child_files(&kept), ["run-000002-part-000003-000002.csv"]);
        }
    }

    #[test]
    fn child_tables_are_reset_with_the_stream() {
        let first = after_with_child(&manifest(Mode::Replace), 1, true);
        let second = after_with_child(&first, 2, false);
        let kept = second.clone().reset(false, "you".into());
        assert_eq!(child_files(&kept), ["run-000001-part-000001.csv"]);
        assert!(kept.claimed(FileFormat::Parquet, Mode::Append, "me".into()).is_err());
        let dropped = second.reset(true, "you".into());
        assert!(child_files(&dropped).is_empty() && dropped.children.contains_key(CHILD));
        assert!(dropped.claimed(FileFormat::Parquet, Mode::Append, "me".into()).is_ok());
    }

    #[test]
    fn a_manifest_without_child_tables_is_what_it_was_before_there_were_any() {
        let manifest = manifest(Mode::Append);
        let text = String::from_utf8(manifest.to_bytes().unwrap()).unwrap();
        let keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(!keys.contains_key("children"), "{text}");
        assert_eq!(Manifest::read(text.as_bytes()), Ok(manifest.clone()));
        let with_child = after_with_child(&manifest, 1, true);
        assert_eq!(Manifest::read(&with_child.to_bytes().unwrap()), Ok(with_child.clone()));
        // A table is known before it has files.
        let known = manifest.with_child(CHILD);
        assert_eq!(known.with_child(CHILD), known);
        assert_eq!(Manifest::read(&known.to_bytes().unwrap()), Ok(known));
        let text = String::from_utf8(with_child.to_bytes().unwrap()).unwrap();
        let (own, children) = text.split_once("\"children\"").unwrap();
        let children = children.replacen("run-000001-part-000001.csv", "../a.csv", 1);
        let error = Manifest::read(format!("{own}\"children\"{children}").as_bytes()).unwrap_err();
        assert!(error.contains("lists `../a.csv`"), "{error}");
    }

    #[test]
    fn the_folder_of_a_child_table_is_no_stream() {
        let label = manifest(Mode::Append).label(CHILD).to_bytes().unwrap();
        let error = Manifest::read(&label).unwrap_err();
        for name in ["`cities_tags`", "`cities`", "`world`"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn what_it_did_not_write_is_refused_in_words() {
        let bytes = manifest(Mode::Append).to_bytes().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for (from, to, words) in [
            ("{", "", "is not what this sink writes"),
            ("\"version\": 1", "\"version\": 7", "version 7"),
            ("\"version\": 1", "\"more\": 1", "missing field `version`"),
            ("\"parts\"", "\"others\"", "unknown field `others`"),
            (
                "\"parts\": []",
                r#""parts": [{"file": "../a.csv", "run": 1, "rows": 1, "bytes": 1}]"#,
                "lists `../a.csv`",
            ),
        ] {
            let error = Manifest::read(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn another_stream_format_or_mode_cannot_go_on_with_it() {
        let own = manifest(Mode::Append);
        let mut other = target(WriteMode::Append);
        assert_eq!(own.clone().of(&other), Ok(own.clone()));
        other.stream = "CITIES".into();
        let words = own.of(&other).unwrap_err();
        assert!(words.contains("`cities`") && words.contains("`CITIES`"), "{words}");

        let claimed = |manifest: &Manifest, format, mode| {
            let claimed = manifest.clone().claimed(format, mode, "you".into());
            claimed.map(|claimed| (claimed.owner, claimed.next))
        };
        let under_way = after(&manifest(Mode::Append), 3, false);
        let next = Ok(("you".to_owned(), 3));
        assert_eq!(claimed(&under_way, FileFormat::Csv, Mode::Append), next);
        let words = claimed(&under_way, FileFormat::Parquet, Mode::Append).unwrap_err();
        assert!(words.contains("csv") && words.contains("parquet"), "{words}");
        let words = claimed(&under_way, FileFormat::Csv, Mode::Replace).unwrap_err();
        assert!(words.contains("run 3") && words.contains("`append`"), "{words}");
        let finished = after(&manifest(Mode::Append), 3, true);
        assert_eq!(claimed(&finished, FileFormat::Csv, Mode::Replace), next);
        let empty = finished.reset(true, "me".into());
        assert!(claimed(&empty, FileFormat::Parquet, Mode::Append).is_ok());
    }

    #[test]
    fn a_reset_forgets_the_state_and_drops_the_files_if_asked_to() {
        let manifest = after(&after(&manifest(Mode::Replace), 1, true), 2, false);
        let kept = manifest.clone().reset(false, "you".into());
        assert_eq!(files(&kept), ["run-000001-part-000001.csv"]);
        assert_eq!((&*kept.owner, kept.next, kept.state), ("you", 4, StreamState::default()));
        assert_eq!(manifest.reset(true, "you".into()).files("cities").count(), 0);
    }

    #[test]
    fn single_rows_of_files_do_not_change() {
        for mode in [WriteMode::Merge, WriteMode::Sync] {
            let error = Mode::of(&target(mode)).unwrap_err();
            assert!(error.is_lasting());
            assert!(error.to_string().contains("only be appended or replaced"), "{error}");
        }
    }
}
