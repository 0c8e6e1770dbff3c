//! [pure] The fields of an object in a JSON text, whose values are not built.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::response::Mismatch;

/// The key of a field, borrowed from the text if it needs no unescaping.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Calls `see` with the key and the value of each field of an object, in their order.
///
/// # Errors
/// If `json` is not an object.
pub(crate) fn each_field<'a>(
    json: &'a str,
    see: impl FnMut(Cow<'a, str>, &'a str),
) -> Result<(), Mismatch> {
    struct Fields<F>(F);

    impl<'de, F: FnMut(Cow<'de, str>, &'de str)> Visitor<'de> for Fields<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
            while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &RawValue>()? {
                self.0(key, value.get());
            }
            Ok(())
        }
    }

    Ok(serde_json::Deserializer::from_str(json).deserialize_map(Fields(see))?)
}
