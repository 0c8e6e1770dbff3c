//! What is made of the code of a component, and the latest of those, by the digest of the code:
//! tables that have the same file share one.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use ring::digest::{SHA256, digest};
use wasmtime::component::{Component, InstancePre, Linker};

use super::{engine::Runtime, guest::State};

/// How many are kept, besides those that an extractor holds.
const KEPT: usize = 8;
/// How many imports an error names.
const NAMED: usize = 5;

/// The start of any WebAssembly, of a component and of a core module.
const MAGIC: &[u8] = b"\0asm";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A component that imports nothing, compiled.
pub(super) struct Compiled {
    /// SHA-256 of its file, in hexadecimal.
    pub(super) digest: String,
    pub(super) runtime: Runtime,
    pub(super) instances: InstancePre<State>,
}

/// The latest, the very latest first.
struct Latest(Mutex<Vec<Arc<Compiled>>>);

impl Latest {
    const fn none() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn of(&self, bytes: &[u8]) -> Result<Arc<Compiled>, String> {
        let digest = hexadecimal(digest(&SHA256, bytes).as_ref());
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = latest.iter().position(|other| other.digest == digest);
        let compiled = match known {
            Some(at) => latest.remove(at),
            None => Arc::new(Compiled::new(bytes, digest)?),
        };
        latest.insert(0, Arc::clone(&compiled));
        latest.truncate(KEPT);
        Ok(compiled)
    }
}

impl Compiled {
    /// One of the latest, or a new one. One is compiled at a time, since that may take hundreds of
    /// megabytes.
    ///
    /// # Errors
    /// Why it is not a component that imports nothing.
    pub(super) fn of(bytes: &[u8]) -> Result<Arc<Self>, String> {
        static LATEST: Latest = Latest::none();
        LATEST.of(bytes)
    }

    fn new(bytes: &[u8], digest: String) -> Result<Self, String> {
        check_start(bytes)?;
        let runtime = Runtime::shared()?;
        let invalid = |error: wasmtime::Error| format!("it is not a valid component: {error:#}");
        let component = Component::from_binary(&runtime.engine, bytes).map_err(invalid)?;
        let kind = component.component_type();
        let imports: Vec<_> = kind.imports(&runtime.engine).map(|(name, _)| name).collect();
        if !imports.is_empty() {
            return Err(refusal(&imports));
        }
        let instances = Linker::new(&runtime.engine).instantiate_pre(&component);
        Ok(Self { digest, runtime, instances: instances.map_err(invalid)? })
    }
}

fn check_start(bytes: &[u8]) -> Result<(), String> {
    let reason = match bytes {
        _ if bytes.starts_with(COMPONENT) => return Ok(()),
        _ if bytes.starts_with(MODULE) => {
            "it is a core module; `wasm-tools component new` makes a component of one"
        }
        _ if bytes.starts_with(MAGIC) => "it is WebAssembly of another version",
        _ => "it is not in the binary format of WebAssembly",
    };
    Err(reason.to_owned())
}

fn refusal(imports: &[&str]) -> String {
    let mut refusal = "it imports ".to_owned();
    for (at, name) in imports.iter().take(NAMED).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let _ = write!(refusal, "{comma}`{}`", name.escape_debug());
    }
    match imports.len().saturating_sub(NAMED) {
        0 => {}
        more => {
            let _ = write!(refusal, " and {more} more");
        }
    }
    refusal + ", and an extractor imports nothing"
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_no_more() {
        let latest = Latest::none();
        let numbered = |number: usize| {
            let text = format!(r#"(component (core module (func (export "{number}"))))"#);
            latest.of(&wat::parse_str(text).unwrap()).unwrap()
        };
        let first = numbered(0);
        for number in 1..KEPT {
            numbered(number);
        }
        assert!(Arc::ptr_eq(&first, &numbered(0)));
        for number in 1..=KEPT {
            numbered(number);
        }
        assert!(!Arc::ptr_eq(&first, &numbered(0)));
    }

    #[test]
    fn imports_are_named_up_to_a_bound() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        assert!(refusal(&names[..2]).contains("`a`, `b`, and an"), "{}", refusal(&names[..2]));
        assert!(refusal(&names).contains("`e` and 2 more"), "{}", refusal(&names));
    }
}
