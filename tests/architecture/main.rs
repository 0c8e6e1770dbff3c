//! The rules that hold the rooms apart, checked on the text of `src`: who may
//! name which crate, which files are pure, what may not be written at all.
//!
//! Only code counts: comments, doc comments, the contents of strings and items
//! under `#[cfg(test)]` are left out.

mod circles;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The longest a file may be, tests left out.
const MOST_LINES: usize = 400;

/// Files and folders that may name `actix`; a folder ends with a slash.
const ACTOR_ROOMS: [&str; 10] = [
    // Hands out the supervisor's address.
    "pool.rs",
    "supervisor/",
    "worker/",
    "actors/actor_ref.rs",
    "token_manager/actor.rs",
    "rate_limit/actor.rs",
    "stats/actor.rs",
    "pager/actor.rs",
    // No actor, but of actix-web.
    "enforcer/client_of.rs",
    "enforcer/middleware.rs",
];

/// Parts of actix that the transport is made of.
const TRANSPORT_PARTS: [&str; 4] = ["actix_http", "actix_rt", "actix_service", "actix_tls"];

/// Where a request passes. `do_send` never refuses, so a queue filled by it has no bound.
const REQUEST_PATH: [&str; 3] = ["pool.rs", "worker/", "transport/"];

/// Files that decide and cause nothing.
const PURE: &[&str] = &[
    "config.rs",
    "config/",
    "dispatch/jobs.rs",
    "enforcer/decision.rs",
    "enforcer/ledger.rs",
    "enforcer/policy.rs",
    "error.rs",
    "error/",
    "events/event.rs",
    "transport/exchange.rs",
    "transport/framing.rs",
    "transport/head.rs",
    "response/mismatch.rs",
    "transport/proxy.rs",
    "response/ruling.rs",
    "base_url.rs",
    "pool_state.rs",
    "refill_backoff.rs",
    "transport/tls.rs",
    "pager/bounds.rs",
    "pager/envelope.rs",
    "pager/envelope/data.rs",
    "pager/facts.rs",
    "pager/format/",
    "pager/mode.rs",
    "pager/next_url.rs",
    "path.rs",
    "path/fields.rs",
    "pager/resume_token.rs",
    "pager/judge/wording.rs",
    "pager/strategy/",
    "rate_limit/bucket.rs",
    "rate_limit/counts.rs",
    "rate_limit/dampener.rs",
    "rate_limit/retry_after.rs",
    "rate_limit/classify.rs",
    "rate_limit/keys.rs",
    "rate_limit/learned.rs",
    "rate_limit/pace.rs",
    "rate_limit/quota.rs",
    "rate_limit/reading.rs",
    "rate_limit/reopening.rs",
    "rate_limit/rotation.rs",
    "rate_limit/simulation.rs",
    "rate_limit/times.rs",
    "retry/",
    "permits/arrivals.rs",
    "permits/priority_queue.rs",
    "stats/counters.rs",
    "stats/durations.rs",
    "stats/snapshot.rs",
    "stats/waits.rs",
    "supervisor/heartbeat.rs",
    "supervisor/restart_backoff.rs",
    "token_manager/credentials.rs",
    "token_manager/unauthorized.rs",
    "token_manager/slots.rs",
    "token_manager/token.rs",
    "tokens/bearer.rs",
    "vantage/aggregate.rs",
    "vantage/alias.rs",
    "vantage/branches.rs",
    "vantage/columns.rs",
    "vantage/condition.rs",
    "vantage/entity.rs",
    "vantage/error.rs",
    "vantage/expression.rs",
    "vantage/row_filter.rs",
    "vantage/fluent.rs",
    "vantage/infer.rs",
    "vantage/json.rs",
    "vantage/keys.rs",
    "vantage/kind.rs",
    "vantage/lenient.rs",
    "vantage/logic.rs",
    "vantage/map_key.rs",
    "vantage/number.rs",
    "vantage/order.rs",
    "vantage/parameter.rs",
    "vantage/path.rs",
    "vantage/pushdown.rs",
    "vantage/query.rs",
    "vantage/record.rs",
    "vantage/related.rs",
    "vantage/settings/",
    "vantage/value.rs",
    "vantage/value_set.rs",
    "vantage/vista/yaml_limits.rs",
    "vantage/vista/narrowing.rs",
    "vantage/vista/yaml.rs",
    "vantage/where_clause.rs",
    "vantage/window.rs",
    "vantage/writes/answer.rs",
    "vantage/writes/body.rs",
    "vantage/writes/etag.rs",
    "vantage/writes/headers.rs",
    "vantage/writes/refusal.rs",
];

