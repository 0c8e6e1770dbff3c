//! Where what was entered is remembered, and what is not.

use std::{env, path::PathBuf};

/// The file, in the user's folder for what programs remember: `$XDG_STATE_HOME`, or
/// `~/.local/state`, or `%LOCALAPPDATA%`. None if nobody says where that is.
pub(crate) fn file() -> Option<PathBuf> {
    file_in(|name| env::var_os(name).map(PathBuf::from))
}

fn file_in(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|folder| folder.is_absolute());
    let home = || Some(folder("HOME")?.join(".local").join("state"));
    let state = folder("XDG_STATE_HOME").or_else(|| folder("LOCALAPPDATA")).or_else(home)?;
    Some(state.join("apipool").join("sql_history"))
}

/// Whether an entry may have a secret in it: it has settings of an API, says a word for one, or a URL
/// with more than a path.
pub(crate) fn has_secret(entry: &str) -> bool {
    let entry = entry.to_ascii_lowercase();
    let has_word = ["'api.", "password", "secret"].iter().any(|word| entry.contains(word));
    has_word || (entry.contains("://") && entry.contains(['@', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    // influxdata/influxdb#7414, xo/usql#299
    #[test]
    fn secrets_are_not_remembered() {
        for entry in [
            "CREATE EXTERNAL TABLE a STORED AS API OPTIONS ('api.auth.bearer' 'canary');",
            "SELECT * FROM api('https://h/a', 'API.headers.X-Key', 'canary');",
            "SELECT * FROM api('https://h/a?key=canary');",
            "SELECT * FROM api('https://me:canary@h/a');",
            "SET x.secret_access_key = 'canary';",
        ] {
            assert!(has_secret(entry), "{entry}");
        }
        for entry in ["SELECT 'a@b?';", "COPY t TO 's3://b/t.parquet';", "SELECT api.a FROM api;"] {
            assert!(!has_secret(entry), "{entry}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn entries_are_remembered_in_the_folder_for_that() {
        let of = |set: &[(&str, &str)]| {
            let of = |name: &str| set.iter().find(|(own, _)| *own == name);
            file_in(|name| of(name).map(|(_, value)| PathBuf::from(value)))
        };
        let (home, state) = (("HOME", "/home/a"), ("XDG_STATE_HOME", "/state"));
        assert_eq!(of(&[home, state]), Some("/state/apipool/sql_history".into()));
        let relative = ("XDG_STATE_HOME", "state");
        let own = Some("/home/a/.local/state/apipool/sql_history".into());
        assert_eq!((of(&[home]), of(&[home, relative])), (own.clone(), own));
        assert_eq!(of(&[]), None);
    }
}
