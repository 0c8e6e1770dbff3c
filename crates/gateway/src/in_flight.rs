//! How many requests are being worked on: in all, and of each principal. Each has a permit, which
//! is given back when it is dropped.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The permits.
#[derive(Clone)]
pub(crate) struct InFlight(Arc<Inner>);

struct Inner {
    most: usize,
    most_of_one: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    of_one: HashMap<Arc<str>, usize>,
}

/// How many principals may be remembered that have no request now, so that one that comes again costs
/// no new entry. Beyond so many, one is forgotten with its last request; the others stay, however long
/// they do not come.
const REMEMBERED: usize = 1_000;

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to be worked on.
pub(crate) struct Permit {
    inner: Arc<Inner>,
    principal: Option<Arc<str>>,
}

impl InFlight {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Inner { most, most_of_one, held: Mutex::default() }))
    }

    /// A permit, unless there is none.
    pub(crate) fn enter(&self) -> Option<Permit> {
        let mut held = self.0.held();
        if held.all >= self.0.most {
            return None;
        }
        held.all += 1;
        Some(Permit { inner: Arc::clone(&self.0), principal: None })
    }

    pub(crate) fn now(&self) -> usize {
        self.0.held().all
    }
}

impl Permit {
    /// Counts it for a principal too. `false` if that one has no more.
    pub(crate) fn belongs_to(&mut self, principal: &str) -> bool {
        let mut held = self.inner.held();
        let name = match held.of_one.get_key_value(principal) {
            Some((_, of_one)) if *of_one >= self.inner.most_of_one => return false,
            Some((name, _)) => Arc::clone(name),
            None => principal.into(),
        };
        *held.of_one.entry(Arc::clone(&name)).or_default() += 1;
        drop(held);
        self.principal = Some(name);
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.inner.held();
        held.all = held.all.saturating_sub(1);
        let Some(principal) = self.principal.take() else { return };
        let Some(of_one) = held.of_one.get_mut(&principal) else { return };
        *of_one = of_one.saturating_sub(1);
        if *of_one == 0 && held.of_one.len() > REMEMBERED {
            held.of_one.remove(&principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_bounded_in_all_and_for_each_principal() {
        let in_flight = InFlight::new(3, 2);
        let enter = |principal: &str| {
            let mut permit = in_flight.enter()?;
            permit.belongs_to(principal).then_some(permit)
        };
        let (first, second) = (enter("a").unwrap(), enter("a").unwrap());
        assert!(enter("a").is_none());
        let third = enter("b").unwrap();
        assert!(in_flight.enter().is_none());
        drop(first);
        assert!(enter("a").is_some());
        drop((second, third));
        assert_eq!(in_flight.now(), 0);
        for principal in 0..3 * REMEMBERED {
            drop(enter(&principal.to_string()));
        }
        assert!(in_flight.0.held().of_one.len() <= REMEMBERED);
    }
}
