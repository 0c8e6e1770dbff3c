//! What goes wrong, what is said of it, and what is left.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use vantage_api_ingest::{
    description::WriteMode,
    sink::{FileFormat, Files, Sink, SinkError},
    state::StreamState,
};

use crate::support::{
    FORMATS, NO_KEY, STREAM, all_files, assert_no_strays, commit_ids, files, ids, target,
};

/// An error with its causes.
fn whole(error: &SinkError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[test]
fn the_one_who_has_opened_a_stream_last_writes_it() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let mut sink = files(folder.path(), format, WriteMode::Append);
            sink.open().unwrap();
            sink
        };
        let mut first = open();
        commit_ids(&mut first, 0..1, 1, false).unwrap();
        let mut second = open();
        commit_ids(&mut second, 1..2, 1, false).unwrap();
        let error = commit_ids(&mut first, 100..101, 1, false).unwrap_err();
        assert!(error.is_lasting() && error.to_string().contains("another sink"), "{error}");
        assert_no_strays(folder.path());
        commit_ids(&mut second, 2..3, 1, false).unwrap();
        // Without opening it again, the first one has lost it.
        assert!(commit_ids(&mut first, 100..101, 1, false).is_err());
        first.open().unwrap();
        commit_ids(&mut first, 3..4, 1, true).unwrap();
        assert!(commit_ids(&mut second, 100..101, 1, true).is_err());
        assert_eq!(ids(folder.path(), "parts"), [0, 1, 2, 3]);
        assert_no_strays(folder.path());
    }
}

#[test]
fn two_jobs_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path(), FileFormat::Csv, WriteMode::Append).open().unwrap();
    let other = vantage_api_ingest::sink::Target::new("other", STREAM, NO_KEY, WriteMode::Append);
    let mut other = Files::new(folder.path(), FileFormat::Csv, other);
    for error in
        [other.open().unwrap_err(), other.state().unwrap_err(), other.reset(true).unwrap_err()]
    {
        assert!(error.is_lasting(), "{error}");
        assert!(error.to_string().contains("`world`"), "{error}");
    }
}

#[test]
fn a_manifest_that_is_not_ours_is_named_and_nothing_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Append);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, true).unwrap();
    let manifest = folder.path().join(STREAM).join("_state.json");
    let stray = folder.path().join(STREAM).join("run-000002-part-000001.csv");
    fs::write(&stray, "id\r\n7\r\n").unwrap();
    let before = all_files(folder.path());
    let whole_manifest = fs::read_to_string(&manifest).unwrap();
    let half = &whole_manifest[..whole_manifest.len() / 2];
    for broken in ["", "{}", "not JSON", half, "{\"version\": 99}"] {
        fs::write(&manifest, broken).unwrap();
        for error in [sink.open().unwrap_err(), sink.reset(true).unwrap_err()] {
            assert!(error.is_lasting(), "{error}");
            assert!(error.to_string().contains(manifest.to_str().unwrap()), "{error}");
        }
        assert_eq!(all_files(folder.path()), before);
        assert_eq!(fs::read_to_string(&manifest).unwrap(), broken);
    }
    fs::remove_file(&manifest).unwrap();
    let error = sink.open().unwrap_err();
    assert!(
        error.is_lasting() && error.to_string().contains("run-000001-part-000001.csv"),
        "{error}"
    );
    assert_eq!(all_files(folder.path()).len(), before.len() - 1);
    fs::write(&manifest, whole_manifest).unwrap();
    sink.open().unwrap();
    assert_no_strays(folder.path());
}

#[test]
fn a_file_that_is_gone_or_cut_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Append);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, true).unwrap();
    let part = crate::support::listed(folder.path(), "parts").remove(0);
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[1..]).unwrap();
    let error = sink.open().unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains("bytes"), "{error}");
    fs::remove_file(&part).unwrap();
    let error = sink.open().unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    assert!(error.to_string().contains(part.to_str().unwrap()), "{error}");
    // A reset gets out of it.
    sink.reset(true).unwrap();
    assert_eq!(sink.open().unwrap(), StreamState::default());
}

