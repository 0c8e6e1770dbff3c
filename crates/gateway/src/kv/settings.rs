//! The settings of a store.

use std::{fmt, sync::Arc, time::Duration, time::SystemTime};

use super::{Error, entry};

/// The settings of a store. All have defaults.
///
/// ```
/// use vantage_api_gateway::kv::Settings;
///
/// let settings = Settings::default().with_largest_value(1 << 20).with_cache(16 << 20);
/// # drop(settings);
/// ```
#[derive(Clone)]
pub struct Settings {
    pub(super) largest_value: usize,
    pub(super) cache: usize,
    pub(super) memory: usize,
    pub(super) quota: Option<u64>,
    pub(super) wait: Duration,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            largest_value: 8 << 20,
            cache: 64 << 20,
            memory: 64 << 20,
            quota: None,
            wait: Duration::from_secs(10),
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl Settings {
    /// The largest value in bytes: 8 MiB, at most 64 MiB.
    #[must_use]
    pub fn with_largest_value(mut self, bytes: usize) -> Self {
        self.largest_value = bytes;
        self
    }

    /// How many bytes of the file are kept in memory: 64 MiB.
    #[must_use]
    pub fn with_cache(mut self, bytes: usize) -> Self {
        self.cache = bytes;
        self
    }

    /// How many bytes of values may be on their way: 64 MiB to the disk, and as many from it. A
    /// write counts for at least 4 KiB; a value that is read counts if it has more than 64 KiB.
    /// At least the largest value, at most 4 GiB. Calls beyond that wait their turn.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
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
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
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
        if self.largest_value == 0 || self.largest_value > 64 << 20 {
            return setting("largest_value: must be 1 byte to 64 MiB");
        }
        if self.memory < self.largest_value || self.memory > 4 << 30 {
            return setting("memory: must be at least the largest value, and at most 4 GiB");
        }
        if self.quota == Some(0) {
            return setting("quota: must be at least 1 byte");
        }
        if self.wait < Duration::from_millis(1) || self.wait > Duration::from_secs(3_600) {
            return setting("wait: must be 1 ms to 1 h");
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { largest_value, cache, memory, quota, wait, clock: _ } = self;
        formatter
            .debug_struct("Settings")
            .field("largest_value", largest_value)
            .field("cache", cache)
            .field("memory", memory)
            .field("quota", quota)
            .field("wait", wait)
            .finish_non_exhaustive()
    }
}
