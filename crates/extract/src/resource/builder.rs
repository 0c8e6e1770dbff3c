//! The settings of a pool, and their defaults.

use std::{
    num::NonZeroUsize,
    thread::{self, available_parallelism},
    time::{Duration, Instant},
};

use tokio::{runtime, sync::mpsc};

use super::{
    breaker::BreakerSettings,
    env::{Environment, read},
    error::PoolError,
    keeper::{Command, keep},
    pool::ResourcePool,
    poolable::Factory,
    shared::Shared,
};

/// When a resource is reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetOn {
    /// When it is returned, so that idle resources hold nothing of their last user.
    #[default]
    Return,
    /// When it is handed out again.
    Checkout,
}

/// The settings of a pool, complete and checked.
#[derive(Clone, Debug)]
pub(super) struct PoolSettings {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) idle_timeout: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) max_uses: Option<u64>,
    pub(super) create_timeout: Duration,
    pub(super) checkout_timeout: Duration,
    pub(super) reset_timeout: Duration,
    pub(super) health_interval: Duration,
    pub(super) health_checks: bool,
    pub(super) memory_limit: Option<usize>,
    pub(super) pressure_threshold: f64,
    pub(super) gc_interval: Duration,
    pub(super) breaker: BreakerSettings,
    pub(super) reset_on: ResetOn,
}

/// Builds a [`ResourcePool`]. What is set here takes precedence over the environment, and that over
/// the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResourcePoolBuilder<F> {
    factory: F,
    min: Option<usize>,
    max: Option<usize>,
    idle_timeout: Option<Duration>,
    max_lifetime: Option<Duration>,
    max_uses: Option<u64>,
    create_timeout: Option<Duration>,
    checkout_timeout: Option<Duration>,
    reset_timeout: Option<Duration>,
    health_interval: Option<Duration>,
    health_checks: Option<bool>,
    memory_limit: Option<usize>,
    pressure_threshold: Option<f64>,
    gc_interval: Option<Duration>,
    breaker: Option<BreakerSettings>,
    reset_on: ResetOn,
    environment: Environment,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $($(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            self.$name = Some(value);
            self
        })*
    };
}

impl<F: Factory> ResourcePoolBuilder<F> {
    pub(super) fn new(factory: F) -> Self {
        Self {
            factory,
            min: None,
            max: None,
            idle_timeout: None,
            max_lifetime: None,
            max_uses: None,
            create_timeout: None,
            checkout_timeout: None,
            reset_timeout: None,
            health_interval: None,
            health_checks: None,
            memory_limit: None,
            pressure_threshold: None,
            gc_interval: None,
            breaker: None,
            reset_on: ResetOn::default(),
            environment: Environment::default(),
        }
    }

    setters! {
        /// How many resources there are without any use: 0 by default. They are made at once, and
        /// replaced when they are gone.
        min: usize;
        /// How many there may be: two for each core by default, at least 1.
        max: usize;
        /// How long one beyond the minimum stays without use: 60 s by default.
        idle_timeout: Duration;
        /// How long one is used, from the moment at which it was made: 30 min by default.
        max_lifetime: Duration;
        /// How often one is used, at least once: without a limit by default.
        max_uses: u64;
        /// How long the factory may take: 10 s by default.
        create_timeout: Duration;
        /// How long a checkout waits: 5 s by default.
        checkout_timeout: Duration;
        /// How long a reset, or the question whether a resource is healthy, may take: 5 s by
        /// default.
        reset_timeout: Duration;
        /// How often idle resources are asked whether they are healthy: every 30 s by default.
        health_interval: Duration;
        /// Whether resources are asked whether they are healthy, while they are idle and before
        /// each use: true by default.
        health_checks: bool;
        /// How much memory all of them may take together, in bytes, as
        /// [`Poolable::memory`](super::Poolable::memory) says. Without a limit by default.
        memory_limit: usize;
        /// The share of the memory limit above which idle ones are closed, from 0 to 1: 0.8 by
        /// default.
        pressure_threshold: f64;
        /// How often the memory is compared with that: every 10 s by default.
        gc_interval: Duration;
        /// When no resource is made because the last ones could not be.
        breaker: BreakerSettings;
    }

    /// When a resource is reset: when it is returned by default.
    pub fn reset_on(mut self, reset_on: ResetOn) -> Self {
        self.reset_on = reset_on;
        self
    }

    /// Reads the environment of the process, with `prefix` in the names of variables that are of
    /// one pool, such as `WASM` or `NATIVE`:
    ///
    /// | variable | setting |
    /// |---|---|
    /// | `<prefix>_POOL_SIZE` | [`min`](Self::min) |
    /// | `<prefix>_MAX_INSTANCES` | [`max`](Self::max) |
    /// | `<prefix>_IDLE_TIMEOUT_MS` | [`idle_timeout`](Self::idle_timeout) |
    /// | `<prefix>_MEMORY_LIMIT_MB` | [`memory_limit`](Self::memory_limit), in units of 2²⁰ bytes |
    /// | `<prefix>_HEALTH_CHECK_INTERVAL_MS`, or else `HEALTH_CHECK_INTERVAL_MS` | [`health_interval`](Self::health_interval) |
    /// | `HEALTH_CHECK_ENABLED` | [`health_checks`](Self::health_checks): `true` or `false` |
    /// | `CB_FAILURE_THRESHOLD` | [`BreakerSettings::failures`] |
    /// | `CB_SUCCESS_THRESHOLD` | [`BreakerSettings::successes`] |
    /// | `CB_TIMEOUT_MS` | [`BreakerSettings::open_time`] |
    /// | `MEMORY_PRESSURE_THRESHOLD` | [`pressure_threshold`](Self::pressure_threshold) |
    /// | `GC_INTERVAL_MS` | [`gc_interval`](Self::gc_interval) |
    ///
    /// Any other variable that begins with the prefix is reported as a warning in the log.
    ///
    /// # Errors
    /// [`PoolError::Config`] that names the variable whose value is invalid. The value itself is not
    /// shown.
    pub fn from_env(self, prefix: &str) -> Result<Self, PoolError> {
        // Those that are not Unicode are not among the names.
        let variables = std::env::vars_os();
        let variables = variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        self.from_variables(prefix, variables)
    }

