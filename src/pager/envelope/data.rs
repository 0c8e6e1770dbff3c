//! [pure] An envelope as data, for YAML and the like.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize, Serializer, ser::Error};

use super::{Envelope, Fact, Location};
use crate::path::Path;

/// What the data form of an envelope may contain.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    items: Option<String>,
    or_bare_array: bool,
    ndjson: bool,
    pagination: Option<String>,
    no_content_is_empty: bool,
    null_is_empty: bool,
    lossy_text: bool,
    /// Paths by the fact they are for, and names of header fields.
    #[serde(flatten)]
    places: IndexMap<String, String>,
}

const FACTS: [(&str, Fact); 7] = [
    ("total", Fact::Total),
    ("total_pages", Fact::TotalPages),
    ("page", Fact::Page),
    ("page_size", Fact::PerPage),
    ("has_next", Fact::HasNext),
    ("is_last", Fact::IsLast),
    ("next_page", Fact::NextPage),
];

impl TryFrom<Data> for Envelope {
    type Error = String;

    fn try_from(data: Data) -> Result<Self, String> {
        for key in data.places.keys() {
            let name = key.strip_suffix("_header").unwrap_or(key);
            if !FACTS.iter().any(|(known, _)| *known == name) {
                return Err(format!("an envelope has no `{key}`"));
            }
        }
        let mut envelope = match (data.items.as_deref(), data.ndjson) {
            (None, true) => Self::ndjson(),
            (Some("."), false) => Self::bare_array(),
            (Some(path), false) => Self::items_at(path),
            _ => return Err("an envelope has either `items` or `ndjson`".to_owned()),
        };
        envelope.accepts_bare_array |= data.or_bare_array;
        if let Some(path) = &data.pagination {
            envelope = envelope.pagination_at(path);
        }
        if data.places.contains_key("has_next") && data.places.contains_key("is_last") {
            return Err("an envelope has either `has_next` or `is_last`".to_owned());
        }
        for (key, place) in &data.places {
            let (name, place) = match key.strip_suffix("_header") {
                Some(name) => (name, Location::header(place)),
                None => (key.as_str(), Location::Body(Path::parse(place))),
            };
            let known = FACTS.iter().find(|(known, _)| *known == name);
            let (_, fact) = known.ok_or_else(|| format!("an envelope has no `{key}`"))?;
            envelope = envelope.with(*fact, place);
        }
        Ok(envelope
            .no_content_is_empty(data.no_content_is_empty)
            .null_is_empty(data.null_is_empty)
            .lossy_text(data.lossy_text))
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.extraction.is_some() {
            return Err(S::Error::custom("an extractor has no form as data"));
        }
        Data::from(self.clone()).serialize(serializer)
    }
}

impl From<Envelope> for Data {
    fn from(envelope: Envelope) -> Self {
        let text = |path: &Path| if path.is_root() { ".".to_owned() } else { path.to_string() };
        let entry = |(fact, place): &(Fact, Location)| {
            let (name, _) = FACTS.iter().find(|(_, known)| known == fact)?;
            Some(match place {
                Location::Body(path) => ((*name).to_owned(), path.to_string()),
                Location::Header(field) => (format!("{name}_header"), field.clone()),
            })
        };
        Self {
            items: (!envelope.is_lines).then(|| text(&envelope.items)),
            or_bare_array: envelope.accepts_bare_array,
            ndjson: envelope.is_lines,
            pagination: Some(envelope.pagination.to_string()),
            no_content_is_empty: envelope.no_content_is_empty,
            null_is_empty: envelope.null_is_empty,
            lossy_text: envelope.lossy_text,
            places: envelope.named.iter().filter_map(entry).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for envelope in [
            Envelope::default(),
            Envelope::bare_array().total_in_header("X-Total"),
            Envelope::items_at("hits.hits[]._source").total_at("hits.total").is_last_at("end"),
            Envelope::ndjson().next_page_in_header("x-next").lossy_text(true),
            Envelope::items_at("rows").pagination_at("").page_size_at("size"),
        ] {
            let json = serde_json::to_string(&envelope).unwrap();
            let read: Envelope = serde_json::from_str(&json).unwrap();
            assert_eq!(format!("{read:?}"), format!("{envelope:?}"), "{json}");
        }
    }
}
