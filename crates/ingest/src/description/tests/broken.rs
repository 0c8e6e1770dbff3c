use super::*;

#[test]
fn what_is_wrong_with_a_stream_is_named_with_its_place() {
    for (lines, line, key, words) in [
        ("table: plain\nwirte: merge", 11, "wirte", "unknown key `wirte`"),
        ("table: plain\nwrite: merg", 11, "write", "unknown value `merg`"),
        ("table: plian", 10, "table", "there is no table `plian`"),
        ("write: append", 10, "", "the key `table` is missing"),
        ("table: plain\nwrite: merge", 11, "write", "`id` of the table `plain`"),
        ("table: keyed\nwhere: { b: 1 }\nwrite: sync", 12, "write", "files can only be"),
        ("table: keyed", 10, "table", "nothing fills `{b}`"),
        ("table: keyed\nwhere: { b: { gt: 1 } }", 10, "table", "nothing fills `{b}`"),
        ("table: plain\nwhere: { b: { above: 1 } }", 11, "where.b.above", "unknown value `above`"),
        ("table: plain\nwhere: { b: { eq: [1] } }", 11, "where.b.eq", "found a list"),
        ("table: plain\nwhere: { b: { in: 1 } }", 11, "where.b.in", "expected a list"),
        ("table: plain\nwhere: { b: {} }", 11, "where.b", "no operator"),
        ("table: plain\nwhere: [b]", 11, "where", "a map of columns to values"),
        ("table: plain\nsample: yes", 11, "sample", "true or false"),
        ("table: plain\nprefetch: 0", 11, "prefetch", "above zero"),
        ("table: plain\nprefetch: many", 11, "prefetch", "a whole number"),
        ("table: plain\nschema: ignore", 11, "schema", "`evolve`, `freeze`"),
        ("table: plain\nnested: lists", 11, "nested", "`json`, `flatten`, `children`"),
        ("table: plain\nnested: children", 11, "nested", "`id` of the table `plain`"),
        ("table: plain\nchecks: { a: [unique] }", 11, "checks.a", "unknown key `a`"),
        ("table: plain\nchecks: { rows: many }", 11, "checks.rows", "such as \">= 1\""),
        ("table: plain\nchecks: { on_fail: warn }", 11, "checks.on_fail", "`reject`, `fail`"),
        (
            "table: plain\nchecks: { columns: { a: unique } }",
            11,
            "checks.columns.a",
            "expected a list",
        ),
        (
            "table: plain\nchecks:\n  columns:\n    a: [unique, notnull]",
            13,
            "checks.columns.a[1]",
            "unknown value `notnull`",
        ),
        (
            "table: plain\nchecks: { columns: { a: [{ range: [1] }] } }",
            11,
            "checks.columns.a[0].range",
            "two ends",
        ),
        (
            "table: plain\nchecks: { columns: { a: [{ range: [5, 1] }] } }",
            11,
            "checks.columns.a[0].range",
            "comes first",
        ),
        ("table: plain\ncommit: { rows: 0 }", 11, "commit.rows", "above zero"),
        ("table: plain\ncommit: { rows: many }", 11, "commit.rows", "a whole number"),
        ("table: plain\ncommit: { every: 0s }", 11, "commit.every", "above zero"),
        ("table: plain\ncommit:\n  bites: 7", 12, "commit.bites", "unknown key `bites`"),
        ("table: plain\ncolumns:\n  a: dorp", 12, "columns.a", "expected drop"),
        ("table: plain\ncolumns: { a: {} }", 11, "columns.a", "says nothing"),
        ("table: plain\ncolumns: { a: { const: 1, from: b } }", 11, "columns.a", "`const` is"),
        (
            "table: plain\ncolumns: { a: { hash: md5 } }",
            11,
            "columns.a.hash",
            "unknown value `md5`, expected one of `sha256`",
        ),
        (
            "table: plain\ncolumns: { a: { type: 'decimal(40,2)' } }",
            11,
            "columns.a.type",
            "decimal(40,2)",
        ),
        (
            "table: plain\ncolumns: { a: { type: decimal(18,4) } }",
            11,
            "columns.a.type",
            "is in quotes",
        ),
        ("table: short", 5, "max_rows", "cuts the stream `short` short"),
        ("table: plain\nincremental: { param: since }", 11, "incremental", "`field` is missing"),
        (
            "table: plain\nincremental:\n  field: at\n  start: 2024-01-01",
            13,
            "incremental.start",
            "write it as `2024-01-31T12:00:00Z`",
        ),
        (
            "table: plain\nwrite: replace\nincremental: { field: at }",
            12,
            "incremental",
            "leaves out rows",
        ),
        (
            "table: plain\nincremental: { field: at, format: text, lookback: 1h }",
            11,
            "incremental.lookback",
            "a `format` of times",
        ),
        (
            "table: plain\nincremental:\n  field: at\n  param: since\n  order: newest_first",
            13,
            "incremental.param",
            "is not sent if there is an `order`",
        ),
        ("table: plain\ndelta: { token: 'a[', param: b }", 11, "delta.token", "the path `a[`"),
        (
            "table: plain\nincremental: { field: at }\ndelta: { token: a, param: b }",
            12,
            "delta",
            "no meaning with `incremental`",
        ),
        (
            "table: plain\nwrite: replace\ndelta: { token: a, param: b }",
            12,
            "delta",
            "leaves out rows",
        ),
        (
            "table: plain\nincremental: { field: at, order: oldest_first }",
            11,
            "incremental.order",
            "expected one of `newest_first`",
        ),
        (
            "table: plain\nincremental: { field: at, order: newest_first }\n\
             windows: { from: a, to: b, step: 1d, start: 2024-01-01T00:00:00Z }",
            11,
            "incremental.order",
            "no meaning with `windows`",
        ),
        (
            "table: plain\nwindows: { from: a, to: b, step: soon }",
            11,
            "windows.step",
            "expected a duration",
        ),
        ("table: plain\nwindows: { from: a, to: b, step: 0 }", 11, "windows.step", "below"),
        (
            "table: plain\nwindows: { from: a, to: b, step: 1d }",
            11,
            "windows",
            "`start` is missing",
        ),
        (
            "table: plain\nwindows: { from: a, to: b, step: 36h, format: date, start: 2024-01-01 }",
            11,
            "windows.step",
            "whole days",
        ),
        (
            "table: plain\nwindows: { from: a, to: b, step: 7d, granularity: 1s, format: date, \
             start: 2024-01-01 }",
            11,
            "windows.granularity",
            "finer than",
        ),
        (
            "table: plain\nwindows: { from: a, to: b, step: 1s, granularity: 1m, start: 2024-01-01 }",
            11,
            "windows.step",
            "below the `granularity`",
        ),
        (
            "table: plain\nwindows:\n  from: a\n  to: b\n  step: 1d\n  format: date\n  \
             start: 2024-02-01\n  end: 2024-01-01",
            17,
            "windows.end",
            "before `start`",
        ),
        (
            "table: plain\nwindows: { from: a, to: b, step: 1d, start: 2024-02-01, field: at }",
            11,
            "windows.field",
            "no meaning",
        ),
        (
            "table: plain\nfor_each: { table: nowhere, bind: { b: c } }",
            11,
            "for_each.table",
            "no table `nowhere`",
        ),
        (
            "table: keyed\nfor_each:\n  table: plain\n  bind: { b: c, x: y }",
            13,
            "for_each.bind.x",
            "neither a placeholder of the endpoint nor a column of `keyed`",
        ),
        (
            "table: keyed\nfor_each: { table: plain, bind: {} }",
            11,
            "for_each.bind",
            "binds nothing",
        ),
        (
            "table: keyed\nfor_each: { table: keyed, bind: { b: id } }",
            11,
            "for_each.table",
            "a circle",
        ),
    ] {
        let error = refused(&with_stream(lines));
        assert_eq!(error.line(), Some(line), "{lines}: {error}");
        let way = if key == "max_rows" { "tables[2].api" } else { "jobs.copy.streams[0]" };
        let way = if key.is_empty() { way.to_owned() } else { format!("{way}.{key}") };
        assert_eq!(error.key(), way, "{lines}: {error}");
        assert!(error.message().contains(words), "{lines}: {error}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_named_with_its_place() {
    const API: &str = "api: { base_url: https://example.com }\n";
    const ROWS: &str = "tables: [{ name: rows }]\n";
    const SEARCH: &str = "tables:\n- name: a\n  api:\n    \
                          paging: { by: none, post: { gte: '{since}' } }\n";
    for (yaml, line, key, words) in [
        (String::new(), None, "", "expected a map"),
        ("- a".into(), Some(1), "", "expected a map, found a list"),
        ("tables: []".into(), Some(1), "", "the key `api` is missing"),
        ("api: {}".into(), Some(1), "api", "`base_url` is missing"),
        (format!("{API}tables:\n- name: a\n   id: b"), Some(4), "", ""),
        (format!("{API}tables: []\ntables: []"), Some(3), "", "duplicate"),
        (format!("{API}jbos: {{}}"), Some(2), "jbos", "unknown key `jbos`"),
        (
            "api:\n  base_url: https://example.com\n  workrs: 3".into(),
            Some(3),
            "api.workrs",
            "did you mean `workers`?",
        ),
        ("api:\n  base_url: ftp://x".into(), Some(2), "api.base_url", "must start with http://"),
        ("api:\n  base_url: https://example.com\n  workers: 0".into(), Some(3), "api.workers", "1"),
        (
            "api:\n  base_url: https://example.com\n  auth: { barer: x }".into(),
            Some(3),
            "api.auth",
            "bearer",
        ),
        (
            "api:\n  base_url: https://example.com\n  auth:\n    bearer:\n      \
             token_request:\n        url: https://example.com/login\n        tokn: data.token"
                .into(),
            Some(7),
            "api.auth.bearer.token_request.tokn",
            "unknown key `tokn`",
        ),
        (
            "api:\n  base_url: https://example.com\n  auth:\n    oauth2:\n      \
             token_url: https://example.com/token\n      client_id: a"
                .into(),
            Some(4),
            "api.auth.oauth2",
            "`refresh_token`",
        ),
        (
            format!(
                "{API}tables:\n- name: a\n  api:\n    paging:\n      by: keyset\n      \
                     param: since\n      field: at\n      inclusive: true"
            ),
            Some(9),
            "tables[0].api.paging.inclusive",
            "`size_param`",
        ),
        (
            format!(
                "{API}tables:\n- name: a\n  api:\n    paging:\n      by: cursor\n      \
                     param: q.after\n      next: next\n      post: {{ q: text }}"
            ),
            Some(9),
            "tables[0].api.paging.post",
            "no place for a parameter at `q.after`",
        ),
        (
            format!(
                "{API}{SEARCH}jobs:\n  c:\n    sink: {{ csv: o }}\n    streams:\n    - table: a"
            ),
            Some(10),
            "jobs.c.streams[0].table",
            "nothing fills `{since}` in the body",
        ),
        (
            format!(
                "{API}{SEARCH}jobs:\n  c:\n    sink: {{ csv: o }}\n    streams:\n    - table: a\n      \
                 incremental: {{ field: at, param: since }}"
            ),
            Some(11),
            "jobs.c.streams[0].incremental",
            "needs a `start`",
        ),
        (
            format!("{API}tables:\n- name: a\n  api:\n    paging: {{ by: range }}"),
            Some(5),
            "tables[0].api.paging",
            "need a `size`",
        ),
        (
            format!("{API}tables:\n- name: a\n- name: b\n- name: a"),
            Some(5),
            "tables[2].name",
            "`a`",
        ),
        (format!("{API}tables:\n- id: a"), Some(3), "tables[0]", "`name` is missing"),
        (
            format!("{API}tables:\n- name: a\n  columns:\n    b: quaternion"),
            Some(5),
            "tables[0].columns.b",
            "\"quaternion\"",
        ),
        (
            format!("{API}tables:\n- name: a\n  columns:\n    b:\n      typ: int"),
            Some(6),
            "tables[0].columns.b.typ",
            "unknown key `typ`",
        ),
        (
            format!("{API}tables:\n- name: a\n  api:\n    paging:\n      by: page\n      siez: 7"),
            Some(7),
            "tables[0].api.paging.siez",
            "`siez`",
        ),
        (
            format!("{API}tables:\n- name: a\n  references: {{ b: {{ table: b, knd: has_one }} }}"),
            Some(4),
            "tables[0].references.b.knd",
            "unknown key `knd`",
        ),
        (format!("{API}{ROWS}jobs: {{ a: {{ streams: [] }} }}"), Some(3), "jobs.a", "`sink`"),
        (
            format!("{API}{ROWS}jobs:\n  a:\n    sink: {{ csv: out }}\n    streams: []"),
            Some(6),
            "jobs.a.streams",
            "needs a stream",
        ),
        (
            format!("{API}{ROWS}jobs:\n  a:\n    sink: {{ oracle: x }}\n    streams: []"),
            Some(5),
            "jobs.a.sink.oracle",
            "`sqlite`, `postgres`",
        ),
        (
            format!("{API}{ROWS}jobs:\n  a:\n    sink: {{ csv: a, ndjson: b }}\n    streams: []"),
            Some(5),
            "jobs.a.sink",
            "one key",
        ),
        (
            format!(
                "{API}{ROWS}jobs:\n  a:\n    sink: {{ csv: a }}\n    streams:\n    - table: rows\n    \
                 - table: rows"
            ),
            Some(8),
            "jobs.a.streams[1].table",
            "another stream `rows`",
        ),
        (
            format!("{API}jobs:\n  a:\n    sink: {{ csv: a }}\n    streams: []\n    every: 0"),
            Some(6),
            "jobs.a.every",
            "above zero",
        ),
        (
            format!("{API}jobs:\n  a:\n    sink: {{ csv: a }}\n    streams: []\n    cron: soon"),
            Some(6),
            "jobs.a.cron",
            "`soon` is not a time of cron",
        ),
        (
            format!(
                "{API}jobs:\n  a: {{ sink: {{ csv: a }}, streams: [], every: 1h,\n    \
                 cron: '0 0 * * *' }}"
            ),
            Some(4),
            "jobs.a.cron",
            "not both",
        ),
    ] {
        let error = refused(&yaml);
        assert_eq!(error.line().filter(|_| line.is_some()), line, "{yaml}: {error}");
        assert_eq!(error.key(), key, "{yaml}: {error}");
        assert!(error.message().contains(words), "{yaml}: {error}");
    }
}

#[test]
fn an_error_is_one_line_and_shows_its_own() {
    let folder = std::env::temp_dir().join(format!("description-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("jobs.yaml");
    std::fs::write(&path, with_stream("table: plain\nwrite: merg")).unwrap();
    let error = Description::from_file(&path).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(error.file(), Some(&*path));
    assert_eq!((error.line(), error.column()), (Some(11), Some(14)));
    let shown = format!(
        "{}:11:14: jobs.copy.streams[0].write: unknown value `merg`, expected one of `append`, \
         `replace`, `merge`, `sync`",
        path.display()
    );
    assert_eq!(error.to_string(), shown);
    assert_eq!(error.snippet().unwrap(), "  11 |       write: merg\n     |              ^");
    let error = Description::from_file(&path).unwrap_err();
    let start = format!("{}: the file cannot be read: ", path.display());
    assert!(error.to_string().starts_with(&start), "{error}");
    assert!(std::error::Error::source(&error).is_some() && error.snippet().is_none());
}
