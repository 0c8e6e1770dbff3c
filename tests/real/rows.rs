//! The rows that every server holds: the same in each run, and as ugly as rows are.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

/// How many rows there are: no multiple of any page's size.
pub const COUNT: i64 = 1_237;

/// How many teams the rows are spread over.
pub const TEAMS: i64 = 13;

/// The first whole number that a float cannot tell from the next one.
const LIMIT_OF_FLOATS: i64 = 1 << 53;

/// All rows, with the ids from 1 up.
pub fn all() -> Vec<Value> {
    (1..=COUNT).map(row).collect()
}

fn row(n: i64) -> Value {
    json!({
        "id": n,
        "name": name(n),
        "note": match n % 3 {
            0 => Value::Null,
            1 => "".into(),
            _ => format!("note {n}").into(),
        },
        "big": LIMIT_OF_FLOATS + n,
        "score": score(n),
        "flag": n % 2 == 0,
        "team": n % TEAMS,
        "nested": {
            "dims": { "h": if n % 2 == 0 { json!(n) } else { json!(n as f64 / 2.0) }, "w": 0.5 },
            "tags": [text(n), text(n + 1), ""],
            "none": null,
            "deep": [{ "n": n, "list": [[], [n, null, { "at": "the bottom" }]] }],
        },
    })
}

/// Unique, but for the empty ones.
fn name(n: i64) -> String {
    match text(n) {
        text if text.is_empty() => text,
        text => format!("{text} {n}"),
    }
}

fn score(n: i64) -> Option<f64> {
    match n % 11 {
        0 => None,
        1 => Some(1e300),
        2 => Some(0.1 + 0.2),
        3 => Some(-1.5e-7),
        4 => Some(n as f64),
        _ => Some(n as f64 / 4.0),
    }
}

/// What people and programs put into texts.
fn text(n: i64) -> String {
    const TEXTS: [&str; 24] = [
        "",
        "plain",
        "Ærøskøbing, Straße, naïve",
        "日本語の行",
        "مرحبا \u{202e}right to left",
        "😀👩‍👩‍👧‍👦🇩🇪",
        "O'Brien said \"no\"",
        r"back\slash \u0041 \n \",
        "tab\tline\nreturn\r\n",
        "\u{1}\u{7}\u{8}\u{c}\u{1b}[31m\u{1f}\u{7f}",
        "before\u{0}after",
        "\u{85}\u{a0}\u{2028}\u{2029}\u{feff}",
        "e\u{301} and A\u{30a}\u{323}",
        "50% _under_ * ?",
        "a&b=c;d+e/f?g#h%20%zz",
        "a,b,,c",
        "<b>&amp;</b><!--",
        "  spaces  ",
        "null",
        "{\"json\": [1]}",
        "\u{10ffff}\u{fffd}\u{e000}\u{ffff}",
        "'; DROP TABLE rows; --",
        "${jndi} {{7*7}} %s %n",
        "-1e400",
    ];
    match n % 97 {
        5 => "long 長い ".repeat(600),
        _ => TEXTS[n as usize % TEXTS.len()].to_owned(),
    }
}

/// A row as a program declares it. Some servers have other types for flags and ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row<Flag = bool, Id = i64> {
    pub id: Id,
    pub name: String,
    pub note: Option<String>,
    pub big: i64,
    pub score: Option<f64>,
    pub flag: Flag,
    pub team: i64,
    pub nested: Value,
}

/// A row with everything that is in it declared, and no whole number among the floats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub id: i64,
    pub nested: Nested,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nested {
    pub dims: Dims,
    pub tags: Vec<String>,
    pub none: Option<String>,
    pub deep: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dims {
    /// A whole number in every second row.
    pub h: f64,
    pub w: f64,
}

/// The same value with each number in one form, as JSON does not tell 3 from 3.0.
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => canonical_number(number),
        Value::Array(values) => values.iter().map(canonical).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), canonical(value))).collect()
        }
        value => value.clone(),
    }
}

fn canonical_number(number: &Number) -> Value {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
            json!(float as i64)
        }
        _ => number.clone().into(),
    }
}

/// The fields of `like` in the row, whatever else the server put there.
pub fn fields_of(row: &Value, like: &Value) -> Value {
    let fields = like.as_object().expect("a row is an object").keys();
    fields.filter_map(|name| Some((name.clone(), row.get(name)?.clone()))).collect()
}

/// Asserts that the rows are the same, in the same order, and names the first that differs.
pub fn assert_same(what: &str, got: &[Value], expected: &[Value]) {
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let (got, expected) = (canonical(&fields_of(got, expected)), canonical(expected));
        assert_eq!(got, expected, "{what}: row {at}");
    }
    assert_eq!(got.len(), expected.len(), "{what}: the number of rows");
}

#[test]
fn names_are_unique_but_for_the_empty_ones() {
    let rows = all();
    let mut names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    names.retain(|name| !name.is_empty());
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count < rows.len());
}
