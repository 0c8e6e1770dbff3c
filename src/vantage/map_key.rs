//! [pure] Keys of objects that are read on their way to a type.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IntoDeserializer, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};

/// Passes on a key that was already read, borrowed if it was borrowed. A key of JSON is text, and
/// may be read as a number or a boolean.
pub(super) fn read_key<'de, K: DeserializeSeed<'de>, E: Error>(
    key: &Cow<'de, str>,
    seed: K,
) -> Result<K::Value, E> {
    seed.deserialize(KeyText(key, std::marker::PhantomData))
}

struct KeyText<'k, 'de, E>(&'k Cow<'de, str>, std::marker::PhantomData<E>);

impl<'de, E: Error> KeyText<'_, 'de, E> {
    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Cow::Borrowed(key) => BorrowedStrDeserializer::<E>::new(key).deserialize_any(visitor),
            Cow::Owned(key) => visitor.visit_str(key),
        }
    }

    fn parsed<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        if let Ok(number) = self.0.parse::<u64>() {
            return visitor.visit_u64(number);
        }
        if let Ok(number) = self.0.parse::<i64>() {
            return visitor.visit_i64(number);
        }
        if let Ok(number) = self.0.parse::<i128>() {
            return visitor.visit_i128(number);
        }
        match self.0.parse::<f64>() {
            Ok(number) => visitor.visit_f64(number),
            Err(_) => self.text(visitor),
        }
    }
}

macro_rules! parse {
    ($($method:ident)+) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
                self.parsed(visitor)
            }
        )+
    };
}

impl<'de, E: Error> Deserializer<'de> for KeyText<'_, 'de, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        self.text(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match &**self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => self.text(visitor),
        }
    }

    parse!(
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    );

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_enum(IntoDeserializer::<E>::into_deserializer(&**self.0))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
