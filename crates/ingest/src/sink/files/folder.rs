//! The files of a table in a local folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io::{self, BufWriter, ErrorKind},
    mem,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    error::{WriteError, of_io},
    names,
    store::{Content, Store},
};
use crate::sink::SinkError;

/// How long another process may take to replace a manifest.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);
const BUFFER: usize = 64 * 1024;

/// The files of a table in a local folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The manifest that was read or written last.
    seen: Option<Vec<u8>>,
    /// The folders with names that are not on the disk yet.
    unsynced: BTreeSet<PathBuf>,
}

impl Folder {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, seen: None, unsynced: BTreeSet::new() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    fn read_manifest(&self) -> Result<Option<Vec<u8>>, SinkError> {
        match fs::read(self.path(names::MANIFEST)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(of_io(format!("cannot read `{}`", self.place(names::MANIFEST)), error))
            }
        }
    }

    /// Keeps others from replacing the manifest until the file is dropped, also by the death of the
    /// process. Where files cannot be locked, what is compared has to do.
    fn lock(&self) -> Result<Option<File>, SinkError> {
        let failed = |error| of_io(format!("cannot lock `{}`", self.place(names::LOCK)), error);
        let file = self.path(names::LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(file);
        let file = file.map_err(failed)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => {
                    let place = self.place(names::LOCK);
                    return Err(SinkError::passing(format!("another process locks `{place}`")));
                }
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                    return Ok(None);
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// The folder of a file, which is made if it is not there, and is to be synced.
    fn prepare_folder_of(&mut self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.path);
        create_folder(folder)?;
        self.unsynced.insert(folder.to_owned());
        Ok(())
    }

    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.prepare_folder_of(to)?;
        match fs::hard_link(from, to) {
            Ok(()) => Ok(()),
            // Files of one name are of one commit, and have one content.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
            // Not every file system knows links.
            Err(_) => {
                let temporary = with_temporary_name(to);
                fs::copy(from, &temporary)?;
                File::open(&temporary)?.sync_all()?;
                fs::rename(&temporary, to)
            }
        }
    }
}

impl Store for Folder {
    fn beside(&self, folder: &str) -> Result<Box<dyn Store>, SinkError> {
        Ok(Box::new(Self::at(self.path.with_file_name(folder))))
    }

    fn prepare(&mut self) -> Result<(), SinkError> {
        create_folder(&self.path).map_err(|error| {
            of_io(format!("cannot make the folder `{}`", self.path.display()), error)
        })
    }

    fn manifest(&mut self) -> Result<Option<Vec<u8>>, SinkError> {
        self.seen = self.read_manifest()?;
        Ok(self.seen.clone())
    }

    fn replace(&mut self, manifest: Vec<u8>) -> Result<bool, SinkError> {
        let _lock = self.lock()?;
        if self.read_manifest()? != self.seen {
            return Ok(false);
        }
        self.write(names::MANIFEST, &|out| Ok(out.write_all(&manifest)?))?;
        self.sync()?;
        self.seen = Some(manifest);
        Ok(true)
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, SinkError> {
        let read = fs::read(self.path(path));
        read.map_err(|error| of_io(format!("cannot read `{}`", self.place(path)), error))
    }

    fn write(&mut self, path: &str, content: Content<'_>) -> Result<u64, SinkError> {
        let file = self.path(path);
        let temporary = self.path(&names::temporary(path));
        let written = self.prepare_folder_of(&file).map_err(WriteError::Io);
        let written = written.and_then(|()| write_file(&temporary, content)).and_then(|bytes| {
            fs::rename(&temporary, &file)?;
            Ok(bytes)
        });
        written.map_err(|error| {
            // It would fill a disk that is full already. What cannot be removed now is removed when
            // the stream is opened again.
            let _ = fs::remove_file(&temporary);
            error.at(&self.place(path))
        })
    }

    fn copy(&mut self, from: &str, to: &str) -> Result<(), SinkError> {
        let (source, target) = (self.path(from), self.path(to));
        self.link(&source, &target)
            .map_err(|error| of_io(format!("cannot write `{}`", self.place(to)), error))
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        for folder in mem::take(&mut self.unsynced) {
            sync_folder(&folder).map_err(|error| {
                of_io(format!("cannot sync the folder `{}`", folder.display()), error)
            })?;
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), SinkError> {
        match fs::remove_file(self.path(path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(of_io(format!("cannot remove `{}`", self.place(path)), error))
            }
            _ => Ok(()),
        }
    }

    fn list(&mut self) -> Result<BTreeMap<String, u64>, SinkError> {
        let mut files = BTreeMap::new();
        for prefix in ["", names::NEXT, names::REJECTS] {
            list_folder(&self.path(prefix), prefix, &mut files)
                .map_err(|error| of_io(format!("cannot list `{}`", self.place(prefix)), error))?;
        }
        Ok(files)
    }

    fn place(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }
}

/// Writes a file down to the disk, and returns its length.
fn write_file(path: &Path, content: Content<'_>) -> Result<u64, WriteError> {
    let mut out = BufWriter::with_capacity(BUFFER, File::create(path)?);
    content(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Adds the files in a folder. What is not named like a file of ours may have any name.
fn list_folder(path: &Path, prefix: &str, files: &mut BTreeMap<String, u64>) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let metadata = match entry.metadata() {
            // Its last owner is removing it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        if let (false, Ok(name)) = (metadata.is_dir(), entry.file_name().into_string()) {
            files.insert(format!("{prefix}{name}"), metadata.len());
        }
    }
    Ok(())
}

fn with_temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(names::temporary(&name))
}

/// Makes a folder and those above it, so that they outlast a loss of power.
fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_folder(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(io::Error::new(ErrorKind::NotADirectory, "it is there, and it is not a folder"))
        }
        created => created.and_then(|()| sync_folder(parent)),
    }
}

/// Makes the names in a folder outlast a loss of power.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere the file system keeps names in order by itself.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail where folders are synced")]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
