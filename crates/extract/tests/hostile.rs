//! Hostile bodies of 1 MB: each is read, or refused by a limit, in bounded time and memory. Time is
//! that of the CPU, so that a busy machine changes nothing.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    time::{Duration, Instant},
};

use vantage_api_extract::{Css, Csv, ExtractError, Extraction, Field, Limits, Lines, Regex, Xml};

const SIZE: usize = 1_000_000;
const LIMIT: Duration = Duration::from_millis(500);
/// How long after its limit work may go on: 100 ms are promised, and on a busy machine the same work
/// takes several times the CPU time.
const AFTER: Duration = Duration::from_millis(500);
/// How much memory a page may take.
const MEMORY: u64 = 32 << 20;

fn repeated(part: &str) -> String {
    part.repeat(SIZE / part.len())
}

/// The time that this thread was on a CPU.
fn cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// `VmRSS` or `VmHWM` of this process, in bytes.
fn memory(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn hostile(name: &str, extraction: &Extraction, body: &str) -> Result<usize, ExtractError> {
    // From here on, the high-water mark is that of what follows.
    let cleared = fs::write("/proc/self/clear_refs", "5");
    assert!(cleared.is_ok() || !cfg!(target_os = "linux"), "no high-water mark: {cleared:?}");
    let (before, cpu_before, begun) = (memory("VmRSS"), cpu(), Instant::now());
    let page = extraction.page(body.as_bytes(), None, None);
    let took = cpu().zip(cpu_before).map(|(after, before)| after - before);
    let grown = memory("VmHWM").zip(before).map(|(after, before)| after.saturating_sub(before));
    let took = took.unwrap_or_else(|| begun.elapsed());
    assert!(took <= LIMIT + AFTER, "{name}: {took:?}");
    if let Some(grown) = grown.filter(|_| cleared.is_ok()) {
        assert!(grown <= MEMORY, "{name}: {} MiB", grown >> 20);
    }
    page.map(|page| page.matches("},{").count() + 1)
}

fn limited(extraction: Extraction) -> Extraction {
    extraction.limits(Limits::default().time(LIMIT)).unwrap()
}

/// As [`limited`], for what ends by itself however busy the machine is: its CPU time is looked at.
fn patient(extraction: Extraction) -> Extraction {
    extraction.limits(Limits::default().time(240 * LIMIT)).unwrap()
}

/// Selectors that need a tree: those that look at one side of an element, and those that go through
/// all siblings, or all that is inside it.
#[cfg(feature = "tree")]
fn over_a_tree() -> Vec<(&'static str, Extraction)> {
    let tree = |items: &str, field: &str| {
        let text = Css::new(items).field("own", ".").field("other", field).tree();
        limited(text.build().unwrap().allow_empty())
    };
    vec![
        ("rows of a tree", tree("tr.row", "td:first-child")),
        (
            "siblings of a tree",
            tree("div, i, td, b, a ~ b ~ p, i ~ p, li ~ li", "a + b, i:empty, b ~ b"),
        ),
        (
            "what has others in a tree",
            tree(":has(a + b):has(td i), :nth-last-child(7), p:nth-last-of-type(odd)", ":has(x)"),
        ),
    ]
}

/// In one test, since memory is that of the whole process.
#[test]
fn each_is_read_or_refused_by_a_limit_in_bounded_time_and_memory() {
    let rows = limited(
        Css::new("tr.row")
            .field("name", "td.name a")
            .field("n", Field::new("td.n").integer())
            .build()
            .unwrap(),
    );
    let items = limited(
        Css::new("div, i, td, p, b, a")
            .field("text", ".")
            .field("id", Field::new(".").attr("id"))
            .build()
            .unwrap()
            .allow_empty(),
    );
    let honest = "<tr class=row><td class=name><a href=x>row</a></td><td class=n>7</td></tr>\n";
    let all = SIZE / honest.len();
    assert_eq!(hostile("honest rows", &patient(rows.clone()), &repeated(honest)), Ok(all));
    #[cfg(feature = "tree")]
    {
        let tree = Css::new("tr.row").field("name", "td.name a").tree().build().unwrap();
        let table = format!("<table>{}", repeated(honest));
        assert_eq!(hostile("honest rows of a tree", &patient(tree), &table), Ok(all));
    }

    let many = |start: &str, part: &dyn Fn(usize) -> String, count: usize| {
        (0..count).map(part).fold(start.to_owned(), |body, part| body + &part)
    };
    let attributes = many("<p", &|n| format!(" a{n}=1"), 110_000) + ">x</p>";
    let formatting = many("", &|n| format!("<i id=n{n}>"), 50_000) + &"<p>".repeat(100_000);
    // So many starts of tags with a number, and the rest of the same tag.
    let ids = |start: &str, count: usize, rest: &str| {
        let head = many("", &|n| format!("{start}{n}=1>"), count);
        let left = SIZE.saturating_sub(head.len()) / rest.len();
        head + &rest.repeat(left)
    };
    let nested_rows = repeated("<table><tr class=row><td class=name><a>x</a>");
    let bodies = [
        ("div", repeated("<div>")),
        ("nested tables", repeated("<table><tr><td>")),
        ("nested rows", nested_rows),
        ("formatting elements", formatting),
        ("attributes", attributes),
        ("adoption agency", repeated("<a><b></a>")),
        ("b and p", repeated("<b><p>")),
        ("lists", repeated("<ul><li>")),
        ("one tag without an end", format!("<p {}", "x".repeat(SIZE))),
        ("one comment without an end", format!("<!--{}", "x".repeat(SIZE))),
        ("one text", format!("<div>{}", "x".repeat(SIZE))),
        ("entities", format!("<div>{}</div>", repeated("&amp;"))),
        ("entities without an end", format!("<div>{}</div>", repeated("&notit"))),
        ("end tags", repeated("</div>")),
        ("less than", repeated("<")),
        ("unclosed text", repeated("<textarea><title>")),
        ("nothing but spaces", repeated(" \n")),
        ("many siblings", repeated("<b></b><p></p>")),
        ("paragraphs in formatting elements", ids("<b id=", 500, "<p>")),
        ("cells in tables in cells", repeated("<table><b><tr><a><td>")),
        ("templates", repeated("<template><p>")),
        ("options", repeated("<select><option><optgroup>")),
        ("foreign elements", repeated("<svg><foreignObject><math><mi>")),
        ("forms", repeated("<form><p></form>")),
        ("framesets", repeated("<frameset></frameset><noscript>")),
        ("bodies with attributes", ids("<body a", 50_000, "<html>")),
    ];
    #[cfg_attr(not(feature = "tree"), expect(unused_mut))]
    let mut read_by = vec![("rows", rows), ("items", items)];
    #[cfg(feature = "tree")]
    read_by.extend(over_a_tree());
    for (name, body) in &bodies {
        for (which, extraction) in &read_by {
            let name = format!("{name}, {which}");
            if let Err(error) = hostile(&name, extraction, body) {
                let is_refused = error.limit().is_some()
                    || matches!(
                        error,
                        ExtractError::NoItems { .. } | ExtractError::Malformed { .. }
                    );
                assert!(is_refused, "{name}: {error}");
            }
        }
    }

    let xml = patient(
        Xml::new("a").field("b", "//b").field("c", Field::new("@c").list()).build().unwrap(),
    );
    let attributes = many("<a", &|n| format!(" a{n}='1'"), 80_000) + "/>";
    let laughs =
        "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]><a><b>&y;</b></a>";
    for (name, body, limit) in [
        ("nested", repeated("<a>"), Some("depth")),
        ("attributes", attributes, Some("attributes")),
        ("entities of a document type", laughs.to_owned(), None),
        ("text", format!("<a><b>{}</b></a>", "x".repeat(SIZE)), None),
        ("cut", format!("<r>{}", repeated("<a><b>1</b></a>")), None),
        ("comment", format!("<a><!--{}", "-".repeat(SIZE)), None),
        ("items", format!("<r>{}</r>", repeated("<a/>")), Some("items")),
    ] {
        let error = hostile(&format!("XML: {name}"), &xml, &body);
        match limit {
            Some(limit) => assert_eq!(error.unwrap_err().limit(), Some(limit), "{name}"),
            None => assert!(name == "text" || error.is_err(), "{name}"),
        }
    }

    let csv = patient(Csv::new().names(["a"]).build().unwrap());
    for (name, body) in [
        ("one quote", format!("\"{}", repeated("x,\n"))),
        ("quotes", format!("{}\"", repeated("\"\""))),
        ("commas", ",".repeat(SIZE)),
        ("lines", repeated("x\n")),
    ] {
        assert!(hostile(&format!("CSV: {name}"), &csv, &body).is_err(), "{name}");
    }
    // Each name is sought among all.
    let sign = |n: usize| char::from(b'0' + u8::try_from(n % 60).unwrap());
    let name = |n: usize| [sign(n / 3600), sign(n / 60), sign(n)].iter().collect::<String>();
    let names: Vec<String> = (0..SIZE / 5).map(name).collect();
    let wide = format!("{}\n{}\n", names.join(","), ",".repeat(names.len() - 1));
    let headed = patient(Csv::new().build().unwrap());
    let error = hostile("CSV: names", &headed, &wide).unwrap_err();
    assert_eq!(error.limit(), Some("memory"));
    let big = format!("a\n\"{}\"\n", "x".repeat(10 << 20));
    let error = csv.page(big.as_bytes(), None, None).unwrap_err();
    assert_eq!(error.limit(), Some("item_bytes"));

    // Each of these goes through the rest of the text at each of its places.
    for (pattern, body) in [
        ("(?<a>.*[^A-Z]|[A-Z])", "A".repeat(SIZE)),
        ("(?<a>(x+x+)+y)", "x".repeat(SIZE)),
        ("(?<a>)", "é".repeat(SIZE / 2)),
    ] {
        let regex = limited(Regex::new(pattern).build().unwrap());
        assert!(hostile(&format!("pattern {pattern}"), &regex, &body).is_err());
    }
    // Each of the groups has the whole text, of which each character is written as six.
    let nested: String = ('a'..='h').map(|name| format!("(?<{name}>")).collect();
    let nested = Regex::new(format!("^{nested}\u{1}*{}$", ")".repeat(8))).build().unwrap();
    let error = hostile("nested groups", &patient(nested), &"\u{1}".repeat(SIZE)).unwrap_err();
    assert_eq!(error.limit(), Some("item_bytes"));
    let lines = patient(Lines::new().build().unwrap());
    let error = hostile("lines", &lines, &repeated("a\n")).unwrap_err();
    assert_eq!(error.limit(), Some("items"));

    // The last one, since it takes memory.
    let all = Limits::default().time(240 * LIMIT).memory(1 << 30).item_bytes(1 << 30);
    let large = Csv::new().build().unwrap().limits(all).unwrap();
    let begun = cpu();
    let page = large.page(wide.as_bytes(), None, None).unwrap();
    let took = cpu().zip(begun).map(|(after, before)| after - before);
    assert!(took.is_none_or(|took| took <= 20 * LIMIT), "CSV: names, without limits: {took:?}");
    assert_eq!(page.matches("\":\"").count(), names.len());
}