#[test]
fn files_of_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(STREAM);
    fs::create_dir_all(own.join("run-000001-part-000001.csv.d")).unwrap();
    for name in ["mine.csv", "run-1.csv", "README.md"] {
        fs::write(own.join(name), "x").unwrap();
    }
    let mut sink = files(folder.path(), FileFormat::Csv, WriteMode::Replace);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, true).unwrap();
    commit_ids(&mut sink, 0..2, 2, true).unwrap();
    sink.reset(true).unwrap();
    assert!(["mine.csv", "run-1.csv", "README.md"].iter().all(|name| own.join(name).exists()));
}

#[test]
fn a_place_that_is_no_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = files(&file, FileFormat::Csv, WriteMode::Append).open().unwrap_err();
    assert!(error.is_lasting(), "{error}");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    for url in ["ftp://host/x", "s3:///x", "http://example.com/x", "://"] {
        let mut sink = Files::new(url, FileFormat::Csv, target(STREAM, WriteMode::Append));
        assert!(sink.open().unwrap_err().is_lasting(), "{url}");
    }
}

#[cfg(not(feature = "s3"))]
#[test]
fn a_store_that_was_not_built_in_is_named() {
    let url = "s3://bucket/x";
    let mut sink = Files::new(url, FileFormat::Csv, target(STREAM, WriteMode::Append));
    let error = sink.open().unwrap_err();
    assert!(error.is_lasting() && error.to_string().contains("feature `s3`"), "{error}");
}

/// The device that is always full takes the place of the file that is written.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_may_pass_and_leaves_the_last_commit() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = files(folder.path(), format, WriteMode::Append);
        sink.open().unwrap();
        commit_ids(&mut sink, 0..2, 1, false).unwrap();
        for name in [format!("_run-000001-part-000002.{format}.tmp"), "__state.json.tmp".to_owned()]
        {
            let own = folder.path().join(STREAM).join(name);
            std::os::unix::fs::symlink("/dev/full", &own).unwrap();
            let error = commit_ids(&mut sink, 2..10_000, 1, true).unwrap_err();
            assert!(!error.is_lasting(), "{}", whole(&error));
            assert!(whole(&error).contains("No space left"), "{}", whole(&error));
            // Its room is needed.
            assert!(!own.is_symlink());
            // It is passing: the sink is opened again.
            assert!(!commit_ids(&mut sink, 2..10_000, 1, true).unwrap_err().is_lasting());
            assert_eq!(sink.open().unwrap().run, 1);
            assert_eq!(ids(folder.path(), "parts"), [0, 1]);
            assert_no_strays(folder.path());
        }
        commit_ids(&mut sink, 2..10_000, 1, true).unwrap();
        assert_eq!(ids(folder.path(), "parts"), (0..10_000).collect::<Vec<_>>());
    }
}

const LIMITED: &str = "INGEST_FILES_LIMITED";

/// A child that may write files of 64 KiB writes more.
#[cfg(unix)]
#[test]
fn a_file_that_is_cut_in_the_middle_belongs_to_nothing() {
    if let Some(folder) = std::env::var_os(LIMITED) {
        return too_much(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let name = "faults::a_file_that_is_cut_in_the_middle_belongs_to_nothing";
    // In half kibibytes where the shell is a plain one, in kibibytes elsewhere.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" --exact \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(program)
        .arg(name)
        .env(LIMITED, folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let mut sink = files(folder.path(), FileFormat::Ndjson, WriteMode::Append);
    assert_eq!(sink.open().unwrap().run, 1);
    assert_eq!(ids(folder.path(), "parts"), [0, 1]);
    assert_no_strays(folder.path());
}

#[cfg(unix)]
fn too_much(folder: &Path) {
    let mut sink = files(folder, FileFormat::Ndjson, WriteMode::Append);
    sink.open().unwrap();
    commit_ids(&mut sink, 0..2, 1, false).unwrap();
    let error = commit_ids(&mut sink, 2..100_000, 1, false).unwrap_err();
    assert!(whole(&error).contains("run-000001-part-000002.ndjson"), "{}", whole(&error));
    assert!(error.is_lasting(), "{}", whole(&error));
    assert_no_strays(folder);
}