    /// As [`from_env`](Self::from_env), from these variables.
    ///
    /// # Errors
    /// As there.
    pub fn from_variables(
        mut self,
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PoolError> {
        let (environment, unknown) = read(prefix, variables)?;
        for name in unknown {
            tracing::warn!(%name, "the variable is not a setting of a pool");
        }
        self.environment = environment;
        Ok(self)
    }

    /// Starts the pool, with a thread of its own. It ends when its handles and checkouts do.
    ///
    /// # Errors
    /// [`PoolError::Config`] for settings that contradict each other, or if there is no thread.
    pub fn build(self) -> Result<ResourcePool<F>, PoolError> {
        let settings = self.settings()?;
        check(&settings)?;
        let no_thread = |error: std::io::Error| PoolError::config("keeper", error.to_string());
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let (sender, commands) = mpsc::unbounded_channel();
        let handle = runtime.handle().clone();
        let shared = Shared::new(self.factory, settings, sender, handle, Instant::now());
        let shared = std::sync::Arc::new(shared);
        let pool = std::sync::Arc::downgrade(&shared);
        let work = move || runtime.block_on(keep(pool, commands));
        thread::Builder::new().name("resource-pool".into()).spawn(work).map_err(no_thread)?;
        shared.tell(Command::Look);
        Ok(ResourcePool::new(shared))
    }

    fn settings(&self) -> Result<PoolSettings, PoolError> {
        let env = &self.environment;
        let cores = available_parallelism().map_or(2, NonZeroUsize::get);
        let min = self.min.or(env.min).unwrap_or(0);
        let usual = BreakerSettings::default();
        let usual = usual
            .failures(env.failures.unwrap_or(usual.failures))
            .successes(env.successes.unwrap_or(usual.successes))
            .open_time(env.open_time.unwrap_or(usual.open_time));
        let seconds = Duration::from_secs;
        Ok(PoolSettings {
            min,
            max: self.max.or(env.max).unwrap_or_else(|| (2 * cores).max(min)),
            idle_timeout: self.idle_timeout.or(env.idle_timeout).unwrap_or(seconds(60)),
            max_lifetime: self.max_lifetime.unwrap_or(seconds(30 * 60)),
            max_uses: self.max_uses,
            create_timeout: self.create_timeout.unwrap_or(seconds(10)),
            checkout_timeout: self.checkout_timeout.unwrap_or(seconds(5)),
            reset_timeout: self.reset_timeout.unwrap_or(seconds(5)),
            health_interval: self.health_interval.or(env.health_interval).unwrap_or(seconds(30)),
            health_checks: self.health_checks.or(env.health_checks).unwrap_or(true),
            memory_limit: self.memory_limit.or(env.memory_limit),
            pressure_threshold: self.pressure_threshold.or(env.pressure_threshold).unwrap_or(0.8),
            gc_interval: self.gc_interval.or(env.gc_interval).unwrap_or(seconds(10)),
            breaker: self.breaker.unwrap_or(usual),
            reset_on: self.reset_on,
        })
    }
}

/// # Errors
/// [`PoolError::Config`] that names the setting.
fn check(settings: &PoolSettings) -> Result<(), PoolError> {
    let PoolSettings { min, max, breaker, .. } = *settings;
    if max == 0 {
        return Err(PoolError::config("max", "a pool has at least one resource"));
    }
    if min > max {
        return Err(PoolError::config("min", "it is above the maximum"));
    }
    // Of the semaphore.
    if max > usize::MAX >> 3 {
        return Err(PoolError::config("max", "there are not so many"));
    }
    let above_zero = [
        ("max_lifetime", !settings.max_lifetime.is_zero()),
        ("max_uses", settings.max_uses != Some(0)),
        ("create_timeout", !settings.create_timeout.is_zero()),
        ("reset_timeout", !settings.reset_timeout.is_zero()),
        ("health_interval", !settings.health_interval.is_zero()),
        ("gc_interval", !settings.gc_interval.is_zero()),
        ("memory_limit", settings.memory_limit != Some(0)),
        ("breaker failures", breaker.failures > 0),
        ("breaker successes", breaker.successes > 0),
    ];
    if let Some((name, _)) = above_zero.iter().find(|(_, is_set)| !is_set) {
        return Err(PoolError::config(*name, "it is above zero"));
    }
    if !(0.0..=1.0).contains(&settings.pressure_threshold) {
        return Err(PoolError::config("pressure_threshold", "it is a share from 0 to 1"));
    }
    Ok(())
}
