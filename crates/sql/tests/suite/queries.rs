//! Makes queries of every kind, the same for the same seed.

use fastrand::Rng;

/// A query, and whether the order of its rows is said.
#[derive(Clone, Debug)]
pub struct Query {
    pub sql: String,
    pub is_ordered: bool,
}

/// So many queries over `items` and `groups`.
pub fn made(count: usize, seed: u64) -> Vec<Query> {
    let mut random = Rng::with_seed(seed);
    (0..count).map(|number| query(&mut random, number)).collect()
}

fn query(random: &mut Rng, number: usize) -> Query {
    let (one, other) = (condition(random), condition(random));
    let (k, few) = (random.u8(1..12), random.u8(1..30));
    let direction = random.choice(["", " DESC"]).unwrap();
    let mut is_ordered = false;
    let sql = match number % 20 {
        0 => format!("SELECT * FROM items WHERE {one}"),
        1 => format!("SELECT id, t, x FROM items WHERE {one} AND {other}"),
        2 => format!("SELECT x FROM items WHERE {one} OR {other}"),
        3 => {
            is_ordered = true;
            format!("SELECT id, day, at FROM items WHERE {one} ORDER BY id{direction} LIMIT {few}")
        }
        4 => {
            is_ordered = true;
            format!("SELECT id, n FROM items ORDER BY n{direction}, id LIMIT {k} OFFSET {k}")
        }
        5 => {
            is_ordered = true;
            let nulls = random.choice(["FIRST", "LAST"]).unwrap();
            format!(
                "SELECT n, id FROM items WHERE {one} ORDER BY n{direction} NULLS {nulls}, id{direction}"
            )
        }
        6 => format!("SELECT count(*) FROM items WHERE {one}"),
        7 => "SELECT count(*) FROM items".to_owned(),
        8 => format!("SELECT count(*), count(n), sum(n), min(t), max(at) FROM items WHERE {one}"),
        9 => format!("SELECT grp, count(*), sum(x), max(day) FROM items WHERE {one} GROUP BY grp"),
        10 => format!(
            "SELECT i.id, g.name FROM items i JOIN other.groups g ON i.grp = g.id WHERE g.size > {k}0"
        ),
        11 => format!(
            "SELECT i.id, g.name FROM items i LEFT JOIN other.groups g ON i.grp = g.id AND g.size > {k}0"
        ),
        12 => format!(
            "SELECT id FROM items WHERE grp IN (SELECT id FROM other.groups WHERE size < {k}0)"
        ),
        13 => format!(
            "SELECT id FROM items i WHERE NOT EXISTS \
             (SELECT 1 FROM other.groups g WHERE g.id = i.grp AND g.size > {k}0)"
        ),
        14 => format!(
            "SELECT id, t FROM items WHERE {one} UNION ALL SELECT id, name FROM other.groups"
        ),
        15 => format!("SELECT t FROM items WHERE {one} UNION SELECT name FROM other.groups"),
        16 => format!("SELECT id FROM items WHERE n = (SELECT max(n) FROM items WHERE {one})"),
        17 => format!("SELECT DISTINCT n, b FROM items WHERE {one}"),
        18 => {
            format!("SELECT count(*) FROM (SELECT id FROM items WHERE {one} LIMIT {few})")
        }
        _ => {
            is_ordered = true;
            format!(
                "SELECT a.id, b.id FROM items a JOIN items b ON a.n = b.id \
                 WHERE a.x > {k} ORDER BY a.id, b.id LIMIT {few}"
            )
        }
    };
    Query { sql, is_ordered }
}

fn condition(random: &mut Rng) -> String {
    match random.u8(0..6) {
        0 => format!("({} AND {})", simple(random), simple(random)),
        1 => format!("({} OR {})", simple(random), simple(random)),
        2 => format!("NOT ({})", simple(random)),
        _ => simple(random),
    }
}

/// A condition of one column, which comes first.
fn simple(random: &mut Rng) -> String {
    let (k, m) = (random.u8(0..12), random.u8(0..60));
    let (low, high) = (k, k + random.u8(0..5));
    let day = format!("2024-02-{:02}", random.u8(1..28));
    let word = *random.choice(["apple", "Apple", "banana", "É", "none", "a_b"]).as_ref().unwrap();
    match random.u8(0..30) {
        0 => format!("id = {m}"),
        1 => format!("id <> {m}"),
        2 => format!("n > {k}"),
        3 => format!("n <= {k}"),
        4 => format!("n BETWEEN {low} AND {high}"),
        5 => format!("n IN ({k}, {high}, {m})"),
        6 => format!("n NOT IN ({k}, {high})"),
        7 => format!("id IN ({m}, {k}, 7, 8, NULL)"),
        8 => format!("t = '{word}'"),
        9 => format!("t <> '{word}'"),
        10 => format!("t LIKE '{}%'", word.chars().next().unwrap()),
        11 => "t LIKE '%an%'".to_owned(),
        12 => "t LIKE '%e'".to_owned(),
        13 => "t LIKE 'a_b'".to_owned(),
        14 => "t ILIKE 'APP%'".to_owned(),
        15 => format!("t > '{word}'"),
        16 => format!("t IN ('{word}', 'zoo')"),
        17 => "b".to_owned(),
        18 => "b = false".to_owned(),
        19 => "b IS NULL".to_owned(),
        20 => "n IS NOT NULL".to_owned(),
        21 => format!("x > {k}.25"),
        22 => format!("x = {k}.5"),
        23 => format!("day = DATE '{day}'"),
        24 => format!("day >= DATE '{day}'"),
        25 => format!("at < TIMESTAMP '{day} 10:00:00'"),
        26 => format!("at >= '{day}T03:00:00Z'"),
        27 => format!("n + 1 > {k}"),
        28 => format!("id % 3 = {}", k % 3),
        _ => format!("{k} < n"),
    }
}
