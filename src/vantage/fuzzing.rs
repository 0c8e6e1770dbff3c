//! What must hold for any table description and any cursor from outside: it is read or refused, in
//! time bounded by its length, and no unsigned cursor is accepted.

use ciborium::Value;

use super::{PoolApi, cursor::position_of};
use crate::{
    pager::{Envelope, Paging, ReadIdentity},
    pool::AwwPool,
    signer::Signer,
};

/// Reads `text` as the YAML of tables, and builds each of them.
pub fn yaml(text: &str) {
    let api = PoolApi::new(AwwPool::new(1, None, false, "http://localhost/v1"));
    let Ok(factory) = api.vista_factory().with_yaml(text) else { return };
    for model in factory.models() {
        let _ = factory.build(model);
    }
}

/// Reads `bytes`, in CBOR, as the cursor of a Vista.
///
/// # Panics
/// If an unsigned cursor is accepted.
pub fn cursor(bytes: &[u8]) {
    let Ok(value) = ciborium::from_reader::<Value, _>(bytes) else { return };
    let own = ReadIdentity::of("/rows", &Paging::default(), &Envelope::default());
    let place = position_of(&value, &own, &Signer::of_this_process());
    assert!(place.is_err(), "nobody has signed it");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_description_is_read_or_refused(
            lines in prop::collection::vec(
                prop::sample::select(vec![
                    "name: rows", "columns:", "  id: { type: int, flags: [id] }", "  n: { path: a.b }",
                    "api:", "  endpoint: rows", "  paging: { by: cursor, param: c, next: n }",
                    "  paging:", "    by: next_url", "    next: n", "  envelope: { items: '' }",
                    "  writes: { style: rest }", "---", "- x", "a: &a [*a]", "references:",
                ]),
                0..9,
            ),
        ) {
            super::yaml(&lines.join("\n"));
        }

        #[test]
        fn a_cursor_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            super::cursor(&bytes);
        }
    }
}
