//! That the header, the source and the library are one: the same functions with the same types, the
//! same codes, the same structs, and nothing else that is exported.

#![cfg(test)]

#[path = "support/source.rs"]
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    mem::{offset_of, size_of},
    path::PathBuf,
    process::Command,
};

use source::{built, member};
use vantage_pool::{CPoolStats, vap_buf, vap_completion, vap_slice};

/// The source files with their texts.
fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![member("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    sources.sort();
    sources
}

/// The types of the parameters of each function, and first that of its result.
type Functions = BTreeMap<String, Vec<String>>;

fn headers() -> String {
    let read = |name| fs::read_to_string(member(name)).unwrap();
    read("include/vantage_pool.h") + &read("include/mantis_pool.h")
}

/// Without comments, and without lines of the preprocessor.
fn code(header: &str) -> String {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").unwrap().1;
    }
    code.push_str(rest);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join(" ")
}

fn functions(code: &str) -> Functions {
    let mut functions = Functions::new();
    for declaration in code.split(';') {
        let Some((before, parameters)) = declaration.trim().rsplit_once('(') else { continue };
        let Some(parameters) = parameters.strip_suffix(')') else { continue };
        let (result, name) = split_name(before);
        if !name.starts_with("vap_") && !name.starts_with("mantis_") || before.contains("typedef") {
            continue;
        }
        let parameters = parameters.split(',').map(str::trim);
        let parameters = parameters.filter(|parameter| *parameter != "void");
        let types = parameters.map(|parameter| split_name(parameter).0);
        functions.insert(name, [result].into_iter().chain(types).collect());
    }
    functions
}

/// The type, as one way to write it, and the name after it.
fn split_name(declared: &str) -> (String, String) {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let name_at = declared.rfind(|character| !is_name(character)).map_or(0, |at| at + 1);
    let (kind, name) = declared.split_at(name_at);
    let kind = kind.replace('*', " * ").replace("ErrorSlot", "vap_error * *");
    let words = kind.split_whitespace();
    let words = words.filter(|word| !["struct", "extern", "VAP_API", "MANTIS_API"].contains(word));
    let words = words.filter(|word| !word.contains('{') && !word.contains('"'));
    let kind = words.collect::<Vec<_>>().join(" ");
    (kind.replace("unsigned char", "uint8_t"), name.to_owned())
}

#[test]
fn the_header_declares_what_cbindgen_finds_in_the_source() {
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Type,
        usize_is_size_t: true,
        no_includes: true,
        ..cbindgen::Config::default()
    };
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = sources().into_iter().fold(builder, |builder, (path, _)| builder.with_src(path));
    let mut generated = Vec::new();
    builder.generate().unwrap().write(&mut generated);
    let generated = functions(&code(&String::from_utf8(generated).unwrap()));
    let declared = functions(&code(&headers()));
    assert!(declared.len() > 60, "only {} functions were found", declared.len());
    for name in declared.keys().chain(generated.keys()).collect::<BTreeSet<_>>() {
        assert_eq!(declared.get(name), generated.get(name), "{name}: the header and the source");
    }
}

#[test]
fn the_library_exports_what_the_header_declares() {
    let library = built("libvantage_pool.so");
    let nm = Command::new("nm").args(["-D", "--defined-only"]).arg(&library).output().unwrap();
    assert!(nm.status.success());
    let symbols = String::from_utf8(nm.stdout).unwrap();
    let exported = symbols.lines().filter_map(|line| line.split(' ').nth(2));
    let exported: BTreeSet<String> = exported.map(str::to_owned).collect();
    let declared: BTreeSet<String> = functions(&code(&headers())).into_keys().collect();
    assert_eq!(exported, declared);
}

#[test]
fn the_header_has_the_codes_of_the_source() {
    let header = headers();
    let mut defined = BTreeMap::new();
    for line in header.lines() {
        let mut words = line.split_whitespace();
        if let (Some("#define"), Some(name), Some(value)) =
            (words.next(), words.next(), words.next())
            && let Ok(value) = value.trim_matches(['(', ')']).parse::<i32>()
        {
            defined.insert(name.to_owned(), value);
        }
    }
    let read = |name: &str| fs::read_to_string(member(name)).unwrap();
    let mut found = 0;
    for line in read("src/error.rs").lines() {
        if let Some((name, value)) =
            line.strip_prefix("pub(crate) const ").and_then(|line| line.split_once(": i32 = "))
        {
            let value: i32 = value.trim_end_matches(';').parse().unwrap();
            assert_eq!(defined.get(&format!("VAP_{name}")), Some(&value), "VAP_{name}");
            found += 1;
        }
    }
    let texts = [read("src/border.rs"), read("src/completion.rs")];
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some((name, value)) = line.trim().split_once(" = ")
            && let Ok(value) = value.trim_end_matches(',').parse::<i32>()
        {
            let upper = name.chars().enumerate().map(|(at, letter)| {
                let gap = if at > 0 && letter.is_uppercase() { "_" } else { "" };
                format!("{gap}{}", letter.to_ascii_uppercase())
            });
            let name = format!("VAP_{}", upper.collect::<String>());
            assert_eq!(defined.get(&name), Some(&value), "{name}");
            found += 1;
        }
    }
    assert_eq!(found, defined.keys().filter(|name| *name != "VAP_ABI").count());
    assert_eq!(defined["VAP_ABI"], vantage_pool::vap_abi_version() as i32);
}

