//! Rows that are read straight come to the same as those that are read by their cells.

use fastrand::Rng;

use super::*;
use crate::schema::ColumnType;

/// A value of JSON, most often of the kind that its field has.
fn value(rng: &mut Rng, usual: usize) -> String {
    const VALUES: [&[&str]; 7] = [
        &["0", "7", "-12", "-0", "9007199254740993", "123456789012345678", "99999999999999999999"],
        &["0.5", "87.65", "-0.0", "1e3", "1.5E-7", "0.30000000000000004", "0.1234567890123456789"],
        &[
            "\"a\"",
            "\"\"",
            "\"Zo\u{eb}\"",
            "\"a\\nb\"",
            "\"\\u00e9\"",
            "\"{\"",
            "\"12\"",
            "\"a\\\"b\"",
        ],
        &["true", "false"],
        &["null"],
        &["{}", "{\"x\": 1}", "{\"x\": {\"y\": [1]}}"],
        &["[]", "[1, 2]", "[{\"x\": 1}]", "[ ]"],
    ];
    let kind = if rng.usize(0..8) == 0 { rng.usize(0..VALUES.len()) } else { usual };
    let values = VALUES[kind % VALUES.len()];
    values[rng.usize(0..values.len())].to_owned()
}

/// A row whose fields most often are in their usual order, each once.
fn row(rng: &mut Rng, kinds: &[usize]) -> String {
    let mut keys: Vec<usize> = (0..kinds.len()).filter(|_| rng.usize(0..6) > 0).collect();
    match rng.usize(0..10) {
        0 => rng.shuffle(&mut keys),
        1 => keys.push(rng.usize(0..kinds.len())),
        _ => {}
    }
    let blank = ["", "", "", " ", "\n\t"][rng.usize(0..5)];
    let fields = keys.into_iter().map(|key| {
        let name = match (key, rng.usize(0..20)) {
            (1, 0) => "\\u0062".to_owned(),
            _ => ["id", "b", "key with \\\"", "at", "e", "f", "\u{eb}", "h"][key].to_owned(),
        };
        format!("{blank}\"{name}\"{blank}:{blank}{}{blank}", value(rng, kinds[key]))
    });
    let fields: Vec<_> = fields.collect();
    format!("{{{}}}", if fields.is_empty() { blank.to_owned() } else { fields.join(",") })
}

fn random_rules(rng: &mut Rng) -> RowRules {
    const POLICIES: [SchemaPolicy; 4] = [
        SchemaPolicy::Evolve,
        SchemaPolicy::Discard,
        SchemaPolicy::Quarantine,
        SchemaPolicy::Freeze,
    ];
    const KINDS: [Option<ColumnType>; 7] = [
        None,
        Some(ColumnType::Int),
        Some(ColumnType::Float),
        Some(ColumnType::Text),
        Some(ColumnType::Json),
        Some(ColumnType::Bool),
        Some(ColumnType::Decimal { precision: 9, scale: 2 }),
    ];
    let policy = match rng.usize(0..8) {
        policy @ 0..4 => POLICIES[policy],
        _ => SchemaPolicy::Evolve,
    };
    let mut rules = rules(policy);
    rules.nested = [Nested::Json, Nested::Flatten, Nested::Children][rng.usize(0..3)];
    for name in ["id", "b", "e", "h"] {
        if rng.usize(0..4) == 0 {
            let kind = KINDS[rng.usize(0..KINDS.len())];
            let plan = ColumnPlan { kind, path: vec![name.into()], made: None };
            rules.columns.insert(name.into(), plan);
        }
    }
    if rng.bool() {
        rules.dropped.push("f".into());
    }
    if rng.bool() {
        rules.key.push("id".into());
    }
    if rng.bool() {
        rules.cursor = Some("at".into());
    }
    if rng.bool() {
        rules.refuses = |text| text.contains('\n').then_some("has two lines");
    }
    rules
}

/// The same rules with a check that always holds: such rows are read by their cells.
fn by_cells(rules: &RowRules) -> RowRules {
    let holds = ColumnCheck::Range(Cell::Null, Cell::Null);
    let checks = RowChecks { columns: vec![("no column".into(), holds)], fails: false };
    RowRules { checks, ..rules.clone() }
}

/// What came of the pages that a decoder reads, taken at once, and the error that ended them.
fn read(rules: RowRules, pages: &[Vec<String>]) -> (Option<super::super::Decoded>, String) {
    let mut decoder = RowDecoder::new(rules, Learned::default());
    let mut told = String::new();
    for page in pages {
        let rows: Vec<&str> = page.iter().map(String::as_str).collect();
        match decoder.read_page(&rows, &Bound::default()) {
            Ok(page) => told += &format!("{} {:?} {}; ", page.rejected, page.mark, page.repeated),
            Err(error) => {
                told += &error;
                break;
            }
        }
    }
    match decoder.take() {
        Ok(decoded) => (Some(decoded), told),
        Err(error) => (None, told + &error),
    }
}

fn assert_same(
    one: (Option<super::super::Decoded>, String),
    other: (Option<super::super::Decoded>, String),
    seed: u64,
) {
    let parts = |decoded: super::super::Decoded| {
        let items = decoded.children.into_iter();
        let items = items.map(|(table, items)| (table, items.batches, items.rows));
        let items: Vec<_> = items.collect();
        (decoded.batches, decoded.rejects, decoded.learned, items)
    };
    assert_eq!(one.1, other.1, "seed {seed}");
    assert_eq!(one.0.map(parts), other.0.map(parts), "seed {seed}");
}

#[test]
fn rows_come_to_the_same_however_they_are_read() {
    for seed in 0..1000 {
        let mut rng = Rng::with_seed(seed);
        let rules = random_rules(&mut rng);
        let kinds: Vec<usize> = (0..8).map(|_| rng.usize(0..9).min(6)).collect();
        let pages: Vec<Vec<String>> =
            (0..3).map(|_| (0..8).map(|_| row(&mut rng, &kinds)).collect()).collect();
        assert_same(read(rules.clone(), &pages), read(by_cells(&rules), &pages), seed);
    }
}

#[test]
fn of_a_page_that_ends_the_run_nothing_is_taken() {
    let mut rng = Rng::with_seed(7);
    for seed in 0..10 {
        let rules = RowRules {
            nested: Nested::Children,
            key: vec!["id".into()],
            ..rules(SchemaPolicy::Evolve)
        };
        let mut page = || -> Vec<String> {
            (0..4).map(|_| row(&mut rng, &[0, 2, 2, 2, 3, 5, 6, 6])).collect()
        };
        let (whole, mut last) = (vec![page(), page()], page());
        // More columns than a table may have.
        let fields: Vec<_> = (0..1001).map(|number| format!("\"c{number}\":1")).collect();
        last.push(format!("{{\"id\":1,{}}}", fields.join(",")));
        let without = read(rules.clone(), &whole);
        let (with, told) = read(rules, &[whole, vec![last]].concat());
        let told = told.strip_prefix(without.1.as_str()).unwrap();
        assert!(told.contains("would be column"), "{told}");
        assert_same((with, without.1.clone()), without, seed);
    }
}
