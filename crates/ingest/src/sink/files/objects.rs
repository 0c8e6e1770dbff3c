//! The files of a table in an object store.

use std::{collections::BTreeMap, future::Future, sync::Arc, thread, time::Duration};

use futures::TryStreamExt;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutResult, UpdateVersion, path::Path,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::timeout,
};

use super::{
    error::{of_io, of_store},
    names,
    store::{Content, Store},
};
use crate::sink::SinkError;

/// How long a request may take with all its retries. The store's own limits are reached before, if
/// it has any.
const PATIENCE: Duration = Duration::from_secs(300);

/// The files of a table in an object store.
#[derive(Debug)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Below which the folders of all tables are.
    root: Path,
    prefix: Path,
    /// The version of the manifest that was read or written last.
    seen: Option<UpdateVersion>,
    /// One for all tables of a stream, since the store keeps its connections on the first that waits
    /// for it. `None` once it is dropped.
    runtime: Option<Arc<Runtime>>,
}

impl Objects {
    /// The objects whose names begin with `root` and `folder`.
    pub(super) fn open(
        store: Arc<dyn ObjectStore>,
        root: &Path,
        folder: &str,
    ) -> Result<Self, SinkError> {
        let prefix = below(root, folder)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| of_io("cannot start what waits for the object store", error))?;
        let runtime = Some(Arc::new(runtime));
        Ok(Self { store, root: root.clone(), prefix, seen: None, runtime })
    }

    fn path(&self, path: &str) -> Result<Path, SinkError> {
        below(&self.prefix, path)
    }

    /// Waits for the answer of the store. `doing` says what failed if it did.
    fn wait<T: Send>(
        &self,
        doing: impl FnOnce() -> String,
        answer: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T, SinkError> {
        let Some(runtime) = &self.runtime else {
            return Err(SinkError::lasting("the object store was closed"));
        };
        let wait = || runtime.block_on(async { timeout(PATIENCE, answer).await });
        let answer = match Handle::try_current() {
            // A thread of a runtime cannot wait for another runtime.
            Ok(_) => thread::scope(|scope| scope.spawn(wait).join()),
            Err(_) => Ok(wait()),
        };
        match answer {
            Ok(Ok(answer)) => answer.map_err(|error| of_store(doing(), error)),
            Ok(Err(late)) => Err(SinkError::passing(doing()).because(late)),
            Err(_) => Err(SinkError::passing(format!("{}: the store has panicked", doing()))),
        }
    }

    /// The manifest with its version.
    fn read_manifest(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>, SinkError> {
        let path = self.path(names::MANIFEST)?;
        let doing = || format!("cannot read `{}`", self.place(names::MANIFEST));
        self.wait(doing, async {
            let got = match self.store.get(&path).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                got => got?,
            };
            let (e_tag, version) = (got.meta.e_tag.clone(), got.meta.version.clone());
            let bytes = got.bytes().await?;
            Ok(Some((bytes.to_vec(), UpdateVersion { e_tag, version })))
        })
    }

    /// Puts the manifest in the place of the one that was seen; `None` if that is another by now.
    fn put_manifest(&self, manifest: &[u8]) -> Result<Option<PutResult>, SinkError> {
        let path = self.path(names::MANIFEST)?;
        let mode = match &self.seen {
            Some(version) => PutMode::Update(version.clone()),
            None => PutMode::Create,
        };
        let doing = || format!("cannot write `{}`", self.place(names::MANIFEST));
        self.wait(doing, async {
            match self.store.put_opts(&path, manifest.to_vec().into(), mode.into()).await {
                Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => Ok(None),
                put => put.map(Some),
            }
        })
    }
}

impl Store for Objects {
    fn beside(&self, folder: &str) -> Result<Box<dyn Store>, SinkError> {
        let prefix = below(&self.root, folder)?;
        let (store, root) = (Arc::clone(&self.store), self.root.clone());
        Ok(Box::new(Self { store, root, prefix, seen: None, runtime: self.runtime.clone() }))
    }

    fn prepare(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn manifest(&mut self) -> Result<Option<Vec<u8>>, SinkError> {
        let (bytes, version) = self.read_manifest()?.unzip();
        self.seen = version;
        Ok(bytes)
    }

    fn replace(&mut self, manifest: Vec<u8>) -> Result<bool, SinkError> {
        if let Some(put) = self.put_manifest(&manifest)? {
            self.seen = Some(put.into());
            return Ok(true);
        }
        // A put that was repeated, since its first answer was lost, meets its own first.
        match self.read_manifest()? {
            Some((bytes, version)) if bytes == manifest => {
                self.seen = Some(version);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, SinkError> {
        let object = self.path(path)?;
        let doing = || format!("cannot read `{}`", self.place(path));
        let bytes = self.wait(doing, async { self.store.get(&object).await?.bytes().await })?;
        Ok(bytes.to_vec())
    }

    fn write(&mut self, path: &str, content: Content<'_>) -> Result<u64, SinkError> {
        let mut bytes = Vec::new();
        content(&mut bytes).map_err(|error| error.at(&self.place(path)))?;
        let (length, object) = (bytes.len() as u64, self.path(path)?);
        let doing = || format!("cannot write `{}`", self.place(path));
        self.wait(doing, self.store.put(&object, bytes.into()))?;
        Ok(length)
    }

    fn copy(&mut self, from: &str, to: &str) -> Result<(), SinkError> {
        let (source, target) = (self.path(from)?, self.path(to)?);
        let doing = || format!("cannot copy `{}` to `{}`", self.place(from), self.place(to));
        self.wait(doing, self.store.copy(&source, &target))
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), SinkError> {
        let object = self.path(path)?;
        let doing = || format!("cannot remove `{}`", self.place(path));
        self.wait(doing, async {
            match self.store.delete(&object).await {
                Err(Error::NotFound { .. }) => Ok(()),
                deleted => deleted,
            }
        })
    }

    fn list(&mut self) -> Result<BTreeMap<String, u64>, SinkError> {
        let doing = || format!("cannot list `{}`", self.place(""));
        let objects: Vec<_> =
            self.wait(doing, self.store.list(Some(&self.prefix)).try_collect())?;
        let files = objects.iter().filter_map(|object| {
            let names = object.location.prefix_match(&self.prefix)?;
            let names: Vec<_> = names.map(|name| name.as_ref().to_owned()).collect();
            Some((names.join("/"), object.size))
        });
        Ok(files.collect())
    }

    fn place(&self, path: &str) -> String {
        format!("{}/{}/{path}", self.store, self.prefix)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // Runtimes cannot be dropped on threads of others without this.
        if let Some(runtime) = self.runtime.take().and_then(Arc::into_inner) {
            runtime.shutdown_background();
        }
    }
}

/// The object of this path below a prefix.
fn below(prefix: &Path, path: &str) -> Result<Path, SinkError> {
    let whole = match prefix.is_root() {
        true => path.to_owned(),
        false => format!("{prefix}/{path}"),
    };
    Path::parse(&whole).map_err(|error| {
        SinkError::lasting(format!("no object can have the name `{whole}`")).because(error)
    })
}
