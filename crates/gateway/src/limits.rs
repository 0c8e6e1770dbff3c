//! The bounds of everything that a client can make long, large or many.

use std::time::Duration;

use crate::error::Error;

/// The bounds of a gateway. All have defaults; none can be switched off.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_gateway::Limits;
///
/// let limits = Limits { body: 64 << 10, handler: Duration::from_secs(5), ..Limits::default() };
/// # drop(limits);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long the head of a request may take: 5 s. Of `run` alone.
    pub head: Duration,
    /// How long a body may take as a whole: 30 s. Then 408.
    pub body_time: Duration,
    /// How long no byte of a body may arrive: 10 s. Then 408.
    pub body_idle: Duration,
    /// How long a request may be worked on, once its body is there: 30 s. Then 504. For a stream,
    /// each of its pages.
    pub handler: Duration,
    /// How long a client may read nothing of what was sent: 30 s. Then the connection is closed.
    /// Of `run` alone, and on Linux and Android.
    pub write_stall: Duration,
    /// How long a connection without a request is kept: 75 s. Of `run` alone.
    pub keep_alive: Duration,
    /// The largest body in bytes: 1 MiB. Then 413.
    pub body: usize,
    /// The largest answer in bytes: 32 MiB. Then 422, which names the ways to ask for less. A
    /// stream has no such bound.
    pub answer: usize,
    /// The longest URL in bytes: 8 KiB. Then 414.
    pub url: usize,
    /// How many filters a query may have: 50.
    pub filters: usize,
    /// How many values `in` and `nin` may list: 500.
    pub values: usize,
    /// How deep arrays and objects of a body may be nested: 32.
    pub depth: usize,
    /// How many rows an insert may have: 1,000.
    pub rows: usize,
    /// How many operations a batch may have: 100.
    pub batch: usize,
    /// How many connections each worker of the server keeps: 12,500. Of `run` alone.
    pub connections: usize,
    /// How many requests are worked on at a time: 1,024. Then 503 with `Retry-After`.
    pub in_flight: usize,
    /// How many of them may be of one principal: 64. Then 503 with `Retry-After`.
    pub in_flight_of_one: usize,
    /// How many may watch `/status/events` at a time: 16. Then 503 with `Retry-After`.
    pub watchers: usize,
    /// How many failed logins a network may have in a minute: 10. Then 429 for all its requests,
    /// until the minute is over. A network is an IPv4 address or an IPv6 /64.
    pub failed_logins: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            body_time: Duration::from_secs(30),
            body_idle: Duration::from_secs(10),
            handler: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            body: 1 << 20,
            answer: 32 << 20,
            url: 8 << 10,
            filters: 50,
            values: 500,
            depth: 32,
            rows: 1_000,
            batch: 100,
            connections: 12_500,
            in_flight: 1_024,
            in_flight_of_one: 64,
            watchers: 16,
            failed_logins: 10,
        }
    }
}

impl Limits {
    /// The longest times that make sense: a longer one could not be told from none.
    const LONGEST: Duration = Duration::from_secs(86_400);

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let times = [
            ("head", self.head),
            ("body_time", self.body_time),
            ("body_idle", self.body_idle),
            ("handler", self.handler),
            ("write_stall", self.write_stall),
            ("keep_alive", self.keep_alive),
        ];
        let numbers = [
            ("body", self.body),
            ("answer", self.answer),
            ("url", self.url),
            ("filters", self.filters),
            ("values", self.values),
            ("depth", self.depth),
            ("rows", self.rows),
            ("batch", self.batch),
            ("connections", self.connections),
            ("in_flight", self.in_flight),
            ("in_flight_of_one", self.in_flight_of_one),
            ("watchers", self.watchers),
            ("failed_logins", usize::try_from(self.failed_logins).unwrap_or(usize::MAX)),
        ];
        for (name, time) in times {
            if time < Duration::from_millis(1) || time > Self::LONGEST {
                return Err(Error::Setting(format!("limits: {name} must be 1 ms to 24 h")));
            }
        }
        for (name, number) in numbers {
            if number == 0 {
                return Err(Error::Setting(format!("limits: {name} must be at least 1")));
            }
        }
        // What serde_json itself refuses.
        if self.depth > 100 {
            return Err(Error::Setting("limits: depth must be at most 100".to_owned()));
        }
        Ok(())
    }
}
