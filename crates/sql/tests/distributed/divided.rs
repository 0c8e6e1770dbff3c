//! Pages divided between workers: the rows are the same, and each page is requested once.

use crate::{
    support::{Api, Pages},
    world::{PAGE, World, rows, try_rows},
};

/// The places that targets ask for, as numbers of pages from 1.
fn places(asked: &[String]) -> Vec<usize> {
    let number = |target: &str, name: &str| {
        let at = target.find(&format!("{name}="))? + name.len() + 1;
        let digits = target[at..].split(|digit: char| !digit.is_ascii_digit()).next()?;
        digits.parse::<usize>().ok()
    };
    let place = |target: &String| {
        let page = number(target, "?page").or_else(|| number(target, "&page"));
        let offset = || Some(number(target, "offset").unwrap_or_default() / PAGE + 1);
        page.or_else(offset).unwrap()
    };
    asked.iter().map(place).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_is_requested_once_and_workers_have_equally_many() {
    for (pages, count) in [(Pages::Numbered, 41), (Pages::Offset, 40)] {
        let world = World::new(pages, 2, count * PAGE - 2);
        let session = world.session();
        let sums = "SELECT t, count(*), sum(n), min(id), max(x) FROM items GROUP BY t ORDER BY t";
        let found = rows(&session, sums).await;
        let asked: Vec<Vec<usize>> = world.asked().iter().map(|asked| places(asked)).collect();
        assert_eq!(asked[0], [1], "{pages:?}: the session reads the first page alone");
        let (one, other) = (asked[1].len(), asked[2].len());
        assert!(one.abs_diff(other) <= 1, "{pages:?}: {one} to {other}");
        let mut all = asked.concat();
        all.sort_unstable();
        assert_eq!(all, (1..=count).collect::<Vec<_>>(), "{pages:?}");
        assert_eq!(found, rows(&world.alone(), sums).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_over_workers_have_the_rows_of_one_process() {
    let world = World::new(Pages::Numbered, 2, 103);
    let (session, alone) = (world.session(), world.alone());
    for sql in [
        "SELECT * FROM items",
        "SELECT count(*) FROM items",
        "SELECT id, x FROM items WHERE n > 5 AND t = 't1'",
        "SELECT count(DISTINCT n), avg(x) FROM items WHERE t = 't2'",
        "SELECT id FROM items ORDER BY n DESC, id LIMIT 7",
        "SELECT id, n FROM items ORDER BY id",
        "SELECT grp, count(*) FROM items GROUP BY grp HAVING count(*) > 11 ORDER BY grp",
        "SELECT id FROM items UNION ALL SELECT id FROM groups",
        "SELECT n FROM items UNION SELECT id FROM groups",
        "SELECT name, count(*) FROM items JOIN groups ON items.grp = groups.id GROUP BY name",
        "SELECT a.id, b.id FROM items a JOIN items b ON a.n = b.grp AND a.id < b.id WHERE a.id < 9",
        "SELECT items.id, name FROM items LEFT JOIN groups ON items.grp = groups.id",
        "SELECT id FROM items WHERE grp IN (SELECT id FROM groups WHERE name > 'g3')",
        "SELECT id FROM items WHERE grp NOT IN (SELECT id FROM groups)",
        "SELECT id FROM items WHERE x > (SELECT avg(x) FROM items)",
        "SELECT id, row_number() OVER (PARTITION BY t ORDER BY id) FROM items",
        "SELECT id FROM items WHERE t = 'none'",
        "SELECT id FROM items LIMIT 0",
        "WITH large AS (SELECT * FROM items WHERE n > 8) SELECT count(*) FROM large a, large b",
    ] {
        assert_eq!(rows(&session, sql).await, rows(&alone, sql).await, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_of_few_pages_and_none_are_divided() {
    for count in [0, 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1] {
        let world = World::new(Pages::Numbered, 2, count);
        let session = world.session();
        let counted = rows(&session, "SELECT count(*), count(id) FROM items").await;
        assert_eq!(counted, [format!("{count} | {count}")]);
        let requests: usize = world.asked().iter().map(Vec::len).sum();
        assert_eq!(requests, count.div_ceil(PAGE).max(1), "{count} rows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_shows_which_pages_each_task_reads() {
    let world = World::new(Pages::Numbered, 2, 41 * PAGE);
    let plan = rows(&world.session(), "EXPLAIN SELECT sum(n) FROM items").await.join("\n");
    assert!(plan.contains("pages=1-21"), "{plan}");
    assert!(plan.contains("pages=22-"), "{plan}");
    assert!(plan.contains("GET http://"), "{plan}");
    let asked: Vec<usize> = world.asked().iter().map(Vec::len).collect();
    assert_eq!(asked, [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_copied_come_from_workers() {
    let world = World::new(Pages::Numbered, 2, 20 * PAGE);
    let session = world.session();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items.json");
    let copy = format!("COPY (SELECT id FROM items) TO '{}'", file.display());
    assert_eq!(rows(&session, &copy).await, ["100"]);
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 100);
    let asked: Vec<usize> = world.asked().iter().map(Vec::len).collect();
    assert_eq!((asked[0], asked[1] + asked[2]), (1, 19));
}

/// One process reads such a set; ranges that begin by the length of the first page would leave rows out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_another_length_than_the_first_are_refused_and_no_row_is_left_out() {
    for pages in [Pages::Numbered, Pages::Offset] {
        let world = World::new(pages, 2, 103);
        [&world.own].into_iter().chain(&world.apis).for_each(Api::shorten_later_pages);
        assert_eq!(rows(&world.alone(), "SELECT id FROM items").await.len(), 103, "{pages:?}");
        let error =
            try_rows(&world.session(), "SELECT id FROM items").await.unwrap_err().to_string();
        assert!(error.contains("4 rows and others have 5"), "{pages:?}: {error}");
    }
}
