//! [pure] The manifest of a stream: its state and the list of the files that belong to its table.
//!
//! What is not in it is not in the table, whatever lies in the folder.

use serde::{Deserialize, Serialize};

use super::{format::FileFormat, names};
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
    /// Its path below the folder of the stream.
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

/// The files of a commit.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) part: Option<Part>,
    pub(super) rejects: Option<Part>,
}

/// The state of a stream and the list of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    version: u32,
    job: String,
    stream: String,
    format: FileFormat,
    mode: Mode,
    /// Who has opened the stream last, and may write.
    pub(super) owner: String,
    /// The number of the next commit, which is in the names of its files. No two owners have one in
    /// common: what one writes late overwrites nothing of the next, and what is not listed and has a
    /// lower number is of a commit that did not end.
    pub(super) next: u64,
    /// The files of the table.
    pub(super) parts: Vec<Part>,
    /// The files that become the table at the end of the run.
    pub(super) pending: Vec<Part>,
    /// The files of the rows that were set aside.
    pub(super) rejects: Vec<Part>,
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
            .map_err(|error| SinkError::lasting("the state is no JSON").because(error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// A file with a name that no part has: to remove it could remove anything.
    fn strange_file(&self) -> Option<&Part> {
        let parts = self.parts.iter().find(|part| !names::is_part(&part.file));
        let pending = self.pending.iter().find(|part| !names::is_next(&part.file));
        let rejects = self.rejects.iter().find(|part| !names::is_rejects(&part.file));
        parts.or(pending).or(rejects)
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
        let has_parts = !self.parts.is_empty() || !self.pending.is_empty();
        if has_parts && self.format != format {
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
        let pending = Vec::new();
        let (next, state) = (self.next + 1, StreamState::default());
        let kept = Self { owner, next, state, pending, ..self };
        match drop_rows {
            true => Self { parts: Vec::new(), rejects: Vec::new(), ..kept },
            false => kept,
        }
    }

    /// The manifest after a commit.
    pub(super) fn after(&self, state: &StreamState, written: Written, is_last: bool) -> Self {
        let has_ended = self.state.is_finished && self.state.run == state.run;
        let mut next = Self { next: self.next + 1, state: state.clone(), ..self.clone() };
        next.pending.retain(|part| part.run == state.run);
        next.rejects.extend(written.rejects);
        match self.mode {
            Mode::Replace if !is_last => next.pending.extend(written.part),
            Mode::Replace if !has_ended => {
                next.parts = next.pending.drain(..).map(|part| part.promoted(self.next)).collect();
                next.parts.extend(written.part);
            }
            Mode::Append | Mode::Replace => next.parts.extend(written.part),
        }
        next
    }

    /// Whether the rows of a commit wait for the end of the run.
    pub(super) fn waits(&self, is_last: bool) -> bool {
        self.mode == Mode::Replace && !is_last
    }

    /// The files that the next commit brings into the table besides its own, each with its name
    /// there.
    pub(super) fn promoted(&self, run: u64, is_last: bool) -> impl Iterator<Item = (&str, String)> {
        let replaces = self.mode == Mode::Replace && is_last;
        let parts = self.pending.iter().filter(move |part| replaces && part.run == run);
        parts.map(|part| (&*part.file, part.promoted(self.next).file))
    }

    /// All its files.
    pub(super) fn files(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().chain(&self.pending).chain(&self.rejects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let written = Written { part: Some(part), rejects: None };
        manifest.after(&state(run, is_last), written, is_last)
    }

    fn files(manifest: &Manifest) -> Vec<&str> {
        manifest.files().map(|part| &*part.file).collect()
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
        assert_eq!(second.promoted(2, true).count(), 1);
        assert_eq!(second.promoted(2, false).count(), 0);
        let replaced = after(&second, 2, true);
        assert_eq!(
            files(&replaced),
            ["run-000002-part-000003-000002.csv", "run-000002-part-000003.csv"]
        );
        // Whatever is committed after the end of the run takes nothing away.
        assert_eq!(after(&replaced, 2, true).parts.len(), 3);
    }

    #[test]
    fn a_run_that_begins_anew_drops_what_the_last_had_for_the_table() {
        let first = after(&manifest(Mode::Replace), 1, false);
        let second = after(&first, 2, false);
        assert_eq!(files(&second), ["_next/run-000002-part-000002.csv"]);
        assert_eq!(first.promoted(2, true).count(), 0);
        assert_eq!(files(&after(&first, 2, true)), ["run-000002-part-000002.csv"]);
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
        assert_eq!(manifest.reset(true, "you".into()).files().count(), 0);
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
