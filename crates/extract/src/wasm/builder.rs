//! How a component becomes an extractor: it is read, compiled and asked what it reads, before
//! anything is requested.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    compiled::Compiled,
    guest::{Allowance, Description, Encoding, Fault, Guest, Page, PageBody},
};
use crate::{
    error::ExtractError,
    extract::{Body, Extract},
    extraction::Extraction,
    items::Items,
    limits::{Budget, Limits},
};

/// The memory of a component, unless something else is set.
const MEMORY: usize = 64 << 20;
/// The most bytes of a file.
const FILE: u64 = 256 << 20;
/// How long a component may take to say what it reads.
const OPENING: Duration = Duration::from_secs(30);
/// The most bytes of that.
const DESCRIPTION: usize = 64 << 10;
/// The most characters of the reason of an error.
const REASON: usize = 64;

/// Items of any body, by an extractor that is a WebAssembly component: a file that exports the
/// interface `vantage:extract/extractor`, which is in `wit/extract.wit`. It may be written in any
/// language that compiles to one; `guests/` has one in Rust and one in JavaScript.
///
/// A component imports nothing, so it reaches neither files nor the network nor the clock. Each
/// page has an instance of its own: nothing that one page leaves behind reaches another. The
/// compiled code is shared by all that open the same file.
///
/// | limit | default |
/// |---|---|
/// | [`memory`](Self::memory) | 64 MiB for one instance, with the copy of the body that it is given |
/// | [`Limits::time`] | 2 s; it is held to within 10 ms |
/// | [`Limits::memory`] | 16 MiB that it gives back |
/// | [`Limits::items`], [`Limits::item_bytes`] | as of every kind |
///
/// As many instances run as there are [threads](crate::ExtractorThreads). A component that traps,
/// or gives back what is not JSON, costs the page that it was called with, whose error is an
/// [`ExtractError::Guest`] with the name of its file.
///
/// Components are compiled when they are opened, which takes milliseconds for most, and many
/// seconds for one that has a whole JavaScript engine in it.
///
/// ```no_run
/// use vantage_api_extract::{Extracted, Wasm};
/// use vantage_api_pool::AwwPool;
///
/// # fn demo(pool: AwwPool) -> Result<(), vantage_api_extract::ExtractError> {
/// let words = Wasm::from_file("words.wasm").memory(16 << 20).build()?;
/// let stream = pool.stream("/countries.txt").extract(&words);
/// # let _ = stream;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Wasm {
    source: Source,
    memory: usize,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Bytes { name: String, bytes: Bytes },
}

impl Wasm {
    /// The component in this file. A path may be relative to the working directory of the program;
    /// in the description of a job it is relative to the folder of that.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self { source: Source::File(path.into()), memory: MEMORY }
    }

    /// A component in its binary format. Errors tell it by this name.
    pub fn from_bytes(name: impl Into<String>, component: impl Into<Bytes>) -> Self {
        let source = Source::Bytes { name: name.into(), bytes: component.into() };
        Self { source, memory: MEMORY }
    }

    /// The bytes of memory that an instance may have, in all its memories and tables: 64 MiB by
    /// default. One that wants more is stopped, with the limit `wasm_memory`.
    pub fn memory(mut self, most: usize) -> Self {
        self.memory = most;
        self
    }

    /// The extractor. It compiles the component, if none with the same code was opened lately, and
    /// asks it what it reads.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for a file that cannot be read, or is larger than 256 MiB; for what
    /// is no valid component, imports something (which it names), or does not export the interface;
    /// for one that traps or exceeds its memory before it has said what it reads; and for no memory.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        let name = self.name();
        let refused = |reason: String| ExtractError::setting(format!("wasm {name}"), reason);
        if self.memory == 0 {
            return Err(refused("`memory` is above zero".to_owned()));
        }
        let bytes = match self.source {
            Source::File(path) => read(&path).map_err(refused)?,
            Source::Bytes { bytes, .. } => bytes,
        };
        let compiled = Compiled::of(&bytes).map_err(refused)?;
        let limits = Limits::default().time(OPENING);
        let budget = Budget::begin(limits, Instant::now(), Arc::default());
        let allowance = Allowance { memory: self.memory, given_back: DESCRIPTION };
        let described = Guest::new(&compiled, allowance, budget).and_then(Guest::describe);
        let described = described.map_err(|fault| match fault {
            Fault::Page(ExtractError::Limit { limit, allowed }) => {
                refused(format!("it exceeds the limit `{limit}` ({allowed}) when it is opened"))
            }
            Fault::Page(error) => refused(error.to_string()),
            Fault::Guest(reason) => refused(reason),
        })?;
        let Description { content_types, encoding, names_next } = described;
        let component = Component { name, compiled, memory: self.memory, encoding, names_next };
        let extraction = Extraction::new(component);
        Ok(match content_types.is_empty() {
            true => extraction,
            false => extraction.content_types(content_types),
        })
    }

    fn name(&self) -> String {
        match &self.source {
            Source::File(path) => {
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
            Source::Bytes { name, .. } => name.clone(),
        }
    }
}