#[test]
fn only_the_transport_names_awc() {
    let is_of_awc = |name: &str| matches!(name, "awc" | "actix_http" | "actix_tls");
    check("names awc or what it is made of outside src/transport", |file, line| {
        !file.is_in(&["transport/"]) && line.identifiers().any(is_of_awc)
    });
}

#[test]
fn only_actors_and_their_hosts_name_actix() {
    check("names actix outside the rooms of the actors", |file, line| {
        let allowed = |name: &str| {
            file.is_in(&ACTOR_ROOMS)
                || file.is_in(&["transport/"]) && TRANSPORT_PARTS.contains(&name)
        };
        line.identifiers().any(|name| name.starts_with("actix") && !allowed(name))
    });
}

#[test]
fn the_vantage_adapter_does_not_name_actix() {
    check("names the machinery under the pool", |file, line| {
        file.is_in(&["vantage/"]) && line.identifiers().any(|name| name.starts_with("actix"))
    });
}

#[test]
fn nothing_on_the_request_path_sends_without_a_bound() {
    check("sends with do_send on the request path", |file, line| {
        file.is_in(&REQUEST_PATH) && line.identifiers().any(|name| name == "do_send")
    });
}

#[test]
fn pure_files_have_no_actors_no_runtime_no_clock_and_no_randomness() {
    check("is impure", |file, line| {
        let impure =
            |name: &str| name.starts_with("actix") || ["tokio", "fastrand", "rand"].contains(&name);
        file.is_in(PURE)
            && (line.identifiers().any(impure)
                || line.code.contains("Instant::now")
                || line.code.contains("SystemTime::now"))
    });
}

#[test]
fn the_rules_name_files_that_exist() {
    let files = sources();
    let names = [PURE, &ACTOR_ROOMS, &REQUEST_PATH].concat();
    let is_gone = |name: &&str| !files.iter().any(|file| file.is_in(&[name]));
    let gone: Vec<_> = names.into_iter().filter(|name| is_gone(name)).collect();
    assert!(gone.is_empty(), "no such files: {gone:?}");
}

#[test]
fn documents_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    ["src", "tests", "examples", "crates"]
        .iter()
        .for_each(|at| collect(&root.join(at), &mut paths));
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let code = sources().into_iter().flat_map(|file| file.lines).map(|line| line.text);
    let texts = code.filter(|text| text.contains("//")).chain([architecture]);
    let is_gone = |name: &&str| !paths.iter().any(|path| path.ends_with(name));
    let gone: Vec<String> = texts
        .flat_map(|text| {
            let named = text.split('`').filter(|name| name.ends_with(".rs") && !name.contains(' '));
            named.filter(is_gone).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert!(gone.is_empty(), "no such files: {gone:?}");
}

#[test]
fn an_unwrap_says_why_it_cannot_fail() {
    check("unwraps and gives no reason in a comment on the line or above it", |_, line| {
        let unwraps = line.code.contains(".unwrap()") || line.code.contains(".expect(");
        unwraps && !line.has_reason
    });
}

#[test]
fn nothing_is_left_to_do() {
    check("is unfinished", |_, line| {
        line.code.contains("todo!") || line.code.contains("unimplemented!")
    });
}

#[test]
fn every_file_opens_with_what_it_owns() {
    report("does not open with a //! comment", |file| {
        let first = file.lines.first();
        first.is_none_or(|line| !line.text.starts_with("//! ")).then_some(1)
    });
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    report(&format!("has more than {MOST_LINES} lines without its tests"), |file| {
        file.lines.iter().filter(|line| !line.is_test).nth(MOST_LINES).map(|line| line.number)
    });
}

/// The rooms of `src`, from the top: each may use those below it and never one above.
const LAYERS: &[&str] = &[
    "vantage",
    "tokens",
    "pool",
    "supervisor",
    "worker",
    "pager",
    "dispatch",
    "config",
    "token_manager",
    "actors",
    "enforcer",
    "rate_limit",
    "permits",
    "stats",
    "events",
    "transport",
    "pool_state",
    "refill_backoff",
    "request",
    "retry",
    "base_url",
    "path",
    "blocking",
    "error",
    "response",
    "header_value",
    "signer",
    "priority",
    "data",
    "coop",
    "timers",
    "user_value",
    "cancel_flag",
    "lock",
];

/// Files of the root that are not rooms: the public face, and what tests and fuzzers come in by.
const NO_ROOMS: [&str; 3] = ["lib", "guide", "fuzzing"];

#[test]
fn a_room_uses_only_rooms_below_it() {
    let height = |room: &str| LAYERS.iter().position(|layer| *layer == room);
    let no_place = |room: &str| panic!("{room} has no place in the order of rooms");
    report("uses a room above its own", |file| {
        let own = file.path.split('/').next().unwrap().trim_end_matches(".rs");
        if NO_ROOMS.contains(&own) || file.path.ends_with("/fuzzing.rs") {
            return None;
        }
        let own = height(own).unwrap_or_else(|| no_place(own));
        let is_above = |room: &str| height(room).unwrap_or_else(|| no_place(room)) < own;
        let code: Vec<_> = file.code().filter(|line| !line.is_test).collect();
        let text: Vec<&str> = code.iter().map(|line| line.code.as_str()).collect();
        let (line, _) = rooms_in(&text.join("\n")).into_iter().find(|(_, room)| is_above(room))?;
        Some(code[line].number)
    });
}

/// The rooms that a text names by `crate::`, each with the line of it, from 0.
fn rooms_in(code: &str) -> Vec<(usize, &str)> {
    let mut starts = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let start = at + found.len();
        if !code[start..].starts_with('{') {
            starts.push(start);
            continue;
        }
        let mut depth = 0;
        for (offset, c) in code[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 1 && matches!(c, '{' | ',') {
                let next = &code[start + offset + 1..];
                starts.push(code.len() - next.trim_start().len());
            }
            if depth == 0 {
                break;
            }
        }
    }
    let room_at = |start: usize| {
        let room = code[start..].split(|c: char| !c.is_alphanumeric() && c != '_').next();
        (code[..start].matches('\n').count(), room.unwrap_or_default())
    };
    starts.into_iter().map(room_at).filter(|(_, room)| !room.is_empty()).collect()
}

