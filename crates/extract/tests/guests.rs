//! The example extractors in `guests/`, which `guests/run` builds, on pages of the demo API's form.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{env, fs, path::PathBuf, time::Duration};

use vantage_api_extract::{ExtractError, Limits, Wasm};

#[test]
fn each_reads_lines_and_says_what_it_does_not_read() {
    let folder = env::var_os("VAP_GUESTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| panic!("to be run by `guests/run`"));
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let guests: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|kind| kind == "wasm")).collect();
    assert!(!guests.is_empty());
    // The code is compiled by a compiler that was built for debugging.
    let patient = Limits::default().time(Duration::from_secs(60));
    for guest in guests {
        let words = Wasm::from_file(&guest).build().unwrap().limits(patient).unwrap();
        let shown = guest.display();
        let text = "1 | name=Ghana | population=31\n2 | name=Åland \"x\" | population=30\n\n";
        let rows = r#"{"name":"Ghana","population":31},{"name":"Åland \"x\"","population":30}"#;
        for _ in 0..3 {
            let page = words.page(text.as_bytes(), Some("text/plain"), None).unwrap();
            assert_eq!(page, format!(r#"{{"data":[{rows}]}}"#), "{shown}");
        }
        let error = words.page(b"other", Some("text/plain"), None).unwrap_err();
        let ExtractError::Guest { reason, .. } = &error else { panic!("{shown}: {error:?}") };
        assert_eq!(reason, "it says `other-line`", "{shown}");
        let error = words.page(b"<a>", Some("application/xml"), None).unwrap_err();
        assert!(matches!(error, ExtractError::ContentType { .. }), "{shown}: {error:?}");
    }
}
