//! Tokens from files.

use std::{
    fs::File,
    io::{ErrorKind as IoErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::future::LocalBoxFuture;

use super::parts::{one_per_slot, present};
use crate::{
    error::{Error, ErrorKind},
    token_manager::{Token, TokenSource},
};

/// The largest file that is read as a token, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// Tokens from files, one for each slot, such as secrets mounted into a container. A file is read
/// when its token is first needed, again after a 401, and as often as
/// [`reread_every`](Self::reread_every) says; white space around the token is removed. A file has
/// at most 64 KiB.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::{AwwPool, tokens::{FileTokens, bearer}};
///
/// let token = FileTokens::new(["/run/secrets/api-token"]).reread_every(Duration::from_secs(600));
/// let pool = AwwPool::builder("https://api.example.com/v1").token_source(1, token, bearer);
/// # pool.build().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct FileTokens {
    files: Vec<PathBuf>,
    lifetime: Option<Duration>,
}

impl FileTokens {
    /// One file for each token slot of the pool.
    pub fn new(files: impl IntoIterator<Item: Into<PathBuf>>) -> Self {
        Self { files: files.into_iter().map(Into::into).collect(), lifetime: None }
    }

    /// How long a token is used before its file is read again, above zero: like any token with
    /// [`expires_in`](crate::Token::expires_in) it is refreshed a little earlier. By default a
    /// token is used until the API refuses it.
    #[must_use]
    pub fn reread_every(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }
}

impl TokenSource for FileTokens {
    fn acquire(
        &self,
        slot: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        let file = self.files.get(slot).cloned();
        Box::pin(async move {
            let file = file.ok_or("there is no file for this slot")?;
            // A disk that hangs must not hold up other slots.
            let token = tokio::task::spawn_blocking(move || read(&file)).await??;
            Ok(match self.lifetime {
                Some(lifetime) => token.expires_in(lifetime),
                None => token,
            })
        })
    }

    fn validate(&self, slots: usize) -> Result<(), Error> {
        one_per_slot("FileTokens", self.files.len(), slots)?;
        if self.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(Error::config("reread_every: must be above zero"));
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Token, Error> {
    let failed = |what: &str| {
        Error::new(ErrorKind::Token, format!("the token file {} {what}", path.display()))
    };
    let unreadable = |error: std::io::Error| match error.kind() {
        IoErrorKind::NotFound => failed("does not exist"),
        _ => failed("cannot be read").with_source(error),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let length = file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if length as u64 > MOST_BYTES {
        return Err(failed("is larger than 64 KiB"));
    }
    let text = str::from_utf8(&bytes).map_err(|_| failed("is not UTF-8"))?;
    present(text).ok_or_else(|| failed("is empty"))
}
