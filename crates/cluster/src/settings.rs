//! How a cluster is reached, and how a process works in it.

use std::{fmt, time::Duration};

use secrecy::SecretString;

use crate::Error;

/// How a cluster is reached, and how a process works in it.
///
/// All processes of a cluster should have the same `heartbeat`: each says in the database after which
/// silence others may take what it has, so that different ones do no harm.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The database of the cluster. `postgres://USER:PASSWORD@HOST:PORT/DATABASE` is one for any number of
    /// machines: streams with this very text as their sink are divided among the workers. `sqlite:FILE`, or
    /// `sqlite:///var/lib/jobs.db`, is one for the processes of one machine; the text is the path as it is,
    /// without parameters.
    pub url: SecretString,
    /// How often a process says that it is alive: every 10 s if not said, at least 200 ms. After two and
    /// a half of them without a word, what it has goes to others.
    pub heartbeat: Duration,
    /// How many units a process works on at a time: 4 if not said.
    pub slots: usize,
    /// How many pages a part of a stream has, where pages are counted: 50 if not said. There are no parts in
    /// an SQLite file.
    pub pages: u64,
    /// How often a unit is started without getting any further before it is set aside: 8 times if not
    /// said.
    pub max_starts: u32,
}

impl Settings {
    /// The usual ones for the database at `url`.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            heartbeat: Duration::from_secs(10),
            slots: 4,
            pages: 50,
            max_starts: 8,
        }
    }

    /// # Errors
    /// [`Error::Settings`], which names the one that is out of its bounds.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let heartbeats = Duration::from_millis(200)..=Duration::from_secs(3600);
        for (is_right, what) in [
            (heartbeats.contains(&self.heartbeat), "`heartbeat` is from 200ms to 1h"),
            ((1..=256).contains(&self.slots), "`slots` are from 1 to 256"),
            (self.pages > 0, "`pages` of a part are at least 1"),
            ((1..=1000).contains(&self.max_starts), "`max_starts` is from 1 to 1000"),
        ] {
            if !is_right {
                return Err(Error::Settings(what.to_owned()));
            }
        }
        Ok(())
    }

    /// The silence after which others take what a process has.
    pub(crate) fn silence(&self) -> Duration {
        self.heartbeat * 5 / 2
    }

    /// How often a process looks at what there is to do besides its units.
    pub(crate) fn look(&self) -> Duration {
        (self.heartbeat / 4).min(Duration::from_secs(1))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("heartbeat", &self.heartbeat)
            .field("slots", &self.slots)
            .field("pages", &self.pages)
            .field("max_starts", &self.max_starts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_their_bounds_are_named() {
        let usual = Settings::new("postgres://h/d");
        assert!(usual.check().is_ok());
        assert!(usual.silence() <= Duration::from_secs(30) - usual.look());
        for (wrong, named) in [
            (Settings { heartbeat: Duration::ZERO, ..usual.clone() }, "heartbeat"),
            (Settings { slots: 0, ..usual.clone() }, "slots"),
            (Settings { pages: 0, ..usual.clone() }, "pages"),
            (Settings { max_starts: 0, ..usual.clone() }, "max_starts"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(named));
        }
    }

    #[test]
    fn the_url_is_not_shown() {
        let settings = Settings::new("postgres://u:s3cret@h/d");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
