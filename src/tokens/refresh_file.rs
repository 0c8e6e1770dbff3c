//! The file that keeps a refresh token from one process to the next. One process at a time has it.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// How often a file that another process has is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// The most that is read of it, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// Where a refresh token is kept.
#[derive(Clone)]
pub(super) struct RefreshFile {
    path: PathBuf,
    /// A hash of the token with which all began.
    of: String,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Content {
    refresh_token: String,
    /// Which token it descends from.
    of: String,
}

/// The file, which no other process has meanwhile.
pub(super) struct OpenRefreshFile {
    file: RefreshFile,
    /// What is in it.
    pub(super) token: Option<SecretString>,
    /// Unlocks when it is dropped.
    _lock: File,
}

impl RefreshFile {
    pub(super) fn new(path: PathBuf, first: &str) -> Self {
        let of = digest(&SHA256, first.as_bytes());
        Self { path, of: URL_SAFE_NO_PAD.encode(of) }
    }

    /// Opens the file once no other process has it. Before anything is sent it is made sure that a
    /// new file can be made beside it.
    ///
    /// # Errors
    /// [`ErrorKind::Token`], naming the file.
    pub(super) async fn open(&self) -> Result<OpenRefreshFile, Error> {
        let (file, path) = (self.clone(), self.beside(".lock"));
        let lock = blocking(move || {
            file.failing(
                "cannot be locked",
                private(OpenOptions::new().create(true).append(true)).open(path),
            )
        })
        .await?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => tokio::time::sleep(RETRY_EVERY).await,
                Err(TryLockError::Error(error)) => {
                    return self.failing("cannot be locked", Err(error));
                }
            }
        }
        let file = self.clone();
        let token = blocking(move || {
            let token = file.read()?;
            file.failing("cannot be written", file.next_one())?;
            Ok(token)
        })
        .await?;
        Ok(OpenRefreshFile { file: self.clone(), token, _lock: lock })
    }

    /// The token in the file, if it descends from the one with which all began.
    fn read(&self) -> Result<Option<SecretString>, Error> {
        let mut text = String::new();
        let read =
            File::open(&self.path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => self.failing("cannot be read", read)?,
        };
        let content = serde_json::from_str::<Content>(&text);
        // Its text may be a secret, and the error may show some of it.
        let content = content.map_err(|_| self.error("was not written by this library"))?;
        Ok((content.of == self.of).then(|| content.refresh_token.into()))
    }

    fn write(&self, token: &SecretString) -> io::Result<()> {
        let refresh_token = token.expose_secret().to_owned();
        let content = serde_json::to_vec(&Content { refresh_token, of: self.of.clone() })?;
        let mut file = self.next_one()?;
        file.write_all(&content)?;
        file.sync_all()?;
        fs::rename(self.beside(".new"), &self.path)?;
        // What is renamed lasts once its folder does.
        #[cfg(unix)]
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// A new file beside it, empty, and of nobody else.
    fn next_one(&self) -> io::Result<File> {
        let path = self.beside(".new");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        private(OpenOptions::new().write(true).create_new(true)).open(path)
    }

    /// A file of the same name with another ending.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    fn error(&self, what: &str) -> Error {
        let what = format!("the file {} of the refresh token {what}", self.path.display());
        Error::new(ErrorKind::Token, what)
    }

    fn failing<T>(&self, what: &str, result: io::Result<T>) -> Result<T, Error> {
        result.map_err(|error| self.error(what).with_source(error))
    }
}

impl OpenRefreshFile {
    /// Keeps another token in it.
    ///
    /// # Errors
    /// [`ErrorKind::Token`], naming the file.
    pub(super) async fn put(&mut self, token: SecretString) -> Result<(), Error> {
        let file = self.file.clone();
        blocking(move || file.failing("cannot be written", file.write(&token))).await
    }
}

/// Makes a file that only its owner may read.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Runs what waits for a disk, which must not hold up other slots.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let lost = |_| Error::new(ErrorKind::Token, "the file of the refresh token was given up");
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

impl fmt::Debug for RefreshFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}
