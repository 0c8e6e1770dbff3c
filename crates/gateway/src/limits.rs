//! [pure] The bounds of everything that a client can make long, large or many.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{data, error::Error};

/// One line for each limit: its name, its type, and its default. The type has the bounds.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr;)*) => {
        /// The bounds of a gateway. All have defaults; none can be switched off.
        ///
        /// Times are 1 ms to 24 h, numbers at least 1. As data it is a map of those that are not the
        /// defaults, where a time is a number of seconds, or text such as `250ms` or `1m 30s`. An
        /// unknown key is an error.
        ///
        /// ```
        /// use std::time::Duration;
        /// use vantage_api_gateway::Limits;
        ///
        /// let request_timeout = Duration::from_secs(5);
        /// let limits = Limits { max_body_bytes: 64 << 10, request_timeout, ..Limits::default() };
        ///
        /// let read: Limits = serde_json::from_str(r#"{ "request_timeout": "5s" }"#)?;
        /// assert_eq!(read.request_timeout, limits.request_timeout);
        /// assert!(serde_json::from_str::<Limits>(r#"{ "max_filters": 0 }"#).is_err());
        /// # Ok::<(), serde_json::Error>(())
        /// ```
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits {
            $($(#[$doc])* #[serde(deserialize_with = "bounded")] pub $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// # Errors
            /// If a limit is out of its bounds.
            pub(crate) fn validate(&self) -> Result<(), Error> {
                $(check(self.$name).map_err(|what| {
                    Error::Setting(format!(concat!("limits: ", stringify!($name), " {}"), what))
                })?;)*
                Ok(())
            }
        }
    };
}

limits! {
    /// How long the head of a request may take: 5 s. Of `run` alone.
    header_timeout: Duration = Duration::from_secs(5);
    /// How long a body may take as a whole: 30 s. Then 408.
    body_timeout: Duration = Duration::from_secs(30);
    /// How long no byte of a body may arrive: 10 s. Then 408.
    body_idle_timeout: Duration = Duration::from_secs(10);
    /// How long a request may be worked on, once its body is there: 30 s. Then 504. For a stream,
    /// each of its pages.
    request_timeout: Duration = Duration::from_secs(30);
    /// How long a client may read nothing of what was sent: 30 s. Then the connection is closed.
    /// Of `run` alone, and on Linux and Android.
    write_timeout: Duration = Duration::from_secs(30);
    /// How long a connection without a request is kept: 75 s. Of `run` alone.
    keep_alive_timeout: Duration = Duration::from_secs(75);
    /// The largest body in bytes: 1 MiB. Then 413.
    max_body_bytes: usize = 1 << 20;
    /// The largest response in bytes: 32 MiB. Then 422, which names the ways to ask for less. A
    /// stream has no such bound.
    max_response_bytes: usize = 32 << 20;
    /// The longest URL in bytes: 8 KiB. Then 414.
    max_url_bytes: usize = 8 << 10;
    /// How many filters a query may have: 50.
    max_filters: usize = 50;
    /// How many values `in` and `nin` may list: 500.
    max_list_values: usize = 500;
    /// How deep arrays and objects of a body may be nested: 32, at most 100.
    max_depth: u8 = 32;
    /// How many rows an insert may have: 1,000.
    max_insert_rows: usize = 1_000;
    /// How many operations a batch may have: 100.
    max_batch_operations: usize = 100;
    /// How many connections each worker of the server keeps: 12,500. Of `run` alone.
    max_connections_per_worker: usize = 12_500;
    /// How many requests are worked on at a time: 1,024. Then 503 with `Retry-After`.
    max_in_flight: usize = 1_024;
    /// How many of them may be of one principal: 64. Then 503 with `Retry-After`.
    max_in_flight_per_principal: usize = 64;
    /// How many streams of `/status/events` are open at a time: 16. Then 503 with `Retry-After`.
    max_event_streams: usize = 16;
    /// How many failed logins a network may have in a minute: 10. Then 429 for all its requests,
    /// until the minute is over. A network is an IPv4 address or an IPv6 /64.
    max_failed_logins: u32 = 10;
}

/// A type of limits.
trait Limit: Copy + PartialOrd + 'static {
    const BOUNDS: RangeInclusive<Self>;
    /// The bounds in words.
    const WORDS: &'static str;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

impl Limit for Duration {
    // A longer time could not be told from none.
    const BOUNDS: RangeInclusive<Self> = Self::from_millis(1)..=Self::from_secs(86_400);
    const WORDS: &'static str = "must be 1 ms to 24 h";

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        data::duration(deserializer)
    }
}

macro_rules! numbers {
    ($($type:ty: $most:expr, $words:literal;)*) => {
        $(impl Limit for $type {
            const BOUNDS: RangeInclusive<Self> = 1..=$most;
            const WORDS: &'static str = $words;

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::deserialize(deserializer)
            }
        })*
    };
}

numbers! {
    usize: usize::MAX, "must be at least 1";
    u32: u32::MAX, "must be at least 1";
    // Of a depth: serde_json itself refuses a little more.
    u8: 100, "must be 1 to 100";
}

fn check<T: Limit>(limit: T) -> Result<(), &'static str> {
    if T::BOUNDS.contains(&limit) { Ok(()) } else { Err(T::WORDS) }
}

fn bounded<'de, T: Limit, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let limit = T::read(deserializer)?;
    check(limit).map(|()| limit).map_err(D::Error::custom)
}
