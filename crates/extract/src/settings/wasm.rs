//! [pure] A component as data: its file, or a map of it and its memory.

use std::{fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{error::ExtractError, extraction::Extraction};

#[derive(Clone, Debug)]
pub(super) struct WasmData {
    file: PathBuf,
    #[cfg_attr(not(feature = "wasm"), expect(dead_code, reason = "it is read, and not used"))]
    memory: Option<usize>,
}

impl WasmData {
    #[cfg(feature = "wasm")]
    pub(super) fn build(self) -> Result<Extraction, ExtractError> {
        let wasm = crate::wasm::Wasm::from_file(self.file);
        match self.memory {
            Some(memory) => wasm.memory(memory),
            None => wasm,
        }
        .build()
    }

    #[cfg(not(feature = "wasm"))]
    pub(super) fn build(self) -> Result<Extraction, ExtractError> {
        let reason = "this program is built without the feature `wasm`";
        Err(ExtractError::setting(format!("wasm {}", self.file.display()), reason))
    }
}

impl<'de> Deserialize<'de> for WasmData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    file: PathBuf,
    memory: Option<usize>,
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = WasmData;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file of a component, or a map of `file` and `memory`")
    }

    fn visit_str<E: Error>(self, file: &str) -> Result<WasmData, E> {
        Ok(WasmData { file: file.into(), memory: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WasmData, A::Error> {
        let Map { file, memory } = Map::deserialize(MapAccessDeserializer::new(map))?;
        Ok(WasmData { file, memory })
    }
}
