use std::time::Duration;

use super::*;

/// A file whose gateway has these lines.
fn with_gateway(lines: &str) -> String {
    let mut yaml = String::from(
        "api: { base_url: https://example.com }\n\
         tables:\n\
         - name: countries\n\
         \x20 id: code\n\
         \x20 api: { writes: { style: rest } }\n\
         \x20 columns: { code: text, name: text, borders: json }\n\
         \x20 references: { cities: { table: cities, kind: has_many, foreign_key: country }, lost: { table: cities } }\n\
         \x20 contained: { borders: { host_column: borders, columns: { code: text } } }\n\
         - { name: cities, id: id, columns: { id: int, country: text } }\n\
         - { name: pairs, id: [a, b], columns: { a: int, b: int } }\n\
         jobs:\n\
         \x20 { copy: { sink: { sqlite: a.db }, streams: [{ table: countries }, { table: cities, write: append }] },\
         \x20 files: { sink: { csv: out }, streams: [{ table: cities }] } }\n\
         gateway:\n",
    );
    for line in lines.lines() {
        writeln!(yaml, "  {line}").unwrap();
    }
    yaml
}

/// The line of the first key of the gateway.
const FIRST: usize = 14;

fn gateway_of(lines: &str) -> GatewayDescription {
    reader().read_yaml(&with_gateway(lines)).unwrap().gateway.unwrap()
}

