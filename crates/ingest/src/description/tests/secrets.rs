use super::*;

#[test]
fn lines_that_may_hold_secrets_are_not_shown() {
    for (yaml, is_shown) in [
        ("api:\n  auth: { bearer: \"s3cret }", false),
        ("api:\n  auth: { bearer: s3cret }\n  workrs: 3", false),
        ("api: { base_url: x }\njobs:\n  a:\n    sink: { postgress: s3cret }", false),
        ("api: { base_url: x }\njobs:\n  a: { sink: { postgres: 's3cret }", false),
        ("vars:\n  a-b: s3cret", false),
        ("{ api: { auth: s3cret", false),
        ("api: { base_url: x }\ntables:\n- name: a\n   id: b", true),
        ("api: { base_url: x }\ntables:\n- nam: a", true),
    ] {
        let error = refused(yaml);
        assert_eq!(error.snippet().is_some(), is_shown, "{yaml}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{yaml}: {error}");
    }
}

#[test]
fn the_value_of_a_variable_is_in_no_error() {
    const API: &str = "api: { base_url: https://example.com }\n";
    for (yaml, line, words) in [
        ("api: { base_url: x, workers: '${TOKEN}' }".to_owned(), 1, "${TOKEN}"),
        ("api:\n  base_url: x\n  workers: x${TOKEN}".into(), 3, "x${TOKEN}"),
        ("api: { base_url: x, call_timeout: '${TOKEN}' }".into(), 1, "a duration"),
        ("api: { base_url: x, rate_limit: '${TOKEN}' }".into(), 1, "${TOKEN}"),
        ("api: { base_url: x, auth: { '${TOKEN}': x } }".into(), 1, "one of"),
        ("api: { base_url: x, auth: { basic: { user: '${TOKEN}' } } }".into(), 1, "password"),
        (
            "api: { base_url: x, auth: [{ bearer: '${NONE:-}' }, { '${TOKEN}': x }] }".into(),
            1,
            "one",
        ),
        ("api: { base_url: x, auth: [{ bearer: '${NONE:-}' }] }".into(), 1, "none of the ways"),
        ("api: { base_url: x, auth: { bearer: '${TOKEN}' }, workrs: 3 }".into(), 1, "`workers`"),
        ("vars: { A: '${TOKEN}', B: '${C}' }\napi: { base_url: x }".into(), 1, "`C`"),
        (format!("{API}tables: [{{ name: a, columns: {{ b: '${{TOKEN}}' }} }}]"), 2, "a type"),
        (
            format!("{API}tables: [{{ name: a, api: {{ paging: {{ by: '${{TOKEN}}' }} }} }}]"),
            2,
            "`${TOKEN}`",
        ),
        (
            format!(
                "{API}tables: [{{ name: a, api: {{ envelope: {{ items: '${{TOKEN}}', totl: b }} }} }}]"
            ),
            2,
            "`totl`",
        ),
        (
            format!("{API}tables: [{{ name: '${{TOKEN}}' }}, {{ name: '${{TOKEN}}' }}]"),
            2,
            "`${TOKEN}`",
        ),
        (with_stream("table: ${TOKEN}"), 10, "no table `${TOKEN}`"),
        (with_stream("table: plain\nwrite: ${TOKEN}"), 11, "${TOKEN}"),
        (with_stream("table: plain\ncolumns: { a: '${TOKEN}' }"), 11, "expected drop"),
        (
            with_stream("table: plain\nincremental: { field: a, start: '${TOKEN}' }"),
            11,
            "`${TOKEN}` is not of the `format`",
        ),
        (format!("{API}jobs: {{ a: {{ sink: '${{TOKEN}}', streams: [] }} }}"), 2, "jobs.a.sink"),
        (
            format!(
                "{API}jobs: {{ a: {{ sink: {{ csv: x }}, streams: [], cron: '${{TOKEN}}' }} }}"
            ),
            2,
            "`${TOKEN}` is not a time",
        ),
    ] {
        let error = refused(&yaml);
        let shown = format!("{error} {error:?} {:?}", error.snippet());
        assert!(!shown.contains("s3cret"), "{yaml}: {shown}");
        assert_eq!(error.line(), Some(line), "{yaml}: {shown}");
        assert!(shown.contains(words), "{yaml}: {shown}");
    }
}

#[test]
fn the_value_of_a_variable_is_in_no_debug_output() {
    let yaml = "api: { base_url: https://example.com, auth: { bearer: '${TOKEN}' } }
tables:
- name: rows
  columns: { a: { path: '${TOKEN}' } }
  api: { endpoint: 'rows?key=${TOKEN}' }
jobs:
  copy:
    sink: { postgres: '${TOKEN}' }
    streams:
    - table: rows
      incremental: { field: '${TOKEN}', format: text, start: '${TOKEN}' }
      windows: { from: '${TOKEN}', to: b, step: 1d, start: 2024-01-01T00:00:00Z }
      where: { a: '${TOKEN}', b: { in: ['${TOKEN}'] } }
      columns: { a: { const: '${TOKEN}' }, b: { from: '${TOKEN}' } }
";
    let description = reader().read_yaml(yaml).unwrap();
    assert_eq!(description.jobs["copy"].streams[0].conditions.len(), 2);
    let shown = format!("{description:#?} {:?}", reader().variable("a", "s3cret"));
    assert!(!shown.contains("s3cret"), "{shown}");
}
