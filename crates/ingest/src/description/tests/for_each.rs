use ciborium::Value;

use super::*;
use crate::schema::ColumnType;

/// A file whose only stream, of a table with columns of these types, is read for each of this.
fn with_for_each(for_each: &str) -> String {
    format!(
        "api: {{ base_url: https://example.com }}
tables:
- {{ name: areas, id: code }}
- name: rows
  columns: {{ kind: text, level: int, open: bool, day: date, share: float, price: 'decimal(9,2)' }}
  api: {{ endpoint: 'areas/{{area}}/rows', paging: {{ by: none, post: {{ q: '{{query}}' }} }} }}
- {{ name: towns, api: {{ endpoint: 'areas/{{area}}/towns' }} }}
jobs:
  copy:
    sink: {{ csv: out }}
    streams:
    - table: rows
      where: {{ query: a }}
      for_each: {for_each}
"
    )
}

fn read(for_each: &str) -> ForEach {
    let yaml = with_for_each(for_each);
    let mut description = reader().variable("AREAS", "se, no,dk").read_yaml(&yaml).unwrap();
    description.jobs["copy"].streams.remove(0).for_each.unwrap()
}

#[test]
fn fixed_values_are_lists_or_texts_with_commas() {
    let read = |values: &str| read(&format!("{{ values: {values} }}"));
    let texts = |values: [&'static str; 3]| values.map(Value::from);
    assert_eq!(read("{ area: [se, no, dk] }").values["area"], texts(["se", "no", "dk"]));
    // `no` is a text, as is a number with zeros before it.
    assert_eq!(read("{ area: [007, 'true', '1'] }").values["area"], texts(["007", "true", "1"]));
    assert_eq!(read("{ area: se }").values["area"], [Value::from("se")]);
    let of_variable = read("{ area: '${AREAS}', level: [1, 2] }");
    assert_eq!(of_variable.values["area"], texts(["se", "no", "dk"]));
    assert_eq!(of_variable.values["level"], [1, 2].map(Value::from));
    assert_eq!(of_variable.concealed, ["area"]);
    assert!(read("{ area: '${NONE:-se,no}' }").concealed.is_empty());
    assert_eq!(read("{ area: [a, '${AREAS}'] }").concealed, ["area"]);
    let shown = format!("{of_variable:?}");
    assert!(shown.contains("area") && !shown.contains("dk"), "{shown}");
}

#[test]
fn what_a_program_builds_is_what_a_file_says() {
    let built = ForEach::of("area", ["se", "no"]).values("level", [1]);
    assert_eq!(read("{ values: { area: [se, no], level: [1] } }"), built);
    let built = ForEach::new("areas", "area", "code").values("open", [true]);
    assert_eq!(read("{ table: areas, bind: { area: code }, values: { open: [true] } }"), built);
}

#[test]
fn values_are_of_the_type_of_their_column() {
    let decimal = ColumnType::Decimal { precision: 9, scale: 2 };
    for (value, kind, expected) in [
        (Value::from("7"), ColumnType::Int, Some(Value::from(7))),
        (Value::from("7.5"), ColumnType::Int, None),
        (Value::from(7.0), ColumnType::Int, None),
        (Value::from(true), ColumnType::Int, None),
        (Value::from(u64::MAX), ColumnType::Int, None),
        (Value::from(7), ColumnType::Text, Some(Value::from(7))),
        (Value::from("0.5"), ColumnType::Float, Some(Value::from(0.5))),
        (Value::from("nan"), ColumnType::Float, None),
        (Value::from(2), ColumnType::Float, Some(Value::from(2))),
        (Value::from("1.50"), decimal, Some(Value::from("1.50"))),
        (Value::from("one"), decimal, None),
        (Value::from("true"), ColumnType::Bool, Some(Value::from(true))),
        (Value::from("yes"), ColumnType::Bool, None),
        (Value::from("2024-02-29"), ColumnType::Date, Some(Value::from("2024-02-29"))),
        (Value::from("2023-02-29"), ColumnType::Date, None),
        (Value::from("today"), ColumnType::Timestamp, None),
        (Value::from(1_700_000_000), ColumnType::Timestamp, Some(Value::from(1_700_000_000))),
    ] {
        assert_eq!(typed(&value, kind), expected, "{value:?} as {kind}");
    }
}

#[test]
fn what_is_wrong_with_a_for_each_is_named_with_its_place() {
    let area = "table: areas, bind: { area: code }";
    for (for_each, key, words) in [
        ("{}".to_owned(), "", "the key `table` is missing, or `values`"),
        ("{ values: {} }".into(), "", "the key `table` is missing, or `values`"),
        ("{ table: areas }".into(), ".bind", "binds nothing"),
        ("{ bind: { area: code } }".into(), ".bind", "needs the `table`"),
        ("{ tabel: areas }".into(), ".tabel", "unknown key `tabel`"),
        ("{ values: [area] }".into(), ".values", "a map"),
        ("{ values: { area: [] } }".into(), ".values.area", "nothing would be read"),
        ("{ values: { area: '${NONE:-}' } }".into(), ".values.area", "nothing would be read"),
        ("{ values: { area: ~ } }".into(), ".values.area", "a list of values"),
        ("{ values: { area: [[a]] } }".into(), ".values.area[0]", "a text, a number"),
        ("{ values: { area: [a, ~] } }".into(), ".values.area[1]", "a text, a number"),
        ("{ values: { area: 7 } }".into(), ".values.area", "a list of values"),
        ("{ values: { area: 'a,,b' } }".into(), ".values.area", "between two commas"),
        (
            "{ values: { area: [a, b, a] } }".into(),
            ".values.area[2]",
            "value 3 is the same as value 1",
        ),
        ("{ values: { area: [1, '1'] } }".into(), ".values.area[1]", "the same as value 1"),
        ("{ values: { area: 'a, a' } }".into(), ".values.area", "value 2 is the same as value 1"),
        (
            "{ values: { area: [a], level: [1, low] } }".into(),
            ".values.level[1]",
            "value 2 is no `int`",
        ),
        ("{ values: { area: [a], kin: [a] } }".into(), ".values.kin", "nor a column of `rows`"),
        (format!("{{ {area}, values: {{ area: [a] }} }}"), ".values.area", "by `bind` as well"),
        (
            "{ values: { area: [a], query: [b] } }".into(),
            ".values.query",
            "gets a value by `where` as well",
        ),
        (
            format!("{{ values: {{ area: '{0}', kind: '{0}', level: [1, 2] }} }}", many(400)),
            ".values",
            "320000 combinations",
        ),
        (
            "{ table: towns, bind: { area: code } }".into(),
            ".table",
            "nothing fills `{area}` of the table `towns`",
        ),
    ] {
        let error = refused(&with_for_each(&for_each));
        assert_eq!(error.line(), Some(14), "{for_each}: {error}");
        assert_eq!(
            error.key(),
            format!("jobs.copy.streams[0].for_each{key}"),
            "{for_each}: {error}"
        );
        assert!(error.message().contains(words), "{for_each}: {error}");
    }
    let error = refused(&with_for_each("{ values: { area: '${TOKEN},${TOKEN}' } }"));
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    let error = refused(&with_for_each("{ values: { area: [a], level: '${TOKEN}' } }"));
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
}

/// So many different values.
fn many(number: usize) -> String {
    (0..number).map(|n| format!("v{n}")).collect::<Vec<_>>().join(",")
}

#[test]
fn a_table_that_others_are_read_for_is_read_as_its_own_stream_is() {
    let yaml = |streams: &str| {
        with_for_each("{ values: { area: [a] } }")
            .replace("    - table: rows", &format!("{streams}    - table: rows"))
    };
    let towns = "    - table: towns\n      for_each: { values: { area: [se] } }\n";
    let of_towns =
        "    - { table: areas, name: other, for_each: { table: towns, bind: { code: id } } }\n";
    let description = reader().read_yaml(&yaml(&format!("{towns}{of_towns}"))).unwrap();
    let job = &description.jobs["copy"];
    assert_eq!(job.partitions_of("towns"), Some(&ForEach::of("area", ["se"])));
    assert_eq!(job.partitions_of("plain"), None);
}