#[test]
fn rooms_are_found_in_paths_and_in_lists() {
    let code = "use crate::one::Two;\nuse crate::{\n    three::{Four, five::Six},\n    seven,\n};\nlet x = crate::eight::nine();";
    assert_eq!(rooms_in(code), [(0, "one"), (2, "three"), (3, "seven"), (5, "eight")]);
}

/// The faults that the tests called `faults_NN_…` inject, each over a real socket.
const FAULTS: [(u32, &str); 36] = [
    (8, "many calls meet a 401 at once"),
    (9, "a late 401 of an old token"),
    (10, "a token callback that fails, panics or hangs"),
    (11, "a 401 for ever"),
    (12, "a storm of refusals"),
    (13, "a Retry-After that is far, past, skewed or garbage"),
    (14, "headers about quotas that make no sense"),
    (15, "a body cut short"),
    (16, "a body that lasts until the close"),
    (17, "interim answers"),
    (18, "connections that close as they are reused"),
    (19, "a server that dies within a page and comes back"),
    (20, "a set that shrinks or grows while it is read"),
    (21, "the same page for ever"),
    (22, "no word of where the set ends"),
    (23, "an empty page in the middle"),
    (24, "a page that fails for good"),
    (25, "a page of another shape"),
    (26, "a body without end, or nested without end"),
    (27, "a compressed bomb"),
    (28, "a head without end"),
    (29, "an answer that is slow or stops"),
    (30, "a stream that is dropped"),
    (31, "a slow consumer"),
    (32, "a network that loses names, connections or packets"),
    (33, "an early refusal of an upload"),
    (34, "a wall clock that jumps"),
    (36, "the end of the host application's System"),
    (37, "a redirect elsewhere"),
    (38, "a link elsewhere"),
    (39, "characters that a URL or a header cannot hold"),
    (40, "tricks with paths"),
    (41, "anything that is printed"),
    (42, "a base URL that cannot work"),
    (43, "ten thousand callers"),
    (44, "a write that may have been acted upon"),
];

#[test]
fn every_fault_has_a_test() {
    fn sources(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => sources(&path, text),
                path => text.push_str(&fs::read_to_string(path).unwrap()),
            }
        }
    }
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut text);
    let missing: Vec<_> = FAULTS
        .iter()
        .filter(|(number, _)| !text.contains(&format!("fn faults_{number:02}_")))
        .collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}

