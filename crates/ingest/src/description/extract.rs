//! [pure] `extract` among the settings of a table: what makes items of pages that are not JSON.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor,
        value::{MapAccessDeserializer, StringDeserializer},
    },
};
use vantage_api_extract::{Extracted, Extraction, Settings};
use vantage_api_pool::{Paging, vantage::ApiTable};

use super::file::Node;

/// Lets the files of WebAssembly components be relative to the folder of the description.
pub(super) fn look_in(folder: &Path, root: &mut Node) {
    let tables = root.get_mut("tables").map(Node::items_mut).unwrap_or_default();
    for table in tables {
        let extract = table.get_mut("api").and_then(|api| api.get_mut("extract"));
        let wasm = extract.and_then(|extract| extract.get_mut("wasm"));
        let file = wasm.and_then(|wasm| match wasm.text_mut().is_some() {
            true => wasm.text_mut(),
            false => wasm.get_mut("file").and_then(Node::text_mut),
        });
        if let Some(file) = file {
            *file = folder.join(&*file).to_string_lossy().into_owned();
        }
    }
}

/// An [`ApiTable`] as data, which may have an extractor besides.
pub(super) fn api<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiTable, D::Error> {
    deserializer.deserialize_map(ApiVisitor)
}

struct ApiVisitor;

impl<'de> Visitor<'de> for ApiVisitor {
    type Value = ApiTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of the settings of a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ApiTable, A::Error> {
        let mut found = Found::default();
        let rest = WithoutExtract { map, found: &mut found };
        let table = ApiTable::deserialize(MapAccessDeserializer::new(rest))?;
        let Some(extraction) = found.extraction else { return Ok(table) };
        if found.has_envelope {
            return Err(A::Error::custom("`extract` makes the page, so there is no `envelope`"));
        }
        // What is set by name takes precedence over following the next page.
        Ok(match (found.has_paging, extraction.paging()) {
            (true, _) => table.envelope(extraction.envelope()),
            (false, Some(_)) => table.extract(&extraction),
            (false, None) => table.extract(&extraction).paging(Paging::none()),
        })
    }
}

#[derive(Default)]
struct Found {
    extraction: Option<Extraction>,
    has_envelope: bool,
    has_paging: bool,
}

/// The map without its extractor, which is read on the way.
struct WithoutExtract<'f, A> {
    map: A,
    found: &'f mut Found,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutExtract<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            match key.as_str() {
                "extract" => {
                    self.found.extraction = Some(self.map.next_value_seed(Built)?);
                    continue;
                }
                "envelope" => self.found.has_envelope = true,
                "paging" => self.found.has_paging = true,
                _ => {}
            }
            let key: StringDeserializer<A::Error> = key.into_deserializer();
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Reads and builds an extractor, so that what is wrong with it has its place.
struct Built;

impl<'de> DeserializeSeed<'de> for Built {
    type Value = Extraction;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Extraction, D::Error> {
        Settings::deserialize(deserializer)?.build().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reader;

    fn read(api: &str) -> Result<String, String> {
        let yaml = format!("api: {{ base_url: http://h }}\ntables:\n  - name: t\n    api:\n{api}");
        let description = Reader::new().read_yaml(&yaml).map_err(|error| error.to_string())?;
        Ok(format!("{:?}", description.tables[0].settings()))
    }

    #[test]
    fn an_extractor_makes_the_page_and_names_how_it_pages() {
        let rows = "      endpoint: rows.html\n      extract:\n        css:\n          items: tr\n\
                    \x20         fields: { a: td.a }\n          next: a.next\n";
        let shown = read(rows).unwrap();
        assert!(shown.contains("Extraction") && shown.contains("rows.html"), "{shown}");
        assert!(shown.contains("NextUrl"), "{shown}");
        let numbered = read(&format!("{rows}      paging: {{ by: page }}\n")).unwrap();
        assert!(!numbered.contains("NextUrl"), "{numbered}");
    }

    #[test]
    fn what_names_no_next_page_is_one_page() {
        for extract in
            ["{ lines: {} }", "{ csv: {} }", "{ xml: { items: /a/b, fields: { c: c } } }"]
        {
            let rows = format!("      extract: {extract}\n");
            let shown = read(&rows).unwrap();
            assert!(shown.contains("mode: None") && !shown.contains("NextUrl"), "{shown}");
            let numbered = read(&format!("{rows}      paging: {{ by: page }}\n")).unwrap();
            assert!(!numbered.contains("mode: None"), "{numbered}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (api, words) in [
            ("      extract: { css: { items: a + b, fields: { a: b } } }\n", "a + b"),
            ("      extract: { lines: {} }\n      envelope: { items: a }\n", "`envelope`"),
            ("      extract: { lines: {}, limit: 7 }\n", "limit"),
            ("      extract: {}\n", "one of css"),
            ("      extract: { wasm: no/such.wasm }\n", "such.wasm"),
            ("      extract: { lines: {} }\n      pagin: 7\n", "pagin"),
        ] {
            let error = read(api).unwrap_err();
            assert!(error.contains(words) && error.contains("tables[0].api"), "{error}");
        }
    }
}