impl fmt::Debug for Wasm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wasm").field("name", &self.name()).field("memory", &self.memory).finish()
    }
}

fn read(path: &Path) -> Result<Bytes, String> {
    let unread = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    // Before it is opened, which would wait for the writer of a pipe.
    if !std::fs::metadata(path).map_err(unread)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let file = File::open(path).map_err(unread)?;
    let mut bytes = Vec::new();
    file.take(FILE + 1).read_to_end(&mut bytes).map_err(unread)?;
    match bytes.len() as u64 > FILE {
        true => Err(format!("{} is larger than {} MiB", path.display(), FILE >> 20)),
        false => Ok(bytes.into()),
    }
}

struct Component {
    name: String,
    compiled: Arc<Compiled>,
    memory: usize,
    encoding: Encoding,
    names_next: bool,
}

impl Component {
    fn failed(&self, body: &Body<'_>, reason: impl Into<String>) -> ExtractError {
        let (extractor, page) = (self.name.clone(), body.index() + 1);
        ExtractError::Guest { extractor, page, reason: reason.into() }
    }
}

impl Extract for Component {
    fn identity(&self) -> String {
        format!("wasm sha256={}", self.compiled.digest)
    }

    fn items_by(&self) -> String {
        format!("what `{}` looks for", self.name)
    }

    fn names_next(&self) -> bool {
        self.names_next
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        let handed_over = match self.encoding {
            Encoding::AsSent => PageBody::Bytes(body.bytes()),
            Encoding::Text => PageBody::Text(body.text()?),
        };
        let (content_type, url, index) = (body.content_type(), body.url(), body.index());
        let page = Page { body: handed_over, content_type, url, index };
        let allowance = Allowance { memory: self.memory, given_back: items.limits().memory };
        let guest = Guest::new(&self.compiled, allowance, items.budget());
        let extracted =
            guest.and_then(|guest| guest.extract(page)).map_err(|fault| match fault {
                Fault::Page(error) => error,
                Fault::Guest(reason) => self.failed(body, reason),
            })?;
        let extracted = extracted.map_err(|reason| self.failed(body, shown(&reason)))?;
        for item in extracted.items {
            items.json(&item)?;
        }
        match (self.names_next, extracted.next) {
            (true, next) => items.next(next),
            (false, None) => {}
            (false, Some(_)) => {
                let reason = "it gives a next URL, and has described itself as one that does not";
                return Err(self.failed(body, reason));
            }
        }
        if let Some(total) = extracted.total {
            items.total(total);
        }
        Ok(())
    }
}

/// What an error may say of the reason that a component gives.
fn shown(reason: &str) -> String {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !reason.is_empty() && reason.len() <= REASON && reason.chars().all(is_word) {
        true => format!("it says `{reason}`"),
        false => "it gives a reason that is not one word, and is not shown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_is_shown_of_a_reason() {
        assert_eq!(shown("no-table-2"), "it says `no-table-2`");
        for hidden in ["", "the page says: secret", "No", "a\nb", &"a".repeat(REASON + 1)] {
            assert!(shown(hidden).contains("not shown"), "{hidden}");
        }
    }
}