#[test]
fn comments_strings_and_tests_are_not_code() {
    let file = File::read(
        "sample.rs".into(),
        r##"//! named
/* named /* named */ named */ let a = "named \" named"; // named
let b = r#"named " named"#; let c = ['"', '\'', 'x']; kept::<'a>(b"named");
    // The reason.
    x.unwrap();
    y.unwrap();
#[cfg(test)]
mod tests {
    fn named() { if true {} }
}
fn after() {}
"##,
    );
    let code: Vec<&str> = file.code().map(|line| line.code.trim()).collect();
    assert!(!file.code().any(|line| line.identifiers().any(|name| name == "named")), "{code:#?}");
    assert!(file.lines[2].identifiers().any(|name| name == "kept"));
    let reasons: Vec<bool> = file.lines[4..6].iter().map(|line| line.has_reason).collect();
    assert_eq!(reasons, [true, false]);
    assert_eq!(file.code().last().map(|line| line.number), Some(11));
    assert_eq!(file.lines.iter().filter(|line| line.is_test).count(), 4);
}

/// One file of `src`.
struct File {
    /// Below `src`, with slashes.
    path: String,
    lines: Vec<Line>,
}

struct Line {
    /// From 1.
    number: usize,
    text: String,
    /// The text with blanks for comments and the contents of strings.
    code: String,
    /// A comment ends this line or fills the one above.
    has_reason: bool,
    /// Part of an item under `#[cfg(test)]`.
    is_test: bool,
}

impl File {
    fn read(path: String, text: &str) -> Self {
        let code = blank_all_but_code(text);
        let tests = test_lines(&code);
        let whole_is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        let mut lines: Vec<Line> = Vec::new();
        for (index, (text, code)) in text.lines().zip(code.lines()).enumerate() {
            let own = text.contains("//") && code.trim_end().len() < text.trim_end().len();
            let above = lines.last().is_some_and(|line| line.text.trim_start().starts_with("// "));
            lines.push(Line {
                number: index + 1,
                text: text.to_owned(),
                code: code.to_owned(),
                has_reason: own || above,
                is_test: whole_is_test
                    || tests.iter().any(|(first, last)| (*first..=*last).contains(&index)),
            });
        }
        Self { path, lines }
    }

    /// Whether this is one of `places`, or below one that is a folder.
    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| match place.strip_suffix('/') {
            Some(_) => self.path.starts_with(place),
            None => self.path == *place,
        })
    }

    /// The lines that are not part of a test.
    fn code(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.is_test)
    }
}

impl Line {
    fn identifiers(&self) -> impl Iterator<Item = &str> {
        self.code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    }
}

/// Fails with every line of code that breaks a rule.
fn check(what: &str, broken: impl Fn(&File, &Line) -> bool) {
    report_all(what, |file| {
        file.code().filter(|line| broken(file, line)).map(|line| line.number).collect()
    });
}

/// Fails with every file that breaks a rule, and the line where it does.
fn report(what: &str, broken: impl Fn(&File) -> Option<usize>) {
    report_all(what, |file| broken(file).into_iter().collect());
}

fn report_all(what: &str, broken: impl Fn(&File) -> Vec<usize>) {
    let files = sources();
    assert!(files.len() > 10, "src was not read");
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let lines = broken(file).into_iter();
            lines.map(|line| format!("src/{}:{line} {what}", file.path))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths
        .iter()
        .filter_map(|path| {
            let below = path.strip_prefix(&root).ok()?.to_string_lossy().replace('\\', "/");
            Some(File::read(below, &fs::read_to_string(path).ok()?))
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// `text` with blanks in place of comments, of the contents of strings and of
/// character literals; line breaks stay where they are.
fn blank_all_but_code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' if !after_word || code.ends_with('b') => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[skipped..];
        }
    }
    code
}

/// The length of the block comment that `text` starts with; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string literal that `text` starts with, quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string literal that `text` starts with; 0 if it starts with none.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|&byte| byte == b'#').count();
    let start = 1 + hashes + 1;
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// The length of the character literal that `text` starts with; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        // The escaped character itself may be a quote.
        (Some((_, '\\')), Some((at, c))) => {
            let start = at + c.len_utf8();
            text[start..].find('\'').map_or(0, |end| start + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The first and the last line, from 0, of every item under `#[cfg(test)]`.
fn test_lines(code: &str) -> Vec<(usize, usize)> {
    let line_of = |at: usize| code[..at].matches('\n').count();
    code.match_indices("#[cfg(test)]")
        .map(|(start, _)| {
            let mut depth = 0usize;
            let end = code[start..].char_indices().find_map(|(at, c)| {
                match c {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                (depth == 0 && (c == '}' || c == ';')).then_some(start + at)
            });
            (line_of(start), line_of(end.unwrap_or(code.len())))
        })
        .collect()
}
