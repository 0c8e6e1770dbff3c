//! [pure] Limits for YAML text before it is parsed: the parser's time grows with the square of the
//! nesting, and with everything that aliases expand to.

use vantage_core::{Result, error};

/// The longest text, in bytes.
const LONGEST: usize = 256 * 1024;
/// The most levels of nesting.
const DEEPEST: usize = 64;
/// The most aliases.
const MOST_ALIASES: usize = 100;

/// # Errors
/// `IncorrectUsage` that says which limit is exceeded.
pub(super) fn check(yaml: &str) -> Result<()> {
    let what = if yaml.len() > LONGEST {
        format!("the YAML has more than {LONGEST} bytes")
    } else if yaml.lines().any(|line| dashes(line) > DEEPEST) || brackets(yaml) > DEEPEST {
        format!("the YAML has more than {DEEPEST} levels")
    } else if aliases(yaml) > MOST_ALIASES {
        format!("the YAML has more than {MOST_ALIASES} aliases")
    } else {
        return Ok(());
    };
    Err(error!(what).mark_incorrect_usage())
}

/// How many nested lists begin at the start of a line.
fn dashes(line: &str) -> usize {
    line.split_ascii_whitespace().take_while(|word| matches!(*word, "-" | "?")).count()
}

/// How deep brackets are nested, including those in strings and comments.
fn brackets(yaml: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in yaml.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// How many words look like an alias.
fn aliases(yaml: &str) -> usize {
    let words = yaml.split([' ', '\t', '\r', '\n', ',', '[', '{']);
    let is_alias = |word: &&str| {
        word.strip_prefix('*').is_some_and(|name| name.starts_with(|c: char| c.is_alphanumeric()))
    };
    words.filter(is_alias).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_06_what_would_take_long_is_refused_by_name() {
        for (yaml, what) in [
            ("[".repeat(100_000), "levels"),
            ("- ".repeat(100), "levels"),
            (format!("name: {}", "x".repeat(300_000)), "bytes"),
            (format!("x: &x [1]\ny: [{}]", "*x, ".repeat(20_000)), "aliases"),
        ] {
            let error = check(&yaml).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        assert!(check(&format!("label: '{}'", "**bold** * ".repeat(200))).is_ok());
        let usual = "name: a\ncolumns: { id: { type: int, flags: [id] } }\nx: '*'\n- - a\n";
        assert!(check(usual).is_ok());
    }
}
