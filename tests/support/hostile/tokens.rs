//! The tokens that were handed out and which of them still hold.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

pub struct Tokens {
    lifetime: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    issued: usize,
    valid: HashMap<String, Instant>,
}

impl Tokens {
    /// Tokens that expire after `lifetime`, or never.
    pub fn new(lifetime: Option<Duration>) -> Self {
        Self { lifetime, state: Mutex::default() }
    }

    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    pub fn issue(&self) -> String {
        let mut state = self.state.lock().unwrap();
        state.issued += 1;
        let token = format!("token-{}", state.issued);
        state.valid.insert(token.clone(), Instant::now());
        token
    }

    pub fn revoke(&self) {
        self.state.lock().unwrap().valid.clear();
    }

    pub fn issued(&self) -> usize {
        self.state.lock().unwrap().issued
    }

    /// Whether the value of an `Authorization` header names a token that holds.
    pub fn accept(&self, authorization: Option<&str>) -> bool {
        let state = self.state.lock().unwrap();
        authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .and_then(|token| state.valid.get(token))
            .is_some_and(|since| self.lifetime.is_none_or(|lifetime| since.elapsed() < lifetime))
    }
}