#[test]
fn structs_lie_in_memory_as_the_header_says() {
    let mut asserted = String::from("#include \"vantage_pool.h\"\n#include \"mantis_pool.h\"\n");
    let mut assert = |what: String, is: usize| {
        asserted.push_str(&format!("_Static_assert({what} == {is}, \"{what}\");\n"));
    };
    macro_rules! layout {
        ($($type:ident { $($field:ident),* })*) => {$(
            assert(format!("sizeof({})", stringify!($type)), size_of::<$type>());
            $(assert(
                format!("offsetof({}, {})", stringify!($type), stringify!($field)),
                offset_of!($type, $field),
            );)*
        )*};
    }
    layout! {
        vap_buf { ptr, len, owner }
        vap_slice { ptr, len }
        vap_completion { tag, op, result, error, code, what }
        CPoolStats { total_connections, active_connections, idle_connections, wait_count, avg_wait_time_ms, connections_created, connections_closed, health_check_failures }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layout.c");
    fs::write(&file, asserted).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"]);
    let status = gcc.arg(member("include")).arg(file).status().unwrap();
    assert!(status.success());
}

/// Each function that C may call, with its file.
fn exported() -> Vec<(PathBuf, syn::ItemFn)> {
    let mut exported = Vec::new();
    for (path, text) in sources() {
        let file = syn::parse_file(&text).unwrap();
        for item in file.items {
            if let syn::Item::Fn(function) = item
                && function.attrs.iter().any(|attr| attr.path().is_ident("unsafe"))
            {
                exported.push((path.clone(), function));
            }
        }
    }
    exported
}

#[test]
fn each_exported_function_is_one_border() {
    let exported = exported();
    assert!(exported.len() > 60);
    for (path, function) in exported {
        let name = function.sig.ident.to_string();
        let is_c = function
            .sig
            .abi
            .as_ref()
            .is_some_and(|abi| abi.name.as_ref().is_some_and(|name| name.value() == "C"));
        let called = match function.block.stmts.as_slice() {
            [syn::Stmt::Macro(statement)] => Some(&statement.mac),
            [syn::Stmt::Expr(syn::Expr::Macro(expression), _)] => Some(&expression.mac),
            _ => None,
        };
        let is_border = called.is_some_and(|called| called.path.is_ident("border"));
        assert!(is_c && is_border, "{}: {name} is not one border!", path.display());
        let is_ours = name.starts_with("vap_") || name.starts_with("mantis_");
        assert!(is_ours && is_in_documents(&name), "{name} is in no document");
    }
}

fn is_in_documents(name: &str) -> bool {
    headers().contains(&format!("{name}("))
}

#[test]
fn the_pages_show_what_the_examples_have() {
    let read = |name: &str| fs::read_to_string(member(name)).unwrap();
    let examples = ["cities", "queue", "copy"].map(|name| read(&format!("examples/c/{name}.c")));
    let go = [read("../../go/examples/cities/main.go")];
    for (page, language, examples) in
        [("README.md", "c", &examples[..]), ("../../go/README.md", "go", &go[..])]
    {
        let text = read(page);
        let start = format!("```{language}\n");
        let shown = text.split(&start).skip(1);
        let shown: Vec<_> = shown.filter_map(|after| after.split("```").next()).collect();
        assert!(shown.len() >= 3);
        for shown in shown {
            let is_there = examples.iter().any(|example| example.contains(shown));
            assert!(is_there, "{page} shows what is in no example:\n{shown}");
        }
    }
}

#[test]
fn the_header_lists_the_keys_of_every_text_in_json() {
    let header = headers();
    let words: BTreeSet<&str> = header.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut missing = BTreeSet::new();
    let mut values = vec![
        serde_json::to_value(vantage_api_pool::stats::Stats::default()).unwrap(),
        serde_json::to_value(vantage_api_gateway::kv::Stats::default()).unwrap(),
    ];
    while let Some(value) = values.pop() {
        let serde_json::Value::Object(map) = value else { continue };
        for (key, value) in map {
            if !words.contains(key.as_str()) {
                missing.insert(key);
            }
            values.push(value);
        }
    }
    // The source of the events has no other texts.
    let events = fs::read_to_string(member("src/event.rs")).unwrap();
    let texts = events.split('"').skip(1).step_by(2).map(str::to_owned);
    missing.extend(texts.filter(|text| !words.contains(text.as_str())));
    assert!(missing.is_empty(), "{missing:?}");
}
