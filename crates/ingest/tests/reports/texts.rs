//! Texts that are none, or look alike.

use crate::single;

// encode/django-rest-framework#6895, UKGovernmentBEIS/inspect_ai#3802
#[tokio::test]
async fn half_an_emoji_does_not_cost_its_row() {
    let rows = [
        r#"{"id": 1, "name": "cut \ud83d"}"#,
        r#"{"id": 2, "name": "whole \ud83d\ude00", "of": {"name": "cut \ud83d"}}"#,
    ];
    let setup = single::setup("id: id, ", "", &rows);
    setup.complete().await;
    assert_eq!(setup.ids("rows"), [1, 2]);
    let names: Vec<String> = setup.query("SELECT name FROM rows ORDER BY id");
    assert!(names[0].starts_with("cut "), "{names:?}");
    assert_eq!(names[1], "whole \u{1f600}");
}

// rurban/ctl#23, tlocke/zish#3
#[tokio::test]
async fn ids_that_look_alike_name_two_rows() {
    let rows = [
        r#"{"id": "caf\u00e9"}"#,
        r#"{"id": "cafe\u0301"}"#,
        r#"{"id": "CAF\u00c9"}"#,
        r#"{"id": "caf\u00e9 "}"#,
    ];
    let setup = single::setup("id: id, ", "", &rows);
    for _ in 0..2 {
        setup.complete().await;
        let ids: Vec<String> = setup.query("SELECT id FROM rows ORDER BY rowid");
        assert_eq!(ids, ["caf\u{e9}", "cafe\u{301}", "CAF\u{c9}", "caf\u{e9} "]);
    }
}