#[test]
fn what_is_said_is_read() {
    let gateway = gateway_of(
        "bind: '[::1]:0'
prefix: /v2
auth:
  tokens:
  - { id: ada, roles: [editor, admin], token: '${TOKEN}-and-more' }
  - { id: bob, roles: viewer, sha256: 2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824 }
stats_roles: admin
cors: { origins: 'https://app.example.com', max_age: 1h }
limits: { max_body_bytes: 1024 }
drain: { ready_delay: 0, timeout: 1m }
kv: { path: values.redb, quota: '${WORKERS}' }
tables:
  countries: { operations: [insert, delete], writable: [name], max_bulk_rows: 3, relations: [cities], cache_ttl: 0 }
  cities: { page_size: 10, max_page_size: 20, readable_by: viewer }
  copied: { source: { job: copy, table: countries } }",
    );
    assert_eq!((gateway.bind.to_string(), &*gateway.prefix), ("[::1]:0".into(), "/v2"));
    let AuthDescription::Tokens(tokens) = &gateway.auth else { panic!("{gateway:?}") };
    assert_eq!(tokens[0].roles, ["editor", "admin"]);
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!((&*tokens[1].digest(), &tokens[1].roles[..]), (hello, &["viewer".to_owned()][..]));
    assert_eq!(tokens[0].digest().len(), 64);
    assert_eq!(gateway.stats_roles, ["admin"]);
    assert!(!gateway.cors.unwrap().is_any());
    let limits: IndexMap<String, u64> = gateway.limits.read().unwrap();
    assert_eq!(limits, IndexMap::from([("max_body_bytes".into(), 1024)]));
    let kv: IndexMap<String, u64> = gateway.kv.as_ref().unwrap().settings.read().unwrap();
    assert_eq!(kv, IndexMap::from([("quota".into(), 7)]));
    assert_eq!(gateway.drain.ready_delay, Some(Duration::ZERO));
    let table = |name: &str| &gateway.tables[name];
    assert_eq!(table("countries").cache_ttl, Some(Duration::ZERO));
    assert_eq!(table("countries").operations, [Operation::Insert, Operation::Delete]);
    assert_eq!(table("cities").source, SourceDescription::Api { table: "cities".into() });
    let copied = SourceDescription::Job { job: "copy".into(), table: "countries".into() };
    assert_eq!(table("copied").source, copied);
    let gateway = gateway_of("auth: none\ncors: { origins: '*' }\ntables: { cities: {} }");
    assert_eq!(gateway.bind.to_string(), "127.0.0.1:8080");
    assert!(gateway.cors.unwrap().is_any());
    assert!(matches!(gateway.auth, AuthDescription::None));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    const SHA: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let token = |of: &str| format!("auth: {{ tokens: [{of}] }}\ntables: {{ cities: {{}} }}");
    let twice = format!("{{ id: a, sha256: {SHA} }}, {{ id: b, sha256: {SHA} }}");
    let table = |of: &str| format!("auth: none\ntables:\n  {of}");
    for (lines, line, key, words) in [
        ("tables: { cities: {} }".to_owned(), 13, "", "the key `auth` is missing"),
        ("auth: none".into(), 13, "", "neither `tables` nor `kv`"),
        ("auth: nobody\nkv: { path: a }".into(), 14, "auth", "unknown value `nobody`"),
        ("auth: none\nbnid: 1".into(), 15, "bnid", "unknown key `bnid`"),
        ("auth: none\nbind: localhost:80".into(), 15, "bind", "127.0.0.1:8080"),
        ("auth: none\nbind: 0.0.0.0:80\nkv: { path: a }".into(), 15, "bind", "must not be `none`"),
        ("auth: none\nprefix: api\nkv: { path: a }".into(), 15, "prefix", "`api` is not a path"),
        ("auth: none\nprefix: /a//b\nkv: { path: a }".into(), 15, "prefix", "not a path"),
        ("auth: none\nkv: { path: '' }".into(), 15, "kv.path", "needs a file"),
        ("auth: none\nkv: {}".into(), 15, "kv", "`path` is missing"),
        ("auth: { tokens: [] }\nkv: { path: a }".into(), 14, "auth.tokens", "without a token"),
        (token("{ id: '', sha256: a }"), 14, "auth.tokens[0].id", "name a principal"),
        (token("{ id: a }"), 14, "auth.tokens[0]", "either `token` or `sha256`"),
        (token("{ id: a, token: short }"), 14, "auth.tokens[0].token", "16 to 4096"),
        (token("{ id: a, token: '${TOKEN} with spaces' }"), 14, "auth.tokens[0].token", "visible"),
        (token("{ id: a, sha256: abc }"), 14, "auth.tokens[0].sha256", "64 hexadecimal digits"),
        (token(&twice), 14, "auth.tokens[1]", "the same token"),
        (token("{ id: a, token: '${NOTHING}' }"), 14, "auth.tokens[0].token", "has no value"),
        (
            "auth: none\ncors: { origins: [] }\nkv: { path: a }".into(),
            15,
            "cors.origins",
            "no origin",
        ),
        (
            "auth: none\ncors: { origins: ['https://a.com/', '*'] }\nkv: { path: a }".into(),
            15,
            "cors.origins",
            "not an origin as a browser sends it",
        ),
        ("auth: none\ndrain: { timeout: soon }".into(), 15, "drain.timeout", "a duration"),
        (table("c/d: {}"), 16, "tables[\"c/d\"]", "characters a-z"),
        (table("towns: {}"), 16, "tables.towns.source", "the API has no table `towns`"),
        (table("towns: { source: { api: towns } }"), 16, "tables.towns.source", "no table `towns`"),
        (table("pairs: {}"), 16, "tables.pairs.source", "an `id` of one column"),
        (table("a: { source: job }"), 16, "tables.a.source", "expected api"),
        (table("a: { source: { api: a, job: b } }"), 16, "tables.a.source", "either `api`, or"),
        (table("a: { source: { jbo: b } }"), 16, "tables.a.source.jbo", "unknown key `jbo`"),
        (
            table("countries: { source: { job: cpoy } }"),
            16,
            "tables.countries.source.job",
            "no job `cpoy`",
        ),
        (table("towns: { source: { job: copy } }"), 16, "tables.towns.source.table", "no stream"),
        (table("cities: { source: { job: files } }"), 16, "tables.cities.source.job", "writes csv"),
        (
            table("cities: { source: { job: copy } }"),
            16,
            "tables.cities.source",
            "needs `write: merge`",
        ),
        (
            table("countries: { source: { job: copy }, operations: [delete] }"),
            16,
            "tables.countries.operations",
            "reading alone",
        ),
        (
            table("cities: { operations: [read] }"),
            16,
            "tables.cities.operations[0]",
            "`insert`, `replace`, `patch`, `delete`",
        ),
        (
            table("cities: { operations: [insert] }"),
            16,
            "tables.cities.operations",
            "name some in `writable`",
        ),
        (
            table("cities:\n    operations: [delete]\n    writable: [id]"),
            18,
            "tables.cities.writable",
            "no column is set",
        ),
        (table("cities: { write_only: [id] }"), 16, "tables.cities.write_only", "no column is set"),
        (
            table("cities: { max_bulk_rows: 5 }"),
            16,
            "tables.cities.max_bulk_rows",
            "neither `patch` nor `delete`",
        ),
        (table("cities: { page_size: 0 }"), 16, "tables.cities.page_size", "above zero"),
        (
            table("cities: { page_size: 1000 }"),
            16,
            "tables.cities.page_size",
            "above `max_page_size`, which is 500",
        ),
        (
            table("cities:\n    columns:\n    - id\n    - name"),
            19,
            "tables.cities.columns[1]",
            "not a column that the table `cities` declares",
        ),
        (
            table("cities: { filterable: [nmae] }"),
            16,
            "tables.cities.filterable[0]",
            "not a column",
        ),
        (table("cities: { relations: [x] }"), 16, "tables.cities.relations[0]", "no relation `x`"),
        (
            table("countries: { relations: [cities] }"),
            16,
            "tables.countries.relations[0]",
            "not served from there",
        ),
        (
            table("countries: { relations: [lost] }"),
            16,
            "tables.countries.relations[0]",
            "needs a `foreign_key`",
        ),
        (
            table("countries: { relations: [borders] }"),
            16,
            "tables.countries.relations[0]",
            "an `id_column`",
        ),
    ] {
        let error = refused(&with_gateway(&lines));
        assert_eq!(error.line(), Some(line), "{lines}: {error}");
        let key = if key.is_empty() { String::new() } else { format!(".{key}") };
        assert_eq!(error.key(), format!("gateway{key}"), "{lines}: {error}");
        assert!(error.message().contains(words), "{lines}: {error}");
    }
    assert_eq!(with_gateway("auth: none").lines().count(), FIRST);
}

