//! An object store in which something happens at the worst moment.

use std::{
    fmt,
    sync::{Arc, Mutex},
    thread,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    memory::InMemory, path::Path,
};

type Event = Box<dyn FnOnce() + Send>;

/// What becomes of the next put on a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The store does not do it.
    Unavailable,
    /// The store does it, and the answer is lost.
    AnswerLost,
    /// The store does it, the answer is lost, and the client repeats it.
    Repeated,
}

/// A store with such moments.
#[derive(Default)]
pub(crate) struct Meddler {
    inner: Arc<InMemory>,
    before_list: Mutex<Option<Event>>,
    fault: Mutex<Option<Fault>>,
}

impl Meddler {
    pub(crate) fn new(inner: &Arc<InMemory>) -> Self {
        Self { inner: Arc::clone(inner), ..Self::default() }
    }

    /// Lets something happen before the store is listed the next time.
    pub(crate) fn before_list(&self, event: impl FnOnce() + Send + 'static) {
        *self.before_list.lock().unwrap() = Some(Box::new(event));
    }

    pub(crate) fn fail_next_put(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }
}

fn unavailable() -> Error {
    Error::Generic { store: "Meddler", source: "503".into() }
}

#[async_trait]
impl ObjectStore for Meddler {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let is_conditional = opts.mode != PutMode::Overwrite;
        let fault = if is_conditional { self.fault.lock().unwrap().take() } else { None };
        let put = || self.inner.put_opts(location, payload.clone(), opts.clone());
        match fault {
            Some(Fault::Unavailable) => Err(unavailable()),
            Some(Fault::AnswerLost) => put().await.and(Err(unavailable())),
            Some(Fault::Repeated) => {
                put().await?;
                put().await
            }
            None => put().await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Some(event) = self.before_list.lock().unwrap().take() {
            thread::spawn(event).join().unwrap();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meddler").finish_non_exhaustive()
    }
}

impl fmt::Display for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddler")
    }
}
