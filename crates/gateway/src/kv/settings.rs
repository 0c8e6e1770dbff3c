//! The settings of a store.

use std::{fmt, sync::Arc, time::Duration, time::SystemTime};

use serde::Deserialize;

use super::{Error, entry};
use crate::data;

/// The settings of a store. All have defaults.
///
/// As data it is a map of `max_value_bytes`, `cache_bytes`, `max_in_flight_bytes`, `quota` and
/// `timeout`: bytes, but for the timeout, which is a number of seconds, or text such as `250ms`. An
/// unknown key is an error.
///
/// ```
/// use vantage_api_gateway::kv::Settings;
///
/// let settings = Settings::default().with_max_value_bytes(1 << 20).with_cache_bytes(16 << 20);
/// # drop(settings);
/// let read: Settings = serde_json::from_str(r#"{ "quota": 1000000, "timeout": "5s" }"#)?;
/// # drop(read);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub(super) max_value_bytes: usize,
    pub(super) cache_bytes: usize,
    pub(super) max_in_flight_bytes: usize,
    pub(super) quota: Option<u64>,
    #[serde(deserialize_with = "data::duration")]
    pub(super) timeout: Duration,
    #[serde(skip, default = "system_clock")]
    clock: Clock,
}

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_value_bytes: 8 << 20,
            cache_bytes: 64 << 20,
            max_in_flight_bytes: 64 << 20,
            quota: None,
            timeout: Duration::from_secs(10),
            clock: system_clock(),
        }
    }
}

impl Settings {
    /// The largest value in bytes: 8 MiB, at most 64 MiB.
    #[must_use]
    pub fn with_max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// How many bytes of the file are kept in memory: 64 MiB.
    #[must_use]
    pub fn with_cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How many bytes of values may be on their way: 64 MiB to the disk, and as many from it. A
    /// write counts for at least 4 KiB; a value that is read counts if it has more than 64 KiB.
    /// At least the largest value, at most 4 GiB. Calls beyond that wait their turn.
    #[must_use]
    pub fn with_max_in_flight_bytes(mut self, bytes: usize) -> Self {
        self.max_in_flight_bytes = bytes;
        self
    }

    /// How many bytes all values may have together, where each counts for 1 KiB more, for its key
    /// and what is known of it: no bound by default. A write that would pass it is refused, with 507
    /// over HTTP. What has expired is removed before that, as much as is needed. The file is larger
    /// than its values: see [`compact`](super::Kv::compact).
    #[must_use]
    pub fn with_quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// How long a call waits for its turn, and then for the disk: 10 s. 1 ms to an hour.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where the time of day comes from, for expiry and for the times of values: the system's
    /// clock. Must not fail.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Milliseconds since the epoch.
    pub(super) fn now(&self) -> u64 {
        entry::millis((self.clock)())
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        let setting = |text: &str| Err(Error::Setting(text.to_owned()));
        if self.max_value_bytes == 0 || self.max_value_bytes > 64 << 20 {
            return setting("max_value_bytes: must be 1 byte to 64 MiB");
        }
        if self.max_in_flight_bytes < self.max_value_bytes || self.max_in_flight_bytes > 4 << 30 {
            return setting(
                "max_in_flight_bytes: must be at least the largest value, and at most 4 GiB",
            );
        }
        if self.quota == Some(0) {
            return setting("quota: must be at least 1 byte");
        }
        if self.timeout < Duration::from_millis(1) || self.timeout > Duration::from_secs(3_600) {
            return setting("timeout: must be 1 ms to 1 h");
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_value_bytes, cache_bytes, max_in_flight_bytes, quota, timeout, clock: _ } =
            self;
        formatter
            .debug_struct("Settings")
            .field("max_value_bytes", max_value_bytes)
            .field("cache_bytes", cache_bytes)
            .field("max_in_flight_bytes", max_in_flight_bytes)
            .field("quota", quota)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}
