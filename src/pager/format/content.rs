//! [pure] Compares the items of pages, ignoring everything else in them.

use serde::{Deserialize, de::IgnoredAny};

use super::items::ItemList;

/// Whether two pages hold the same list of items.
pub(in crate::pager) fn same_items(one: &ItemList, other: &ItemList) -> bool {
    if *one.text == *other.text {
        return true;
    }
    if let (Some(one), Some(other)) = (one.text_of_items(), other.text_of_items())
        && differ_in_the_first(one, other)
    {
        return false;
    }
    let (mut one, mut other) = (one.texts(), other.texts());
    loop {
        match (one.next(), other.next()) {
            (Some(Ok(one)), Some(Ok(other))) if one == other => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Whether two lists, from their first items on, differ before the first item ends, as those of
/// well-behaved pages do, without reading further.
fn differ_in_the_first(one: &str, other: &str) -> bool {
    let bytes = one.as_bytes().iter().zip(other.as_bytes());
    let common = bytes.take_while(|(one, other)| one == other).count();
    let mut json = serde_json::Deserializer::from_slice(&one.as_bytes()[..common]);
    IgnoredAny::deserialize(&mut json).is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::{pager::envelope::Envelope, response::Response};

    // Allows a literal to be given.
    #[allow(clippy::needless_pass_by_value)]
    fn same(one: impl ToString, other: impl ToString) -> bool {
        let list = |body: String| {
            ItemList::of(&Envelope::default(), &Response::new(StatusCode::OK, body)).unwrap()
        };
        same_items(&list(one.to_string()), &list(other.to_string()))
    }

    #[test]
    fn pages_with_the_same_items_are_recognised_whatever_their_page_number() {
        let body = |page: u32, id: u32| json!({ "data": [{ "id": id }], "page": page });
        assert!(same(body(1, 7), body(1, 7)));
        assert!(same(body(9, 7), body(10, 7)));
        assert!(!same(body(1, 7), body(1, 8)));
        let long = |id: u32| json!([id, "x".repeat(5000), id]);
        assert!(!same(long(7), long(8)));
        assert!(same(long(7), long(7)));
    }

    #[test]
    fn lists_are_the_same_item_by_item_up_to_their_end() {
        for (one, other) in [
            ("[]", r#"{"data":[]}"#),
            ("[1,2]", "[ 1 , 2 ]"),
            (r#"{"page":1,"data":["é",{}]}"#, r#"{"page":2,"data":["é",{}]}"#),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("[]", "[1]"),
            ("[1]", "[12]"),
            ("[1]", "[1,2]"),
            ("[1,2]", "[1,3]"),
            ("[1", "[1]"),
            ("[\"é\"]", "[\"è\"]"),
            ("[{\"a\":1}]", "[{\"a\":1,\"b\":2}]"),
        ] {
            assert!(!same(one, other) && !same(other, one), "{one} {other}");
        }
    }
}
