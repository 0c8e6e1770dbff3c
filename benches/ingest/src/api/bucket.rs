//! [pure] A rate limit.

use std::time::{Duration, Instant};

/// A bucket of one second's worth of requests.
pub struct Bucket {
    rate: f64,
    left: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full one, of so many requests per second.
    pub fn new(rate: u32, now: Instant) -> Self {
        Self { rate: f64::from(rate), left: f64::from(rate), filled_at: now }
    }

    /// Takes a request, or returns how long it is until there is one.
    pub fn take(&mut self, now: Instant) -> Option<Duration> {
        let gained = (now - self.filled_at).as_secs_f64() * self.rate;
        (self.left, self.filled_at) = ((self.left + gained).min(self.rate), now);
        if self.left < 1.0 {
            return Some(Duration::from_secs_f64((1.0 - self.left) / self.rate));
        }
        self.left -= 1.0;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grants_a_second_at_once_and_then_the_rate() {
        let began = Instant::now();
        let mut bucket = Bucket::new(4, began);
        assert!((0..4).all(|_| bucket.take(began).is_none()));
        assert_eq!(bucket.take(began), Some(Duration::from_millis(250)));
        assert_eq!(bucket.take(began + Duration::from_millis(250)), None);
        assert!(bucket.take(began + Duration::from_millis(250)).is_some());
        let later = began + Duration::from_secs(60);
        assert!((0..4).all(|_| bucket.take(later).is_none()));
        assert!(bucket.take(later).is_some());
    }
}
