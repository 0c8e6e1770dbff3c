//! What is wrong is named with the file, the line and the key, before anything is sent.

use std::{net::TcpListener, path::Path};

use crate::support::{World, apipool, printed};

const BEGIN: &str = "api: { base_url: http://127.0.0.1:1 }
tables: [{ name: rows, id: id, columns: { id: int, name: text } }, { name: keyless }]
jobs: { copy: { sink: { sqlite: copy.db }, streams: [{ table: rows }] } }
gateway:
";

fn said(folder: &Path, command: &str, yaml: &str) -> String {
    let output = apipool(folder, yaml).args([command, "world.yaml"]).output().unwrap();
    let (code, text, notes) = printed(&output);
    assert_eq!((code, text.as_str()), (Some(2), ""), "{yaml}: {notes}");
    notes
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (lines, line, key) in [
        ("tables: { rows: {} }", 4, "gateway: the key `auth` is missing"),
        ("auth: none\nbidn: 127.0.0.1:1", 6, "gateway.bidn: unknown key `bidn`"),
        ("auth: none\nbind: here\nkv: { path: a }", 6, "gateway.bind: expected an IP address"),
        ("auth: none\nbind: 10.0.0.1:80\nkv: { path: a }", 6, "gateway.bind: others reach"),
        ("auth: none", 4, "gateway: nothing is served"),
        (
            "auth:\n  tokens:\n  - { id: a, token: \"${NOT_SET}\" }\nkv: { path: a }",
            7,
            "gateway.auth.tokens[0].token: the variable `NOT_SET` has no value",
        ),
        (
            "auth:\n  tokens:\n  - { id: a, token: short }\nkv: { path: a }",
            7,
            "gateway.auth.tokens[0].token: a token has 16",
        ),
        ("auth: none\ntables:\n  row: {}", 7, "gateway.tables.row.source: the API has no table"),
        ("auth: none\ntables:\n  keyless: {}", 7, "gateway.tables.keyless.source: the table"),
        (
            "auth: none\ntables:\n  rows: { source: { job: cpoy } }",
            7,
            "gateway.tables.rows.source.job: there is no job `cpoy`",
        ),
        (
            "auth: none\ntables:\n  rows: { columns: [id, nmae] }",
            7,
            "gateway.tables.rows.columns[1]: is not a column",
        ),
        (
            "auth: none\ntables:\n  rows: { operations: [insert] }",
            7,
            "gateway.tables.rows.operations: clients may set no column",
        ),
        (
            "auth: none\ntables:\n  rows: { operations: [patch], writable: [name] }",
            7,
            "gateway.tables.rows.operations: the `writes` of the table `rows` have no update",
        ),
        (
            "auth: none\nkv: { path: a }\nlimits: { max_body_bytes: none }",
            7,
            "gateway.limits.max_body_bytes: expected a whole number",
        ),
        (
            "auth: none\nkv: { path: a }\nlimits: { max_bdoy_bytes: 1 }",
            7,
            "gateway.limits.max_bdoy_bytes: unknown key `max_bdoy_bytes`",
        ),
        (
            "auth: none\nkv: { path: a }\nlimits:\n  header_timeout: 2d",
            8,
            "gateway.limits.header_timeout: must be 1 ms to 24 h",
        ),
        (
            "auth: none\nkv: { path: a }\nlimits:\n  max_url_bytes: 0",
            8,
            "gateway.limits.max_url_bytes: must be at least 1",
        ),
        (
            "auth: none\nkv: { path: a }\nlimits:\n  max_depth: 101",
            8,
            "gateway.limits.max_depth: must be 1 to 100",
        ),
        ("auth: none\nkv: { path: a, largest: 1 }", 6, "gateway.kv.largest: unknown key `largest`"),
    ] {
        let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
        for command in ["check", "serve"] {
            let notes = said(folder.path(), command, &format!("{BEGIN}{lines}"));
            assert!(notes.starts_with(&format!("apipool: world.yaml:{line}:")), "{lines}: {notes}");
            assert!(notes.contains(&format!(": {key}")), "{lines}: {notes}");
        }
    }
}

#[test]
fn what_the_tables_themselves_refuse_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let notes = said(folder.path(), "serve", &BEGIN.replace("gateway:\n", ""));
    assert!(notes.contains("the description has no `gateway`\n  -> "), "{notes}");
    let with = |lines: &str| format!("{BEGIN}  auth: none\n  {lines}\n");
    let notes = said(folder.path(), "serve", &with("kv: { path: a, max_value_bytes: 0 }"));
    assert!(notes.contains("gateway.kv.max_value_bytes: must be 1 byte to 64 MiB"), "{notes}");
}

#[test]
fn a_table_that_was_not_copied_says_what_writes_it() {
    let world = World::new("auth: none\ntables: { countries: { source: { job: world } } }");
    let output = world.program(&["serve", "world.yaml"]).output().unwrap();
    let (code, _, notes) = printed(&output);
    assert_eq!(code, Some(1), "{notes}");
    let expected =
        "job `world` has not written the table `countries` yet\n  -> `apipool run FILE world`";
    assert!(notes.contains(expected), "{notes}");
    assert_eq!(world.api.requests(), 0);
}

/// NousResearch/hermes-agent#71710: a variable that was not replaced was taken for the secret.
#[test]
fn a_token_is_never_the_name_of_a_variable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for token in ["${NO_SUCH_VARIABLE}", "prefix-${NO_SUCH_VARIABLE}"] {
        let yaml = format!(
            "{BEGIN}  bind: {}\n  auth: {{ tokens: [{{ id: a, token: \"{token}\" }}] }}\n  kv: {{ path: a }}\n",
            listener.local_addr().unwrap()
        );
        let notes = said(folder.path(), "serve", &yaml);
        assert!(notes.contains("the variable `NO_SUCH_VARIABLE` has no value"), "{notes}");
        assert!(notes.contains("-> set NO_SUCH_VARIABLE in the environment"), "{notes}");
    }
}

#[test]
fn the_example_of_the_readme_is_one() {
    let readme = include_str!("../../README.md");
    let yaml_below = |title: &str| {
        let (_, below) = readme.split_once(&format!("\n## {title}\n")).unwrap();
        let (_, yaml) = below.split_once("```yaml\n").unwrap();
        yaml.split_once("```").unwrap().0.to_owned()
    };
    let folder = tempfile::tempdir().unwrap();
    let yaml = yaml_below("A description") + &yaml_below("What is served");
    for (command, code, words) in
        [("check", 0, "fine: "), ("serve", 1, "has not written the table")]
    {
        let mut program = apipool(folder.path(), &yaml);
        program.args([command, "world.yaml"]);
        program.env("API_TOKEN", "a").env("ADA_TOKEN", "a-token-for-ada-alone");
        let (found, text, notes) = printed(&program.output().unwrap());
        assert_eq!(found, Some(code), "{text}{notes}");
        assert!(format!("{text}{notes}").contains(words), "{text}{notes}");
    }
}

#[test]
fn the_example_is_one() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/world.yaml");
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_apipool"));
    program.args(["check", example, "--var", "API_TOKEN=a"]);
    program.args(["--var", "READER_TOKEN=a-token-for-reading-alone"]);
    let (code, text, notes) = printed(&program.output().unwrap());
    assert_eq!(code, Some(0), "{text}{notes}");
}
