//! What is refused when a component is opened, before there is any request.

use std::fs;

use vantage_api_extract::{Extraction, Settings, Wasm};

use crate::{
    guests::{ANY, LINES, PLAIN_WITH_NEXT, TEXTS, lines, made, one_item, text},
    opened, refusable,
};

/// What wasmtime makes of the interface in the tree.
#[allow(unreachable_pub)]
mod bindings {
    wasmtime::component::bindgen!({ path: "wit", world: "extraction" });
}

/// The components here, which the extractor reads, are as the interface in the tree says.
#[test]
fn the_interface_is_the_one_in_the_tree() {
    let engine = wasmtime::Engine::default();
    let component = wasmtime::component::Component::new(&engine, lines()).unwrap();
    let mut store = wasmtime::Store::new(&engine, ());
    let linker = wasmtime::component::Linker::new(&engine);
    let component = bindings::Extraction::instantiate(&mut store, &component, &linker).unwrap();
    let guest = component.vantage_extract_extractor();
    assert!(!guest.call_describe(&mut store).unwrap().names_next);
    let page = bindings::exports::vantage::extract::extractor::Page {
        body: bindings::exports::vantage::extract::extractor::Body::Bytes(b"a\nb".to_vec()),
        content_type: None,
        url: Some("http://h/".to_owned()),
        index: 7,
    };
    let extracted = guest.call_extract(&mut store, &page).unwrap().unwrap();
    assert_eq!(extracted.items, [r#"{"line":"a"}"#, r#"{"line":"b"}"#]);
}

#[test]
fn a_component_that_imports_anything_is_refused_by_its_name() {
    let imports = [
        ("wasi:cli/stdout@0.2.0", r#"(instance (export "get" (func)))"#),
        ("wasi:clocks/monotonic-clock@0.2.0", r#"(instance (export "now" (func (result u64))))"#),
        ("log", "(func)"),
        ("plain-type", "(type (sub resource))"),
    ];
    let own = text(ANY, LINES, TEXTS);
    for (name, kind) in imports {
        let import = format!(r#"(component (import "{name}" {kind})"#);
        let error = refusable(made(&own.replacen("(component", &import, 1))).unwrap_err();
        let named =
            format!("wasm test.wasm: it imports `{name}`, and an extractor imports nothing");
        assert_eq!(error, named);
    }
}

// tessi/wasmex#600, extism/extism#801: what is wrong is told before anything is linked.
#[test]
fn what_is_no_component_is_told_from_what_is_broken() {
    let whole = lines();
    let mut cut = whole.clone();
    cut.truncate(whole.len() / 2);
    for (bytes, words) in [
        (Vec::new(), "not in the binary format of WebAssembly"),
        (b"<html>".to_vec(), "not in the binary format of WebAssembly"),
        (text(ANY, LINES, TEXTS).into_bytes(), "binary format"),
        (made("(module)"), "core module"),
        (b"\0asm\x02\0\0\0".to_vec(), "another version"),
        (cut, "not a valid component"),
        (made("(component)"), "does not export `vantage:extract/extractor@1.0.0`"),
        // Of another major version.
        (
            made(&text(ANY, LINES, TEXTS).replace("extractor@1.0.0", "extractor@2.0.0")),
            "does not export",
        ),
    ] {
        let error = refusable(bytes).unwrap_err();
        assert!(error.starts_with("wasm test.wasm: ") && error.contains(words), "{error}");
    }
}

// zeroclaw-labs/zeroclaw#10505: a component of another version of the interface.
#[test]
fn an_interface_that_differs_is_refused() {
    let own = text(ANY, LINES, TEXTS);
    for (part, other, words) in [
        (r#"(field "index" u64)"#, r#"(field "index" s64)"#, "`extract`"),
        (r#"(field "names-next" bool)"#, r#"(field "next" bool)"#, "`describe`"),
        (r#""as-sent" "text""#, r#""as-sent" "utf16""#, "`describe`"),
        (r#"(export "extract" (func $extract))"#, "", "does not export `extract`"),
    ] {
        assert!(own.contains(part), "{part}");
        let error = refusable(made(&own.replace(part, other))).unwrap_err();
        assert!(error.contains(words), "{part}: {error}");
    }
}

#[test]
fn what_fails_before_it_has_described_itself_is_refused() {
    let trap = text(ANY, LINES, "(func $trap unreachable) (start $trap)");
    let shared = text(ANY, LINES, "(memory $shared 1 1 shared)");
    let long = text(
        "(i32.store (i32.const 1100) (i32.const 0)) (i32.store (i32.const 1104) (i32.const 8000))
         (i32.const 1100)",
        LINES,
        TEXTS,
    );
    for (component, words) in [
        (trap, "`unreachable`"),
        (text("unreachable", LINES, TEXTS), "`unreachable`"),
        (text("(i32.const -4)", LINES, TEXTS), "out of bounds"),
        // Waiting on shared memory would hold a thread up.
        (shared, "not a valid component"),
        (long, "exhausted"),
    ] {
        let error = refusable(made(&component)).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
    let small = Wasm::from_bytes("small.wasm", lines()).memory(65_535).build().unwrap_err();
    let words = "wasm small.wasm: it exceeds the limit `wasm_memory` (65535 bytes)";
    assert!(small.to_string().starts_with(words), "{small}");
    let none = Wasm::from_bytes("none.wasm", lines()).memory(0).build().unwrap_err();
    assert!(none.to_string().contains("above zero"), "{none}");
}

#[test]
fn a_file_is_opened_by_settings_and_one_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.wasm");
    fs::write(&file, lines()).unwrap();
    let built = |settings: serde_json::Value| -> Result<Extraction, String> {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        settings.build().map_err(|error| error.to_string())
    };
    for wasm in [
        serde_json::json!(file),
        serde_json::json!({ "file": file }),
        serde_json::json!({ "file": file, "memory": 1 << 20 }),
    ] {
        let lines = built(serde_json::json!({ "wasm": wasm, "empty": "any" })).unwrap();
        assert_eq!(lines.page(b"a", None, None).unwrap(), r#"{"data":[{"line":"a"}]}"#);
    }
    let small = serde_json::json!({ "wasm": { "file": file, "memory": 7 } });
    assert!(built(small).unwrap_err().contains("wasm lines.wasm: it exceeds the limit"));
    for path in [folder.path().join("none.wasm"), folder.path().to_owned()] {
        let error = built(serde_json::json!({ "wasm": path })).unwrap_err();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn reads_are_resumed_only_with_the_same_code() {
    let identity = |component| {
        let extraction = opened(component);
        vantage_api_pool::paging::Extractor::identity(&extraction)
    };
    assert_eq!(identity(lines()), identity(lines()));
    assert_ne!(identity(lines()), identity(one_item("", "")));
    assert_ne!(identity(lines()), identity(made(&text(PLAIN_WITH_NEXT, LINES, TEXTS))));
}
