//! [pure] Reads the `pagination` object of a page in place.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    pager::facts::{Fact, HINTS, PageInfo, Remarks},
    path::Key,
};

/// The object, whose content goes into the page info. Any other value in its place is ignored.
pub(super) struct Pagination<'a>(pub(super) &'a mut PageInfo);

/// Reads a value of the object, if possible.
pub(super) fn take_hint(info: &mut PageInfo, fact: Fact, text: &str) {
    match fact.read(text) {
        Ok(said) => info.take(fact, said),
        Err(_) => info.remarks.add(Remarks::UNREADABLE),
    }
}

impl<'de> DeserializeSeed<'de> for Pagination<'_> {
    type Value = ();

    fn deserialize<I: Deserializer<'de>>(self, input: I) -> Result<(), I::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pagination<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<(), S::Error> {
        IgnoredAny.visit_seq(seq).map(drop)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut texts: [Option<&str>; HINTS.len()] = [None; HINTS.len()];
        while let Some(Key(key)) = map.next_key()? {
            let mut known = HINTS.into_iter().zip(&mut texts);
            let Some(((_, fact), place)) = known.find(|((name, _), _)| *name == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let text = map.next_value::<&RawValue>()?.get();
            let earlier = place.replace(text).filter(|earlier| *earlier != text);
            if let Some(earlier) = earlier {
                self.0.remarks.add(Remarks::TWICE);
                // A value that says that more follow wins.
                if fact.read(earlier).ok() > fact.read(text).ok() {
                    *place = Some(earlier);
                }
            }
        }
        for ((_, fact), text) in HINTS.into_iter().zip(texts) {
            if let Some(text) = text {
                take_hint(self.0, fact, text);
            }
        }
        Ok(())
    }
}
