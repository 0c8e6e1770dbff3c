//! [pure] The settings of a pool as variables of the environment.

use std::time::Duration;

use super::error::PoolError;

/// What the environment sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Environment {
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) memory_limit: Option<usize>,
    pub(super) health_interval: Option<Duration>,
    pub(super) health_checks: Option<bool>,
    pub(super) failures: Option<u32>,
    pub(super) successes: Option<u32>,
    pub(super) open_time: Option<Duration>,
    pub(super) pressure_threshold: Option<f64>,
    pub(super) gc_interval: Option<Duration>,
}

/// Reads the variables of a pool, and the names of those that begin with its prefix and mean
/// nothing.
///
/// # Errors
/// [`PoolError::Config`] that names a variable whose value is invalid.
pub(super) fn read(
    prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(Environment, Vec<String>), PoolError> {
    let mut found = Environment::default();
    let mut unknown = Vec::new();
    // The interval of one pool takes precedence, in any order of the variables.
    let mut common_interval = None;
    for (name, value) in variables {
        let value = value.trim();
        let number = || whole(&name, value);
        let millis = || number().map(Duration::from_millis);
        let own = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
        match (own, name.as_str()) {
            (Some("POOL_SIZE"), _) => found.min = Some(size(&name, number()?)?),
            (Some("MAX_INSTANCES"), _) => found.max = Some(size(&name, number()?)?),
            (Some("IDLE_TIMEOUT_MS"), _) => found.idle_timeout = Some(millis()?),
            (Some("HEALTH_CHECK_INTERVAL_MS"), _) => found.health_interval = Some(millis()?),
            (Some("MEMORY_LIMIT_MB"), _) => {
                let bytes = number()?.checked_mul(1 << 20);
                let too_large = || PoolError::config(&name, "it is too large");
                found.memory_limit = Some(size(&name, bytes.ok_or_else(too_large)?)?);
            }
            (Some(_), _) => unknown.push(name),
            (None, "HEALTH_CHECK_INTERVAL_MS") => common_interval = Some(millis()?),
            (None, "HEALTH_CHECK_ENABLED") => {
                found.health_checks = Some(match value {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(PoolError::config(&name, "it is neither true nor false")),
                });
            }
            (None, "CB_FAILURE_THRESHOLD") => found.failures = Some(count(&name, number()?)?),
            (None, "CB_SUCCESS_THRESHOLD") => found.successes = Some(count(&name, number()?)?),
            (None, "CB_TIMEOUT_MS") => found.open_time = Some(millis()?),
            (None, "GC_INTERVAL_MS") => found.gc_interval = Some(millis()?),
            (None, "MEMORY_PRESSURE_THRESHOLD") => {
                let share = value.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
                let wrong = || PoolError::config(&name, "it is not a share from 0 to 1");
                found.pressure_threshold = Some(share.ok_or_else(wrong)?);
            }
            (None, _) => {}
        }
    }
    found.health_interval = found.health_interval.or(common_interval);
    Ok((found, unknown))
}

fn whole(name: &str, value: &str) -> Result<u64, PoolError> {
    value.parse().map_err(|_| PoolError::config(name, "it is not a whole number"))
}

fn size(name: &str, number: u64) -> Result<usize, PoolError> {
    usize::try_from(number).map_err(|_| PoolError::config(name, "it is too large"))
}

fn count(name: &str, number: u64) -> Result<u32, PoolError> {
    u32::try_from(number).map_err(|_| PoolError::config(name, "it is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<(Environment, Vec<String>), PoolError> {
        read("WASM", variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn every_name_is_read() {
        let (found, unknown) = of(&[
            ("HEALTH_CHECK_INTERVAL_MS", "9"),
            ("WASM_POOL_SIZE", "1"),
            ("WASM_MAX_INSTANCES", " 2 "),
            ("WASM_IDLE_TIMEOUT_MS", "3"),
            ("WASM_HEALTH_CHECK_INTERVAL_MS", "4"),
            ("WASM_MEMORY_LIMIT_MB", "5"),
            ("CB_FAILURE_THRESHOLD", "6"),
            ("CB_SUCCESS_THRESHOLD", "7"),
            ("CB_TIMEOUT_MS", "8"),
            ("HEALTH_CHECK_ENABLED", "false"),
            ("MEMORY_PRESSURE_THRESHOLD", "0.5"),
            ("GC_INTERVAL_MS", "10"),
            ("WASM_POOL_SIZ", "1"),
            ("NATIVE_POOL_SIZE", "x"),
            ("PATH", "/"),
        ])
        .unwrap();
        let millis = |number| Some(Duration::from_millis(number));
        let all = Environment {
            min: Some(1),
            max: Some(2),
            idle_timeout: millis(3),
            memory_limit: Some(5 << 20),
            health_interval: millis(4),
            health_checks: Some(false),
            failures: Some(6),
            successes: Some(7),
            open_time: millis(8),
            pressure_threshold: Some(0.5),
            gc_interval: millis(10),
        };
        assert_eq!((found, unknown), (all, vec!["WASM_POOL_SIZ".to_owned()]));
        let (found, _) = of(&[("HEALTH_CHECK_INTERVAL_MS", "9")]).unwrap();
        assert_eq!(found.health_interval, millis(9));
    }

    #[test]
    fn a_value_that_is_none_names_its_variable_and_not_itself() {
        for (name, value) in [
            ("WASM_POOL_SIZE", "-1"),
            ("WASM_POOL_SIZE", "secret"),
            ("WASM_MAX_INSTANCES", ""),
            ("WASM_IDLE_TIMEOUT_MS", "1.5"),
            ("WASM_MEMORY_LIMIT_MB", "99999999999999999"),
            ("CB_FAILURE_THRESHOLD", "4294967296"),
            ("HEALTH_CHECK_ENABLED", "yes"),
            ("MEMORY_PRESSURE_THRESHOLD", "80"),
            ("MEMORY_PRESSURE_THRESHOLD", "NaN"),
            ("GC_INTERVAL_MS", "10s"),
        ] {
            let error = of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