#[test]
fn what_others_read_is_named_with_its_place_too() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Limits {
        #[serde(deserialize_with = "crate::description::forms::above_zero")]
        timeout: Duration,
        most: u8,
    }

    let read = |lines: &str| gateway_of(lines).limits.read::<Limits>();
    let kv = "auth: none\nkv: { path: a }\n";
    let limits = read(&format!("{kv}limits: {{ timeout: 5s, most: '${{WORKERS}}' }}")).unwrap();
    assert_eq!((limits.timeout, limits.most), (Duration::from_secs(5), 7));
    assert_eq!(read(kv).unwrap().most, 0);
    for (lines, line, key, words) in [
        ("limits: { mots: 1 }", 16, "limits.mots", "unknown key `mots`"),
        ("limits:\n  timeout: 0", 17, "limits.timeout", "above zero"),
        ("limits:\n  most: 300", 17, "limits.most", "`300`"),
        ("limits: [1]", 16, "limits", "expected a map"),
        ("limits: { most: '${TOKEN}' }", 16, "limits.most", "the value of ${TOKEN} is not"),
    ] {
        let error = read(&format!("{kv}{lines}")).unwrap_err();
        assert_eq!(error.line(), Some(line), "{lines}: {error}");
        assert_eq!(error.key(), format!("gateway.{key}"), "{lines}: {error}");
        assert!(error.message().contains(words), "{lines}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[test]
fn a_token_is_in_no_error_and_in_no_debug_output() {
    let plain = "auth: { tokens: [{ id: ada, token: s3cret }] }\nkv: { path: a }";
    let variable = "auth: { tokens: [{ id: '${TOKEN}', token: '${TOKEN}', tokne: 1 }] }";
    for lines in
        [plain, variable, "auth: { tokens: [{ id: a, sha256: 's3cret' }] }\nkv: { path: a }"]
    {
        let error = refused(&with_gateway(lines));
        let shown = format!("{error} {error:?} {:?}", error.snippet());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(error.snippet().is_none(), "{shown}");
    }
    let description = reader().read_yaml(&with_gateway(
        "auth: { tokens: [{ id: '${TOKEN}', roles: ['${TOKEN}'], token: '${TOKEN}-and-more' }] }
stats_roles: ['${TOKEN}']
kv: { path: '${TOKEN}' }
tables: { countries: { readable_by: ['${TOKEN}'] } }",
    ));
    let description = description.unwrap();
    let gateway = description.gateway.clone().unwrap();
    let parts = (&gateway.auth, &gateway.kv, &gateway.tables, &gateway.cors);
    let shown = format!("{description:#?} {gateway:?} {parts:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
